"""The Check part of the help page: one button, and the findings in words and shapes, each with its fix."""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import streamlit as st
from streamlit.components.v2 import component

import kai
from kai.checks.run import Finding, Level, worst
from kai.records import report
from kai.ui import bridge, texts

_LOOKING: Final = '<p class="kai-looking" role="status"></p>'

QUIET_DB: Final = -55.0
"""A microphone whose peak in 3 s of speech is below this level picks up almost nothing (full scale is 0 dB)."""
NOISY_DB: Final = -38.0
ECHO_DB: Final = 12.0
"""If a tone from the loudspeaker raises the microphone's level at its pitch by this much, Kai hears itself."""


@cache
def _component() -> Any:
    here = Path(__file__).parent / "desk"
    css, js = ((here / f"checkup.{kind}").read_text("utf-8") for kind in ("css", "js"))
    return component("kai_checkup", html=_LOOKING, css=css, js=js)


def draw() -> None:
    """Draw the button and the last findings."""
    st.header(texts.CHECK_HEADING, anchor=False)
    st.markdown(texts.CHECK_LEAD)
    run = bridge.checkup_run()
    st.button(
        texts.CHECK_AGAIN if run else texts.CHECK_NOW,
        type="secondary" if run else "primary",
        key="check-now",
        icon=":material/fact_check:",
        on_click=bridge.begin_checkup,
    )
    if not run:
        return
    # The page runs its own checks meanwhile.
    with st.container(key="kai-checkup"):
        told = _component()(
            key="checkup",
            data={"run": run, "words": {"looking": texts.CHECK_LOOKING_PAGE, "speak": texts.CHECK_SPEAK}},
            on_found_change=_nothing,
        )
    if told.found:
        bridge.keep_page_findings(told.found)
    with st.spinner(texts.CHECK_LOOKING):
        server, page = bridge.findings()
    findings = [*server, *(page_findings(page) if page is not None else ())]
    draw_findings(findings, is_whole=page is not None)


def versions() -> str:
    """Return the versions that Kai runs on, in one line."""
    rows = {"Kai": kai.__version__} | report.versions()
    return " · ".join(f"{name} {version}" for name, version in rows.items())


def _nothing() -> None:
    """Do nothing: the component only needs the run that a change starts."""


def draw_findings(findings: list[Finding], *, is_whole: bool) -> None:
    """Draw one line per finding: a shape, the level as a word, what was found, and what to do."""
    if is_whole:
        level = worst(findings)
        verdict = html.escape(texts.CHECK_VERDICTS[level])
        st.html(f'<p class="kai-verdict" role="status" data-level="{level}">{verdict}</p>')
    rows = "".join(_row(finding) for finding in findings)
    st.html(f'<ul class="kai-checks" aria-label="{html.escape(texts.CHECK_HEADING)}">{rows}</ul>')


def _row(finding: Finding) -> str:
    says, fix = texts.check_words(finding.name, finding.code, finding.facts)
    level = texts.CHECK_LEVELS[finding.level]
    fixed = f"<p>{html.escape(fix)}</p>" if fix and finding.level is not Level.GREEN else ""
    return (
        f'<li data-level="{finding.level}" data-check="{html.escape(finding.name)}"><i aria-hidden="true"></i><b>'
        f"{html.escape(level)}</b><div><strong>{html.escape(texts.CHECK_NAMES.get(finding.name, finding.name))}</strong> "
        f"<span>{html.escape(says)}</span>{fixed}</div></li>"
    )


def page_findings(told: object) -> list[Finding]:
    """Return the page's findings about itself. The report is untrusted: missing or odd values are treated as unknown."""
    values = cast("Mapping[str, object]", told) if isinstance(told, dict) else {}
    if values.get("isSecure") is not True:
        return [Finding("secure", Level.RED, "insecure")]
    found = [Finding("secure", Level.GREEN, "secure")]
    webrtc = values.get("webrtc")
    code = webrtc if webrtc in ("good", "no-webrtc", "no-interface", "no-path") else "no-path"
    level = {"good": Level.GREEN, "no-interface": Level.AMBER}.get(str(code), Level.RED)
    found.append(Finding("webrtc", level, str(code)))
    found.append(_browser_finding(values.get("abilities")))
    microphone = values.get("microphone")
    if microphone != "open":
        code = microphone if microphone in ("refused", "missing") else "missing"
        return [*found, Finding("microphone", Level.AMBER, str(code))]
    peak, floor, echo = (_number(values.get(name)) for name in ("peakDb", "floorDb", "echoDb"))
    if peak is not None:
        is_loud = peak >= QUIET_DB
        facts = {"db": f"{peak:.0f}"}
        found.append(
            Finding(
                "microphone", Level.GREEN if is_loud else Level.AMBER, "heard" if is_loud else "quiet", facts
            )
        )
    if floor is not None:
        is_quiet = floor <= NOISY_DB
        facts = {"db": f"{floor:.0f}"}
        found.append(
            Finding(
                "noise", Level.GREEN if is_quiet else Level.AMBER, "quiet" if is_quiet else "noisy", facts
            )
        )
    if echo is not None:
        is_loud = echo >= ECHO_DB
        found.append(Finding("echo", Level.AMBER if is_loud else Level.GREEN, "echo" if is_loud else "none"))
    return found


def _browser_finding(told: object) -> Finding:
    can = cast("Mapping[str, object]", told) if isinstance(told, dict) else {}
    if can.get("picture") is not True or can.get("sound") is not True:
        return Finding("browser", Level.RED, "no-media")
    lacks = [words for name, words in texts.CHECK_ABILITIES.items() if can.get(name) is not True]
    if lacks:
        return Finding("browser", Level.AMBER, "lacks", {"lacks": ", ".join(lacks)})
    return Finding("browser", Level.GREEN, "all")


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and -400 < value < 400
    return float(value) if is_number else None  # pyright: ignore[reportArgumentType]
