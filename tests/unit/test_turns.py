"""The turn detector, fed with sound in which each sample says how much of a voice it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kai.engine.speech.turns import (
    PartialDue,
    SpeculationDue,
    SpeechDropped,
    SpeechResumed,
    SpeechStarted,
    SpeechStopped,
    TurnDetector,
    TurnEvent,
)

FRAME_MS = 32
FRAME_SAMPLES = 512


class SampleVad:
    """A voice wherever the frame's first sample is loud."""

    def __call__(self, frame: NDArray[np.float32], /) -> float:
        return float(abs(frame[0]))

    def reset(self) -> None:
        pass


def make(
    silence_duration_ms: int = 448, prefix_padding_ms: int = 64, max_turn_ms: int = 120_000
) -> TurnDetector:
    return TurnDetector(0.5, prefix_padding_ms, silence_duration_ms, vad=SampleVad(), max_turn_ms=max_turn_ms)


def sound(*parts: tuple[int, float]) -> NDArray[np.float32]:
    """Stretches of (frames, loudness)."""
    return np.concatenate(
        [np.full(frames * FRAME_SAMPLES, loudness, np.float32) for frames, loudness in parts]
    )


def kinds(events: list[TurnEvent]) -> list[str]:
    """What happened, without what is only for show."""
    return [type(event).__name__ for event in events if not isinstance(event, PartialDue)]


def without_partials(events: list[TurnEvent]) -> list[TurnEvent]:
    return [event for event in events if not isinstance(event, PartialDue)]


def test_a_turn_starts_is_speculated_on_and_stops_with_the_same_version() -> None:
    events = make().push(sound((10, 0), (20, 1), (30, 0)))
    assert kinds(events) == ["SpeechStarted", "SpeculationDue", "SpeechStopped"]
    started, due, stopped = without_partials(events)
    assert isinstance(started, SpeechStarted)
    assert isinstance(due, SpeculationDue)
    assert isinstance(stopped, SpeechStopped)
    assert started.audio_start_ms == (10 - 2) * FRAME_MS
    assert stopped.audio_end_ms == (10 + 20 + 14) * FRAME_MS
    assert stopped.version == due.version
    assert len(due.audio) == (2 + 20 + 4) * FRAME_SAMPLES
    assert len(stopped.audio) == (2 + 20 + 14) * FRAME_SAMPLES
    np.testing.assert_array_equal(stopped.audio[: len(due.audio)], due.audio)


def test_a_pause_within_a_turn_voids_the_speculation_and_the_next_has_a_new_version() -> None:
    events = make().push(sound((10, 1), (8, 0), (6, 1), (14, 0)))
    assert kinds(events) == [
        "SpeechStarted",
        "SpeculationDue",
        "SpeechResumed",
        "SpeculationDue",
        "SpeechStopped",
    ]
    _, first, _, second, stopped = without_partials(events)
    assert isinstance(first, SpeculationDue)
    assert isinstance(second, SpeculationDue)
    assert isinstance(stopped, SpeechStopped)
    assert first.version < second.version == stopped.version


def test_a_pause_too_short_to_speculate_on_says_nothing() -> None:
    assert kinds(make().push(sound((10, 1), (3, 0), (10, 1)))) == ["SpeechStarted"]


def test_a_noise_shorter_than_speech_is_dropped_and_never_speculated_on() -> None:
    events = make().push(sound((5, 0), (3, 1), (20, 0)))
    assert kinds(events) == ["SpeechStarted", "SpeechDropped"]
    dropped = events[1]
    assert isinstance(dropped, SpeechDropped)
    assert dropped.audio_end_ms == (5 + 3 + 14) * FRAME_MS


def test_a_word_as_short_as_stop_is_a_turn() -> None:
    assert "SpeechStopped" in kinds(make().push(sound((5, 0), (4, 1), (20, 0))))


def test_a_click_of_one_frame_is_not_heard_at_all() -> None:
    assert make().push(sound((5, 0), (1, 1), (20, 0))) == []


