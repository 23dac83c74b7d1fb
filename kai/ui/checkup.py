"""The Check part of the help page: one button, and the findings in words and shapes, each with its fix."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Final, cast

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

import kai
from kai.checks.run import Finding, Level, worst
from kai.records import report
from kai.ui import bridge, check_texts, texts
from kai.ui.component import component_of

_LOOKING: Final = """
<p class="kai-looking" role="status"></p>
<div class="hair" hidden>
  <div class="bars" role="meter" aria-valuemin="0" aria-valuemax="100" aria-valuenow="0"></div>
  <label><span></span><select></select></label>
</div>
"""

_FIRST: Final = ("microphone", "echo", "webrtc", "engine", "processor", "memory")
"""What matters most, in this order. The engine's place is taken by OpenAI where that answers."""

QUIET_DB: Final = -55.0
"""A microphone whose peak in 3 s of speech is below this level picks up almost nothing (full scale is 0 dB)."""
NOISY_DB: Final = -38.0
ECHO_DB: Final = 12.0
"""If a tone from the loudspeaker raises the microphone's level at its pitch by this much, Kai hears itself."""


def draw() -> None:
    """Draw the button and the last findings."""
    st.header(check_texts.CHECK_HEADING, anchor=False)
    st.markdown(check_texts.CHECK_LEAD)
    run = bridge.checkup_run()
    with st.container(key="kai-check"):
        left, right = st.columns([2, 1], gap="large")
    with left:
        button = st.empty()
    if not run:
        _draw_button(button, 0)
        return
    # The page runs its own checks meanwhile, with the level and the choice of a microphone beside the findings.
    with right, st.container(key="kai-checkup"):
        words = {
            "looking": check_texts.CHECK_LOOKING_PAGE,
            "speak": check_texts.CHECK_SPEAK,
            "microphone": texts.CHOOSE_MICROPHONE,
            "level": check_texts.CHECK_LEVEL,
            "defaultDevice": texts.DEFAULT_DEVICE,
        }
        looking = component_of(
            "kai_checkup", "choices.css", "checkup.css", "choices.js", "checkup.js", html=_LOOKING
        )
        told = looking(key="checkup", data={"run": run, "words": words}, on_found_change=_nothing)
    if told.found:
        bridge.keep_page_findings(told.found)
    with left:
        _draw_button(button, run, is_checking=not bridge.has_page_findings())
        with st.spinner(check_texts.CHECK_LOOKING):
            server, page = bridge.findings()
        findings = [*server, *(page_findings(page) if page is not None else ())]
        draw_findings(findings, is_whole=page is not None)


def _draw_button(place: DeltaGenerator, run: int, *, is_checking: bool = False) -> None:
    place.button(
        check_texts.CHECK_AGAIN if run else check_texts.CHECK_NOW,
        type="secondary" if run else "primary",
        key="check-now",
        icon=":material/fact_check:",
        on_click=bridge.begin_checkup,
        disabled=is_checking,
    )


def versions() -> str:
    """Return the versions that Kai runs on, in one line."""
    rows = {"Kai": kai.__version__} | report.versions()
    return " · ".join(f"{name} {version}" for name, version in rows.items())


def _nothing() -> None:
    """Do nothing: the component only needs the run that a change starts."""


def draw_findings(findings: list[Finding], *, is_whole: bool) -> None:
    """Draw one line per finding: a shape, the level as a word, what was found, and what to do. What matters most comes
    first, with all that is not good; what is not used is folded away."""
    if is_whole:
        level = worst(findings)
        verdict = html.escape(check_texts.CHECK_VERDICTS[level])
        st.html(f'<p class="kai-verdict" role="status" data-level="{level}">{verdict}</p>')
    used = [finding for finding in findings if finding.level is not Level.UNUSED]
    engine = "openai" if any(finding.name == "openai" for finding in used) else "engine"
    order = {name: i for i, name in enumerate(engine if name == "engine" else name for name in _FIRST)}
    first = [f for f in used if f.name in order or f.level is not Level.GREEN]
    first.sort(key=lambda finding: order.get(finding.name, len(order)))
    st.html(_list(check_texts.CHECK_HEADING, first))
    rest = [finding for finding in used if finding not in first]
    if rest:
        st.html(f'<h3 class="kai-group">{html.escape(check_texts.CHECK_REST)}</h3>')
        st.html(_list(check_texts.CHECK_REST, rest))
    unused = [finding for finding in findings if finding.level is Level.UNUSED]
    if unused:
        words = check_texts.CHECK_UNUSED.format(count=len(unused))
        st.html(
            f'<details class="kai-times"><summary>{html.escape(words)}</summary>{_list(words, unused)}</details>'
        )


def _list(label: str, findings: list[Finding]) -> str:
    return list_of_rows(label, [_row(finding) for finding in findings])


def _row(finding: Finding) -> str:
    says, fix = check_texts.check_words(finding.name, finding.code, finding.facts)
    level = check_texts.CHECK_LEVELS[finding.level]
    name = check_texts.CHECK_NAMES.get(finding.name, finding.name)
    fix = "" if finding.level is Level.GREEN else fix
    return row(finding.level, level, name, says, fix, f' data-check="{html.escape(finding.name)}"')


def row(level: str, word: str, name: str, says: str, fix: str, attributes: str = "") -> str:
    """Return a row of a list of findings in HTML: its level, as a name and in a word, and what was found."""
    fixed = f"<p>{html.escape(fix)}</p>" if fix else ""
    return (
        f'<li data-level="{level}"{attributes}><i aria-hidden="true"></i><b>{html.escape(word)}</b><div><strong>'
        f"{html.escape(name)}</strong> <span>{html.escape(says)}</span>{fixed}</div></li>"
    )


def list_of_rows(label: str, rows: Sequence[str]) -> str:
    """Return a list of findings in HTML."""
    return f'<ul class="kai-checks" aria-label="{html.escape(label)}">{"".join(rows)}</ul>'


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
        found.append(_heard("microphone", peak >= QUIET_DB, "heard", "quiet", {"db": f"{peak:.0f}"}))
    if floor is not None:
        found.append(_heard("noise", floor <= NOISY_DB, "quiet", "noisy", {"db": f"{floor:.0f}"}))
    if echo is not None:
        found.append(_heard("echo", echo < ECHO_DB, "none", "echo", {}))
    return found


def _heard(name: str, is_good: bool, good: str, bad: str, facts: Mapping[str, str]) -> Finding:
    return Finding(name, Level.GREEN if is_good else Level.AMBER, good if is_good else bad, facts)


def _browser_finding(told: object) -> Finding:
    can = cast("Mapping[str, object]", told) if isinstance(told, dict) else {}
    if can.get("picture") is not True or can.get("sound") is not True:
        return Finding("browser", Level.RED, "no-media")
    lacks = [words for name, words in check_texts.CHECK_ABILITIES.items() if can.get(name) is not True]
    if lacks:
        return Finding("browser", Level.AMBER, "lacks", {"lacks": ", ".join(lacks)})
    return Finding("browser", Level.GREEN, "all")


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and -400 < value < 400
    return float(value) if is_number else None  # pyright: ignore[reportArgumentType]
