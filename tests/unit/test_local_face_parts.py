"""The local face's parts that need no process: messages, the ring, test marks, the mouth's clock."""

from __future__ import annotations

import math
import os
import pickle
import socket
import threading
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kai.adapters.local_face import acting, drawing, process
from kai.adapters.local_face import messages as m
from kai.adapters.local_face.acting import RESTS_AFTER_S
from kai.adapters.local_face.baker import Baker
from kai.adapters.local_face.face import LocalFace, feel_message
from kai.adapters.local_face.ring import SLOTS, FrameRing, open_memory
from kai.adapters.local_face.spare import SpareFace
from kai.adapters.local_face.speaking import CLOSE_S, Speaking
from kai.avatar import cache, render
from kai.avatar.bake import Baked
from kai.avatar.feeling import CALM, Emotion, Feeling
from kai.avatar.hearing import load_net
from kai.avatar.ladder import LARGE_PX, RUNGS, STANDARD_PX
from kai.avatar.lipsync import MOUTH_SHAPES
from kai.avatar.style import CHARACTERS, Style
from kai.core.policy.face_facts import FACE_BUSY
from kai.errors import FaceError, KaiError, ProtocolError, WeightsError
from kai.media import stamp
from kai.ports import Marks, Timed

JAW = MOUTH_SHAPES.index("jawOpen")

MESSAGES: list[m.Message] = [
    m.Speak(7, b"\x01\x02\x03\x04"),
    m.Mark(7, (("aa", 0, 240), ("PP", 240, 480))),
    m.Feel(7, 2**40, "amused", 0.75),
    m.EndSegment(7),
    m.StopSpeaking(),
    m.Playing(7, 4_800, 12.25),
    m.SetMood("thinking"),
    m.SetEmotion("warm", 0.25),
    m.Rest(True),
    m.SetLook({"mesh": "kai", "blush": 0.5}),
    m.Load(),
    m.WantFrames(True),
    m.WantFrames(False),
    m.WantSize(720),
    m.Started(),
    m.Live("kai", 0.5),
    m.FrameReady(2**40, 99.5),
    m.Failed("weights", "The face's file is missing."),
    m.DrawingPace(512, 1.5, 25.0, 9.5, 12.25, 1),
]


def test_messages_survive_the_wire_in_pieces_of_any_length() -> None:
    stream = b"".join(m.encode(message) for message in MESSAGES)
    for size in (1, 3, 17, len(stream)):
        decoder = m.Decoder()
        got = [message for i in range(0, len(stream), size) for message in decoder.feed(stream[i : i + size])]
        assert got == MESSAGES


@pytest.mark.parametrize(
    "data",
    [b"\xff\xff\xff\xff\x01", b"\x00\x00\x00\x00\x63", b"\x01\x00\x00\x00\x05x", b"\x01\x00\x00\x00\x07{"],
)
def test_a_broken_stream_is_an_error_and_no_hang(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        m.Decoder().feed(data)


def global_pickle(module: str, name: str) -> bytes:
    """A pickle that asks for a name of a module, and calls it."""
    return (
        b"\x80\x04"
        + b"".join(pickle.SHORT_BINUNICODE + bytes([len(n)]) + n.encode() for n in (module, name))
        + (pickle.STACK_GLOBAL + pickle.EMPTY_TUPLE + pickle.REDUCE + b".")
    )


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Path("/")),
        pickle.dumps(os.getcwd),
        pickle.dumps({"segment": 1}),
        global_pickle("os", "getpid"),
        global_pickle(m.__name__, "ProtocolError"),
        global_pickle(m.__name__, "pickle.Unpickler"),
        global_pickle(m.__name__, "Speak.__init__"),
    ],
)
def test_nothing_but_a_message_is_made_of_what_comes_in(content: bytes) -> None:
    with pytest.raises(ProtocolError):
        m.Decoder().feed(len(content).to_bytes(4, "little") + content)


