"""Measures the rendered face on its pixels with a program that knows nothing of Kai: MediaPipe tracks it in encoded video.

Every character speaks with several voices: the engine's own, whose phoneme times are known, and voices that the lips were
never trained on, of which only the sound is known. The first run makes MediaPipe's environment in the user's cache.
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from kai.adapters.local_face import LocalFace
from kai.adapters.local_face.process import AHEAD_S
from kai.adapters.local_face.speaking import Speaking
from kai.avatar import animate, render
from kai.avatar.animate import Mood
from kai.avatar.bake import Baked
from kai.avatar.cache import load_or_bake
from kai.avatar.feeling import Emotion, Feeling
from kai.avatar.hearing import load_net
from kai.avatar.ladder import LARGE_PX, LARGE_RUNG, RUNGS
from kai.avatar.style import CHARACTERS
from kai.avatar.visemes import MOUTH_MATRIX, VISEMES
from kai.bench.bars import Bar, at_least, at_most
from kai.bench.face_lips import best_lag, closures, score
from kai.bench.face_stream import shown
from kai.bench.face_takes import (
    RATE_HZ,
    Take,
    engine_take,
    engine_voices,
    espeak_take,
    flite_take,
    has_programs,
    recording_takes,
)
from kai.bench.strangers import python_with
from kai.core.events import Event
from kai.core.state import Look
from kai.errors import ConfigError, FaceError
from kai.ports import Picture

Array = NDArray[Any]

REQUIREMENTS: Final = (
    "mediapipe==0.10.21",
    "numpy==1.26.4",
    "opencv-python-headless==4.11.0.86",
    "absl-py==2.5.1",
    "attrs==26.1.0",
    "contourpy==1.3.3",
    "cycler==0.12.1",
    "flatbuffers==25.12.19",
    "fonttools==4.68.0",
    "kiwisolver==1.5.1",
    "matplotlib==3.11.2",
    "packaging==26.3",
    "pillow==13.0.0",
    "protobuf==4.25.9",
    "pyparsing==3.3.3",
    "python-dateutil==4.0.0",
    "brisque==0.2.0",
    "certifi==2026.10.19.post1",
    "charset-normalizer==3.5.3",
    "idna==3.20",
    "imageio==2.38.1",
    "lazy-loader==0.6",
    "libsvm-official==3.37.0",
    "networkx==3.6.1",
    "requests==2.34.2",
    "scikit-image==0.26.0",
    "scipy==1.17.1",
    "tifffile==2026.3.3",
    "urllib3==2.8.0",
)
"""MediaPipe's requirements without jax and sound devices, which tracking a face does not need, and BRISQUE's."""

UNSEEN: Final = ("flite rms", "espeak en-gb+m7", "george")
"""The voices that ``tools/train_visemes.py`` holds out."""
SENTENCES: Final = (
    "Maybe five people bought my blue umbrella before breakfast. Pop by my office before four.",
    "The quarterly revenue grew by twelve percent, mostly because of new customers in Europe.",
    "Whether the weather is warm or cold, we move forward. Both problems have a simple answer.",
)

SIZE_PX: Final = 512
FRAMES_PER_S: Final = 25
LEAD_S: Final = 1.0
"""The silence before the first word and after the last one."""
SOUND_AHEAD_S: Final = 0.080
"""How far the sound is known ahead of the picture, as in the running app."""
IDLE_S: Final = 60
RENDERED_FRAMES: Final = 150

OPENINGS: Final[dict[str, float]] = dict(
    zip(
        VISEMES,
        (1, 0.55, 0.32, 0.65, 0.30, 0, 0.15, 0.10, 0.20, 0.10, 0.28, 0.22, 0.26, 0.20, 0),
        strict=True,
    )
)
"""How wide people open the mouth in each viseme, independently of our rig."""
FELT_S: Final = 3.0
FEELING_LAG_S: Final = 0.35
"""The delay of the face's springs."""
FEELING_SIGNS: Final[dict[Emotion, tuple[str, int]]] = {
    Emotion.WARM: ("smile", 1),
    Emotion.CONCERNED: ("smile", -1),
    Emotion.AMUSED: ("smile", 1),
    Emotion.SURPRISED: ("brow", 1),
}
"""The measure in which the tracker sees each feeling, and whether it grows or shrinks with the feeling."""
CONTROL_MS: Final = (120, 50, -80)
STILLS: Final = ("speaking", "listening", "smiling")
STILLS_OF_EACH: Final = 10
STILL_EVERY: Final = FRAMES_PER_S
FACE_PX: Final = (slice(80, 440), slice(96, 416))
"""The rows and columns of the face in a picture of 512 pixels."""
BRISQUE_BAR: Final = 6.75
"""What the first five characters scored before their edges were smoothed and their skin was shaded (lower is better)."""
BRISQUE_OF: Final = ("kai", "mara", "ines", "emil", "ade")


