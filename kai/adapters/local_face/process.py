"""The face's own process: ``python -m kai.adapters.local_face.start --socket FD --memory FD``.

With ``--test-marks`` its pictures have the stamps of `kai.media.stamp`. `kai.adapters.local_face.face` starts it with two
inherited descriptors. The main thread draws, one thread reads the socket, and one loads and bakes. The process ends with its
socket, so it also ends when the app is killed.
"""

from __future__ import annotations

import argparse
import gc
import logging
import math
import os
import queue
import socket
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kai.adapters.local_face import messages as m
from kai.adapters.local_face.acting import Acting, at_rest
from kai.adapters.local_face.baker import Baker
from kai.adapters.local_face.idle_loop import IdleLoop
from kai.adapters.local_face.ring import FrameRing
from kai.avatar.ladder import LARGE_PX, STANDARD_PX, WINDOW_S, Ladder, Rung, judge
from kai.avatar.movement import movement
from kai.avatar.style import Style, style_from_mapping
from kai.compat import memory
from kai.errors import FaceError, KaiError, ProtocolError
from kai.media import stamp

if TYPE_CHECKING:
    from kai.adapters.local_face.drawing import Draw

log = logging.getLogger(__name__)

AHEAD_S = 0.010
"""The mouth is drawn for a moment this much after drawing begins, to compensate for the time until it is seen."""
FADE_S = 0.4
STANDS_BY_S = 2.0
"""A face that stands by is loaded when it was wanted for this long, since the paid face is mostly there sooner, and at once
when it is wanted again."""
MESSAGES_CPU_S = 0.005
"""The work on messages that may delay a frame, and that is done even when a frame is late. It is CPU time, because on a busy
computer the same wall time may hold almost no work."""
MESSAGES_SHARE = 0.125
"""On a slow computer the work may take this share of a frame's time: more messages come in it, and where they wait, the face
does not know that it speaks."""
_LOADER_NICENESS = 10
LEAST_MOVEMENT = 0.0012
"""A face that rests is drawn anew when something has moved this far, as a share of the height: 0.6 of 512 pixels."""
MOST_LEFT_OUT = 3
"""At rest every fourth picture is drawn even if less has moved, six a second, so that the picture never stands still."""
LAY_OUT_AFTER_S = 10.0
"""The baker prepares only so long after the first picture, so that it does not slow the start of a talk."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The loader's result for a request."""

    style: Style
    rung: Rung
    draw: Draw
    edge_px: int


@dataclass(frozen=True, slots=True)
class _Request:
    style: Style
    rung: Rung
    is_shown: bool = False


class Loader(threading.Thread):
    """Loads the face that was requested last; the baker makes it first if it is not cached. Results that a newer request has
    overtaken are thrown away. Puts `Loaded` or `Failed`."""

    def __init__(self, inbox: queue.SimpleQueue[Any]) -> None:
        super().__init__(name="face loader", daemon=True)
        self._inbox = inbox
        self._requests: queue.SimpleQueue[_Request] = queue.SimpleQueue()
        self._baker = Baker()

    def ask(self, style: Style, rung: Rung) -> None:
        self._requests.put(_Request(style, rung))

    def lay_out(self, style: Style, rung: Rung) -> None:
        """Have the baker's process prepare, since somebody is looking at this face and may want to change it."""
        self._requests.put(_Request(style, rung, is_shown=True))

    def run(self) -> None:
        while True:
            wanted = self._requests.get()
            while not self._requests.empty():
                newer = self._requests.get()
                wanted = newer if wanted.is_shown or not newer.is_shown else wanted
            style, rung = wanted.style, wanted.rung
            try:
                if wanted.is_shown:
                    self._baker.lay_out(style, rung.size_px, rung.size_px, rung.supersample)
                    continue
                from kai.adapters.local_face import drawing  # slow and large: see there

                if sys.platform == "linux":
                    # On Linux this lowers only this thread; elsewhere it would lower the whole process, which has to draw.
                    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOADER_NICENESS)
                self._inbox.put(Loaded(style, rung, *drawing.load(style, rung, self._baker)))
            except ImportError as exc:
                self._inbox.put(m.missing(exc))
            except KaiError as exc:
                self._inbox.put(m.Failed(exc.code, exc.message))
            except Exception:  # noqa: BLE001  (the thread's supervisor: without it the idle loop would never end)
                log.exception("the face could not be baked")
                self._inbox.put(
                    m.Failed(
                        "face-bake", "The face could not be drawn. Run `python -m kai.avatar` to see why."
                    )
                )