def test_a_frame_passes_the_ring_until_a_later_one_takes_its_place() -> None:
    memory = open_memory(32)
    writer, reader = FrameRing(memory, 32), FrameRing(memory, 32)
    os.close(memory)
    for n in range(1, SLOTS + 2):
        writer.begin_write(n, 16 if n == SLOTS else 32)[:] = n
        writer.end_write(n)
    assert reader.read(1) is None
    smaller, newest = reader.read(SLOTS), reader.read(SLOTS + 1)
    assert smaller is not None
    assert newest is not None
    assert (smaller.shape, newest.shape) == ((24, 16), (48, 32))
    assert (smaller == SLOTS).all()
    assert (newest == SLOTS + 1).all()
    writer.begin_write(2 + SLOTS, 32)
    assert reader.read(2) is None
    del newest, smaller
    writer.close()
    reader.close()


@pytest.mark.parametrize("media_ms", [0, 1, 123_456_789, 2**32 - 1, 2**32 + 5])
@pytest.mark.parametrize("width", [512, 640, 1280])
def test_a_stamp_is_read_back_from_a_noisy_picture(media_ms: int, width: int) -> None:
    rng = np.random.default_rng(media_ms)
    luma = rng.integers(0, 256, (512, width), dtype=np.uint8)
    stamp.put_stamp(luma, media_ms)
    noisy = np.clip(luma + rng.normal(0, 25, luma.shape), 0, 255).astype(np.uint8)
    assert stamp.read_stamp(noisy) == media_ms % 2**32


def test_a_damaged_stamp_is_no_time() -> None:
    luma = np.zeros((64, 512), np.uint8)
    stamp.put_stamp(luma, 123_456)
    luma[-16:, 24:36] = 255 - luma[-16:, 24:36]
    assert stamp.read_stamp(luma) is None


def test_a_click_falls_on_the_whole_second_across_blocks() -> None:
    blocks = []
    for i in range(100):
        block = np.zeros(960, np.int16)
        stamp.add_click(block, 41.987 + i * 0.02, 48_000)
        blocks.append(block)
    sound = np.concatenate(blocks)
    loud = np.flatnonzero(np.abs(sound) > 1000)
    assert loud[0] / 48_000 == pytest.approx(0.013, abs=0.001)
    assert len(np.flatnonzero(np.diff(loud) > 4800)) == 1