def test_partials_come_often_until_words_are_shown_then_every_800_ms_and_each_holds_all_of_it() -> None:
    detector = make(prefix_padding_ms=0)
    events = detector.push(sound((33, 1)))
    detector.settle()
    events += detector.push(sound((67, 1)))
    partials = [event for event in events if isinstance(event, PartialDue)]
    assert [len(partial.audio) // FRAME_SAMPLES for partial in partials] == [10, 18, 26, 34, 59, 84]


def test_partials_of_a_sound_without_words_grow_seldom_after_three_seconds() -> None:
    events = make(prefix_padding_ms=0).push(sound((200, 1)))
    ends = [len(event.audio) // FRAME_SAMPLES for event in events if isinstance(event, PartialDue)]
    assert {after - before for before, after in zip(ends, ends[1:], strict=False) if after < 90} == {8}
    assert {after - before for before, after in zip(ends, ends[1:], strict=False) if before > 100} == {25}


def test_partials_become_rarer_the_longer_the_turn() -> None:
    detector = make()
    lengths = [
        len(event.audio) / 16_000 for event in detector.push(sound((900, 1))) if isinstance(event, PartialDue)
    ]
    gaps = np.diff(lengths)
    assert gaps[0] < 0.9
    assert gaps[-1] > 2.5


def test_a_silence_rule_shorter_than_the_speculation_still_speculates_first() -> None:
    events = make(silence_duration_ms=96).push(sound((10, 1), (3, 0)))
    assert kinds(events) == ["SpeechStarted", "SpeculationDue", "SpeechStopped"]


def test_two_turns_do_not_share_sound() -> None:
    events = make(prefix_padding_ms=3200).push(sound((10, 1), (20, 0), (10, 0.75), (14, 0)))
    first, second = (event for event in events if isinstance(event, SpeechStopped))
    assert float(second.audio.max()) == 0.75
    starts = [event.audio_start_ms for event in events if isinstance(event, SpeechStarted)]
    assert starts[1] >= first.audio_end_ms


def test_a_turn_that_is_too_long_is_cut_at_its_quietest_late_spot_and_goes_on() -> None:
    events = make(max_turn_ms=100 * FRAME_MS, prefix_padding_ms=0).push(
        sound((70, 1), (4, 0.6), (26, 1), (30, 1), (14, 0))
    )
    shown = [event for event in events if not isinstance(event, PartialDue)]
    assert kinds(shown) == [
        *("SpeechStarted", "SpeculationDue", "SpeechStopped"),
        *("SpeechStarted", "SpeculationDue", "SpeechStopped"),
    ]
    first, again, second = shown[2], shown[3], shown[5]
    assert isinstance(first, SpeechStopped)
    assert isinstance(again, SpeechStarted)
    assert isinstance(second, SpeechStopped)
    assert 70 <= len(first.audio) // FRAME_SAMPLES <= 74
    assert again.audio_start_ms == first.audio_end_ms
    assert len(first.audio) + len(second.audio) == (70 + 4 + 26 + 30 + 14) * FRAME_SAMPLES


def test_a_commit_by_hand_ends_the_turn_at_once() -> None:
    detector = make()
    detector.push(sound((20, 1)))
    assert kinds(detector.finish()) == ["SpeculationDue", "SpeechStopped"]
    assert detector.finish() == []
    assert not detector.is_speaking


def test_discarded_sound_is_never_given_out_but_its_time_counts() -> None:
    detector = make(prefix_padding_ms=320)
    detector.push(sound((20, 0.9)))
    detector.discard()
    assert detector.time_ms == 20 * FRAME_MS
    events = detector.push(sound((10, 1), (14, 0)))
    started, stopped = events[0], events[-1]
    assert isinstance(started, SpeechStarted)
    assert isinstance(stopped, SpeechStopped)
    assert started.audio_start_ms == 20 * FRAME_MS
    assert 0.9 not in stopped.audio


def test_new_rules_hold_for_the_turn_that_is_going_on() -> None:
    detector = make(silence_duration_ms=3200)
    assert kinds(detector.push(sound((10, 1), (10, 0)))) == ["SpeechStarted", "SpeculationDue"]
    detector.configure(0.5, 64, 320)
    assert kinds(detector.push(sound((1, 0)))) == ["SpeechStopped"]


@pytest.mark.parametrize("values", [(1.5, 0, 448), (0.5, -1, 448), (0.5, 0, 0)])
def test_rules_without_sense_are_refused(values: tuple[float, int, int]) -> None:
    with pytest.raises(ValueError, match="threshold|padding"):
        make().configure(*values)


def test_sound_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError):
        make().push(np.zeros(160, np.int16))  # pyright: ignore[reportArgumentType]


@settings(max_examples=50, deadline=None)
@given(
    stretches=st.lists(
        st.tuples(st.integers(1, 40), st.sampled_from([0.0, 0.3, 0.7, 1.0])), min_size=1, max_size=8
    ),
    sizes=st.lists(st.integers(0, 5_000), min_size=1, max_size=20),
)
def test_how_the_sound_is_cut_into_pushes_changes_nothing(
    stretches: list[tuple[int, float]], sizes: list[int]
) -> None:
    samples = sound(*stretches)
    whole = make().push(samples)
    detector = make()
    pieces: list[TurnEvent] = []
    start = 0
    for size in (*sizes, len(samples)):
        pieces += detector.push(samples[start : start + size])
        start += size
    assert kinds(pieces) == kinds(whole)
    for left, right in zip(pieces, whole, strict=True):
        for field in left.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(left, field), getattr(right, field))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from([0.0, 1.0])), min_size=1, max_size=10))
