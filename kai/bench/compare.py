"""Compares Kai with Pipecat on the same local servers, turn about: ``python -m kai.bench compare``.

Three clients hold the same talk on one engine and one local LiveAvatar: Kai over WebRTC, Kai over a WebSocket, and Pipecat,
which has the WebSocket alone. Each talk is a fresh process, and the order rotates. In the talks in which the avatar's picture
comes with its sound, four answers are measured, three of them interrupted by a voice. In the others the picture is 0.9 s
late, the first answer begins at once, and what counts is whether lips and sound are together from its first word on.

Pipecat is installed outside of the project, once (`kai.bench.strangers`); ``KAI_PIPECAT_PYTHON`` names a Python that has it.
Left out on every side are the encoders and the browser behind the output.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import psutil

from kai.bench.bars import Bar, at_least, at_most
from kai.bench.compare_figures import Talk, figures_of, read_talks
from kai.bench.compare_notes import Plan
from kai.bench.driver import ROOT, read_wav
from kai.bench.part import KEY
from kai.bench.strangers import python_with
from kai.engine.liveavatar.account import AVATARS
from kai.errors import ConfigError
from kai.media.pcm import Resampler

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


def run() -> dict[str, Any]:
    """Return the figures of each client, and Kai's as ratios of Pipecat's."""
    rival = _rivals_python()
    with tempfile.TemporaryDirectory(prefix="kai-bench-") as folder:
        notes = Path(folder) / "notes.jsonl"
        sentences = _sentences(Path(folder))
        talks: list[tuple[float, float, Talk]] = []
        with _servers(notes) as (realtime, liveavatar, avatar_server):
            for is_lagging, rounds in ((False, ROUNDS), (True, LAG_ROUNDS)):
                _set_lag(liveavatar, LAG_S if is_lagging else 0.0)
                for number in range(rounds):
                    for arm in (*ARMS[number % 3 :], *ARMS[: number % 3]):
                        plan = Plan(
                            realtime=realtime,
                            liveavatar=liveavatar,
                            model=_stage_story(realtime, len(talks)),
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
            del avatar_server
        every = read_talks(notes, talks)
    figures: dict[str, Any] = {arm: figures_of([talk for talk in every if talk.arm == arm]) for arm in ARMS}
    for arm in ARMS[:2]:
        figures[f"{arm}_to_pipecat"] = _ratios(figures[arm], figures["pipecat"])
    return figures


def _ratios(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, float]:
    names = [
        name for name in ours if isinstance(ours[name], Mapping) and isinstance(theirs.get(name), Mapping)
    ]
    return {name: round(ours[name]["p50"] / theirs[name]["p50"], 2) for name in names if theirs[name]["p50"]}


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Return the bars, each against Pipecat in the same run."""
    rival = figures["pipecat"]
    found: list[Bar] = []
    for arm, sound_ms, cpu in (("kai_webrtc", 200, 1.3), ("kai_websocket", 50, 1.1)):
        kai = figures[arm]

        def against(
            name: str,
            told: str,
            factor: float = 1.0,
            more: float = 0.0,
            unit: str = "ms",
            kai: Any = kai,
            arm: str = arm,
        ) -> Bar:
            theirs = _p50(rival, name)
            limit = float("nan") if theirs is None else theirs * factor + more
            return at_most(f"{arm}: {told}", _p50(kai, name), limit, unit)

        found += [
            at_most(f"{arm}: holes of 20 ms in the avatar's sound", kai["holes_in_all_answers"], 0),
            against("brain_to_output_ms", "the brain's first sound to the output's", more=sound_ms),
            against("interrupt_to_silence_ms", "interruption to silence", more=20),
            against("connect_ms", "Start to the avatar's picture", factor=1.2),
            against("cpu_cores", "cores", factor=cpu, unit=""),
            at_most(f"{arm}: memory of a further talk", _p50(kai, "further_mb"), 200, "MB"),
            at_least(
                f"{arm}: lips and sound together, picture 0.9 s late", kai["lips_within_percent"], 99, "%"
            ),
        ]
    return found


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
        resampler = Resampler(48_000, 16_000)
        whole = read_wav(ROOT / "tests" / "support" / "speech" / name)
        pcm = np.concatenate([resampler.push(whole), resampler.flush()])
        with wave.open(str(folder / name), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(pcm.tobytes())
        paths.append(str(folder / name))
    return tuple(paths)


@contextlib.contextmanager
def _servers(notes: Path) -> Generator[tuple[str, str, subprocess.Popen[bytes]]]:
    """Run both servers for the block; yield their addresses."""
    faults = json.dumps({"max_session_s": 3600, "picture_delay_s": 0.0, "has_test_marks": True})
    with contextlib.ExitStack() as stack:
        engine = stack.enter_context(_server("realtime", notes, "--json", "--no-liveavatar"))
        avatar = stack.enter_context(_server("liveavatar", notes, "--faults", faults))
        yield _address(engine, "realtime"), _address(avatar, "liveavatar"), avatar


@contextlib.contextmanager
def _server(name: str, notes: Path, *rest: str) -> Generator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "kai.bench.compare_servers", name, str(notes), *rest]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ, "KAI_MIND": "none"}
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def _address(process: subprocess.Popen[bytes], name: str) -> str:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())[name]