def voiced(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    t = np.arange(int(seconds * 24_000)) / 24_000
    sound = sum(np.sin(2 * np.pi * 120 * k * t) / (1 + abs(120 * k - 750) / 150) for k in range(1, 30))
    return (sound / np.abs(sound).max() * 12_000).astype(np.int16)


def make_speaking() -> Speaking:
    speaking = Speaking(load_net())
    speaking.push_audio(1, voiced(1.0))
    return speaking


def test_a_mouth_rests_until_its_segment_plays() -> None:
    speaking = make_speaking()
    assert speaking.mouth_at(10.0) == (None, 0.0, False)
    speaking.playing(1, 0, 10.0)
    speaking.playing(1, 7_200, 10.3)
    mouth, loudness, is_sounding = speaking.mouth_at(10.31)
    assert is_sounding
    assert loudness > 0.5
    assert mouth is not None
    assert mouth[JAW] > 0.1


def test_a_stopped_mouth_is_shut_in_a_tenth_of_a_second_without_a_jump() -> None:
    speaking = make_speaking()
    speaking.playing(1, 7_200, 10.3)
    open_mouth, _, _ = speaking.mouth_at(10.31)
    speaking.stop()
    half, loudness, is_sounding = speaking.mouth_at(10.31 + CLOSE_S / 2)
    assert open_mouth is not None
    assert half is not None
    assert half[JAW] == pytest.approx(open_mouth[JAW] / 2)
    assert (loudness, is_sounding) == (0.0, False)
    assert speaking.mouth_at(10.31 + CLOSE_S + 0.001)[0] is None


def test_a_playout_that_stalls_shuts_the_mouth() -> None:
    speaking = make_speaking()
    speaking.playing(1, 2_400, 10.1)
    assert speaking.mouth_at(10.15)[2]
    assert not speaking.mouth_at(10.4)[2]


def test_jittery_reports_do_not_shake_the_clock() -> None:
    speaking = make_speaking()
    rng = np.random.default_rng(0)
    for i in range(40):
        speaking.playing(1, i * 480, 10 + i * 0.02 + rng.normal(0, 0.004))
    steady = make_speaking()
    steady.playing(1, 39 * 480, 10.78)
    a, b = speaking.mouth_at(10.8)[0], steady.mouth_at(10.8)[0]
    assert a is not None
    assert b is not None
    assert np.abs(a - b).max() < 0.1


def test_marks_count_for_more_than_the_sound() -> None:
    speaking = Speaking(load_net())
    speaking.mark(3, [("aa", 0, 4_800), ("PP", 4_800, 7_200), ("aa", 7_200, 24_000)])
    speaking.push_audio(3, voiced(1.0))
    speaking.playing(3, 6_000, 20.25)
    mouth, _, _ = speaking.mouth_at(20.25)
    assert mouth is not None
    assert mouth[JAW] < 0.05


def test_a_feeling_shows_with_its_clause_fades_in_the_next_and_ends_after_the_last_word() -> None:
    speaking = make_speaking()
    sorry, wow = Feeling(Emotion.CONCERNED, 0.8), Feeling(Emotion.SURPRISED, 0.4)
    for sample, feeling in ((0, sorry), (8_000, CALM), (16_000, wow)):
        speaking.feel(1, sample, feeling)
    assert speaking.feeling_at(9.0) == CALM
    felt: dict[float, Feeling] = {}
    for ms in range(0, 1000, 20):
        speaking.playing(1, ms * 24, 10 + ms / 1000)
        felt[ms] = speaking.feeling_at(10 + ms / 1000)
    assert felt[0] == sorry
    assert felt[200] == Feeling(Emotion.CONCERNED, 0.4)
    assert felt[980] == wow
    speaking.stop()
    assert speaking.feeling_at(11.5) == wow
    assert speaking.feeling_at(13.0) == CALM


def test_the_words_of_a_clause_tell_what_is_felt_from_the_first_of_them_on() -> None:
    words = (Timed("I'm", 4_800, 9_600), Timed("so", 9_600, 12_000), Timed("sorry.", 12_000, 24_000))
    assert feel_message(3, Marks((Timed("aa", 0, 24_000),), words)) == m.Feel(3, 4_800, "concerned", 0.7)
    noon = (Timed("It", 0, 4_800), Timed("is", 4_800, 9_600), Timed("noon.", 9_600, 24_000))
    assert feel_message(4, Marks((Timed("aa", 0, 24_000),), noon)) == m.Feel(4, 0, "neutral", 0.0)


def test_words_without_a_feeling_leave_the_face_calm() -> None:
    speaking = make_speaking()
    speaking.feel(1, 0, CALM)
    speaking.playing(1, 4_800, 10.2)
    assert speaking.feeling_at(10.2) == CALM


def test_a_told_feeling_shows_for_a_while_and_while_speech_has_none_of_its_own() -> None:
    speaking = make_speaking()
    glad, sorry = Feeling(Emotion.WARM, 0.5), Feeling(Emotion.CONCERNED, 0.8)
    speaking.feel_at(8.0, glad)
    assert speaking.feeling_at(8.5) == glad
    assert speaking.feeling_at(11.5) == CALM
    speaking.playing(1, 0, 12.0)
    assert speaking.feeling_at(12.0) == glad
    speaking.feel(1, 0, sorry)
    speaking.playing(1, 480, 12.02)
    assert speaking.feeling_at(12.02) == sorry


def test_only_so_many_segments_are_kept() -> None:
    speaking = Speaking(load_net())
    for segment in range(40):
        speaking.push_audio(segment, voiced(0.1))
    speaking.playing(2, 0, 5.0)
    assert speaking.mouth_at(5.05)[0] is None
    speaking.playing(39, 0, 6.0)
    assert speaking.mouth_at(6.05)[0] is not None


def run_face(
    monkeypatch: pytest.MonkeyPatch,
    load: Callable[[Style, int, int, float], Baked],
    hear: Callable[[m.Message, Callable[[m.Message], None], FrameRing], bool],
    *,
    stands_by: bool = False,
) -> KaiError | None:
    """Runs a face in this thread, asks it for Kai, and hands what it says to ``hear``, with a way to answer and the frames,
    until that returns true; how the face ended."""
    ours, theirs = socket.socketpair()
    memory = open_memory(STANDARD_PX)
    monkeypatch.setattr(drawing, "load_or_bake", load)
    # As if it lay on the disk: the baker is not asked.
    monkeypatch.setattr(drawing, "baked_path", lambda *_: Path(__file__))
    monkeypatch.setattr(process, "LAY_OUT_AFTER_S", math.inf)
    face, frames = process.FaceProcess(theirs, FrameRing(memory, STANDARD_PX)), FrameRing(memory, STANDARD_PX)
    os.close(memory)

    def send(message: m.Message) -> None:
        ours.sendall(m.encode(message))

    def app() -> None:
        decoder = m.Decoder()
        send(m.SetLook(asdict(CHARACTERS["kai"])))
        if not stands_by:
            send(m.Load())
        while data := ours.recv(65536):
            for message in decoder.feed(data):
                if hear(message, send, frames):
                    ours.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=app, name="app")
    thread.start()
    error: KaiError | None = None
    try:
        face.run()
    except KaiError as exc:
        error = exc
    theirs.shutdown(socket.SHUT_RDWR)
    thread.join()
    ours.close()
    theirs.close()
    frames.close()
    return error


