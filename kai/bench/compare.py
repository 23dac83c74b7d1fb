"""Compares Kai with Pipecat on the same local servers, turn about: ``python -m kai.bench compare``.

Three clients hold the same talk on one engine and one local LiveAvatar: Kai over WebRTC, Kai over a WebSocket, and Pipecat,
which has the WebSocket alone. Each talk is a fresh process, and the order rotates. In the talks in which the avatar's picture
comes with its sound, four answers are measured, three of them interrupted by a voice. In the others the picture is 0.9 s
late, the first answer begins at once, and what counts is whether lips and sound are together from its first word on.

Pipecat is installed outside of the project, once (`kai.bench.strangers`); ``KAI_PIPECAT_PYTHON`` names a Python that has it.
Left out on every side are the encoders and the browser behind the output. Kai's engine, which could stand in for the cloud,
is not started: it is one for all talks, and Pipecat has none.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import psutil

from kai.bench.avatar import set_delay
from kai.bench.bars import Bar, at_least, at_most
from kai.bench.compare_figures import ComparedTalk, figures_of, read_notes
from kai.bench.compare_notes import Plan
from kai.bench.driver import ROOT
from kai.bench.part import KEY, local_server, put_script
from kai.bench.strangers import python_with
from kai.engine.liveavatar.account import AVATARS
from kai.errors import ConfigError
from kai.media import pcm

PIPECAT: Final = ("pipecat-ai[heygen,openai]==1.14.0", "numpy==2.4.6")
ARMS: Final = ("kai_webrtc", "kai_websocket", "pipecat")
ROUNDS: Final = 3
LAG_ROUNDS: Final = 2
LAG_S: Final = 0.9
LISTENS_S: Final = 9.0
SIDE_PX: Final = 480
TALK_S: Final = 90.0
"""A client that runs longer has hung, and is ended."""
SAMPLE_S: Final = 0.5
SENTENCES: Final = ("LJ001-0002.wav", "LJ001-0004.wav", "LJ001-0006.wav")
STORY: Final = (
    "Once upon a time there was a hen who lived by the sea. Every morning she walked along the beach and looked for shells. "
    "One day she found a letter in a bottle, and she read it to all her friends. It told of an island far away."
)
STORIES: Final = [[{"say": STORY}]] * (len(SENTENCES) + 3)
"""The same story for every turn of a talk, with some to spare."""


def run() -> dict[str, Any]:
    """Return the figures of each client, and Kai's as ratios of Pipecat's."""
    rival = _rivals_python()
    talks: list[ComparedTalk] = []
    with tempfile.TemporaryDirectory(prefix="kai-bench-") as folder:
        notes = Path(folder) / "notes.jsonl"
        sentences = _sentences(Path(folder))
        with (
            _server("realtime", notes, "--json", "--no-liveavatar") as realtime,
            _server("liveavatar", notes) as liveavatar,
        ):
            for arm, is_lagging in _order():
                set_delay(liveavatar, LAG_S if is_lagging else 0.0)
                plan = Plan(
                    realtime=realtime,
                    liveavatar=liveavatar,
                    model=put_script(realtime, KEY, f"compare-{len(talks)}", turns=STORIES),
                    notes=str(notes),
                    sentences=() if is_lagging else sentences,
                    avatar_id=next(iter(AVATARS)),
                    quality="medium",
                    height_px=SIDE_PX,
                    has_marks=is_lagging,
                    listens_s=LISTENS_S if is_lagging else 0.0,
                    transport="webrtc" if arm == "kai_webrtc" else "websocket",
                )
                talks.append(_hold(arm, plan, rival, notes))
        read_notes(notes, talks)
    figures: dict[str, Any] = {arm: figures_of([talk for talk in talks if talk.arm == arm]) for arm in ARMS}
    for arm in ARMS[:2]:
        figures[f"{arm}_to_pipecat"] = _ratios(figures[arm], figures["pipecat"])
    return figures


def _order() -> list[tuple[str, bool]]:
    """Return who talks one after the other, and whether the picture lags; another client begins each round."""
    return [
        (arm, is_lagging)
        for is_lagging, rounds in ((False, ROUNDS), (True, LAG_ROUNDS))
        for first in (number % len(ARMS) for number in range(rounds))
        for arm in (*ARMS[first:], *ARMS[:first])
    ]


def _ratios(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, float]:
    names = [
        name for name in ours if isinstance(ours[name], Mapping) and isinstance(theirs.get(name), Mapping)
    ]
    return {name: round(ours[name]["p50"] / theirs[name]["p50"], 2) for name in names if theirs[name]["p50"]}


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Return the bars, each against Pipecat in the same run."""
    return [
        bar
        for arm, sound_ms, cpu in (("kai_webrtc", 200, 1.3), ("kai_websocket", 50, 1.1))
        for bar in _bars_of(arm, figures[arm], figures["pipecat"], sound_ms=sound_ms, cpu=cpu)
    ]


