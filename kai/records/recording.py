"""Recordings of a talk's sound, made only if a person pressed Record: both sides in one Ogg Opus file on this computer.

The person is more on the left, Kai more on the right. The blocks that are sent to the page are recorded, so a file's time is
the talk's time counted from its ``start_ms``. A separate thread encodes several blocks at a time, and writes Ogg in short
pages, so that the file of a killed app can be played up to that point.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.audio.stream import AudioStream
from av.error import FFmpegError

from kai.compat.format import BLOCK_S, BLOCK_SAMPLES, LIVE_HZ, SILENCE
from kai.errors import KaiError
from kai.ports import Pcm

BITRATE_BPS: Final = 48_000
PAGE_US: Final = 200_000
"""The duration of one page of Ogg, which is what a crash can lose."""
WRITE_EVERY_S: Final = 0.4
MOST_WAITING_BLOCKS: Final = 1500
"""The bound between the talk and a slow disk: 30 s, 6 MB. Beyond it sound is dropped and replaced by silence."""
MOST_MIC_BLOCKS: Final = 10
"""The bound for microphone sound, which arrives in bursts; sound older than 200 ms is dropped."""
BEHIND_S: Final = 1.2
"""If no sound was pulled for this long (tracks catch up within 1 s), silence replaces it, so that captions stay in time."""
ACROSS: Final = 0.35
"""How much of one side is mixed into the other channel, which is more pleasant than full separation."""
LEAST_FREE_BYTES: Final = 200_000_000
CLOSE_S: Final = 3.0

_NAME: Final = re.compile(r"([0-9a-f]{16})-(\d{1,9})\.ogg")

log = logging.getLogger(__name__)


class RecordingError(KaiError):
    """Recording is impossible or has ended. Codes: ``recording-off``, ``recording-disk``, ``recording-ended``."""

    code = "recording-disk"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A recorded part of a talk, which begins at ``start_ms`` of the talk and lasts ``lasts_ms``."""

    talk_id: str
    start_ms: int
    lasts_ms: int
    path: Path


