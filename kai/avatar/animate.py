"""The animation of the face: moods, feelings, blinks, glances and breath, with speech on top.

A mood shows what Kai is doing, and a feeling shows how it takes the words (`kai.avatar.feeling`). Both are poses, which are
added, and springs move the face from one pose to the next. The springs of the eyes are faster than those of the mouth,
because a smile that begins at the mouth looks false. While Kai speaks, stressed words raise the brows and dip the head, and
the eyes blink in pauses between clauses. Like human eyes, Kai's jump between the person's left eye, right eye and mouth.

Pure: `advance` takes the last state, the time and the inputs, and returns the next state and a frame's parameters. Time is an
argument, and random numbers come from a seed, so the same calls give the same frames.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from numpy.typing import NDArray

from kai.avatar import chance
from kai.avatar.feeling import CALM, Emotion, Feeling
from kai.avatar.visemes import MOUTH_SHAPES


class Mood(StrEnum):
    """What Kai is doing; the names are those of the app's states."""

    IDLE = "idle"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"


@dataclass(frozen=True, slots=True)
class Pose:
    """The pose of a mood. Angles are in radians; the other values are weights of face shapes."""

    pitch: float = 0.0
    yaw: float = 0.0
    roll: float = 0.0
    smile: float = 0.0
    brow: float = 0.0
    gaze_x: float = 0.0
    gaze_y: float = 0.0
    wide: float = 0.0
    press: float = 0.0
    asymmetry: float = 0.0
    """One brow raised."""
    talking: float = 0.0
    """How strongly the movements of speech and of listening show, 0 to 1."""
    attentive: float = 0.0
    squint: float = 0.0
    """The lower lids are raised, in addition to the smile's effect."""
    sorrow: float = 0.0
    """The inner ends of the brows are raised and drawn together."""
    frown: float = 0.0
    """The corners of the mouth are drawn down."""
    teeth: float = 0.0
    """How far a smile parts the lips."""


POSES: Mapping[Mood, Pose] = {
    Mood.IDLE: Pose(smile=0.36, brow=0.04, wide=0.20),
    Mood.LISTENING: Pose(pitch=0.045, yaw=0.05, roll=-0.075, smile=0.32, brow=0.34, wide=0.30, attentive=1.0),
    Mood.THINKING: Pose(
        pitch=-0.06,
        yaw=-0.13,
        roll=0.045,
        smile=0.05,
        brow=0.25,
        gaze_x=-0.30,
        gaze_y=0.22,
        wide=0.05,
        press=0.35,
        asymmetry=0.45,
    ),
    Mood.SPEAKING: Pose(smile=0.22, brow=0.06, wide=0.20, talking=1.0),
}

FEELINGS: Mapping[Emotion, Pose] = {
    Emotion.NEUTRAL: Pose(),
    Emotion.WARM: Pose(pitch=0.012, roll=-0.02, smile=0.24, brow=0.10, squint=0.14, teeth=0.10),
    Emotion.CONCERNED: Pose(pitch=0.03, roll=0.03, smile=-0.34, sorrow=0.85, frown=0.30, press=0.22),
    Emotion.AMUSED: Pose(pitch=-0.015, roll=0.035, smile=0.42, brow=0.16, squint=0.34, teeth=0.62),
    Emotion.SURPRISED: Pose(pitch=-0.035, smile=0.04, brow=0.72, wide=0.42),
}
"""What a feeling at full strength adds to the pose of the mood."""

_SMILE_SQUINT = 0.35
"""How far a smile raises the lower lids."""

_POSE_FIELDS = tuple(Pose.__dataclass_fields__)
_STIFFNESS = {"gaze_x": 9.0, "gaze_y": 9.0, "squint": 8.0, "brow": 6.4, "smile": 5.0}
"""The rates of the critically damped springs that move the face from pose to pose, in radians per second; 6 by default."""
_DEFAULT_STIFFNESS = 6.0

