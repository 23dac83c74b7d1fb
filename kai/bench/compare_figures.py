"""The figures of compared talks, from their notes (`kai.bench.compare_notes`)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from kai.bench.avatar import EARLY_MS, LATE_MS

ANSWER_S: Final = 12.0
SOUNDS_WITHIN_S: Final = 6.0
"""An answer that has not reached the output after this long is not counted as sounding."""
SAME_SOUND_S: Final = 3.0
"""The longest way from the stage to the output."""
WINDOW_S: Final = 1.0
LEVEL: Final = 100
"""Above this level a stream sounds."""
GOOD_FIT: Final = 0.9


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the file."""

    at_s: float
    who: str
    kind: str
    more: dict[str, Any]


@dataclass
class ComparedTalk:
    """The notes of one talk, in order of time, and what its client cost."""

    arm: str
    is_lagging: bool
    load: float
    cost: dict[str, float]
    begun_s: float
    ended_s: float
    notes: list[Note] = field(default_factory=list[Note])

    def at(self, kind: str, who: str | None = None) -> list[float]:
        """Return the times of the notes of that kind."""
        return [note.at_s for note in self.notes if note.kind == kind and who in (None, note.who)]

    def answers(self) -> list[tuple[float, float]]:
        """Return when the first sound of each answer left the brain, and when the next answer's did."""
        began = self.at("talk")
        times = [at_s for at_s in self.at("brain_sounds") if began and at_s > began[0]]
        return [
            (at_s, min(end_s, at_s + ANSWER_S)) for at_s, end_s in zip(times, [*times[1:], 1e12], strict=True)
        ]


def read_notes(path: Path, talks: Sequence[ComparedTalk]) -> None:
    """Give each talk the notes of its time."""
    notes = sorted(map(_note, path.read_text(encoding="utf-8").splitlines()), key=lambda note: note.at_s)
    for talk in talks:
        talk.notes = [note for note in notes if talk.begun_s <= note.at_s <= talk.ended_s]


def _note(line: str) -> Note:
    fields = json.loads(line)
    return Note(fields.pop("at_s"), fields.pop("who"), fields.pop("kind"), fields)


