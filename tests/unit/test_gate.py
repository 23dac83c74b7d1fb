"""The gate that cuts answers out of a brain's endless sound."""

from __future__ import annotations

import numpy as np

from kai.media.gate import (
    CLOSING_FRAMES_AT_MOST,
    CLOSING_QUIET_FRAMES,
    DEAF_FRAMES,
    PREROLL_FRAMES,
    GatedFrame,
    GateOutput,
    SegmentEnd,
    SpeechGate,
)

LOUD = np.full(480, 4000, np.int16)
QUIET = np.zeros(480, np.int16)


class Stream:
    """Frames with running time, as a receiver gives them."""

    def __init__(self) -> None:
        self.gate = SpeechGate()
        self.pts = 0

    def push(self, pcm: np.ndarray, count: int = 1) -> list[GateOutput]:
        outputs: list[GateOutput] = []
        for _ in range(count):
            outputs += self.gate.push(pcm, self.pts)
            self.pts += 960
        return outputs


def loud_frames(outputs: list[GateOutput]) -> list[int]:
    return [o.pts for o in outputs if isinstance(o, GatedFrame) and o.pcm.any()]


def test_comfort_noise_between_answers_goes_nowhere() -> None:
    stream = Stream()
    assert stream.push(QUIET, 100) == []
    assert stream.push(LOUD, 100) == []


def test_sound_that_came_before_the_word_started_is_not_lost() -> None:
    stream = Stream()
    stream.push(QUIET, 20)
    stream.push(LOUD, 3)
    outputs = stream.gate.started("r1")
    assert loud_frames(outputs) == [20 * 960, 21 * 960, 22 * 960]


def test_the_pre_roll_is_bounded() -> None:
    stream = Stream()
    stream.push(LOUD, 50)
    assert len(loud_frames(stream.gate.started("r1"))) == PREROLL_FRAMES


def test_silence_before_the_first_word_is_skipped_but_one_frame() -> None:
    stream = Stream()
    stream.gate.started("r1")
    assert stream.push(QUIET, 30) == []
    outputs = stream.push(LOUD)
    assert [o.pts for o in outputs if isinstance(o, GatedFrame)] == [29 * 960, 30 * 960]


def test_where_silence_was_left_out_the_frame_before_it_is_not_passed_as_if_it_came_just_before() -> None:
    stream = Stream()
    stream.gate.started("r1")
    stream.push(QUIET)
    stream.pts += 4 * 960
    outputs = stream.push(LOUD)
    assert [o.pts for o in outputs if isinstance(o, GatedFrame)] == [5 * 960]


def test_a_pause_inside_an_answer_passes() -> None:
    stream = Stream()
    stream.gate.started("r1")
    stream.push(LOUD, 5)
    assert len(stream.push(QUIET, 40)) == 40


def test_what_is_in_flight_after_stopped_still_passes_and_then_the_gate_closes_once() -> None:
    stream = Stream()
    stream.gate.started("r1")
    stream.push(LOUD, 5)
    stream.gate.stopped("r1")
    assert len(loud_frames(stream.push(LOUD, 4))) == 4
    outputs = stream.push(QUIET, 20)
    assert outputs[-1] == SegmentEnd("r1")
    assert len(outputs) == CLOSING_QUIET_FRAMES + 1
    assert stream.gate.segment_id is None


def test_endless_noise_after_stopped_closes_the_gate_all_the_same() -> None:
    stream = Stream()
    stream.gate.started("r1")
    stream.push(LOUD, 5)
    stream.gate.stopped("r1")
    outputs = stream.push(LOUD, 60)
    assert outputs[-1] == SegmentEnd("r1")
    assert len(outputs) == CLOSING_FRAMES_AT_MOST + 1


def test_an_answer_that_never_sounded_ends_too() -> None:
    stream = Stream()
    stream.gate.started("r1")
    stream.gate.stopped("r1")
    assert stream.push(QUIET, 10) == [SegmentEnd("r1")]


def test_old_speech_in_flight_after_a_cut_is_no_ones() -> None:
    stream = Stream()
    stream.gate.started("r1")
    stream.push(LOUD, 5)
    stream.gate.cut()
    assert stream.push(LOUD, 4) == []
    assert stream.gate.started("r2") == []
    assert stream.push(QUIET, DEAF_FRAMES) == []
    assert loud_frames(stream.push(LOUD)) != []


def test_a_new_answer_ends_the_one_before() -> None:
    stream = Stream()
    stream.gate.started("r1")
    stream.push(LOUD, 5)
    assert stream.gate.started("r2")[0] == SegmentEnd("r1")
    assert {o.segment_id for o in stream.push(LOUD, 2)} == {"r2"}


def test_started_twice_does_no_harm() -> None:
    stream = Stream()
    stream.gate.started("r1")
    stream.push(LOUD, 2)
    assert stream.gate.started("r1") == []
    assert len(stream.push(LOUD, 2)) == 2