def drive(
    monkeypatch: pytest.MonkeyPatch, *failures: Exception | None
) -> tuple[list[m.Message], KaiError | None]:
    """Asks a face for Kai, for Kai again once he is shown, and then for Ade, where loading fails in turn; what it said, and
    how it ended. Who is shown is not loaded again."""
    waiting = list(failures)
    meshes: list[str] = []
    said: list[m.Message] = []
    asked_at = {2: "kai", 12: "ade"}
    is_live, count = False, 0

    def load(style: Style, _width_px: int, _height_px: int, _supersample: float) -> Baked:
        meshes.append(style.mesh)
        failure = waiting.pop(0)
        if failure is not None:
            raise failure
        return cache.load_or_bake(style, 128, 128, 1.0)

    def hear(message: m.Message, send: Callable[[m.Message], None], _frames: FrameRing) -> bool:
        nonlocal is_live, count
        said.append(message)
        is_live = is_live or isinstance(message, m.Live)
        count += is_live and isinstance(message, m.FrameReady)
        if isinstance(message, m.FrameReady) and count in asked_at:
            send(m.SetLook(asdict(CHARACTERS[asked_at.pop(count)])))
        return isinstance(message, m.Failed)

    error = run_face(monkeypatch, load, hear)
    assert not waiting
    assert meshes == ["kai", "ade"][: len(failures)]
    return said, error


def test_a_face_that_is_shown_large_is_drawn_large_and_nothing_is_loaded_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A busy machine would be drawn smaller meanwhile.
    monkeypatch.setattr(process, "judge", lambda ladder, *_: ladder)
    edges = {STANDARD_PX: 128, LARGE_PX: 160}
    loaded: list[int] = []
    seen: list[int] = []
    wishes = iter((LARGE_PX, STANDARD_PX, LARGE_PX, STANDARD_PX))

    def load(style: Style, width_px: int, _height_px: int, _supersample: float) -> Baked:
        loaded.append(width_px)
        return cache.load_or_bake(style, edges[width_px], edges[width_px], 1.0)

    def hear(message: m.Message, send: Callable[[m.Message], None], frames: FrameRing) -> bool:
        if not isinstance(message, m.FrameReady) or (picture := frames.read(message.sequence)) is None:
            return False
        edge = picture.shape[1]
        if edge not in edges.values() or edge in seen[-1:]:
            return False
        seen.append(edge)
        wish = next(wishes, None)
        if wish is not None:
            send(m.WantSize(wish))
        return wish is None

    assert run_face(monkeypatch, load, hear) is None
    assert seen == [128, 160, 128, 160, 128]
    assert loaded == [STANDARD_PX, LARGE_PX]


