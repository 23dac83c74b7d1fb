"""The figures of compared talks, from notes whose figures are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kai.bench.compare import ARMS, bars
from kai.bench.compare_figures import ComparedTalk, figures_of, read_notes


def noted(*lines: tuple[float, str, str, dict[str, Any]]) -> str:
    return "\n".join(
        json.dumps({"at_s": at, "who": who, "kind": kind, **more}) for at, who, kind, more in lines
    )


def talk_of(path: Path, text: str, *, is_lagging: bool = False) -> ComparedTalk:
    path.write_text(text)
    talk = ComparedTalk("kai_webrtc", is_lagging, 0.1, {"cpu_cores": 0.3, "further_mb": 150.0}, 0.0, 100.0)
    read_notes(path, [talk])
    return talk


def test_delays_holes_and_interruptions_are_those_of_the_notes(tmp_path: Path) -> None:
    text = noted(
        (1.0, "client", "start", {}),
        (1.4, "client", "picture", {}),
        (3.0, "client", "talk", {}),
        (4.0, "realtime", "brain_sounds", {}),
        (4.2, "liveavatar", "agent.speak", {}),
        (4.7, "liveavatar", "stage_on", {}),
        (4.8, "liveavatar", "hole", {"count": 3}),
        (4.9, "client", "output_on", {}),
        (7.0, "client", "say", {"number": 0}),
        (7.5, "realtime", "input_audio_buffer.speech_started", {}),
        (7.51, "liveavatar", "agent.interrupt", {}),
        (7.55, "client", "output_off", {}),
        (13.0, "client", "over", {"pictures": 250}),
    )
    figures = figures_of([talk_of(tmp_path / "notes.jsonl", text)])
    p50 = {name: value["p50"] for name, value in figures.items() if isinstance(value, dict)}
    assert p50["connect_ms"] == pytest.approx(400)
    assert p50["pictures_a_second"] == pytest.approx(25)
    assert p50["brain_to_avatar_ms"] == pytest.approx(200)
    assert p50["brain_to_output_ms"] == pytest.approx(900)
    assert p50["avatar_to_output_ms"] == pytest.approx(200)
    assert p50["interrupt_to_silence_ms"] == pytest.approx(50)
    assert p50["person_to_silence_ms"] == pytest.approx(550)
    assert figures["holes_in_all_answers"] == 3
    assert {bar.name.split(": ")[1] for bar in bars(dict.fromkeys(ARMS, figures)) if not bar.is_held} == {
        "holes of 20 ms in the avatar's sound",
        "lips and sound together, picture 0.9 s late",
    }


@pytest.mark.parametrize("late_ms", [-880, -20, 40])
def test_lips_are_compared_with_the_sound_that_is_heard_with_them(tmp_path: Path, late_ms: int) -> None:
    levels = np.random.default_rng(1).integers(200, 4_000, 1_000)
    stage = [10 + n * 0.01 for n in range(1_000)]
    lag_s = 0.9
    sound = {"times_s": [at_s + lag_s + late_ms / 1000 for at_s in stage], "levels": levels.tolist()}
    stamps = [(10 + n * 0.04, "client", "stamp", {"ms": (10 + n * 0.04 - lag_s) * 1000}) for n in range(300)]
    text = noted(
        *((at, who, kind, more) for at, who, kind, more in stamps),
        (10.0, "liveavatar", "stage_levels", {"times_s": stage, "levels": levels.tolist()}),
        (10.0, "client", "output_levels", sound),
    )
    figures = figures_of([talk_of(tmp_path / "notes.jsonl", text, is_lagging=True)])
    assert figures["lips_late_ms"]["p50"] == pytest.approx(late_ms, abs=12)
    assert figures["lips_within_percent"] == (0.0 if late_ms < -40 else 100.0)