class Reader(threading.Thread):
    """Puts messages from the socket into the inbox, and ``None`` when it ends."""

    def __init__(self, connection: socket.socket, inbox: queue.SimpleQueue[Any]) -> None:
        super().__init__(name="face reader", daemon=True)
        self._connection = connection
        self._inbox = inbox

    def run(self) -> None:
        decoder = m.Decoder()
        try:
            while data := self._connection.recv(65536):
                for message in decoder.feed(data):
                    self._inbox.put(message)
        except (ConnectionError, OSError, ProtocolError) as exc:
            log.debug("socket ended", extra={"reason": type(exc).__name__})
        self._inbox.put(None)


@dataclass(frozen=True, slots=True)
class _Fade:
    """The previous look's picture, from which the new look fades in from ``began_s`` on."""

    picture: NDArray[np.uint8]
    began_s: float


@dataclass(frozen=True, slots=True)
class _Newest:
    """The newest picture's parameters, none where the next must be drawn in any case, and how many were left out since."""

    params: dict[str, float] = field(default_factory=dict[str, float])
    left_out: int = 0


@dataclass(slots=True)
class _Wish:
    """Whether pictures are wanted, and whether the face may be loaded for them, or from when on (monotonic clock).

    ``lays_out_at_s`` is when the baker prepares for other looks.
    """

    patience_s: float
    loads_at_s: float
    is_wanted: bool = True
    may_load: bool = False
    lays_out_at_s: float = math.inf


@dataclass(slots=True)
class _Window:
    """The drawing times of the last seconds."""

    began_s: float
    wall_ms: list[float] = field(default_factory=list[float])
    late_frames: int = 0
    left_out: int = 0
    """How many pictures were not drawn because nothing moved."""