def test_a_face_at_rest_draws_what_moves_and_one_that_listens_or_speaks_draws_every_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 100.0
    clock = SimpleNamespace(monotonic=lambda: now_s, thread_time=lambda: 0.0)
    for module in (process, acting):
        monkeypatch.setattr(module, "time", clock)
    ours, theirs = socket.socketpair()
    memory = open_memory(STANDARD_PX)
    face = process.FaceProcess(theirs, FrameRing(memory, STANDARD_PX))
    os.close(memory)
    style = face._style = CHARACTERS["kai"]
    draw = partial(render.frame, cache.load_or_bake(style, 128, 128, 1.0))
    face._take(process.Loaded(style, RUNGS[0], draw, 128))

    def drawn(seconds: float) -> int:
        nonlocal now_s
        before, until_s = face._sequence, now_s + seconds
        while now_s < until_s:
            now_s = face._draw_next(now_s)
        ours.recv(1 << 20)
        return face._sequence - before

    assert drawn(2.0) == pytest.approx(2 * 26, abs=1)
    face._handle(m.Rest(True))
    assert drawn(RESTS_AFTER_S) == pytest.approx(RESTS_AFTER_S * 26, abs=1)
    at_rest = drawn(20.0)
    assert 20 * 26 / (process.MOST_LEFT_OUT + 1) <= at_rest < 20 * 26 / 2
    face._handle(m.Rest(False))
    assert drawn(2.0) == pytest.approx(2 * 26, abs=1)
    ours.close()
    theirs.close()


def test_a_face_that_cannot_be_loaded_at_all_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    said, error = drive(monkeypatch, WeightsError("The face's file kai.npz is missing."))
    assert isinstance(error, FaceError)
    assert (error.code, error.message) == ("weights", "The face's file kai.npz is missing.")
    assert m.Started() in said


def test_a_missing_package_that_is_met_only_when_the_face_is_loaded_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, error = drive(monkeypatch, ImportError("gone", name="numba"))
    assert error is not None
    assert error.code == "face-import"
    assert error.message.startswith("The face needs numba,")


@pytest.mark.parametrize("was_shown", [False, True])
def test_a_face_that_stands_by_is_loaded_when_it_stays_wanted_and_at_once_when_it_is_wanted_again(
    monkeypatch: pytest.MonkeyPatch, was_shown: bool
) -> None:
    monkeypatch.setattr(process, "STANDS_BY_S", 100.0 if was_shown else 0.3)
    loaded_after: list[int] = []
    count = 0

    def load(style: Style, _width_px: int, _height_px: int, _supersample: float) -> Baked:
        loaded_after.append(count)
        return cache.load_or_bake(style, 128, 128, 1.0)

    def hear(message: m.Message, send: Callable[[m.Message], None], _frames: FrameRing) -> bool:
        nonlocal count
        count += isinstance(message, m.FrameReady)
        if was_shown and count == 12 and isinstance(message, m.FrameReady):
            send(m.WantFrames(False))
            send(m.WantFrames(True))
        return isinstance(message, m.Live)

    assert run_face(monkeypatch, load, hear, stands_by=True) is None
    assert loaded_after[0] >= (12 if was_shown else 4)


def test_a_bug_in_the_bake_is_told_and_does_not_leave_the_loop_playing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, error = drive(monkeypatch, ZeroDivisionError("a bug"))
    assert error is not None
    assert error.code == "face-bake"


def test_a_look_that_cannot_be_made_leaves_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    said, error = drive(monkeypatch, None, WeightsError("The face's file ade.npz is missing."))
    assert error is None
    assert m.Failed("weights", "The face's file ade.npz is missing.") in said


def test_the_baker_answers_and_names_what_it_cannot_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAI_CACHE_DIR", str(tmp_path))
    baker = Baker()
    try:
        # To get ready is not answered: the next answer belongs to the next question.
        baker.lay_out(CHARACTERS["kai"], 128, 128, 1.0)
        with pytest.raises(FaceError, match="Choose even numbers"):
            baker.bake(CHARACTERS["kai"], 127, 127, 1.0)
        assert baker._process is not None  # pyright: ignore[reportPrivateUsage]
        baker._process.kill()  # pyright: ignore[reportPrivateUsage]
        baker._process.wait()  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(FaceError, match="Choose even numbers"):
            baker.bake(CHARACTERS["kai"], 127, 127, 1.0)
    finally:
        baker.close()


async def test_a_face_too_many_is_refused_in_words_and_one_that_stands_by_does_not_count() -> None:
    spare = SpareFace(LocalFace, most=2)
    first, second = spare.take(), spare.take()
    with pytest.raises(FaceError, match="draws 2 faces") as refused:
        spare.take()
    assert refused.value.code == FACE_BUSY
    assert refused.value.retry_after_s > 0
    second.want_frames(False)
    third = spare.take()
    await first.aclose()
    await third.aclose()
    assert spare.take().is_drawing
    await spare.aclose()
