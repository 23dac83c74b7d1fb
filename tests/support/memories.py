"""Talks that were never had, for pages that show past ones."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from kai.compat.format import LIVE_HZ
from kai.records.memory import DAY_S, Memory
from kai.records.recording import RecordingFile
from kai.records.turns import Line, TalkRecord, Turn

SAYINGS = (
    (
        "Good morning. What can you do?",
        "I answer questions, convert units, set timers and look into your own files.",
    ),
    ("How many miles are ten kilometres?", "Ten kilometres are about six point two miles."),
    (
        "Tell me something about the history of this house, and please take your time, we have all afternoon.",
        "It was built in nineteen hundred and four, burnt down in the winter of forty-seven, and stood empty for years.",
    ),
    ("What is <b>7 * 8</b> & why?", "Fifty-six. Seven times eight is eight added up seven times."),
    ("Thank you, Kai", "You are welcome. Come back whenever you like."),
)


def talk(number: int, started_wall_s: float, *, is_paid: bool = False) -> TalkRecord:
    """A talk of some minutes, always the same for its number."""
    lines: list[Line] = []
    turns: list[Turn] = []
    at_ms = 1500
    for i, (asked, answered) in enumerate(SAYINGS[: 2 + number % 4]):
        wait_ms = (
            520 + round(260 * math.sin(number * 1.7 + i * 2.1) ** 2) + (700 if (number + i) % 11 == 7 else 0)
        )
        spoken_ms = 60 * len(answered)
        is_cut = (number + i) % 6 == 4
        is_typed, end_ms = i % 5 == 3, 330 + round(60 * math.sin(number + i))
        name = f"r{number}-{i}"
        lines.append(
            Line(
                f"u{number}-{i}", "user", asked, started_wall_s + at_ms / 1000, at_ms, at_ms + 1800, False, ""
            )
        )
        at_ms += 1800 + wait_ms
        said = f"{answered[: len(answered) // 2]} –" if is_cut else answered
        lines.append(
            Line(
                f"a{number}-{i}",
                "assistant",
                said,
                started_wall_s + at_ms / 1000,
                at_ms,
                at_ms + spoken_ms,
                is_cut,
                name,
            )
        )
        turns.append(
            Turn(
                name,
                started_wall_s + at_ms / 1000,
                is_typed,
                wait_ms - 260,
                170,
                90,
                wait_ms if is_typed else wait_ms + end_ms,
                spoken_ms,
                is_cut,
                0.0031 + 0.001 * i if is_paid else None,
                25.0,
                24.8 - 0.5 * abs(math.sin(number + i)),
                (number + i) % 9 // 8,
                8 + round(7 * math.sin(number + i * 1.3)),
                end_ms=None if is_typed else end_ms,
            )
        )
        at_ms += spoken_ms + 2000
    cost_usd = sum(turn.cost_usd or 0.0 for turn in turns) if is_paid else None
    return TalkRecord(
        id=f"{number:016x}",
        owner="",
        started_wall_s=started_wall_s,
        lasted_s=at_ms / 1000,
        is_over=True,
        character=("kai", "mara", "ade")[number % 3],
        voice="marin",
        lines=tuple(lines),
        turns=tuple(turns),
        cost_usd=cost_usd,
        is_cost_exact=number % 2 == 0,
        avatar_s=95.0 if is_paid and number % 4 == 0 else 0.0,
    )


def fill(folder: Path, now_wall_s: float, count: int = 16, *, with_sound: bool = True) -> None:
    """Past talks of the last ten days in that data folder; the newest has sound."""
    memory = Memory(folder)
    assert memory.log is not None
    for number in range(count):
        started_wall_s = now_wall_s - 3600 - (count - 1 - number) * 10 * DAY_S / count
        memory.log.save(talk(number, started_wall_s, is_paid=number % 2 == 0))
    if with_sound:
        newest = replace(talk(count - 1, now_wall_s))
        file = RecordingFile(memory.recordings.new_path(newest.id, 0), lambda error: None)
        for block in range(min(1400, round(newest.lasted_s * 50))):
            at = (np.arange(960) + block * 960) / LIVE_HZ
            hum = (2000 * np.sin(2 * np.pi * 220 * at)).astype(np.int16)
            file.push(block, hum, hum)
        file.close()
        file.join(20)
    memory.close()