BLINK_CLOSE_S, BLINK_HOLD_S, BLINK_OPEN_S = 0.085, 0.040, 0.200
_BLINK_S = BLINK_CLOSE_S + BLINK_HOLD_S + BLINK_OPEN_S
_DOUBLE_BLINK_SHARE = 0.12
_DOUBLE_BLINK_AFTER_S = 0.34
MOOD_BLINK_GAP_S = 2.2
"""A change of mood makes the eyes blink, unless they blinked within this time."""
_MOST_BLINKS, _BLINK_WINDOW_S = 5, 10.0
"""The most blinks in any window of this length; otherwise changes of mood and double blinks would cluster."""
_MIN_PAUSE_S, _MAX_PAUSE_S = 1.2, 7.0

_NOD_S = 0.85
_NOD_PAUSE_S = (2.2, 5.5)

STARTLE_S = 0.38
"""How long an interrupted face looks up before it listens."""

_BEAT_S = 0.52
"""How long brows and head mark a stressed word."""
_BEAT_PAUSE_S = 0.75
_BEAT_RISE = 0.20
"""A loudness this far above its running mean is a stress."""
_PAUSE_LOUDNESS, _PAUSE_S = 0.10, 0.13
"""While Kai speaks, a loudness below this for this time is a pause between clauses."""
_PAUSE_BLINK_SHARE, _PAUSE_BLINK_GAP_S = 0.6, 1.2

_EYE_RATE = 40.0
"""How fast the eyes follow a new target, 1/s: a glance takes about 60 ms."""
_FIXATIONS = ((-0.030, 0.012), (0.030, 0.012), (0.0, -0.034))
"""The points at which people look in a face: one eye, the other eye, and the mouth. Radians."""

_MAX_STEP_S = 0.5


@dataclass(frozen=True, slots=True)
class Life:
    """The state that the face keeps from one frame to the next."""

    seed: int
    at_s: float
    mood: Mood
    pose: tuple[float, ...]
    speed: tuple[float, ...]
    draws: int
    blink_at_s: float
    next_blink_s: float
    glance: tuple[float, float]
    next_glance_s: float
    eyes: tuple[float, float]
    slow_loudness: float
    emphasis: float
    recent_blinks: tuple[float, ...] = ()
    """The start times of the last `_MOST_BLINKS` blinks, oldest first."""
    nod_at_s: float = -10.0
    nods: int = 1
    next_nod_s: float = 0.0
    startled_at_s: float = -10.0
    beat_at_s: float = -10.0
    beat_size: float = 0.0
    loud_at_s: float = -10.0
    """When speech was last heard."""
    has_paused: bool = True
    """Whether the present pause has been noticed already."""


def begin(seed: int, at_s: float, mood: Mood = Mood.IDLE) -> Life:
    """Return a face at rest in a mood; its first blink follows 1.1 s later."""
    at_ease = _felt(POSES[mood], CALM)
    pose = tuple(getattr(at_ease, name) for name in _POSE_FIELDS)
    return Life(
        seed=seed,
        at_s=at_s,
        mood=mood,
        pose=pose,
        speed=(0.0,) * len(pose),
        draws=0,
        blink_at_s=at_s - 10,
        next_blink_s=at_s + 1.1,
        glance=(0.0, 0.0),
        next_glance_s=at_s,
        eyes=(0.0, 0.0),
        slow_loudness=0.0,
        emphasis=0.0,
    )


def advance(
    life: Life,
    at_s: float,
    mood: Mood,
    mouth: NDArray[Any] | None = None,
    loudness: float = 0.0,
    feeling: Feeling = CALM,
    *,
    is_resting: bool = False,
) -> tuple[Life, dict[str, float]]:
    """Return the next state and the frame's parameters (see `kai.avatar.render`).

    ``at_s`` is in seconds and not before ``life.at_s``; ``mouth`` is ``(len(MOUTH_SHAPES),)`` weights or ``None``;
    ``loudness`` is 0 to 1. A face that is resting does not nod, because nobody speaks.
    """
    step_s = min(max(at_s - life.at_s, 0.0), _MAX_STEP_S)
    life = _pause(life, at_s, mood, loudness)
    life = _blink(life, at_s, mood)
    life = _glance(life, at_s, mood)
    life = _nod(life, at_s, mood, is_resting=is_resting)
    pose, speed = _follow(life, _wanted(life, at_s, mood, feeling), step_s)
    towards = 1 - math.exp(-_EYE_RATE * step_s)
    eyes = tuple(e + (g - e) * towards for e, g in zip(life.eyes, life.glance, strict=True))
    slow = life.slow_loudness + (loudness - life.slow_loudness) * (1 - math.exp(-6.6 * step_s))
    rise = max(0.0, loudness - slow)
    life = _beat(life, at_s, mood, rise)
    emphasis = life.emphasis + (rise - life.emphasis) * (1 - math.exp(-9 * step_s))
    life = replace(
        life,
        at_s=at_s,
        mood=mood,
        pose=pose,
        speed=speed,
        eyes=(eyes[0], eyes[1]),
        slow_loudness=slow,
        emphasis=emphasis,
    )
    params = _params(life)
    if mouth is not None:
        _lay_mouth_over(params, mouth)
    return life, params


