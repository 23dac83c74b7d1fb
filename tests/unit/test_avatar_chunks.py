"""The cutting of speech into chunks for a cloud avatar: no hole, whatever the avatar's delay and the sound's arrival."""

from __future__ import annotations

import random

import numpy as np
import pytest

from kai.adapters.liveavatar.control import CHUNK_SAMPLES, FIRST_CHUNK_MS, Chunker
from kai.avatar.hearing import load_net
from kai.engine.liveavatar.voice import AvatarVoice
from tests.support.fakes import tone

LENGTH_S = 1.5
STEP_S = 0.005


class Silent:
    def started(self, utterance_id: str | None) -> None: ...
    def ended(self, utterance_id: str | None) -> None: ...
    def starving(self, utterance_id: str | None) -> None: ...


def played(delay_s: float, arrives_s: list[float], chunker: Chunker) -> tuple[int, list[tuple[float, int]]]:
    """The holes of 20 ms in the local LiveAvatar's voice, and when each chunk of how many samples reached it."""
    now_s = 100.0
    voice = AvatarVoice(Silent(), load_net(), lambda: now_s)
    sent: list[tuple[float, int]] = []
    waiting = [(100.0 + at_s, tone(20)) for at_s in arrives_s]
    is_ended = False

    def send(chunk: np.ndarray) -> None:
        sent.append((round(now_s - 100.0, 3), len(chunk)))
        voice.add("a", chunk.tobytes(), after_s=delay_s)

    for step in range(round((arrives_s[-1] + delay_s + 1.0) / STEP_S)):
        now_s = 100.0 + step * STEP_S
        while waiting and waiting[0][0] <= now_s:
            for chunk in chunker.push(waiting.pop(0)[1], now_s):
                send(chunk)
        if not waiting and not is_ended:
            is_ended = True
            rest = chunker.flush(now_s, is_last=True)
            if rest is not None:
                send(rest)
            voice.end()
        if chunker.due_s is not None and chunker.due_s <= now_s:
            rest = chunker.flush(now_s, is_last=False)
            if rest is not None:
                send(rest)
        if step % 4 == 0:
            voice.pull()
    return voice.holes, sent


def spoken(seed: int = 0, most_late_s: float = 0.0) -> list[float]:
    """When each 20 ms of speech arrives in real time, each late by up to that."""
    chance = random.Random(seed)
    late = (0.02 * number + chance.uniform(0, most_late_s) for number in range(1, round(LENGTH_S / 0.02)))
    return list(np.maximum.accumulate(np.fromiter(late, float)))


@pytest.mark.parametrize("delay_s", [0.1, 0.5, 1.5])
def test_sound_that_arrives_as_it_is_spoken_leaves_no_hole(delay_s: float) -> None:
    holes, sent = played(delay_s, spoken(), Chunker())
    assert holes == 0
    assert sent[0] == (pytest.approx(FIRST_CHUNK_MS / 1000, abs=2 * STEP_S), FIRST_CHUNK_MS * 24)
    for seed in (1,):
        holes, _ = played(delay_s, spoken(seed, 0.04), Chunker())
        assert holes == 0


def test_a_second_after_a_short_first_chunk_would_leave_the_hole_that_is_counted() -> None:
    class Growing(Chunker):
        """400 ms, then 1 s, whatever the avatar has left."""

        due_s = None
        wanted = 9_600

        def push(self, pcm: np.ndarray, now_s: float) -> list[np.ndarray]:
            self._parts.append(pcm)
            self._samples += len(pcm)
            if self._samples < self.wanted:
                return []
            wanted, self.wanted = self.wanted, CHUNK_SAMPLES
            return [self._take(wanted, now_s)]

    holes, _ = played(0.5, spoken(), Growing())
    assert holes >= 4


def test_sound_that_arrives_faster_than_it_is_spoken_goes_by_the_second() -> None:
    _, sent = played(0.5, [0.0002 * number for number in range(200)], Chunker())
    assert [samples for _, samples in sent[:3]] == [FIRST_CHUNK_MS * 24, CHUNK_SAMPLES, CHUNK_SAMPLES]


def test_after_a_gap_a_piece_is_sent_although_it_is_small_and_a_beginning_is_one_again() -> None:
    arrives_s = [0.02 * number for number in range(1, 16)]
    holes, sent = played(0.1, [*arrives_s, 1.5, *(3.0 + at_s for at_s in arrives_s)], Chunker())
    at_s = dict(sent)
    assert holes > 0
    assert any(1.6 < when_s < 1.8 for when_s in at_s), "the lonely piece waits for the idle flush alone"
    assert [samples for when_s, samples in sent if when_s > 2.9][0] == FIRST_CHUNK_MS * 24