class FaceProcess:
    """Draws. All methods run in the main thread."""

    def __init__(
        self,
        connection: socket.socket,
        ring: FrameRing,
        *,
        has_test_marks: bool = False,
    ) -> None:
        self._connection = connection
        self._ring = ring
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._loader = Loader(self._inbox)
        self._acting = Acting()
        self._wish = _Wish(STANDS_BY_S, time.monotonic() + STANDS_BY_S)
        self._idle: IdleLoop | None = None
        self._style: Style | None = None
        self._shown: Loaded | None = None
        self._kept: dict[tuple[int, float], Loaded] = {}
        """What was loaded of this style for other rungs: to load it anew would hold the picture for some frames."""
        self._ladder = Ladder()
        self._fade: _Fade | None = None
        self._newest = _Newest()
        self._sequence = 0
        self._has_marks = has_test_marks
        self._window = _Window(time.monotonic())

    def run(self) -> None:
        """Draw until the socket ends."""
        Reader(self._connection, self._inbox).start()
        self._loader.start()
        due_s: float | None = None
        while self._take_messages(due_s):
            if not self._is_drawing:
                due_s = None
                continue
            if due_s is None:
                due_s = time.monotonic()
                self._start_window()
            if time.monotonic() >= due_s:
                due_s = self._draw_next(due_s)

    def _take_messages(self, due_s: float | None) -> bool:
        """Handle messages until a frame is due, or one message if none is; return whether the socket is still open."""
        frame_s = self._window.wall_ms[-1] / 1000 if self._window.wall_ms else 0.0
        until_cpu_s = time.thread_time() + max(MESSAGES_CPU_S, MESSAGES_SHARE * frame_s)
        while True:
            wait_s = None if due_s is None else max(0.0, due_s - time.monotonic())
            try:
                message = self._inbox.get(timeout=wait_s)
            except queue.Empty:
                return True
            if message is None:
                return False
            self._handle(message)
            if due_s is None or not self._is_drawing:
                return True
            if time.monotonic() > due_s and time.thread_time() > until_cpu_s:
                return True

    @property
    def _is_drawing(self) -> bool:
        return self._wish.is_wanted and (self._shown is not None or self._idle is not None)

    @property
    def _drawn_px(self) -> int:
        return STANDARD_PX if self._shown is None else self._shown.edge_px

    def _handle(self, message: Any) -> None:
        match message:
            case m.SetLook():
                self._set_look(style_from_mapping(message.style))
            case m.Load():
                self._load()
            case m.WantFrames():
                self._want_frames(message.wanted)
            case m.WantSize():
                self._want_size(message.size_px)
            case Loaded():
                self._take(message)
            case m.Failed() if self._shown is None:
                raise FaceError(message.message, code=message.code)
            case m.Failed():
                self._send(message)  # the new look cannot be made, so the old one is kept
            case _:
                self._acting.handle(message)

    def _set_look(self, style: Style) -> None:
        if self._style is None:
            self._idle = IdleLoop(style.mesh, STANDARD_PX, STANDARD_PX)
            self._idle.next_frame()
            self._send(m.Started())
        # Every setting of the sidebar sends the look. Loading the face that is shown once more held the picture for 400 ms.
        if self._shown is not None and style == self._style == self._shown.style:
            return
        if style != self._style:
            self._kept.clear()
        self._style = style
        self._change_rung()

    def _load(self) -> None:
        """Load the face now, and others as they are wanted."""
        if not self._wish.may_load:
            self._wish.may_load = True
            self._change_rung()

    def _want_frames(self, wanted: bool) -> None:
        wish = self._wish
        if wanted and not wish.is_wanted:
            wish.loads_at_s = time.monotonic() + wish.patience_s
        elif not wanted and self._sequence:
            wish.patience_s = 0.0
        wish.is_wanted = wanted
        self._newest = _Newest()

    def _want_size(self, size_px: int) -> None:
        is_large = size_px >= LARGE_PX
        if is_large == self._ladder.is_large:
            return
        self._ladder = Ladder(is_large=is_large)
        self._change_rung()

    def _change_rung(self) -> None:
        """Draw as the ladder wants it, as soon as that is loaded."""
        rung, style = self._ladder.rung, self._style
        if style is None or not self._wish.may_load:
            return
        if (kept := self._kept.get(_bake_of(rung))) is not None:
            self._take(kept)
        else:
            self._loader.ask(style, rung)

    def _take(self, loaded: Loaded) -> None:
        if loaded.style != self._style:
            return
        self._kept[_bake_of(loaded.rung)] = loaded
        if _bake_of(loaded.rung) != _bake_of(self._ladder.rung):
            return
        is_first = self._shown is None
        is_new_look = self._shown is None or loaded.style != self._shown.style
        if loaded.edge_px != self._drawn_px:
            self._fade = None
        elif is_new_look and self._sequence:
            before = self._ring.read(self._sequence)
            self._fade = _Fade(before, time.monotonic()) if before is not None else None
        self._shown = loaded
        self._newest = _Newest()
        if is_first:
            self._wish.lays_out_at_s = time.monotonic() + LAY_OUT_AFTER_S
        if self._idle is not None:
            self._idle.close()
            self._idle = None
        if is_first:
            # Collected in the middle of a talk, this garbage would stop the picture for some frames.
            gc.collect()
            gc.freeze()
            memory.give_back()
        if is_new_look:
            self._send(m.Live(loaded.style.mesh, time.monotonic() - self._acting.began_s))
        self._start_window()

    def _draw_next(self, due_s: float) -> float:
        """Draw the frame that is due, unless it would look like the last one, and return the time of the next one."""
        now_s = time.monotonic()
        if now_s >= self._wish.loads_at_s:
            self._load()
        if now_s >= self._wish.lays_out_at_s and self._style is not None:
            self._wish.lays_out_at_s = math.inf
            self._loader.lay_out(self._style, self._ladder.rung)
        frames_per_s = self._ladder.rung.frames_per_s
        shown_s = now_s + AHEAD_S
        params = {} if self._shown is None else self._acting.advance(now_s, shown_s)
        if self._may_leave_out(params, now_s):
            self._newest = replace(self._newest, left_out=self._newest.left_out + 1)
            self._window.left_out += 1
            return due_s + 1 / frames_per_s
        self._newest = _Newest(params)
        self._sequence += 1
        slot = self._ring.begin_write(self._sequence, self._drawn_px)
        self._paint(slot, params, now_s)
        if self._has_marks:
            stamp.put_stamp(slot[: self._drawn_px], round(shown_s * 1000))
        self._ring.end_write(self._sequence)
        self._send(m.FrameReady(self._sequence, now_s))
        done_s = time.monotonic()
        self._window.wall_ms.append((done_s - now_s) * 1000)
        period_s = 1 / frames_per_s
        next_s = due_s + period_s
        if done_s > next_s:
            self._window.late_frames += 1
            # Skip the missed frames: drawn in a burst, they would only replace each other.
            next_s += (done_s - next_s) // period_s * period_s
        if done_s - self._window.began_s >= WINDOW_S:
            self._judge(done_s - self._window.began_s)
        return next_s

    def _may_leave_out(self, params: dict[str, float], now_s: float) -> bool:
        """Return whether a picture with these parameters would look like the last one, in a face that rests."""
        return (
            bool(self._newest.params)
            and not self._has_marks  # the marks tell how speech is shown, in which no picture is left out
            and self._fade is None
            and self._newest.left_out < MOST_LEFT_OUT
            and self._acting.is_resting(now_s)
            and movement(self._newest.params, params) < LEAST_MOVEMENT
        )

    def _paint(self, slot: NDArray[np.uint8], params: dict[str, float], now_s: float) -> None:
        if self._shown is None:
            assert self._idle is not None
            slot[:] = self._idle.next_frame()
            return
        fade = self._fade
        if fade is None:
            self._shown.draw(params, out=slot)
            return
        share = min(1.0, (now_s - fade.began_s) / FADE_S)
        live = self._shown.draw(params)
        cv2.addWeighted(live, share, fade.picture, 1 - share, 0, dst=slot)
        if share >= 1:
            self._fade = None

    def _judge(self, seconds: float) -> None:
        window, rung = self._window, self._ladder.rung
        wall_ms = sorted(window.wall_ms)
        p50_ms, p95_ms = wall_ms[len(wall_ms) // 2], wall_ms[int(0.95 * (len(wall_ms) - 1))]
        self._send(
            m.DrawingPace(
                self._drawn_px, rung.supersample, len(wall_ms) / seconds, p50_ms, p95_ms, window.late_frames
            )
        )
        if self._shown is not None:
            self._ladder = judge(self._ladder, window.wall_ms, window.late_frames, window.left_out)
            if self._ladder.is_too_slow:
                self._draw_still(self._shown.draw)
                raise FaceError(
                    "This computer is too busy to draw Kai's face. You see a still picture; the voice and the captions "
                    "go on. Close other programs, then try again.",
                    code="face-slow",
                )
            if _bake_of(self._ladder.rung) != _bake_of(rung):
                self._change_rung()
        self._start_window()

    def _draw_still(self, draw: Draw) -> None:
        """Draw the picture that stays when drawing stops: eyes open, and the mouth not caught in the middle of a word."""
        self._sequence += 1
        slot = self._ring.begin_write(self._sequence, self._drawn_px)
        draw(at_rest(), out=slot)
        self._ring.end_write(self._sequence)
        self._send(m.FrameReady(self._sequence, time.monotonic()))

    def _start_window(self) -> None:
        self._window = _Window(time.monotonic())

    def _send(self, message: m.Message) -> None:
        self._connection.sendall(m.encode(message))


def _bake_of(rung: Rung) -> tuple[int, float]:
    """Return what a bake depends on."""
    return rung.size_px, rung.supersample


def main(arguments: list[str] | None = None) -> int:
    """Run until the socket ends; return 1 when the face could not be made."""
    parser = argparse.ArgumentParser(prog="python -m kai.adapters.local_face.start")
    for name in ("socket", "memory"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--test-marks", action="store_true")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    connection = socket.socket(fileno=options.socket)
    ring = FrameRing(options.memory, LARGE_PX)
    os.close(options.memory)
    try:
        FaceProcess(connection, ring, has_test_marks=options.test_marks).run()
    except (BrokenPipeError, ConnectionResetError):
        return 0
    except KaiError as exc:
        connection.sendall(m.encode(m.Failed(exc.code, exc.message)))
        return 1
    return 0