def interrupt(life: Life, at_s: float) -> Life:
    """Interrupt the face: it looks up with raised eyes and brows, moves back a little, and then listens."""
    return replace(life, startled_at_s=at_s)


def eyelid(since_s: float) -> float:
    """Return how far a blink has shut the eyes, 0 to 1, ``since_s`` after it began."""
    if not 0 <= since_s < _BLINK_S:
        return 0.0
    if since_s < BLINK_CLOSE_S:
        return math.sin(since_s / BLINK_CLOSE_S * math.pi / 2) ** 1.5
    if since_s < BLINK_CLOSE_S + BLINK_HOLD_S:
        return 1.0
    return (1 - math.sin((since_s - BLINK_CLOSE_S - BLINK_HOLD_S) / BLINK_OPEN_S * math.pi / 2)) ** 1.4


def _blink(life: Life, at_s: float, mood: Mood) -> Life:
    if mood is not life.mood and at_s - life.blink_at_s > MOOD_BLINK_GAP_S:
        life = replace(life, next_blink_s=min(life.next_blink_s, at_s + 0.05))
    if at_s < life.next_blink_s:
        return life
    if len(life.recent_blinks) == _MOST_BLINKS and at_s - life.recent_blinks[0] < _BLINK_WINDOW_S:
        return replace(life, next_blink_s=life.recent_blinks[0] + _BLINK_WINDOW_S)
    recent = (*life.recent_blinks, at_s)[-_MOST_BLINKS:]
    is_double = chance.uniform(life.seed, life.draws) < _DOUBLE_BLINK_SHARE
    just_doubled = life.next_blink_s - life.blink_at_s < _DOUBLE_BLINK_AFTER_S + 0.05
    pause_s = min(max(chance.gamma3(life.seed, life.draws + 1, 1.25), _MIN_PAUSE_S), _MAX_PAUSE_S)
    if is_double and not just_doubled:
        pause_s = _DOUBLE_BLINK_AFTER_S
    return replace(
        life, blink_at_s=at_s, next_blink_s=at_s + pause_s, draws=life.draws + 4, recent_blinks=recent
    )


def _pause(life: Life, at_s: float, mood: Mood, loudness: float) -> Life:
    """Blink in a pause between clauses, as most people do."""
    if mood is not Mood.SPEAKING or loudness >= _PAUSE_LOUDNESS:
        return replace(life, loud_at_s=at_s, has_paused=mood is not Mood.SPEAKING)
    if life.has_paused or at_s - life.loud_at_s < _PAUSE_S:
        return life
    blinks = (
        at_s - life.blink_at_s > _PAUSE_BLINK_GAP_S
        and chance.uniform(life.seed, life.draws) < _PAUSE_BLINK_SHARE
    )
    next_blink_s = min(life.next_blink_s, at_s) if blinks else life.next_blink_s
    return replace(life, has_paused=True, next_blink_s=next_blink_s, draws=life.draws + 1)


def _beat(life: Life, at_s: float, mood: Mood, rise: float) -> Life:
    """Mark some stressed words with brows and head, never two at once."""
    if mood is not Mood.SPEAKING or rise < _BEAT_RISE or at_s - life.beat_at_s < _BEAT_PAUSE_S:
        return life
    size = 0.35 + 0.65 * chance.uniform(life.seed, life.draws)
    return replace(life, beat_at_s=at_s, beat_size=size, draws=life.draws + 1)


def beat_height(since_s: float) -> float:
    """Return how far the brows are raised for a stress, 0 to 1, ``since_s`` after it began."""
    return math.sin(math.pi * since_s / _BEAT_S) ** 2 if 0 <= since_s < _BEAT_S else 0.0


