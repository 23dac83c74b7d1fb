"""Finds which words of a text were heard, from the sound alone, for brains that report no word times. Pure; numpy only.

The problem. A person interrupts an answer. The face says how much of the sound was heard, and the brain has written the whole
answer, but nothing says which word was spoken when. Dividing the text in the proportion of the sound is wrong by a sentence,
since the brain has not sent the whole sound yet, and since pauses have no words.

The method. The level divides the sound into *stretches* of speech with pauses between them. Each word has an expected
length, from its syllables and letters at a common pace. Dynamic programming then shares the words out among the stretches, so
that the lengths fit, pauses fall on punctuation, and the ends of sentences fall on pauses. The pace is found from the
stretches themselves, and the shares are found once more with it. Within a stretch, time is divided in proportion to expected
lengths.

The states. A stretch is *closed* by the pause after it, and its length must match its words. The last stretch is *open* while
the brain is still sending: its words follow from its length and the pace. Once text and sound are complete, the last
stretch ends with the last word, which binds the other end, too.

Example. "Good morning. The train leaves at nine." Its words are expected to last 222, 516, 184, 260, 358, 146 and 342 ms.
The sound has speech from 0 to 700 ms, a pause until 950, and speech until 1 700 ms, where the person interrupts. The first
stretch fits the first two words, with a full stop at their end, at a pace of 0.95. The other 750 ms hold "The train" (444 ms
at the common pace) and more than half of "leaves", so that "Good morning. The train leaves" was heard.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from kai.compat.format import SPEECH_HZ, Pcm

Levels = npt.NDArray[np.float64]

FRAME_MS: Final = 10
_FRAME: Final = SPEECH_HZ * FRAME_MS // 1000
PAUSE_MS: Final = 110
"""A silence of this length is a pause. The closures of consonants are shorter."""
DYNAMIC_DB: Final = 30.0
"""Sound that is this much below the loud parts is silent."""
FLOOR_DB: Final = 34.0
"""Sound below this level (of int16, peak of about 70) is silent, whatever the loud parts are."""
ROUNDS: Final = 3
REACH: Final = 40
"""How many words a stretch may begin before or after the place that its time alone suggests."""
PACE_WEIGHT_MS: Final = 1500.0
"""The weight of the pace that was known before, as if that much speech had been measured."""
USUAL_PACE: Final = 1.0

_VOWELS: Final = re.compile(r"[aeiouyàáâãäåèéêëìíîïòóôõöùúûüýæœøαεηιουωаеёиоуыэюя]+")
_SENTENCE_END: Final = re.compile(r"[.!?…。！？]+[\"'”’)\]]*$")
_CLAUSE_END: Final = re.compile(r"[,;:—–、，；：-][\"'”’)\]]*$|[)\]]$")
_WIDE: Final = re.compile(r"[\u0e00-\u0e7f\u3040-\u9fff\uac00-\ud7af]")
"""Characters that are whole syllables."""
_WIDE_MS: Final = 200.0
_DIGIT_MS: Final = 240.0
_SIGN_MS: Final = 450.0
_END_MS: Final = 120.0
"""A word is longer before a pause."""
_SIGNS: Final = "%$€£&+=@#/°"


@dataclass(frozen=True, slots=True)
class _Costs:
    """What an alignment costs, as negative log likelihoods, by the punctuation at the word's end."""

    pause: Levels
    """A pause after the word."""
    run_on: Levels
    """No pause after the word."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Speech without a pause, in frames, end exclusive."""

    start: int
    end: int

    @property
    def ms(self) -> float:
        return (self.end - self.start) * float(FRAME_MS)


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where the words of a text are in its sound. ``middles_ms`` has the middle of each word, from the sound's beginning;
    that of a word that was not sounded yet lies after its end. ``pace`` is how long words last, by comparison with the
    expectation."""

    middles_ms: tuple[float, ...]
    pace: float

    def words_by(self, at_ms: float) -> int:
        """Return how many words have been heard at that time. A word counts once half of it was played."""
        return int(np.searchsorted(np.asarray(self.middles_ms), at_ms, side="right"))


def align(words: Sequence[str], pcm: Pcm, *, is_complete: bool, pace: float = USUAL_PACE) -> Alignment:
    """Align the words of a text, with their punctuation, with its sound: ``(samples,)`` int16, 24 000 Hz, from its beginning.

    ``is_complete`` means that neither text nor sound will grow. ``pace`` is the voice's pace in earlier answers.
    """
    expected = np.asarray([expected_ms(word) for word in words], np.float64)
    stretches = _stretches(_levels(pcm))
    if not len(words) or not stretches:
        return Alignment((), pace)
    costs = _costs_of(words)
    known = pace
    shares: list[tuple[int, int]] = []
    for _ in range(ROUNDS):
        shares = _shares(expected * pace, stretches, costs, is_complete=is_complete)
        closed = range(len(stretches) if is_complete else len(stretches) - 1)
        spoken_ms = sum(stretches[n].ms for n in closed)
        wanted_ms = sum(float(expected[slice(*shares[n])].sum()) for n in closed)
        pace = (spoken_ms + PACE_WEIGHT_MS * known) / (wanted_ms + PACE_WEIGHT_MS)
    return Alignment(_placed(expected * pace, stretches, shares, is_complete=is_complete), pace)


def expected_ms(word: str) -> float:
    """Return how long the word lasts at a common pace, from its syllables and letters."""
    bare = word.casefold()
    letters = sum(char.isalpha() for char in bare)
    digits = sum(char.isdigit() for char in bare)
    signs = sum(char in _SIGNS for char in bare)
    if len(bare) <= 2 and _WIDE.match(bare):
        return _WIDE_MS
    syllables = max(1, len(_VOWELS.findall(bare)) - (bare.rstrip(".,;:!?").endswith("e") and letters > 3))
    spelt = letters if word[:1].isupper() and word.isupper() and 1 < letters <= 5 else 0
    if spelt:
        return 230.0 * spelt
    ms = 10.0 + 60.0 * syllables + 38.0 * letters if letters else 0.0
    end_ms = _END_MS if _SENTENCE_END.search(word) or _CLAUSE_END.search(word) else 0.0
    return max(80.0, ms + _DIGIT_MS * digits + _SIGN_MS * signs + end_ms)


def _levels(pcm: Pcm) -> Levels:
    """Return the level of each frame in dB."""
    whole = len(pcm) // _FRAME * _FRAME
    frames = pcm[:whole].astype(np.float32).reshape(-1, _FRAME)
    power = np.mean(frames * frames, axis=1, dtype=np.float64)
    return 10.0 * np.log10(power + 1.0)


def _stretches(levels: Levels) -> list[_Stretch]:
    if not len(levels):
        return []
    threshold = max(FLOOR_DB, float(np.percentile(levels, 95)) - DYNAMIC_DB)
    loud = np.flatnonzero(levels > threshold)
    if not len(loud):
        return []
    gaps = np.flatnonzero(np.diff(loud) > PAUSE_MS // FRAME_MS)
    starts = [int(loud[0]), *(int(loud[gap + 1]) for gap in gaps)]
    ends = [*(int(loud[gap]) + 1 for gap in gaps), int(loud[-1]) + 1]
    return [_Stretch(start, end) for start, end in zip(starts, ends, strict=True)]


def _costs_of(words: Sequence[str]) -> _Costs:
    pause = np.full(len(words), 3.2)
    run_on = np.full(len(words), 0.02)
    for number, word in enumerate(words):
        if _SENTENCE_END.search(word):
            pause[number], run_on[number] = 0.05, 3.0
        elif _CLAUSE_END.search(word):
            pause[number], run_on[number] = 0.6, 0.8
    return _Costs(pause, run_on)


def _shares(
    expected: Levels, stretches: list[_Stretch], costs: _Costs, *, is_complete: bool
) -> list[tuple[int, int]]:
    """Return for each stretch the range of its words, of which the last one's is open unless ``is_complete``."""
    count = len(expected)
    ahead = np.concatenate([[0.0], np.cumsum(expected)])
    run_on = np.concatenate([[0.0], np.cumsum(costs.run_on)])
    spread = np.concatenate([[0.0], np.cumsum((0.35 * expected) ** 2)])
    best = np.full(count + 1, np.inf)
    best[0] = 0.0
    came_from: list[npt.NDArray[np.intp]] = []
    elapsed_ms = 0.0
    for number, stretch in enumerate(stretches):
        is_open = number == len(stretches) - 1 and not is_complete
        likely = int(np.searchsorted(ahead, elapsed_ms))
        elapsed_ms += stretch.ms
        until = int(np.searchsorted(ahead, elapsed_ms))
        low, high = max(0, likely - REACH), min(count, until + REACH)
        starts = np.arange(low, min(count, likely + REACH) + 1)
        ends = np.arange(low, high + 1)
        wanted = ahead[ends][None, :] - ahead[starts][:, None]
        sigma2 = spread[ends][None, :] - spread[starts][:, None] + (0.06 * wanted) ** 2 + 60.0**2
        # Words in the middle of a stretch run on; the last one is followed by the pause.
        within = run_on[np.maximum(ends - 1, 0)][None, :] - run_on[starts][:, None]
        if is_open:
            # As many words as fit; the last of them may be cut.
            off = np.maximum(0.0, np.abs(wanted - stretch.ms) - 0.5 * float(expected.mean()))
            after = np.zeros(len(ends))
        else:
            off = wanted - stretch.ms
            after = np.where(ends > 0, costs.pause[np.maximum(ends - 1, 0)], 0.0)
        cost = (
            best[starts][:, None]
            + off**2 / (2 * sigma2)
            + 0.5 * np.log(np.maximum(sigma2, 1.0))
            + within
            + after[None, :]
        )
        # A stretch without a word is a breath or a noise.
        empty = best[starts] + 4.0 + 0.5 * np.log(60.0**2) + stretch.ms / 100.0
        cost[ends[None, :] <= starts[:, None]] = np.inf
        chosen = np.argmin(cost, axis=0)
        after_best = np.full(count + 1, np.inf)
        previous = np.zeros(count + 1, np.intp)
        after_best[ends] = cost[chosen, np.arange(len(ends))]
        previous[ends] = starts[chosen]
        stays = empty < after_best[starts]
        after_best[starts[stays]] = empty[stays]
        previous[starts[stays]] = starts[stays]
        best = after_best
        came_from.append(previous)
    place = count if is_complete and np.isfinite(best[count]) else int(np.argmin(best))
    shares: list[tuple[int, int]] = []
    for previous in reversed(came_from):
        shares.append((int(previous[place]), place))
        place = int(previous[place])
    return shares[::-1]


def _placed(
    expected: Levels, stretches: list[_Stretch], shares: list[tuple[int, int]], *, is_complete: bool
) -> tuple[float, ...]:
    """Return the middle of each word, whose time within its stretch is in proportion to its length. Words that were not
    sounded yet follow the sound's end."""
    middles = np.zeros(len(expected))
    for number, (stretch, (first, after)) in enumerate(zip(stretches, shares, strict=True)):
        is_open = number == len(stretches) - 1 and not is_complete
        part = expected[first : None if is_open else after]
        scale = stretch.ms / float(part.sum()) if len(part) and not is_open else 1.0
        middles[first : first + len(part)] = stretch.start * FRAME_MS + scale * (np.cumsum(part) - part / 2)
    placed = shares[-1][1] if is_complete else len(expected)
    rest = expected[placed:]
    middles[placed:] = stretches[-1].end * FRAME_MS + np.cumsum(rest) - rest / 2
    return tuple(middles.tolist())