def _bars_of(
    arm: str, kai: Mapping[str, Any], rival: Mapping[str, Any], *, sound_ms: float, cpu: float
) -> list[Bar]:
    """Return the bars of one way of Kai's; its sound may come ``sound_ms`` later, and it may take ``cpu`` times the cores."""

    def against(name: str, told: str, factor: float = 1.0, more: float = 0.0, unit: str = "ms") -> Bar:
        theirs = _p50(rival, name)
        limit = float("nan") if theirs is None else theirs * factor + more
        return at_most(f"{arm}: {told}", _p50(kai, name), limit, unit)

    return [
        at_most(f"{arm}: holes of 20 ms in the avatar's sound", kai["holes_in_all_answers"], 0),
        against("brain_to_output_ms", "the brain's first sound to the output's", more=sound_ms),
        against("interrupt_to_silence_ms", "interruption to silence", more=20),
        against("connect_ms", "Start to the avatar's picture", factor=1.2),
        against("cpu_cores", "cores", factor=cpu, unit=""),
        at_most(f"{arm}: memory of a further talk", _p50(kai, "further_mb"), 200, "MB"),
        at_least(f"{arm}: lips and sound together, picture 0.9 s late", kai["lips_within_percent"], 99, "%"),
    ]


def _p50(figures: Mapping[str, Any], name: str) -> float | None:
    spread = figures.get(name)
    return None if spread is None else float(spread["p50"])


def _rivals_python() -> Path:
    named = os.environ.get("KAI_PIPECAT_PYTHON")
    try:
        return Path(named) if named else python_with(*PIPECAT)
    except (OSError, subprocess.SubprocessError) as exc:
        raise ConfigError(
            "Pipecat could not be installed. Set KAI_PIPECAT_PYTHON to a Python that has it."
        ) from exc


def _sentences(folder: Path) -> tuple[str, ...]:
    """Write the person's sentences at 16 000 Hz, and return their paths."""
    paths: list[str] = []
    for name in SENTENCES:
        said = pcm.read_wav(ROOT / "tests" / "support" / "speech" / name, 16_000)
        (folder / name).write_bytes(pcm.to_wav(said, 16_000))
        paths.append(str(folder / name))
    return tuple(paths)


def _server(name: str, notes: Path, *arguments: str) -> AbstractContextManager[str]:
    """Run the server of that name, which notes what it does, for a block that gets its address."""
    env = {**os.environ, "KAI_MIND": "none"}
    return local_server(name, "kai.bench.compare_servers", name, str(notes), *arguments, env=env)


def _hold(arm: str, plan: Plan, rival: Path, notes: Path) -> ComparedTalk:
    """Run one client to its end; return the talk with its cost, still without its notes."""
    if arm == "pipecat":
        program, module = str(rival), "kai.bench.compare_pipecat"
    else:
        program, module = sys.executable, "kai.bench.compare_kai"
    begun_s, load = time.monotonic(), round(os.getloadavg()[0], 2)
    env = {**os.environ, "NO_PROXY": "*", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen([program, "-m", module, json.dumps(asdict(plan))], cwd=ROOT, env=env) as client:
        cost = _watch_cost(client, notes)
        with contextlib.suppress(subprocess.TimeoutExpired):
            client.wait(20)
        client.kill()
    return ComparedTalk(arm, plan.has_marks, load, cost, begun_s, time.monotonic())


def _watch_cost(client: subprocess.Popen[bytes], notes: Path) -> dict[str, float]:
    """Return the cores and the memory of a client's processes, from the talk's beginning until it is over."""
    process, begun_s, from_byte = psutil.Process(client.pid), time.monotonic(), notes.stat().st_size
    before: tuple[float, float] | None = None
    own_mb, cost = 0.0, dict[str, float]()
    while client.poll() is None and time.monotonic() - begun_s < TALK_S:
        time.sleep(SAMPLE_S)
        noted = _client_kinds(notes, from_byte)
        if "over" in noted:
            return cost
        try:
            if "start" not in noted:
                own_mb = _pss_mb([process])
            elif "talk" in noted:
                every = [process, *process.children(recursive=True)]
                now_s, used_s = time.monotonic(), sum(sum(each.cpu_times()[:2]) for each in every)
                before = before or (now_s, used_s)
                cost["memory_mb"] = whole_mb = _pss_mb(every)
                cost["further_mb"] = whole_mb - own_mb
                if now_s > before[0]:
                    cost["cpu_cores"] = (used_s - before[1]) / (now_s - before[0])
        except psutil.Error:
            continue  # a process ended between two looks
    client.kill()
    return cost


def _pss_mb(processes: Sequence[psutil.Process]) -> float:
    """Return the memory of processes in MB; a page that several share is counted in parts (PSS) where the system tells."""
    whole = [process.memory_full_info() for process in processes]
    return sum(getattr(info, "pss", info.uss) for info in whole) / 1e6


def _client_kinds(notes: Path, from_byte: int) -> set[str]:
    """Return what kinds of notes the client has left since the file was that long."""
    added = notes.read_bytes()[from_byte:].splitlines()
    lines = [json.loads(line) for line in added if line.endswith(b"}")]
    return {line["kind"] for line in lines if line["who"] == "client"}