def _nod(life: Life, at_s: float, mood: Mood, *, is_resting: bool) -> Life:
    """Nod now and then while listening to somebody, once or twice, at irregular times."""
    if mood is not Mood.LISTENING or is_resting:
        return replace(life, next_nod_s=max(life.next_nod_s, at_s + 0.9))
    if at_s < life.next_nod_s:
        return life
    shortest_s, longest_s = _NOD_PAUSE_S
    pause_s = shortest_s + (longest_s - shortest_s) * chance.uniform(life.seed, life.draws)
    nods = 2 if chance.uniform(life.seed, life.draws + 1) < 0.4 else 1
    return replace(
        life, nod_at_s=at_s, nods=nods, next_nod_s=at_s + nods * _NOD_S + pause_s, draws=life.draws + 2
    )


def nod_depth(since_s: float, nods: int) -> float:
    """Return how deep the head is in a nod, 0 to 1, ``since_s`` after it began; the second nod is smaller."""
    if not 0 <= since_s < nods * _NOD_S:
        return 0.0
    number, within_s = divmod(since_s, _NOD_S)
    return math.sin(math.pi * within_s / _NOD_S) ** 2 * (1.0 if number < 1 else 0.6)


def _felt(pose: Pose, feeling: Feeling) -> Pose:
    """Return the pose with the feeling's addition."""
    added, strength = FEELINGS[feeling.emotion], feeling.strength
    felt = {name: getattr(pose, name) + strength * getattr(added, name) for name in _POSE_FIELDS}
    felt["smile"] = max(0.0, felt["smile"])
    felt["squint"] += _SMILE_SQUINT * felt["smile"]
    return Pose(**felt)


def _wanted(life: Life, at_s: float, mood: Mood, feeling: Feeling) -> Pose:
    """Return the pose towards which the springs pull."""
    pose = _felt(POSES[mood], feeling)
    if not 0 <= at_s - life.startled_at_s < STARTLE_S:
        return pose
    return replace(
        pose,
        pitch=pose.pitch - 0.07,
        roll=0.0,
        brow=pose.brow + 0.75,
        wide=pose.wide + 0.45,
        smile=pose.smile * 0.4,
        gaze_x=0.0,
        gaze_y=0.0,
    )


def _glance(life: Life, at_s: float, mood: Mood) -> Life:
    """Move the eyes: they jump between the person's eyes and mouth, and sometimes aside while Kai speaks."""
    if at_s < life.next_glance_s:
        return life
    seed, n = life.seed, life.draws
    speaking = mood is Mood.SPEAKING
    reach = 0.022 if speaking else 0.014
    aim_x, aim_y = _FIXATIONS[int(chance.uniform(seed, n + 1) * len(_FIXATIONS)) % len(_FIXATIONS)]
    glance = (aim_x + reach * chance.normal(seed, n), aim_y + reach * 0.6 * chance.normal(seed, n + 2))
    if speaking and chance.uniform(seed, n + 4) < 0.18:
        side = -0.16 if chance.uniform(seed, n + 5) < 0.5 else 0.16
        glance = (side, -0.05 + 0.13 * chance.uniform(seed, n + 6))
    pause_s = 0.35 + 1.05 * chance.uniform(seed, n + 7)
    return replace(life, glance=glance, next_glance_s=at_s + pause_s, draws=n + 8)