class RecordingFile:
    """One Ogg file and the thread that writes it. ``push`` may be called from any one thread and never blocks."""

    def __init__(self, path: Path, on_failed: Callable[[RecordingError], None]) -> None:
        """Create the file and start the thread. Raises ``RecordingError``."""
        self.path = path
        self.dropped_blocks = 0
        self._on_failed = on_failed
        self._waiting: deque[tuple[int, Pcm, Pcm]] = deque()
        self._written_blocks = 0
        self._closing = threading.Event()
        try:
            # Create the file first, so that other users can never read it.
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            self._container, self._stream = _open(path)
        except (OSError, FFmpegError) as exc:
            raise _no_room(path.parent) from exc
        self._thread = threading.Thread(target=self._run, name="kai-recording")
        self._thread.start()

    def push(self, index: int, person: Pcm, kai: Pcm) -> None:
        """Take the block with that index since the beginning: ``(960,)`` int16 at 48 000 Hz for each side. Beyond
        ``MOST_WAITING_BLOCKS`` new blocks are dropped and replaced by silence."""
        if len(self._waiting) < MOST_WAITING_BLOCKS:
            self._waiting.append((index, person, kai))
        else:
            self.dropped_blocks += 1

    def close(self) -> None:
        """Write the waiting blocks and end the file, in the background. Returns at once."""
        self._closing.set()

    def join(self, timeout_s: float = CLOSE_S) -> None:
        """Wait until the file is complete."""
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            is_last = False
            while not is_last:
                # If the app ends by a fault, nobody calls close().
                is_last = self._closing.wait(WRITE_EVERY_S) or not threading.main_thread().is_alive()
                self._write()
            for packet in self._stream.encode(None):
                self._container.mux(packet)
            self._container.close()
            if self.dropped_blocks:
                log.warning("a slow disk cost a recording sound", extra={"blocks": self.dropped_blocks})
        except (OSError, FFmpegError) as exc:
            log.warning("a recording ended early", extra={"reason": type(exc).__name__})
            with contextlib.suppress(OSError, FFmpegError):
                self._container.close()
            self._waiting.clear()
            self._on_failed(_no_room(self.path.parent))

    def _write(self) -> None:
        while self._waiting:
            index, person, kai = self._waiting.popleft()
            while self._written_blocks < index:
                self._encode(SILENCE, SILENCE)
            self._encode(person, kai)

    def _encode(self, person: Pcm, kai: Pcm) -> None:
        one, two = person.astype(np.float32), kai.astype(np.float32)
        both = np.empty(2 * BLOCK_SAMPLES, np.float32)
        both[0::2], both[1::2] = one + ACROSS * two, two + ACROSS * one
        pcm = np.clip(np.rint(both), -32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate = LIVE_HZ
        frame.pts = self._written_blocks * BLOCK_SAMPLES
        self._written_blocks += 1
        for packet in self._stream.encode(frame):
            self._container.mux(packet)


def _open(path: Path) -> tuple[Any, AudioStream]:
    options = {"flush_packets": "1", "page_duration": str(PAGE_US)}
    container = av.open(str(path), "w", format="ogg", options=options)
    stream = container.add_stream(
        "libopus", rate=LIVE_HZ, layout="stereo", options={"compression_level": "5"}
    )
    assert isinstance(stream, AudioStream)
    stream.bit_rate = BITRATE_BPS
    return container, stream


def _no_room(folder: Path) -> RecordingError:
    return RecordingError(
        f"The recording ended: nothing can be written to {folder} now. Make some room on the disk; the talk goes on."
    )


class Recorder:
    """Implements ``kai.ports.SoundRecorder`` for one session. ``place`` returns the path to use, or raises ``KaiError``."""

    def __init__(self, place: Callable[[float], Path], clock: Callable[[], float] = time.monotonic) -> None:
        self._place = place
        self._clock = clock
        self._file: RecordingFile | None = None
        self._mic: deque[Pcm] = deque(maxlen=MOST_MIC_BLOCKS)
        self._began_s = 0.0
        self._next = 0
        self._on_failed: Callable[[KaiError], None] = lambda _error: None

    @property
    def path(self) -> Path | None:
        """The file that is being written, if any."""
        file = self._file
        return None if file is None else file.path

    def start(self, on_failed: Callable[[KaiError], None]) -> None:
        if self._file is not None:
            return
        self._began_s = self._clock()
        self._next = 0
        self._mic.clear()
        self._on_failed = on_failed
        self._file = RecordingFile(self._place(self._began_s), self._fail)

    def stop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def end(self, reason: RecordingError) -> None:
        """Stop for a reason other than the person's wish, wait until the file is complete, and report why. Any thread."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
            file.join()
            self._on_failed(reason)

    def push_mic(self, pcm: Pcm) -> None:
        if self._file is not None:
            self._mic.append(pcm)

    def push_played(self, pcm: Pcm) -> None:
        file = self._file
        if file is None:
            return
        due = int((self._clock() - self._began_s) / BLOCK_S)
        if due - self._next > BEHIND_S / BLOCK_S:
            self._next = due
        try:
            person = self._mic.popleft()
        except IndexError:
            person = SILENCE
        file.push(self._next, person, pcm)
        self._next += 1

    def _fail(self, error: RecordingError) -> None:
        self._file = None
        self._on_failed(error)


class Recordings:
    """The folder of recordings. Every method may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def new_path(self, talk_id: str, start_ms: int) -> Path:
        """Return the path for a recording of that talk from ``start_ms``. Raises ``RecordingError`` if the disk is full."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            free = shutil.disk_usage(self.folder).free
        except OSError as exc:
            raise _no_room(self.folder) from exc
        if free < LEAST_FREE_BYTES:
            raise _no_room(self.folder)
        return self.folder / f"{talk_id}-{start_ms}.ogg"

    def of_talk(self, talk_id: str) -> list[Stretch]:
        """Return the recordings of that talk in order, without unplayable files."""
        found = [_stretch(path) for path in self._paths({talk_id})]
        return sorted((s for s in found if s is not None and s.lasts_ms > 0), key=lambda s: s.start_ms)

    def path_of(self, talk_id: str, start_ms: int) -> Path | None:
        """Return the file of a stretch, if it exists. Both arguments are untrusted."""
        name = f"{talk_id}-{start_ms}.ogg"
        path = self.folder / name
        return path if _NAME.fullmatch(name) and path.is_file() else None

    def delete(self, talk_ids: Collection[str]) -> None:
        """Delete the sound of those talks. Raises ``RecordingError``."""
        self._unlink(self._paths(talk_ids))

    def keep_only(self, talk_ids: Collection[str]) -> None:
        """Delete the sound of every other talk. Raises ``RecordingError``."""
        kept = set(self._paths(talk_ids))
        self._unlink([path for path in self._paths(None) if path not in kept])

    def size_bytes(self) -> int:
        """Return the size of all recordings."""
        sizes = 0
        for path in self._paths(None):
            # A file may be deleted in the meantime.
            with contextlib.suppress(FileNotFoundError):
                sizes += path.stat().st_size
        return sizes

    def _paths(self, talk_ids: Collection[str] | None) -> list[Path]:
        if not self.folder.is_dir():
            return []
        named = [(path, _NAME.fullmatch(path.name)) for path in self.folder.iterdir()]
        return [path for path, name in named if name and (talk_ids is None or name[1] in talk_ids)]

    def _unlink(self, paths: list[Path]) -> None:
        try:
            for path in paths:
                path.unlink(missing_ok=True)
        except OSError as exc:
            raise RecordingError(
                f"A recording could not be deleted from {self.folder}. Look at that folder's rights."
            ) from exc


def _stretch(path: Path) -> Stretch | None:
    name = _NAME.fullmatch(path.name)
    assert name is not None
    try:
        with av.open(str(path)) as container:
            lasts_ms = (container.duration or 0) // 1000
    except (OSError, FFmpegError):
        return None
    return Stretch(name[1], int(name[2]), lasts_ms, path)