def _set_lag(liveavatar: str, lag_s: float) -> None:
    switches = {"max_session_s": 3600, "picture_delay_s": lag_s, "has_test_marks": True}
    reply = httpx.put(f"{liveavatar}/kai/faults", json=switches, headers={"X-API-KEY": KEY}, trust_env=False)
    reply.raise_for_status()


def _stage_story(realtime: str, number: int) -> str:
    """Have the engine tell the same story to every turn of a talk; return the model's name."""
    mind = f"compare-{number}"
    reply = httpx.put(
        f"{realtime.removesuffix('/v1')}/kai/minds/{mind}",
        json={"script": {"turns": [[{"say": STORY}]] * (len(SENTENCES) + 3)}},
        headers={"Authorization": f"Bearer {KEY}"},
        trust_env=False,
    )
    reply.raise_for_status()
    return f"kai-{mind}"


def _hold(arm: str, plan: Plan, rival: Path, notes: Path) -> tuple[float, float, Talk]:
    """Run one client to its end; return when it began and ended, and the talk with its cost."""
    if arm == "pipecat":
        program, module = str(rival), "kai.bench.compare_pipecat"
    else:
        program, module = sys.executable, "kai.bench.compare_kai"
    begun_s, load = time.monotonic(), round(os.getloadavg()[0], 2)
    env = {**os.environ, "NO_PROXY": "*", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen([program, "-m", module, json.dumps(asdict(plan))], cwd=ROOT, env=env) as client:
        cost = _watch_cost(client, notes, begun_s)
        with contextlib.suppress(subprocess.TimeoutExpired):
            client.wait(20)
        client.kill()
    return begun_s, time.monotonic(), Talk(arm, plan.has_marks, load, cost)


def _watch_cost(client: subprocess.Popen[bytes], notes: Path, begun_s: float) -> dict[str, float]:
    """Return the cores and the memory of a client's processes, from the talk's beginning until it is over."""
    process = psutil.Process(client.pid)
    before: tuple[float, float] | None = None
    own_mb, cost = 0.0, dict[str, float]()
    while client.poll() is None and time.monotonic() - begun_s < TALK_S:
        time.sleep(SAMPLE_S)
        noted = _kinds_since(notes, begun_s)
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


def _kinds_since(notes: Path, begun_s: float) -> set[str]:
    if not notes.exists():
        return set()
    lines = [
        json.loads(line) for line in notes.read_text(encoding="utf-8").splitlines() if line.endswith("}")
    ]
    return {line["kind"] for line in lines if line["who"] == "client" and line["at_s"] > begun_s}
