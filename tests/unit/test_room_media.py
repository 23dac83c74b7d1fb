"""What comes out of a room: found again in what was sent, and brought together without a click."""

from __future__ import annotations

import numpy as np
import pytest

from kai.media.heard import Begun, Finding, Matcher, Moved, Over
from kai.media.pcm import Resampler
from kai.media.sync import BLOCK_SAMPLES, HZ, MARGIN_MS, AvSync, PictureHold, SoundHold
from tests.support.fakes import tone
from tests.support.recordings import recordings


def sentence() -> np.ndarray:
    return next(r for r in recordings() if r.path.name == "LJ001-0004.wav").samples(24_000)[: 24_000 * 4]


def in_room(pcm: np.ndarray, *, before_ms: int = 100, after_ms: int = 600) -> np.ndarray:
    """As a room sounds it: 48 000 Hz, with coded silence round it."""
    resampler = Resampler(24_000, 48_000)
    loud = np.concatenate([resampler.push(pcm), resampler.flush()])
    chance = np.random.default_rng(1)
    whole = np.concatenate([np.zeros(before_ms * 48), loud, np.zeros(after_ms * 48)])
    noisy = whole * 0.8 + chance.normal(0, 3, len(whole))
    return noisy[: len(noisy) // 480 * 480].astype(np.int16)


def listen(matcher: Matcher, room: np.ndarray) -> list[Finding]:
    found: list[Finding] = []
    for block in room.reshape(-1, 480):
        found += matcher.push(block)
    return found


def places(found: list[Finding]) -> list[Begun | Moved]:
    return [f for f in found if isinstance(f, Begun | Moved)]


# -- the heard position ------------------------------------------------------------------------------------------------


def test_a_segment_is_found_where_it_is_to_some_milliseconds() -> None:
    matcher, said = Matcher(), sentence()
    matcher.sent("a", said)
    matcher.ended("a")
    found = listen(matcher, in_room(said))
    assert isinstance(found[0], Begun)
    for place in places(found):
        assert (place.at - 100 * 48) / 2 - place.sample == pytest.approx(0, abs=24 * 8)
    assert isinstance(found[-1], Over)
    assert found[-1].at / 48 == pytest.approx(100 + len(said) / 24, abs=30)


def test_a_gap_in_the_room_is_noticed() -> None:
    matcher, said = Matcher(), sentence()
    room = in_room(said)
    cut = 48 * 1100
    room = np.concatenate([room[:cut], np.zeros(48 * 150, np.int16), room[cut:]])
    matcher.sent("a", said)
    matcher.ended("a")
    found = listen(matcher, room)
    moved = [f for f in found if isinstance(f, Moved)]
    assert any((f.at - 250 * 48) / 2 - f.sample == pytest.approx(0, abs=24 * 10) for f in moved)
    assert isinstance(found[-1], Over)


def test_segments_follow_each_other_and_a_silent_one_is_over_at_once() -> None:
    matcher = Matcher()
    for segment_id, pcm in (("a", tone(300)), ("quiet", np.zeros(4800, np.int16)), ("b", tone(200))):
        matcher.sent(segment_id, pcm)
        matcher.ended(segment_id)
    found = listen(matcher, np.concatenate([in_room(tone(300)), in_room(tone(200))]))
    named = [(type(f).__name__, f.segment_id) for f in found if not isinstance(f, Moved)]
    assert named == [(kind, segment) for segment in ("a", "quiet", "b") for kind in ("Begun", "Over")]


def test_a_segment_may_follow_without_a_pause() -> None:
    matcher = Matcher()
    for segment_id, pcm in (("a", tone(200)), ("b", tone(100, hz=300))):
        matcher.sent(segment_id, pcm)
        matcher.ended(segment_id)
    found = listen(matcher, in_room(np.concatenate([tone(200), tone(100, hz=300)])))
    named = [(type(f).__name__, f.segment_id) for f in found if not isinstance(f, Moved)]
    assert named == [(kind, segment) for segment in ("a", "b") for kind in ("Begun", "Over")]


def test_a_segment_is_not_over_before_it_was_ended() -> None:
    matcher = Matcher()
    matcher.sent("a", tone(200))
    assert not any(isinstance(f, Over) for f in listen(matcher, in_room(tone(200), after_ms=2000)))
    matcher.ended("a")
    assert isinstance(listen(matcher, np.zeros(480, np.int16))[-1], Over)


def test_after_a_cut_old_speech_is_not_taken_for_the_next_segment() -> None:
    matcher, said = Matcher(), sentence()
    room = in_room(said)
    matcher.sent("a", said)
    listen(matcher, room[: 48 * 800])
    matcher.cut()
    matcher.sent("b", tone(300))
    assert listen(matcher, room[48 * 800 : 48 * 1000]) == []
    found = listen(matcher, in_room(tone(300)))
    assert isinstance(found[0], Begun)
    assert found[0].segment_id == "b"


def test_noise_with_nothing_sent_finds_nothing() -> None:
    matcher = Matcher()
    assert listen(matcher, in_room(tone(500))) == []
    assert not matcher.is_waiting
    matcher.sent("a", tone(100))
    assert matcher.is_waiting


# -- the hold ----------------------------------------------------------------------------------------------------------


def clicks(pcm: np.ndarray) -> float:
    """The largest jump between neighbouring samples."""
    return float(np.abs(np.diff(pcm.astype(np.int64))).max())


def play(hold: SoundHold, room: np.ndarray, findings: dict[int, list[Finding]] | None = None) -> np.ndarray:
    """Push and read in turn, 20 ms each."""
    out: list[np.ndarray] = []
    for i, block in enumerate(room[: len(room) // BLOCK_SAMPLES * BLOCK_SAMPLES].reshape(-1, BLOCK_SAMPLES)):
        hold.push(block, (findings or {}).get(i, []))
        out.append(hold.read().pcm)
    return np.concatenate(out)


def steady(ms: int, hz: float = 200.0) -> np.ndarray:
    return tone(ms, HZ, hz) // 2


def test_sound_is_held_by_the_margin_and_comes_out_whole() -> None:
    hold = SoundHold(is_open=True)
    room = steady(1000)
    out = play(hold, room)
    first = int(np.flatnonzero(out)[0])
    assert first / 48 == pytest.approx(MARGIN_MS, abs=21)
    assert np.array_equal(out[first : first + 9600], room[1:9601])


@pytest.mark.parametrize(("first_ms", "then_ms"), [(60, 260), (260, 60)], ids=["longer", "shorter"])
def test_a_changed_hold_is_reached_in_speech_without_a_click(first_ms: int, then_ms: int) -> None:
    hold = SoundHold(is_open=True)
    hold.set_hold(first_ms)
    findings: dict[int, list[Finding]] = {0: [Begun(0, "a", 0)]}
    room = steady(8000)
    out = [play(hold, room[: 48 * 1000], findings)]
    hold.set_hold(then_ms)
    out.append(play(hold, room[48 * 1000 :]))
    whole = np.concatenate(out)
    assert hold.splices > 5
    assert hold.held_ms == pytest.approx(then_ms, abs=15)
    sounding = whole[int(np.flatnonzero(whole)[0]) + 10 :]
    assert clicks(sounding) < 2.5 * clicks(room)
    quiet_blocks = np.abs(sounding[: len(sounding) // 480 * 480].reshape(-1, 480)).max(axis=1)
    assert quiet_blocks.min() > 2000


def test_in_silence_a_hold_is_changed_at_once() -> None:
    hold = SoundHold()
    play(hold, np.zeros(48 * 500, np.int16))
    hold.set_hold(1000)
    play(hold, np.zeros(48 * 2500, np.int16))
    assert hold.held_ms == pytest.approx(1000, abs=40)
    hold.set_hold(60)
    play(hold, np.zeros(48 * 1000, np.int16))
    assert hold.held_ms == pytest.approx(60, abs=40)
    assert hold.splices == 0


def test_outside_segments_nothing_is_heard() -> None:
    hold = SoundHold()
    assert not play(hold, steady(500)).any()


def test_a_segment_is_reported_when_it_is_read_not_when_it_arrives() -> None:
    hold = SoundHold()
    hold.set_hold(200)
    reports: list[tuple[int, str]] = []
    room = steady(1000)
    for i, block in enumerate(room.reshape(-1, BLOCK_SAMPLES)):
        findings: list[Finding] = {5: [Begun(5 * 960, "a", 0)], 30: [Over(30 * 960, "a")]}.get(i, [])
        hold.push(block, findings)
        held = hold.read()
        reports += [(i, type(reached).__name__) for reached in held.reached]
        if i == 25:
            assert held.segment_id == "a"
            assert held.sample / 24 == pytest.approx((25 - 5) * 20 - 200, abs=45)
    assert [what for _, what in reports] == ["Begun", "Over"]
    assert reports[0][0] == pytest.approx(15, abs=2)


def test_a_cut_tells_how_much_was_read_and_drops_the_rest() -> None:
    hold = SoundHold()
    play(hold, steady(500), {0: [Begun(0, "a", 0)]})
    cut = hold.cut()
    assert cut is not None
    assert (cut[0], cut[1] / 24) == ("a", pytest.approx(500 - MARGIN_MS, abs=45))
    assert not play(hold, steady(200)).any()
    assert hold.cut() is None


def test_a_starved_hold_fades_and_fills_up_again() -> None:
    hold = SoundHold(is_open=True)
    play(hold, steady(300))
    rest = np.concatenate([hold.read().pcm for _ in range(10)])
    assert rest[:480].any()
    assert not rest[-960:].any()
    assert clicks(rest) < 600
    assert play(hold, steady(300)).any()


def test_what_is_too_much_is_dropped_and_counted() -> None:
    hold = SoundHold()
    for _ in range(60):
        hold.push(np.zeros(4800, np.int16), [])
    assert hold.dropped_samples > 0
    assert hold.held_ms <= 4_500


# -- both --------------------------------------------------------------------------------------------------------------


def picture(n: int) -> np.ndarray:
    return np.full((6, 4), n, np.uint8)


def test_pictures_come_when_they_are_due_and_the_newest_wins() -> None:
    hold = PictureHold()
    hold.set_hold(100)
    for n in range(4):
        hold.push(picture(n), n * 0.04)
    assert hold.due(0.05) is None
    assert hold.next_due_s() == pytest.approx(0.1)
    shown = hold.due(0.19)
    assert shown is not None
    assert shown[0, 0] == 2
    hold.clear()
    assert hold.due(1.0) is None


def test_the_earlier_one_is_held() -> None:
    sound, shown = SoundHold(), PictureHold()
    sync = AvSync(sound, shown)
    sync.measure(900)
    play(sound, np.zeros(48 * 2500, np.int16))
    assert sound.held_ms == pytest.approx(900 + MARGIN_MS, abs=40)
    sync.forget()
    sync.measure(-200)
    shown.push(picture(1), 10.0)
    assert shown.due(10.2) is None
    assert shown.due(10.28) is not None


def test_one_bad_measurement_moves_nothing() -> None:
    sync = AvSync(SoundHold(), PictureHold())
    for value in (500, 510, -3000, 505, 99_999):
        sync.measure(value)
    assert sync.offset_ms == pytest.approx(505, abs=6)
