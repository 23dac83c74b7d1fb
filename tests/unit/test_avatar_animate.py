"""The face's life."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from kai.adapters.local_face.process import LEAST_MOVEMENT
from kai.avatar.animate import POSES, Mood, advance, begin, eyelid, interrupt
from kai.avatar.feeling import CALM, Emotion, Feeling
from kai.avatar.ladder import LARGE_RUNG, RUNGS, Ladder, judge
from kai.avatar.movement import movement
from kai.avatar.rig import load_rig
from kai.avatar.visemes import MOUTH_SHAPES

FRAMES_PER_S = 25


def live(moods: list[Mood], seed: int = 5) -> list[dict[str, float]]:
    """The parameters of one frame for each mood."""
    life = begin(seed, 0.0, moods[0])
    frames: list[dict[str, float]] = []
    for i, mood in enumerate(moods):
        life, params = advance(life, i / FRAMES_PER_S, mood)
        frames.append(params)
    return frames


def count_blinks(frames: list[dict[str, float]]) -> int:
    shut = [params["eyeBlinkLeft"] > 0.6 for params in frames]
    return sum(now and not before for before, now in itertools.pairwise(shut))


def test_at_rest_little_moves_between_two_pictures_but_each_blink_and_glance_and_nobody_nods_at_silence() -> (
    None
):
    life = begin(5, 0.0, Mood.LISTENING)
    shown: list[dict[str, float]] = []
    for i in range(60 * FRAMES_PER_S):
        life, params = advance(life, i / FRAMES_PER_S, Mood.LISTENING, is_resting=True)
        shown.append(params)
    assert max(p["headPitch"] for p in shown) - min(p["headPitch"] for p in shown) < 0.05
    moved = [movement(a, b) for a, b in itertools.pairwise(shown)]
    lids = [abs(b["eyeBlinkLeft"] - a["eyeBlinkLeft"]) for a, b in itertools.pairwise(shown)]
    eyes = [abs(b["gazeX"] - a["gazeX"]) for a, b in itertools.pairwise(shown)]
    blinking = [lid > 0.05 for lid in lids]
    assert all(by >= LEAST_MOVEMENT for by, is_so in zip(moved, blinking, strict=True) if is_so)
    assert all(by >= LEAST_MOVEMENT for by, eye in zip(moved, eyes, strict=True) if eye > 0.035)
    assert sum(by >= LEAST_MOVEMENT for by in moved) < 0.2 * len(moved)
    breath = [p["breath"] for p in shown]
    assert max(breath) - min(breath) > 0.9


POSE_NAMES = {"headYaw", "headPitch", "headRoll", "headX", "headY", "gazeX", "gazeY", "breath"}


def test_every_parameter_is_known_to_the_renderer() -> None:
    known = set(load_rig("kai").shape_names) | POSE_NAMES
    for mood in Mood:
        life, params = advance(begin(1, 0.0), 0.5, mood, np.ones(len(MOUTH_SHAPES)) * 0.1, 0.5)
        assert set(params) <= known
        assert life.mood is mood


def test_the_same_seed_lives_the_same_life() -> None:
    moods = [Mood.IDLE] * 100 + [Mood.SPEAKING] * 100
    assert live(moods) == live(moods)
    assert live(moods) != live(moods, seed=6)


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(Mood, 2)))
def test_a_change_of_mood_is_never_a_jump(before: Mood, after: Mood) -> None:
    frames = live([before] * 75 + [after] * 75)
    blinking = {
        "eyeBlinkLeft",
        "eyeBlinkRight",
        "eyeWideLeft",
        "eyeWideRight",
        "eyeSquintLeft",
        "eyeSquintRight",
    }
    for a, b in itertools.pairwise(frames[70:]):
        for name in a.keys() - blinking - {"gazeX", "gazeY"}:
            assert abs(b[name] - a[name]) < 0.06, name


def test_a_mood_is_reached_within_a_second() -> None:
    frames = live([Mood.IDLE] * 25 + [Mood.THINKING] * 40)
    assert frames[-1]["headYaw"] < -0.08
    assert frames[-1]["browOuterUpLeft"] > 0.45
    assert frames[20]["browOuterUpLeft"] < 0.1


@pytest.mark.parametrize("seed", range(6))
def test_a_resting_face_blinks_as_people_do(seed: int) -> None:
    blinks = count_blinks(live([Mood.IDLE] * 60 * FRAMES_PER_S, seed))
    assert 8 <= blinks <= 35


def test_hasty_changes_of_mood_do_not_make_it_flutter() -> None:
    moods = [list(Mood)[i // 8 % 4] for i in range(60 * FRAMES_PER_S)]
    frames = live(moods)
    assert count_blinks(frames) <= 35
    for start in range(0, len(frames) - 10 * FRAMES_PER_S, FRAMES_PER_S):
        assert count_blinks(frames[start : start + 10 * FRAMES_PER_S]) <= 6


def test_a_listener_nods_now_and_then() -> None:
    with_nods = live([Mood.LISTENING] * 60 * FRAMES_PER_S)
    pitch = np.array([params["headPitch"] for params in with_nods])
    resting = np.array([params["headPitch"] for params in live([Mood.IDLE] * 60 * FRAMES_PER_S)])
    deep = pitch - POSES[Mood.LISTENING].pitch > 0.045
    nods = int((deep[1:] & ~deep[:-1]).sum())
    assert 6 <= nods <= 30
    assert (resting > 0.045).sum() == 0


def test_who_is_cut_short_looks_up_and_then_gives_way_without_a_jump() -> None:
    life, frames = begin(5, 0.0, Mood.SPEAKING), []
    for i in range(100):
        at_s = i / FRAMES_PER_S
        if i == 25:
            life = interrupt(life, at_s)
        life, params = advance(life, at_s, Mood.SPEAKING if i < 25 else Mood.LISTENING)
        frames.append(params)
    brows = np.array([params["browInnerUp"] for params in frames])
    assert brows[25 : 25 + 20].max() > brows[:25].max() + 0.2
    assert abs(brows[-1] - 0.8 * POSES[Mood.LISTENING].brow) < 0.1
    assert min(params["headPitch"] for params in frames[25:40]) < frames[24]["headPitch"] - 0.01
    for a, b in itertools.pairwise(frames):
        for name in ("headPitch", "headYaw", "headRoll", "browInnerUp", "browOuterUpLeft", "mouthSmileLeft"):
            assert abs(b[name] - a[name]) < 0.08, name


def test_a_blink_shuts_and_opens() -> None:
    lids = [eyelid(t) for t in np.linspace(-0.1, 0.5, 601)]
    assert max(lids) == 1
    assert lids[0] == lids[-1] == 0
    assert np.abs(np.diff(lids)).max() < 0.06


def test_a_long_pause_between_frames_is_no_jump_and_no_error() -> None:
    life, before = advance(begin(2, 0.0), 1.0, Mood.LISTENING)
    life, after = advance(life, 100.0, Mood.LISTENING)
    assert abs(after["headRoll"] - before["headRoll"]) < 0.2
    _, later = advance(life, 100.04, Mood.LISTENING)
    assert abs(later["headRoll"] - after["headRoll"]) < 0.02


def test_a_mouth_lies_over_the_smile_of_the_mood() -> None:
    mouth = np.zeros(len(MOUTH_SHAPES), np.float32)
    mouth[MOUTH_SHAPES.index("jawOpen")] = 0.5
    _, resting = advance(begin(2, 0.0), 0.04, Mood.SPEAKING)
    _, talking = advance(begin(2, 0.0), 0.04, Mood.SPEAKING, mouth, 0.8)
    assert talking["jawOpen"] == pytest.approx(0.5)
    assert talking["mouthSmileLeft"] < resting["mouthSmileLeft"]


def windows_until(ladder: Ladder, rung_index: int) -> tuple[Ladder, int]:
    """The ladder once it has climbed to a rung by calm windows, and how many that took."""
    windows = 0
    while ladder.rung_index != rung_index:
        ladder = judge(ladder, [6.0] * 50, 0)
        windows += 1
    return ladder, windows


def test_a_slow_machine_steps_down_and_a_calm_one_up_again() -> None:
    ladder = judge(Ladder(), [30.0] * 50, 0)
    assert ladder.rung == RUNGS[1]
    assert judge(ladder, [45.0] * 37, 20).rung == RUNGS[1]
    ladder = judge(ladder, [45.0] * 35, 20)
    assert ladder.rung == RUNGS[2]
    assert judge(ladder, [50.0] * 40, 9).rung == RUNGS[2]
    ladder, windows = windows_until(ladder, 1)
    assert windows == 2
    ladder, windows = windows_until(ladder, 0)
    assert windows == 10
    _, windows = windows_until(judge(ladder, [30.0] * 50, 0), 0)
    assert windows == 20


def test_frames_come_back_as_soon_each_time_however_often_they_were_missing() -> None:
    ladder = Ladder(1)
    for _ in range(20):
        ladder = judge(ladder, [60.0] * 30, 20)
        assert ladder.rung == RUNGS[2]
        ladder, windows = windows_until(ladder, 1)
        assert windows == 2


def test_a_machine_that_cannot_draw_at_all_is_told_so_after_a_while() -> None:
    ladder = Ladder(len(RUNGS) - 1)
    for _ in range(4):
        ladder = judge(ladder, [150.0] * 13, 12)
    assert not ladder.is_too_slow
    assert judge(ladder, [150.0] * 13, 12).is_too_slow
    assert not judge(judge(ladder, [60.0] * 30, 12), [150.0] * 13, 12).is_too_slow


def test_a_large_face_is_drawn_smaller_before_it_is_drawn_late_and_grows_again() -> None:
    ladder = Ladder(is_large=True)
    assert ladder.rung == LARGE_RUNG
    ladder = judge(ladder, [30.0] * 50, 0)
    assert ladder.rung == RUNGS[1]
    assert ladder.rung.size_px < LARGE_RUNG.size_px
    ladder, _ = windows_until(judge(ladder, [45.0] * 35, 20), 0)
    assert ladder.rung == LARGE_RUNG


def test_one_slow_frame_is_no_slow_machine() -> None:
    assert judge(Ladder(), [9.0] * 49 + [80.0], 1).rung == RUNGS[0]


def test_a_machine_that_just_holds_the_coarse_face_stays_there() -> None:
    ladder = Ladder(1)
    for _ in range(200):
        ladder = judge(ladder, [15.0] * 50, 0)
    assert ladder.rung == RUNGS[1]


def speak(loudness: list[float], seed: int = 5) -> list[dict[str, float]]:
    """The parameters of one frame for each loudness while Kai speaks."""
    life = begin(seed, 0.0, Mood.SPEAKING)
    frames: list[dict[str, float]] = []
    for i, loud in enumerate(loudness):
        life, params = advance(life, i / FRAMES_PER_S, Mood.SPEAKING, np.zeros(len(MOUTH_SHAPES)), loud)
        frames.append(params)
    return frames


def test_stressed_words_lift_the_brows_and_even_speech_does_not() -> None:
    words = ([0.35] * 20 + [0.95] * 5) * 40
    stressed, even = (
        np.array([params["browOuterUpRight"] for params in speak(loudness)[2 * FRAMES_PER_S :]])
        for loudness in (words, [0.45] * len(words))
    )
    lifted = stressed > even.max() + 0.15
    lifts = int((lifted[1:] & ~lifted[:-1]).sum())
    assert 15 <= lifts <= 41, "brows mark many of the forty stresses, each once at most"
    assert np.abs(np.diff(stressed)).max() < 0.15


def test_eyes_blink_in_the_pauses_between_clauses_more_often_than_within_them() -> None:
    clause, pause = 50, 15
    loudness = ([0.6] * clause + [0.0] * pause) * 40
    in_pause = within = 0
    for seed in range(5):
        shut = [params["eyeBlinkLeft"] > 0.6 for params in speak(loudness, seed)]
        begun = [i for i in range(1, len(shut)) if shut[i] and not shut[i - 1]]
        in_pause += sum(i % (clause + pause) >= clause for i in begun)
        within += sum(i % (clause + pause) < clause for i in begun)
    assert in_pause / pause > 3 * within / clause


def feel(feeling: Feeling, mood: Mood = Mood.SPEAKING, frames: int = 50) -> list[dict[str, float]]:
    """Half a second of calm, and then a feeling."""
    life, seen = begin(3, 0.0, mood), []
    for i in range(12 + frames):
        life, params = advance(life, i / FRAMES_PER_S, mood, feeling=CALM if i < 12 else feeling)
        seen.append(params)
    return seen


def test_each_feeling_shows_in_its_own_part_of_the_face() -> None:
    calm, warm, concerned, amused, surprised = (feel(Feeling(emotion, 1.0))[-1] for emotion in Emotion)
    assert calm["mouthSmileLeft"] + 0.15 < warm["mouthSmileLeft"] < amused["mouthSmileLeft"] - 0.1
    assert concerned["mouthSmileLeft"] < 0.05
    assert concerned["mouthFrownLeft"] > 0.15
    assert concerned["browInnerUp"] > concerned["browOuterUpLeft"] + 0.3
    assert amused["eyeSquintLeft"] > calm["eyeSquintLeft"] + 0.25
    assert surprised["browOuterUpLeft"] > calm["browOuterUpLeft"] + 0.3
    assert surprised["eyeWideLeft"] > calm["eyeWideLeft"] + 0.3


@pytest.mark.parametrize("emotion", [emotion for emotion in Emotion if emotion is not Emotion.NEUTRAL])
@pytest.mark.parametrize("mood", list(Mood))
def test_a_feeling_comes_without_a_jump_and_half_of_it_is_half_as_strong(
    emotion: Emotion, mood: Mood
) -> None:
    blinking = {"eyeBlink", "eyeWide", "eyeSquint"}
    frames = feel(Feeling(emotion, 1.0), mood)
    for a, b in itertools.pairwise(frames):
        for name in a.keys() - {"gazeX", "gazeY"}:
            if not name.startswith(tuple(blinking)):
                assert abs(b[name] - a[name]) < 0.1, name
    half, calm = feel(Feeling(emotion, 0.5), mood)[-1], feel(CALM, mood)[-1]
    for name in ("browOuterUpRight", "mouthFrownLeft"):
        assert abs(half[name] - calm[name]) <= 0.5 * abs(frames[-1][name] - calm[name]) + 0.02, name


def test_a_smile_begins_at_the_eyes() -> None:
    frames = feel(Feeling(Emotion.AMUSED, 1.0))

    def half_way(name: str) -> int:
        track = np.array([params[name] for params in frames])
        return int(np.argmax(track > (track[11] + track[-1]) / 2))

    assert half_way("eyeSquintRight") < half_way("mouthSmileRight")


def test_the_eyes_rest_on_the_persons_eyes_and_mouth_and_never_stay() -> None:
    frames = live([Mood.LISTENING] * 30 * FRAMES_PER_S)
    # The eyes make up for the head's turns; what is left is where they look.
    aim = np.array([params["gazeX"] + 0.75 * params["headYaw"] for params in frames])
    jumps = np.abs(np.diff(aim)) > 0.008
    assert 15 <= int((jumps[1:] & ~jumps[:-1]).sum()) <= 75
    assert np.percentile(np.abs(aim), 95) < 0.08