def _follow(life: Life, target: Pose, step_s: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Advance the critically damped springs, solved exactly, so that a late frame neither overshoots nor jumps."""
    pose: list[float] = []
    speed: list[float] = []
    for name, x, v in zip(_POSE_FIELDS, life.pose, life.speed, strict=True):
        omega = _STIFFNESS.get(name, _DEFAULT_STIFFNESS)
        goal = getattr(target, name)
        away = x - goal
        push = v + omega * away
        fade = math.exp(-omega * step_s)
        pose.append(goal + (away + push * step_s) * fade)
        speed.append((v - omega * push * step_s) * fade)
    return tuple(pose), tuple(speed)


_DRIFT_PHASES = {
    n: tuple(2 * math.pi * chance.uniform(n, k) for k in range(4)) for n in (1, 2, 3, 4, 9, 11, 12, 13)
}


def _drift(at_s: float, which: int, base_hz: float) -> float:
    """Return a slow drift around 0, the sum of four sines whose periods share no common multiple."""
    parts = zip((1, 1.73, 2.9, 0.41), _DRIFT_PHASES[which], (0.5, 0.3, 0.15, 0.5), strict=True)
    return sum(math.sin(2 * math.pi * base_hz * k * at_s + phase) * a for k, phase, a in parts)


def _params(life: Life) -> dict[str, float]:
    t = life.at_s
    pose = Pose(*life.pose)
    talking, emphasis = pose.talking, life.emphasis * pose.talking
    nodding = nod_depth(t - life.nod_at_s, life.nods) * pose.attentive
    nod = 0.055 * nodding
    p: dict[str, float] = {}
    beat = life.beat_size * beat_height(t - life.beat_at_s) * talking
    p["headPitch"] = pose.pitch + 0.016 * _drift(t, 1, 0.21) + nod
    p["headPitch"] += emphasis * 0.13 + 0.02 * talking * _drift(t, 11, 0.5) + 0.028 * beat
    p["headYaw"] = pose.yaw + 0.022 * _drift(t, 2, 0.15) + 0.035 * talking * _drift(t, 12, 0.37)
    p["headRoll"] = pose.roll + 0.010 * _drift(t, 3, 0.17) + 0.018 * talking * _drift(t, 13, 0.31)
    p["headX"] = 0.012 * _drift(t, 4, 0.11)
    p["breath"] = 0.5 - 0.5 * math.cos(2 * math.pi * 0.24 * t)
    # The eyes keep their target while the head turns, as human eyes do.
    p["gazeX"] = pose.gaze_x + life.eyes[0] - p["headYaw"] * 0.75
    p["gazeY"] = look_up = pose.gaze_y + life.eyes[1] * 0.6 + p["headPitch"] * 0.6
    blink = eyelid(t - life.blink_at_s)
    lid = blink + (1 - blink) * max(0.0, -look_up) * 0.9
    wide = pose.wide + 0.25 * emphasis + 0.12 * beat + max(0.0, look_up) * 0.8
    smile = max(0.0, pose.smile * (1 + 0.10 * _drift(t, 4, 0.13)))
    raised = emphasis * 0.35 + 0.55 * beat + 0.14 * nodding
    for side in ("Left", "Right"):
        p["eyeBlink" + side] = lid
        p["eyeWide" + side] = wide * (1 - blink)
        p["mouthSmile" + side] = smile
        p["mouthFrown" + side] = pose.frown
        p["mouthPress" + side] = pose.press
        p["mouthUpperUp" + side] = 0.46 * pose.teeth
        p["mouthLowerDown" + side] = 0.34 * pose.teeth
        p["mouthStretch" + side] = 0.24 * pose.teeth
        p["mouthDimple" + side] = 0.4 * smile
        p["cheekSquint" + side] = smile * 0.60
        p["eyeSquint" + side] = pose.squint * (1 - blink)
        p["browOuterUp" + side] = pose.brow * 0.7 + raised
        p["browDown" + side] = pose.sorrow * 0.20
    p["jawOpen"] = 0.12 * pose.teeth
    p["browInnerUp"] = pose.brow * 0.8 + pose.sorrow + raised + 0.05 * _drift(t, 9, 0.2)
    p["browOuterUpLeft"] += pose.asymmetry
    p["browDownRight"] += pose.asymmetry * 0.35
    return p


def _lay_mouth_over(params: dict[str, float], mouth: NDArray[Any]) -> None:
    busy = min(1.0, float(mouth.sum()) * 1.2)
    for side in ("Left", "Right"):
        params["mouthSmile" + side] *= 1 - 0.45 * busy
        params["mouthPress" + side] *= 1 - busy
        params["mouthFrown" + side] *= 1 - 0.45 * busy
        for shape in ("mouthUpperUp", "mouthLowerDown", "mouthStretch"):
            params[shape + side] *= 1 - busy
    params["jawOpen"] *= 1 - busy
    for shape, weight in zip(MOUTH_SHAPES, mouth, strict=True):
        params[shape] = params.get(shape, 0.0) + float(weight)