def test_events_alternate_and_every_stop_follows_its_own_speculation(
    stretches: list[tuple[int, float]],
) -> None:
    newest: int | None = None
    is_speaking = False
    for event in make(max_turn_ms=1600).push(sound(*stretches)):
        match event:
            case SpeechStarted():
                assert not is_speaking
                is_speaking = True
            case SpeculationDue(version=version):
                newest = version
            case SpeechResumed():
                assert newest is not None
                newest = None
            case SpeechStopped(version=version, audio=audio):
                assert is_speaking
                assert version == newest
                assert len(audio) <= 1600 * 16
                is_speaking = False
            case SpeechDropped():
                assert is_speaking
                is_speaking = False
            case PartialDue(audio=audio):
                assert is_speaking
                assert len(audio) <= 1600 * 16


def test_a_pause_that_is_held_lasts_longer_and_the_next_one_does_not() -> None:
    detector = make()
    detector.push(sound((20, 1), (8, 0)))
    detector.hold(960)
    assert kinds(detector.push(sound((20, 0)))) == []
    assert kinds(detector.push(sound((10, 1), (14, 0))))[-1] == "SpeechStopped"


class AnyVad:
    """Every sound is a voice."""

    def __call__(self, frame: NDArray[np.float32], /) -> float:
        return float(abs(frame[0]) > 0)

    def reset(self) -> None:
        pass


def test_a_voice_in_the_background_begins_no_turn_and_holds_none_open() -> None:
    detector = TurnDetector(0.5, 64, 448, vad=AnyVad())
    assert kinds(detector.push(sound((20, 0.07), (14, 0)))) == [
        "SpeechStarted",
        "SpeculationDue",
        "SpeechStopped",
    ]
    detector.learn_voice(sound((20, 0.8)))
    assert kinds(detector.push(sound((40, 0.07), (14, 0)))) == []
    events = detector.push(sound((20, 0.8), (30, 0.07)))
    assert kinds(events) == ["SpeechStarted", "SpeculationDue", "SpeechStopped"]


def test_a_person_who_speaks_a_little_softer_is_heard() -> None:
    detector = TurnDetector(0.5, 64, 448, vad=AnyVad())
    detector.learn_voice(sound((20, 0.8)))
    for loudness in (0.4, 0.1, 0.2):
        said = sound((20, loudness))
        assert kinds(detector.push(np.concatenate([said, sound((14, 0))])))[-1] == "SpeechStopped"
        detector.learn_voice(said)


def test_who_goes_on_softly_in_vain_is_heard_in_the_end() -> None:
    detector = TurnDetector(0.5, 64, 448, vad=AnyVad())
    detector.learn_voice(sound((20, 0.8)))
    for _ in range(12):
        events = detector.push(sound((31, 0.06), (14, 0)))
        if events:
            break
    assert "SpeechStarted" in kinds(events)


def test_what_was_before_can_be_forgotten_in_the_middle_of_a_turn() -> None:
    detector = make()
    detector.push(sound((50, 1)))
    detector.forget_before(320)
    assert len(detector.audio()) == 10 * FRAME_SAMPLES
    stopped = detector.push(sound((14, 0)))[-1]
    assert isinstance(stopped, SpeechStopped)
    assert len(stopped.audio) == 24 * FRAME_SAMPLES
