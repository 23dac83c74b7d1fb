"""What comes out of a room: found again in what was sent, and brought together without a click."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from kai.adapters.liveavatar.attention import CALM_REPORTS, CALM_STATS_S, STATS_S, Attention
from kai.compat.format import BLOCK_S, BLOCK_SAMPLES
from kai.compat.format import LIVE_HZ as HZ
from kai.media.heard import Begun, Finding, Matcher, Moved, Over
from kai.media.pcm import Resampler
from kai.media.sync import (
    MARGIN_MS,
    HeldBlock,
    Pace,
    PictureHold,
    SoundHold,
    Timeline,
)
from tests.support.fakes import tone
from tests.support.recordings import recordings

Age = Callable[[float], float]


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


def test_an_avatar_that_stalls_stands_still_and_goes_on_where_it_stood() -> None:
    matcher, said = Matcher(), sentence()
    room = in_room(said)
    cut, stall_ms = 48 * 1100, 2_500
    matcher.sent("a", said)
    matcher.ended("a")
    before = listen(matcher, room[:cut])
    stalled = listen(matcher, np.zeros(48 * stall_ms, np.int16))
    assert not any(isinstance(f, Over) for f in before + stalled)
    assert places(stalled)[-1].sample == pytest.approx(1000 * 24, abs=24 * 200)
    after = listen(matcher, room[cut:])
    for place in places(after)[2:]:
        assert (place.at - (100 + stall_ms) * 48) / 2 - place.sample == pytest.approx(0, abs=24 * 10)
    assert isinstance(after[-1], Over)


def test_a_segment_whose_rest_never_comes_is_over_after_some_seconds() -> None:
    matcher, said = Matcher(), sentence()
    matcher.sent("a", said)
    matcher.ended("a")
    listen(matcher, in_room(said)[: 48 * 1100])
    assert isinstance(listen(matcher, np.zeros(48 * 7_000, np.int16))[-1], Over)


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


class Player:
    """Pushes and reads in turn, 20 ms each, on a clock of its own."""

    def __init__(self, *, is_open: bool = False) -> None:
        self.timeline = Timeline()
        self.hold = SoundHold(self.timeline, is_open=is_open)
        self.now_s = 1000.0

    def hold_by(self, older_ms: float) -> None:
        """From now on the picture is older than the sound by so much."""
        for _ in range(3):
            self.timeline.measured(self.now_s, self.now_s - 500.0, self.now_s - 500.0 - older_ms / 1000)

    def play(self, room: np.ndarray, findings: dict[int, list[Finding]] | None = None) -> np.ndarray:
        return np.concatenate([held.pcm for held in self.blocks(room, findings)])

    def blocks(self, room: np.ndarray, findings: dict[int, list[Finding]] | None = None) -> list[HeldBlock]:
        out: list[HeldBlock] = []
        whole = room[: len(room) // BLOCK_SAMPLES * BLOCK_SAMPLES]
        for i, block in enumerate(whole.reshape(-1, BLOCK_SAMPLES)):
            self.now_s += BLOCK_S
            self.hold.push(block, (findings or {}).get(i, []), self.now_s)
            out.append(self.hold.read(self.now_s))
        return out


def steady(ms: int, hz: float = 200.0) -> np.ndarray:
    return tone(ms, HZ, hz) // 2


def test_sound_is_held_by_the_margin_and_comes_out_whole() -> None:
    room = steady(1000)
    out = Player(is_open=True).play(room)
    first = int(np.flatnonzero(out)[0])
    assert first / 48 == pytest.approx(MARGIN_MS, abs=21)
    assert np.array_equal(out[first : first + 9600], room[1:9601])


@pytest.mark.parametrize(("first_ms", "then_ms"), [(60, 260), (260, 60)], ids=["longer", "shorter"])
def test_a_changed_hold_is_reached_in_speech_without_a_click(first_ms: int, then_ms: int) -> None:
    player = Player(is_open=True)
    player.hold_by(first_ms - MARGIN_MS)
    room = steady(8000)
    out = [player.play(room[: 48 * 1000], {0: [Begun(0, "a", 0)]})]
    player.hold_by(then_ms - MARGIN_MS)
    out.append(player.play(room[48 * 1000 :]))
    whole = np.concatenate(out)
    assert player.hold.splices > 5
    assert player.hold.held_ms == pytest.approx(then_ms - BLOCK_S * 1000, abs=15)
    sounding = whole[int(np.flatnonzero(whole)[0]) + 10 :]
    assert clicks(sounding) < 2.5 * clicks(room)
    quiet_blocks = np.abs(sounding[: len(sounding) // 480 * 480].reshape(-1, 480)).max(axis=1)
    assert quiet_blocks.min() > 2000


def test_in_silence_a_hold_is_changed_at_once() -> None:
    player = Player()
    player.play(np.zeros(48 * 500, np.int16))
    player.hold_by(940)
    player.play(np.zeros(48 * 2500, np.int16))
    assert player.hold.held_ms == pytest.approx(1000, abs=40)
    player.hold_by(0)
    player.play(np.zeros(48 * 100, np.int16))
    assert player.hold.held_ms == pytest.approx(60, abs=40)
    assert player.hold.splices == 0


def test_outside_segments_nothing_is_heard() -> None:
    assert not Player().play(steady(500)).any()


def test_a_segment_is_reported_when_it_is_read_not_when_it_arrives() -> None:
    player = Player()
    player.hold_by(140)
    findings: dict[int, list[Finding]] = {5: [Begun(5 * 960, "a", 0)], 30: [Over(30 * 960, "a")]}
    blocks = player.blocks(steady(1000), findings)
    reports = [(i, type(reached).__name__) for i, held in enumerate(blocks) for reached in held.reached]
    assert blocks[25].segment_id == "a"
    assert blocks[25].sample / 24 == pytest.approx((25 - 5) * 20 - 200, abs=45)
    assert [what for _, what in reports] == ["Begun", "Over"]
    assert reports[0][0] == pytest.approx(15, abs=2)


def test_a_cut_tells_how_much_was_read_and_drops_the_rest() -> None:
    player = Player()
    player.play(steady(500), {0: [Begun(0, "a", 0)]})
    cut = player.hold.cut()
    assert cut is not None
    assert (cut[0], cut[1] / 24) == ("a", pytest.approx(500 - MARGIN_MS, abs=45))
    assert not player.play(steady(200)).any()
    assert player.hold.cut() is None


def test_a_starved_hold_fades_and_fills_up_again() -> None:
    player = Player(is_open=True)
    player.play(steady(300))
    out: list[np.ndarray] = []
    for _ in range(10):
        player.now_s += BLOCK_S
        out.append(player.hold.read(player.now_s).pcm)
    rest = np.concatenate(out)
    assert rest[:480].any()
    assert not rest[-960:].any()
    assert clicks(rest) < 600
    assert player.play(steady(300)).any()


def test_what_is_too_much_is_dropped_and_counted() -> None:
    hold = SoundHold(Timeline())
    for n in range(60):
        hold.push(np.zeros(4800, np.int16), [], n * 0.1)
    assert hold.dropped_samples > 0
    assert hold.held_ms <= 4_500


# -- the clocks --------------------------------------------------------------------------------------------------------


def test_a_pace_is_steady_under_calls_that_are_late_now_and_then() -> None:
    chance, pace = np.random.default_rng(2), Pace()
    told = [pace.tick(n * 0.01 + float(chance.exponential(0.004)), 0.01) - n * 0.01 for n in range(1000)]
    assert max(told[100:]) - min(told[100:]) < 0.002


def test_a_pace_waits_out_a_stall_and_follows_a_gap() -> None:
    pace = Pace()
    for n in range(100):
        pace.tick(n * 0.01, 0.01)
    caught_up = [pace.tick(max(1.4, (100 + n) * 0.01), 0.01) for n in range(60)]
    assert caught_up[-1] == pytest.approx(1.59, abs=0.001)
    for n in range(160, 260):
        last = pace.tick(n * 0.01 + 0.3, 0.01)
    assert last == pytest.approx(2.59 + 0.3, abs=0.001)


def test_one_bad_measurement_moves_nothing() -> None:
    timeline = Timeline()
    for n, older_ms in enumerate((500, 510, -3000, 505, 99_999)):
        timeline.measured(float(n), n - 50.0, n - 50.0 - older_ms / 1000)
    assert timeline.picture_older_ms == pytest.approx(505, abs=6)
    assert timeline.lag_s == pytest.approx(0.505 + MARGIN_MS / 1000, abs=0.02)


# -- both --------------------------------------------------------------------------------------------------------------


def picture(n: int) -> np.ndarray:
    return np.full((6, 4), n, np.uint8)


def test_pictures_come_when_they_are_due_and_the_newest_wins() -> None:
    timeline = Timeline()
    hold = PictureHold(timeline, SoundHold(timeline))
    for n in range(4):
        hold.push(picture(n), 1 + n * 0.04)
    assert hold.due(1.0) is None
    assert hold.next_due_s(1.0) == pytest.approx(1 + MARGIN_MS / 1000)
    shown = hold.due(1 + MARGIN_MS / 1000 + 0.09)
    assert shown is not None
    assert shown[0, 0] == 2
    hold.clear()
    assert hold.due(9.0) is None


def test_an_answer_before_the_first_report_waits_for_it_and_is_together_with_its_lips_from_the_first_word() -> (
    None
):
    timeline = Timeline()
    sound = SoundHold(timeline)
    pictures = PictureHold(timeline, sound)
    timeline.expect(100.0 + 3.4)
    spoken_from_s, lag_s, reported_s = 0.5, 0.9, 2.0
    heard: list[tuple[float, int]] = []
    shown: list[tuple[float, int]] = []
    for step in range(1, 500):
        at_s = step * 0.01
        speaks = at_s > spoken_from_s
        begins = [Begun((step - 1) * 480, "a", 0)] if speaks and at_s - 0.01 <= spoken_from_s else []
        # The level tells when a sample was captured, as the picture does.
        sound.push(np.full(480, 1000 + step if speaks else 0, np.int16), list(begins), 100 + at_s)
        if step % 4 == 0:
            pictures.push(picture_of(max(0, step - round(lag_s * 100))), 100 + at_s)
        if at_s > reported_s and step % 10 == 0:
            timeline.measured(100 + at_s, 7e5 + at_s, 7e5 + at_s - lag_s)
        if step % 2 == 0:
            block = sound.read(100 + at_s).pcm
            if block.max() > 1000:
                heard.append((at_s, int(block[block > 1000][0]) - 1000))
        newest = pictures.due(100 + at_s)
        if newest is not None:
            shown.append((at_s, number_of(newest)))
    assert heard[0][0] >= reported_s
    assert heard[0][1] <= spoken_from_s * 100 + 4, "no sound of the beginning is lost"
    for at_s, captured in heard[:150]:
        picture_captured = [number for when_s, number in shown if when_s <= at_s][-1]
        assert -6 <= captured - picture_captured <= 8, (at_s, captured, picture_captured)


def test_delays_are_measured_seldom_while_they_are_steady_and_often_once_one_has_changed() -> None:
    attention = Attention()
    chance = np.random.default_rng(1)
    for number in range(CALM_REPORTS + 10):
        assert attention.wait_s == STATS_S or number >= CALM_REPORTS
        attention.take(7e5 + float(chance.normal(0, 0.001)), 7e5 + 0.9 + float(chance.normal(0, 0.001)))
    assert attention.wait_s == CALM_STATS_S
    attention.take(7e5, 7e5 + 1.0)
    assert attention.wait_s == STATS_S


class Room:
    """A room in virtual time. ``sound_age`` and ``picture_age`` tell, at each moment, how old is what arrives; sound has a
    click at each whole second of its capture, a picture knows its own. ``run`` gives sound against picture by second, ms."""

    def __init__(self, sound_age: Age, picture_age: Age, *, jitter_s: float = 0.004, seed: int = 1) -> None:
        self._ages = sound_age, picture_age
        self._chance = np.random.default_rng(seed)
        self._jitter_s = jitter_s
        self.timeline = Timeline()
        self.sound = SoundHold(self.timeline, is_open=True)
        self.pictures = PictureHold(self.timeline, self.sound)

    def late(self) -> float:
        return float(self._chance.exponential(self._jitter_s))

    def run(self, for_s: float) -> dict[int, float]:
        sound_age, picture_age = self._ages
        last = -sound_age(0.0)
        clicked: list[float] = []
        shown: list[tuple[float, float]] = []
        captured: dict[int, float] = {}
        for step in range(1, round(for_s / 0.01)):
            at_s = step * 0.01
            now = at_s - sound_age(at_s)
            samples = np.linspace(last, now, 480, endpoint=False)
            last = now
            self.sound.push((8000 * (samples % 1 < 0.005)).astype(np.int16), [], 100 + at_s + self.late())
            if step % 4 == 0:
                captured[step] = at_s - picture_age(at_s)
                self.pictures.push(picture_of(step), 100 + at_s)
            if step % 10 == 0:
                noise_s = float(self._chance.normal(0, 0.003))
                told_s = 7e5 + at_s
                self.timeline.measured(
                    100 + at_s, told_s - sound_age(at_s), told_s - picture_age(at_s) + noise_s
                )
            if step % 2 == 0:
                pcm = self.sound.read(100 + at_s + self.late()).pcm
                loud = np.flatnonzero(pcm > 4000)
                if len(loud) and (not clicked or at_s - clicked[-1] > 0.3):
                    clicked.append(at_s + loud[0] / HZ)
            newest = self.pictures.due(100 + at_s)
            if newest is not None:
                shown.append((at_s, captured[number_of(newest)]))
        found: dict[int, float] = {}
        for at_s in clicked:
            near = [at - moment for at, moment in shown if abs(at - at_s) < 0.4]
            if near:
                found[int(at_s)] = ((at_s - float(np.median(near)) + 0.5) % 1 - 0.5) * 1000
        return found


def picture_of(step: int) -> np.ndarray:
    return np.array([[step >> 8, step & 255], [0, 0], [0, 0]], np.uint8)


def number_of(shown: np.ndarray) -> int:
    return int(shown[0, 0]) << 8 | int(shown[0, 1])


def slewing(from_s: float, to_s: float, begins_s: float) -> Age:
    """An age that the SDK changes by 8 % of the time until it is there, as it does to bring its streams together."""
    sign = 1 if to_s > from_s else -1

    def age(at_s: float) -> float:
        moved = min(abs(to_s - from_s), max(0.0, at_s - begins_s) * 0.08)
        return from_s + sign * moved

    return age


def stepping(*ages: tuple[float, float]) -> Age:
    """An age that is another from each of those times on; one that grows lets time stand still, as a picture does."""

    def age(at_s: float) -> float:
        moment = -9.0
        for begins_s, age_s in ages:
            ends_s = min([at for at, _ in ages if at > begins_s] + [at_s])
            if at_s >= begins_s:
                moment = max(moment, min(at_s, ends_s) - age_s)
        return at_s - moment

    return age


@pytest.mark.parametrize(
    ("sound_age", "picture_age"),
    [
        (lambda at_s: 0.05, lambda at_s: 0.05),
        (lambda at_s: 0.05, lambda at_s: 1.0),
        (lambda at_s: 0.05, lambda at_s: 2.0),
        (lambda at_s: 0.8, lambda at_s: 0.1),
        (slewing(0.05, 0.95, 3.0), lambda at_s: 1.0),
        (slewing(1.5, 0.1, 3.0), lambda at_s: 0.1),
    ],
    ids=["together", "one", "two", "early picture", "slewing up", "slewing down"],
)
def test_sound_and_picture_are_of_one_moment_whatever_their_delays(sound_age: Age, picture_age: Age) -> None:
    found = Room(sound_age, picture_age).run(30)
    later = {second: offset for second, offset in found.items() if second >= 4}
    assert len(later) > 18
    assert max(abs(offset) for offset in later.values()) < 25, later


def test_a_delay_that_changes_in_mid_talk_is_followed_within_four_seconds() -> None:
    room = Room(lambda at_s: 0.05, stepping((0.0, 0.05), (10.0, 1.0), (20.0, 2.0), (30.0, 0.05)))
    found = room.run(40)
    settled = {s: offset for s, offset in found.items() if s % 10 >= 4}
    assert len(settled) > 18
    assert max(abs(offset) for offset in settled.values()) < 25, settled


def test_calls_that_are_late_under_load_move_neither() -> None:
    found = Room(lambda at_s: 0.05, lambda at_s: 0.5, jitter_s=0.015, seed=3).run(30)
    later = [offset for second, offset in found.items() if second >= 4]
    assert max(abs(offset) for offset in later) < 30