def figures_of(talks: Sequence[ComparedTalk]) -> dict[str, Any]:
    """Return the figures of one arm: times in ms as p50, p95 and n."""
    found: dict[str, list[float]] = defaultdict(list)
    holes: list[int] = []
    for talk in (talk for talk in talks if not talk.is_lagging):
        _connect(talk, found)
        holes += _answers(talk, found)
        _interruptions(talk, found)
        for name, value in talk.cost.items():
            found[name].append(value)
    late_ms = [late for talk in talks if talk.is_lagging for late in lateness_ms(talk)]
    within = [-EARLY_MS <= late <= LATE_MS for late in late_ms]
    return {
        **{name: _spread(values) for name, values in found.items()},
        "holes_in_all_answers": sum(holes) if holes else None,
        "answers": len(holes),
        "lips_late_ms": _spread(late_ms) if late_ms else None,
        "lips_earliest_and_latest_ms": [round(min(late_ms)), round(max(late_ms))] if late_ms else None,
        "lips_within_percent": round(100 * float(np.mean(within)), 1) if within else None,
        "missed": [note.more["what"] for talk in talks for note in talk.notes if note.kind == "missed"],
        "load": [talk.load for talk in talks],
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    p50, p95 = (float(np.percentile(values, q)) for q in (50, 95))
    digits = 3 if max(values) < 10 else 0
    return {"p50": round(p50, digits), "p95": round(p95, digits), "n": len(values)}


def _connect(talk: ComparedTalk, found: dict[str, list[float]]) -> None:
    start, picture = talk.at("start"), talk.at("picture")
    talking, over = talk.at("talk"), [note for note in talk.notes if note.kind == "over"]
    if start and picture:
        found["connect_ms"].append((picture[0] - start[0]) * 1000)
    if talking and over:
        found["pictures_a_second"].append(over[0].more["pictures"] / (over[0].at_s - talking[0]))


def _answers(talk: ComparedTalk, found: dict[str, list[float]]) -> list[int]:
    """Add the delays of each answer; return the holes in each."""
    holes: list[int] = []
    for number, (left_s, end_s) in enumerate(talk.answers()):

        def after(kind: str, left_s: float = left_s, end_s: float = end_s) -> float | None:
            until_s = min(end_s, left_s + SOUNDS_WITHIN_S)
            return next((at_s for at_s in talk.at(kind) if left_s <= at_s < until_s), None)

        spoken_s, stage_s, output_s = after("agent.speak"), after("stage_on"), after("output_on")
        if spoken_s is not None:
            found["brain_to_avatar_ms"].append((spoken_s - left_s) * 1000)
        if output_s is not None:
            found["brain_to_output_ms"].append((output_s - left_s) * 1000)
            if not number:
                found["brain_to_output_of_the_first_ms"].append((output_s - left_s) * 1000)
        if output_s is not None and stage_s is not None:
            found["avatar_to_output_ms"].append((output_s - stage_s) * 1000)
        lost = [n.more["count"] for n in talk.notes if n.kind == "hole" and left_s <= n.at_s < end_s]
        holes.append(sum(lost))
    return holes


def _interruptions(talk: ComparedTalk, found: dict[str, list[float]]) -> None:
    """Add the delays of each interruption. One that fell into a pause of the output proves nothing, and is not counted."""
    began, ended = talk.at("output_on"), talk.at("output_off")
    for heard_s in talk.at("input_audio_buffer.speech_started"):
        on = [at_s for at_s in began if at_s < heard_s]
        off_s = next((at_s for at_s in ended if on and at_s > on[-1]), None)
        if off_s is None or not heard_s - 0.02 <= off_s < heard_s + 3:
            continue
        found["interrupt_to_silence_ms"].append(max(0.0, off_s - heard_s) * 1000)
        told_s = next((at_s for at_s in talk.at("agent.interrupt") if heard_s <= at_s < heard_s + 2), None)
        if told_s is not None:
            found["interrupt_to_avatar_ms"].append((told_s - heard_s) * 1000)
        said = [at_s for at_s in talk.at("say") if at_s < heard_s]
        if said and heard_s - said[-1] < 2.5:
            found["person_to_silence_ms"].append((off_s - said[-1]) * 1000)


def lateness_ms(talk: ComparedTalk) -> list[float]:
    """Return how late the sound was against the picture, each quarter of a second in which the output sounded.

    The stage notes the level of its sound, and each picture bears the time of the sound that it shows, on the same clock. A
    second of the output is found in the stage's sound by its levels.
    """
    stamps = np.array(
        [(n.at_s, n.more["ms"] / 1000) for n in talk.notes if n.kind == "stamp" and n.more["ms"]]
    )
    output, stage = _levels(talk, "output_levels"), _levels(talk, "stage_levels")
    if not len(stamps) or not len(output) or not len(stage):
        return []
    found: list[float] = []
    steps = np.arange(0.0, WINDOW_S, 0.01)
    for middle_s in np.arange(output[0, 0] + WINDOW_S, output[-1, 0] - WINDOW_S, WINDOW_S / 4):
        heard = np.interp(middle_s - WINDOW_S / 2 + steps, output[:, 0], output[:, 1])
        shown = stamps[stamps[:, 0] <= middle_s]
        if (heard > LEVEL).mean() < 0.5 or not len(shown):
            continue
        delays = np.arange(0.0, SAME_SOUND_S, 0.01)
        left = np.array(
            [np.interp(middle_s - WINDOW_S / 2 + steps - delay, stage[:, 0], stage[:, 1]) for delay in delays]
        )
        fits = _correlations(left, heard)
        if fits.max() < GOOD_FIT:
            continue  # a join of two places, as where the sound stood still
        captured_s = middle_s - delays[int(fits.argmax())]
        found.append((shown[-1, 1] + middle_s - shown[-1, 0] - captured_s) * 1000)
    return found


def _levels(talk: ComparedTalk, kind: str) -> np.ndarray:
    """Return the times and the levels of a stream, as ``(n, 2)``."""
    notes = [note.more for note in talk.notes if note.kind == kind]
    times = [at_s for more in notes for at_s in more["times_s"]]
    levels = [level for more in notes for level in more["levels"]]
    return np.array([times, levels], float).T


def _correlations(rows: np.ndarray, of: np.ndarray) -> np.ndarray:
    rows, of = rows - rows.mean(axis=1, keepdims=True), of - of.mean()
    return rows @ of / (np.linalg.norm(rows, axis=1) * float(np.linalg.norm(of)) + 1e-9)