@dataclass(frozen=True, slots=True)
class Track:
    """The tracker's output; see `kai.bench.face_tracker`. ``at_s`` (frames,) is the media time of each frame."""

    at_s: Array
    found: Array
    gap: Array
    eye: Array
    nose: Array
    change: Array
    brow: Array
    smile: Array


def run() -> dict[str, Any]:
    """Return every figure of the face, and its gates."""
    figures: dict[str, Any] = {}
    tracker = find_tracker()
    own, unseen, real = own_takes(), unseen_takes(), list(recording_takes())
    net = load_net()
    for name, takes in (("own_voices_by_ear", own), ("unseen_voices", unseen), ("recordings", real)):
        if takes:
            figures[f"lips_{name}"] = str(score(takes, net))
    tracks: list[tuple[str, Take, Track, bool]] = []
    idle: list[Track] = []
    feelings: dict[str, dict[str, float]] = {}
    streams: dict[str, dict[str, float]] = {}
    quality: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="kai-bench-face-") as folder:
        for character, style in CHARACTERS.items():
            baked = load_or_bake(style, SIZE_PX, SIZE_PX, 1.5)
            for take in own:
                tracks.append(
                    (character, take, follow(tracker, Path(folder), perform(baked, take, True)), True)
                )
            for take in (*unseen, *real[:1]):
                tracks.append(
                    (character, take, follow(tracker, Path(folder), perform(baked, take, False)), False)
                )
            streams[character] = shown(perform(baked, own[0], True), SIZE_PX, FRAMES_PER_S)
            idle.append(follow(tracker, Path(folder), rest(baked)))
            feelings[character] = feelings_seen(follow(tracker, Path(folder), feel(baked)))
            quality[character] = brisque(tracker, Path(folder), stills(baked))
    figures["clips"] = [clip_figures(*entry) for entry in tracks]
    figures["negative_control"] = control(tracks[0][1], tracks[0][2])
    figures["feelings"] = feelings
    figures["similarity_at_the_page"] = streams
    figures["brisque"] = quality
    figures["render_ms"] = render_times()
    figures["first_live_picture_s"] = asyncio.run(first_pictures())
    gates = judge(tracks, idle, figures)
    figures["gates"] = {
        gate.name: f"{gate.measured:.2f} ({gate.direction.value} {gate.limit:g})" for gate in gates
    }
    figures["bars"] = [gate.as_json() for gate in gates]
    return figures


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Return the gates that `run` judged."""
    return [Bar.from_json(kept) for kept in figures["bars"]]


def own_takes() -> list[Take]:
    """Return one sentence by each of the engine's own voices, except those that the lips were not trained on."""
    voices = [voice for voice in engine_voices() if voice not in UNSEEN]
    return [engine_take(voice, SENTENCES[i % len(SENTENCES)]) for i, voice in enumerate(voices)]


def unseen_takes() -> list[Take]:
    """Return takes by the installed voices that the lips were never trained on."""
    takes: list[Take] = []
    if has_programs():
        takes += [flite_take("rms", SENTENCES[1]), espeak_take("en-gb+m7", SENTENCES[2])]
    if "george" in engine_voices():
        takes.append(engine_take("george", SENTENCES[0]))
    return takes


def perform(baked: Baked, take: Take, has_marks: bool) -> Iterator[tuple[float, Array]]:
    """Yield frames and their media times of the take, spoken as in the running app, with sound arriving a little ahead."""
    speaking, life = Speaking(load_net()), animate.begin(4, 0.0)
    end_s = LEAD_S + take.seconds + LEAD_S
    heard = told = 0
    if has_marks:
        speaking.mark(1, take.visemes)
    for i in range(int(end_s * FRAMES_PER_S)):
        now_s = i / FRAMES_PER_S
        known = min(len(take.pcm), max(0, int((now_s + SOUND_AHEAD_S - LEAD_S) * RATE_HZ) // 480 * 480))
        if known > heard:
            speaking.push_audio(1, take.pcm[heard:known])
            heard = known
            if heard == len(take.pcm):
                speaking.end(1)
        while LEAD_S + told * 0.02 <= now_s and told * 480 < len(take.pcm):
            speaking.playing(1, told * 480, LEAD_S + told * 0.02)
            told += 1
        mouth, loudness, is_sounding = speaking.mouth_at(now_s + AHEAD_S)
        mood = Mood.SPEAKING if is_sounding else Mood.IDLE
        life, params = animate.advance(life, now_s, mood, mouth, loudness)
        yield now_s + AHEAD_S, render.frame(baked, params)


def rest(baked: Baked) -> Iterator[tuple[float, Array]]:
    """Yield the frames of a minute of rest."""
    life = animate.begin(5, 0.0)
    for i in range(IDLE_S * FRAMES_PER_S):
        life, params = animate.advance(life, i / FRAMES_PER_S, Mood.IDLE)
        yield i / FRAMES_PER_S, render.frame(baked, params)


def felt_at(at_s: float) -> Feeling:
    """Return the feeling at a time: each feeling in turn grows and fades once in `FELT_S`."""
    number, within_s = divmod(at_s, FELT_S)
    emotions = tuple(FEELING_SIGNS)
    return Feeling(
        emotions[int(number) % len(emotions)], 0.5 - 0.5 * math.cos(2 * math.pi * within_s / FELT_S)
    )


def feel(baked: Baked) -> Iterator[tuple[float, Array]]:
    """Yield the frames of all feelings, one after the other, in a silent face."""
    life = animate.begin(6, 0.0)
    for i in range(int(FELT_S * len(FEELING_SIGNS) * FRAMES_PER_S)):
        at_s = i / FRAMES_PER_S
        life, params = animate.advance(life, at_s, Mood.IDLE, feeling=felt_at(at_s))
        yield at_s, render.frame(baked, params)


def stills(baked: Baked) -> Array:
    """Return the face in pictures of ten seconds of each of `STILLS`, (n, height, width, 3) uint8 RGB."""
    found: list[Array] = []
    for kind in STILLS:
        life = animate.begin(3, 0.0)
        mood = {"speaking": Mood.SPEAKING, "listening": Mood.LISTENING}.get(kind, Mood.IDLE)
        for i in range(STILLS_OF_EACH * STILL_EVERY):
            speaks = mood is Mood.SPEAKING
            mouth = MOUTH_MATRIX[i // 4 % len(MOUTH_MATRIX)] if speaks else None
            life, params = animate.advance(life, i / FRAMES_PER_S, mood, mouth, 0.6 if speaks else 0.0)
            if i % STILL_EVERY == STILL_EVERY - 5:
                smile = {"mouthSmileLeft": 0.6, "mouthSmileRight": 0.6} if kind == "smiling" else {}
                found.append(render.picture(baked, params | smile)[FACE_PX][..., 2::-1])
    return np.stack(found)


def brisque(python: Path, folder: Path, pictures: Array) -> float:
    """Return the mean BRISQUE of those pictures; see `kai.bench.face_judge`."""
    given, found = folder / "stills.npz", folder / "scores.npz"
    np.savez(given, pictures=pictures)
    run_apart(python, "face_judge.py", given, found)
    with np.load(found) as arrays:
        return round(float(arrays["scores"].mean()), 2)


def run_apart(python: Path, script: str, *paths: Path) -> None:
    """Run a script of this folder in the tracker's environment; raises `ConfigError` with its last line if it fails."""
    done = subprocess.run(
        [str(python), str(Path(__file__).with_name(script)), *map(str, paths)],
        env={**os.environ, "GLOG_minloglevel": "3", "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ConfigError(f"{script} failed: {done.stderr.strip().splitlines()[-1]}")


def follow(tracker: Path, folder: Path, frames: Iterator[tuple[float, Array]]) -> Track:
    """Encode the frames as a video and return the tracker's output for it."""
    path, seen = folder / "clip.mp4", folder / "clip.npz"
    times: list[float] = []
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=FRAMES_PER_S)
        stream.width, stream.height, stream.pix_fmt = SIZE_PX, SIZE_PX, "yuv420p"
        stream.options = {"crf": "20", "preset": "veryfast"}
        for i, (at_s, frame) in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="yuv420p")
            picture.pts = i
            file.mux(stream.encode(picture))
            times.append(at_s)
        file.mux(stream.encode())
    run_apart(tracker, "face_tracker.py", path, seen)
    with np.load(seen) as arrays:
        nose = np.stack([arrays["nose_x"], arrays["nose_y"]], 1)
        count = len(arrays["found"])
        return Track(
            np.array(times[:count]),
            arrays["found"],
            arrays["gap"],
            arrays["eye"],
            nose,
            arrays["change"],
            arrays["brow"],
            arrays["smile"],
        )


def lip_curves(take: Take, track: Track, moved_ms: float = 0.0) -> tuple[Array, Array]:
    """Return the true opening and the seen gap at 100 rows per second; as a control, the sound may be ``moved_ms`` later."""
    rows = int((track.at_s[-1] - track.at_s[0]) * 100)
    at_s = track.at_s[0] + np.arange(rows) / 100
    truth = np.zeros(rows)
    for viseme, start, end in take.visemes:
        from_s, until_s = (LEAD_S + moved_ms / 1e3 + sample / RATE_HZ for sample in (start, end))
        truth[(at_s >= from_s) & (at_s < until_s)] = OPENINGS[viseme]
    kernel = np.exp(-0.5 * (np.arange(-10, 11) / 2.5) ** 2)
    known = np.isfinite(track.gap)
    seen = np.interp(at_s, track.at_s[known], track.gap[known])
    return np.convolve(truth, kernel / kernel.sum(), "same"), seen


def correlation(take: Take, track: Track, moved_ms: float = 0.0) -> tuple[float, int]:
    """Return the highest correlation of the seen with the true opening, and its lag in ms (positive: the picture is late)."""
    best, lag = best_lag(*lip_curves(take, track, moved_ms), range(-25, 26))
    return best, lag * 10


def closed(take: Take, track: Track) -> tuple[int, int]:
    """Return how many p, b and m were shut (the gap fell below a fifth of its range), and how many there were."""
    _, seen = lip_curves(take, track)
    resting, wide = np.percentile(seen, 10), np.percentile(seen, 95)
    shut = wanted = 0
    for start, end in closures(take):
        first = int((LEAD_S + start / RATE_HZ - track.at_s[0]) * 100)
        last = int((LEAD_S + end / RATE_HZ - track.at_s[0]) * 100)
        wanted += 1
        shut += bool((seen[max(0, first - 2) : last + 3].min() - resting) / (wide - resting) < 0.2)
    return shut, wanted


def blinks(track: Track) -> int:
    """Return how often the eyes were shut."""
    shut = track.eye < 0.55 * np.nanmedian(track.eye)
    return int((shut[1:] & ~shut[:-1]).sum())


def feelings_seen(track: Track) -> dict[str, float]:
    """Return for each feeling the correlation of its strength with what the tracker sees of it in the face."""
    found: dict[str, float] = {}
    signs = {"smile": track.smile, "brow": track.brow}
    at_s = track.at_s - FEELING_LAG_S
    strength = np.array([felt_at(max(0.0, at)).strength for at in at_s])
    for number, (emotion, (sign, direction)) in enumerate(FEELING_SIGNS.items()):
        mine = (at_s >= number * FELT_S) & (at_s < (number + 1) * FELT_S) & np.isfinite(signs[sign])
        seen = np.convolve(signs[sign][mine], np.ones(9) / 9, "same")[5:-5]
        found[emotion.value] = round(float(direction * np.corrcoef(strength[mine][5:-5], seen)[0, 1]), 3)
    return found


def longest_freeze(track: Track) -> int:
    """Return the largest number of successive frames that equal the one before."""
    longest = run_length = 0
    for change in track.change[1:]:
        run_length = run_length + 1 if change < 0.005 else 0
        longest = max(longest, run_length)
    return longest


def jerks(track: Track) -> int:
    """Return the number of frames in which the nose jumped, with over four times the 99th percentile of people's
    acceleration in talk."""
    speed = np.diff(track.nose, axis=0) * FRAMES_PER_S
    acceleration = np.linalg.norm(np.diff(speed, axis=0) * FRAMES_PER_S, axis=1)
    return int((acceleration[np.isfinite(acceleration)] > JERK_PX_PER_S2 * SIZE_PX / 512).sum())


JERK_PX_PER_S2: Final = 12_000
"""In a picture of 512 pixels, the nose then leaves its path by 19 pixels from one frame to the next."""


def clip_figures(character: str, take: Take, track: Track, is_told: bool) -> dict[str, Any]:
    """Return the figures of one clip."""
    r, lag_ms = correlation(take, track)
    shut, wanted = closed(take, track)
    return {
        "character": character,
        "voice": take.voice,
        "lips_by": "phoneme times" if is_told else "ear",
        "face_found_percent": round(100 * float(track.found.mean()), 1),
        "correlation": round(r, 3),
        "offset_ms": lag_ms,
        "bilabials_closed": f"{shut}/{wanted}",
        "longest_freeze_frames": longest_freeze(track),
        "jerks": jerks(track),
    }


def control(take: Take, track: Track) -> dict[str, Any]:
    """Return the control: sound that is moved on purpose must be measured as moved by the same time the other way."""
    _, true_ms = correlation(take, track)
    told = {f"{ms:+d}": correlation(take, track, ms)[1] - true_ms for ms in CONTROL_MS}
    return {**told, "is_exact": all(abs(told[f"{ms:+d}"] + ms) <= 10 for ms in CONTROL_MS)}


def render_times() -> dict[str, Any]:
    """Return the CPU time of a frame in one thread, p50 and p95, for every character at both sizes of the app."""
    found: dict[str, Any] = {}
    cv2.setNumThreads(1)
    for rung in (RUNGS[0], LARGE_RUNG):
        for character, style in CHARACTERS.items():
            side = rung.size_px
            baked = load_or_bake(style, side, side, rung.supersample)
            out = np.empty((side * 3 // 2, side), np.uint8)
            life, spent = animate.begin(1, 0.0), []
            gc.collect()
            for i in range(RENDERED_FRAMES):
                mouth = None
                life, params = animate.advance(life, i / FRAMES_PER_S, Mood.SPEAKING, mouth, 0.0)
                params["jawOpen"] = 0.25 + 0.25 * np.sin(i)
                began = time.thread_time()
                render.frame(baked, params, out=out)
                spent.append((time.thread_time() - began) * 1e3)
            p50, p95 = np.percentile(spent[10:], [50, 95])
            found[f"{character} {side}x{side}"] = {"p50": round(p50, 1), "p95": round(p95, 1)}
    return found


def judge(
    tracks: Sequence[tuple[str, Take, Track, bool]], idle: Sequence[Track], figures: dict[str, Any]
) -> list[Bar]:
    """Return the gates of the face. The worst clip counts, except for closures, which are counted over all clips."""
    told = [(take, track) for _, take, track, is_told in tracks if is_told]
    heard = [
        (take, track)
        for _, take, track, is_told in tracks
        if not is_told and not take.voice.startswith("recording")
    ]
    every = [track for _, _, track, _ in tracks] + list(idle)
    gates: list[Bar] = []
    found = 100 * float(np.mean(np.concatenate([track.found for track in every])))
    gates.append(at_least("face found, percent", found, 99))
    offsets = [abs(correlation(take, track)[1]) for take, track in (*told, *heard)]
    gates.append(at_most("offset, ms, worst", max(offsets), 20))
    gates.append(at_least("correlation, own speech, worst clip", min(correlation(*c)[0] for c in told), 0.85))
    if heard:
        gates.append(
            at_least("correlation, unseen voices, worst clip", min(correlation(*c)[0] for c in heard), 0.75)
        )
    for name, clips in (("own speech", told), ("unseen voices", heard)):
        counts = [closed(*clip) for clip in clips]
        share = 100 * sum(c[0] for c in counts) / max(1, sum(c[1] for c in counts))
        if clips:
            gates.append(at_least(f"bilabials closed, {name}, percent", share, 90))
    weakest = min(min(seen.values()) for seen in figures["feelings"].values())
    gates.append(at_least("feelings seen, correlation, worst", weakest, 0.8))
    scores = [figures["brisque"][name] for name in BRISQUE_OF]
    gates.append(at_most("BRISQUE of the face, mean of five characters", float(np.mean(scores)), BRISQUE_BAR))
    for when, name in (("first_3_s", "in the first 3 s"), ("after", "after them")):
        least = min(seen[when] for seen in figures["similarity_at_the_page"].values())
        gates.append(at_least(f"SSIM of the face at the page {name}, worst character", least, 0.97))
    gates.append(at_most("longest freeze, frames", max(map(longest_freeze, every)), 3))
    gates.append(at_most("jerks", sum(map(jerks, every)), 0))
    rates = [blinks(track) * 60 / IDLE_S for track in idle]
    gates.append(at_least("blinks a minute, fewest", min(rates), 8))
    gates.append(at_most("blinks a minute, most", max(rates), 35))
    times = figures["render_ms"]
    for size, limit_ms in ((f"{SIZE_PX}x{SIZE_PX}", 16.0), (f"{LARGE_PX}x{LARGE_PX}", 25.0)):
        worst = max(v["p95"] for name, v in times.items() if name.endswith(size))
        gates.append(at_most(f"render p95 at {size}, ms, slowest character", worst, limit_ms))
    warm_s = figures["first_live_picture_s"]["standing by"]
    gates.append(at_most("first live picture of a face that stands by, s", warm_s, 0.5))
    gates.append(at_least("negative control is exact", float(figures["negative_control"]["is_exact"]), 1))
    return gates


class _FirstPicture:
    """A face's sink that waits for one picture."""

    def __init__(self) -> None:
        self.came = asyncio.Event()

    def emit(self, event: Event) -> None:
        raise FaceError(f"The face that was measured said {type(event).__name__}.")

    def picture(self, picture: Picture, at_s: float) -> None:
        del picture, at_s
        self.came.set()


async def first_pictures() -> dict[str, float]:
    """Return the seconds until the live face shows, with kernels and character in the cache, as medians of three: with a new
    process, and with a spare one, as while nobody talks or another face is shown."""
    found: dict[str, list[float]] = {"process started": [], "standing by": []}
    for name, times in found.items():
        for _ in range(3):
            face, sink = LocalFace(), _FirstPicture()
            if name == "standing by":
                await face.prepare(Look())
                await wait_live(face)
            begun_s = time.monotonic()
            await face.open(Look(), sink)
            await wait_live(face)
            async with asyncio.timeout(10):
                sink.came.clear()
                await sink.came.wait()
            times.append(time.monotonic() - begun_s)
            await face.aclose()
    return {name: round(float(np.median(times)), 2) for name, times in found.items()}


async def wait_live(face: LocalFace) -> None:
    """Wait until the face's own character is drawn, not the idle loop."""
    async with asyncio.timeout(30):
        while face.counters.live_after_s is None:  # noqa: ASYNC110 - a counter, which nobody announces
            await asyncio.sleep(0.005)


def find_tracker() -> Path:
    """Return a Python that has MediaPipe and BRISQUE, made at the first call. Raises ``ConfigError`` if it cannot be made."""
    try:
        return python_with(*REQUIREMENTS, is_whole_list=True)
    except (OSError, subprocess.SubprocessError) as exc:
        raise ConfigError(
            "The face bench needs MediaPipe, and pip could not install it. Go online once, then run it again."
        ) from exc
