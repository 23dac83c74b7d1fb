"""``Memory`` holds everything that Kai keeps between talks and starts: past talks, preferences, presets. One per app.

A separate thread writes past talks, at most once a second, so that no talk waits for a disk. Only the newest record of each
talk is pending, so that memory does not grow when the disk is slow.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
import weakref
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path
from typing import Final, Protocol

from kai.core.state import Look, SessionState
from kai.core.store import Listener, Unsubscribe
from kai.errors import KaiError
from kai.records.documents import Documents
from kai.records.personas import Personas
from kai.records.preferences import JsonFile, Preferences, Presets, Styles
from kai.records.recording import Recorder, RecordingError, Recordings, Stretch
from kai.records.turn_log import RecordsError, TurnLog
from kai.records.turns import Follower, TalkRecord

WRITE_INTERVAL_S: Final = 1.0
FORGET_INTERVAL_S: Final = 3600.0
DAY_S: Final = 86_400.0
CLOSE_S: Final = 5.0

_log = logging.getLogger(__name__)


def owner_of(browser_id: str) -> str:
    """Return the owner name of a browser's talks, which does not reveal the browser's id."""
    return hashlib.sha256(f"kai history:{browser_id}".encode()).hexdigest()[:32]


class Watched(Protocol):
    """The part of a session that `Memory` needs."""

    def subscribe(self, listener: Listener) -> Unsubscribe: ...


class Memory:
    """Past talks, preferences and presets in one folder. Every method may be called from any thread."""

    def __init__(
        self, folder: Path, *, may_keep_talks: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Open the folder. If ``may_keep_talks`` (a setting) is false, no talks are kept, whatever the page says."""
        self.folder = folder
        self.may_keep_talks = may_keep_talks
        self.preferences = JsonFile(folder / "preferences.json", Preferences())
        self.presets = JsonFile(folder / "presets.json", Presets())
        self.documents = Documents(folder / "documents")
        self.personas = JsonFile(folder / "personas.json", Personas())
        self.styles = JsonFile(folder / "styles.json", Styles())
        self.problem = ""
        self.log: TurnLog | None = None
        self._clock = clock
        self._lock = threading.Lock()
        self._file_lock = threading.Lock()
        self._dirty: dict[int, Follower] = {}
        self._saved: dict[str, TalkRecord] = {}
        self._left_out: set[str] = set()
        self.recordings = Recordings(folder / "recordings")
        self._recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()
        self._forgot_at_s = clock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        try:
            self.log = TurnLog(folder / "history.db")
            self.log.end_all()
            self.forget_old()
        except RecordsError as error:
            self.problem = error.message
            _log.warning("past talks are not kept: %s", error.message)

    @property
    def asides(self) -> tuple[Path, ...]:
        """Unreadable files that were moved aside: those of past talks and of the settings."""
        talks = self.log.aside if self.log else None
        return (*(() if talks is None else (talks,)), *self.asides_of_settings)

    @property
    def asides_of_settings(self) -> tuple[Path, ...]:
        """Unreadable files that were moved aside: the last settings, presets, personas and styles."""
        files = (self.preferences, self.presets, self.personas, self.styles)
        return tuple(file.aside for file in files if file.aside is not None)

    @property
    def is_keeping(self) -> bool:
        """True while talks are kept."""
        return self.may_keep_talks and self.log is not None and self.preferences.value.is_history_on

    def make_recorder(self, follower: Follower) -> Recorder:
        """Make the recorder of that session's sound."""

        def place(at_s: float) -> Path:
            if not self.is_keeping or follower.id in self._left_out:
                raise RecordingError(
                    "Sound is kept with its talk alone, and this talk is not kept. Switch keeping on in History, then start "
                    "another talk.",
                    code="recording-off",
                )
            return self.recordings.new_path(follower.id, follower.elapsed_ms(at_s))

        recorder = Recorder(place, self._clock)
        self._recorders.add(recorder)
        return recorder

    def stretches(self, talk_id: str) -> list[Stretch]:
        """Return the recordings of that talk, except those that are being written."""
        written = {recorder.path for recorder in tuple(self._recorders)}
        return [s for s in self.recordings.of_talk(talk_id) if s.path not in written]

    def follow(self, talk: Watched, follower: Follower | None = None) -> None:
        """Keep the talks of that session for as long as it lives."""
        follower = follower or Follower()

        def on_change(state: SessionState) -> None:
            with self._lock:
                follower.note(state, self._clock())
                if not self.is_keeping:
                    # A talk that went on while keeping was off is not kept, even if keeping is switched on again.
                    self._left_out.add(follower.id)
                if self._closing.is_set() or follower.id in self._left_out:
                    return
                self._dirty[id(follower)] = follower
                self._ensure_writer()
            self._wake.set()

        talk.subscribe(on_change)

    def _ensure_writer(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="kai-memory")
            self._thread.start()

    def _write(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            is_last = self._closing.is_set()
            self.flush()
            if is_last:
                return
            if self._clock() - self._forgot_at_s > FORGET_INTERVAL_S:
                self._forget_old_quietly()
            self._closing.wait(WRITE_INTERVAL_S)

    def _forget_old_quietly(self) -> None:
        self._forgot_at_s = self._clock()
        try:
            self.forget_old()
        except RecordsError as error:
            self.problem = error.message
            _log.warning("old talks could not be forgotten: %s", error.message)

    def spent_since(self, wall_s: float) -> float:
        """Return what the kept talks since then have cost, in US dollars; 0 if they cannot be read. Blocks."""
        if self.log is None:
            return 0.0
        try:
            talks = self.log.talks(since_wall_s=wall_s)
        except RecordsError as error:
            _log.warning("what was spent today is not known: %s", error.message)
            return 0.0
        return sum(talk.total_usd for talk in talks)

    def flush(self) -> None:
        """Write the pending records now."""
        with self._file_lock:
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            records = [
                record for follower in self._dirty.values() if (record := follower.record()) is not None
            ]
            self._dirty.clear()
        for record in records:
            if self.log is None or record.id in self._left_out:
                continue
            try:
                self.log.save(record, self._saved.get(record.id))
            except RecordsError as error:
                self.problem = error.message
                _log.warning("a talk could not be kept: %s", error.message)
                continue
            self.problem = ""
            if record.is_over:
                self._saved.pop(record.id, None)
            else:
                self._saved[record.id] = record

    def close(self) -> None:
        """Write the pending records and end the thread, within ``CLOSE_S``."""
        with self._lock:
            self._closing.set()
            thread = self._thread
        self._wake.set()
        if thread is not None:
            thread.join(CLOSE_S)
        if self.log is not None:
            self.log.close()

    def delete(self, talk_id: str, owner: str | None = None) -> None:
        """Delete one talk, and keep nothing of it from now on if it is still running. Raises ``KaiError``."""
        with self._file_lock:
            if self.log is not None and self.log.delete(talk_id, owner):
                self._left_out.add(talk_id)
                self._end_recordings({talk_id})
                self.recordings.delete({talk_id})

    def delete_all(self, owner: str | None = None) -> int:
        """Delete every talk and return how many. Running ones are not kept from now on. Raises ``KaiError``."""
        if self.log is None:
            return 0
        with self._file_lock:
            self._flush()
            found = set(self.log.ids(owner))
            self._left_out.update(found)
            self._end_recordings(found)
            self.recordings.delete(found)
            return self.log.delete_all(owner)

    def forget_old(self) -> None:
        """Delete the talks that are older than the preferences allow. Raises ``KaiError``."""
        if self.log is None:
            return
        with self._file_lock:
            self.log.forget_older(time.time() - self.preferences.value.history_days * DAY_S)
            # Delete recordings without a talk, unless the file of talks was broken, as then the owners are unknown.
            if self.log.aside is None:
                going_on = {path.name.partition("-")[0] for r in self._recorders if (path := r.path)}
                self.recordings.keep_only({*self.log.ids(), *going_on})

    def _end_recordings(self, talk_ids: Collection[str] | None) -> None:
        """End the running recordings of these talks, or all of them (``None``)."""
        for recorder in tuple(self._recorders):
            path = recorder.path
            if path is not None and (talk_ids is None or path.name.partition("-")[0] in talk_ids):
                recorder.end(
                    RecordingError(
                        "The recording ended: the talk is not kept any more.", code="recording-ended"
                    )
                )

    def keep_talks(self, is_on: bool) -> None:
        """Turn keeping on, beginning with the next talk, or off at once. Raises ``KaiError``."""
        with self._file_lock:
            self._flush()
            self.preferences.write(self.preferences.value.model_copy(update={"is_history_on": is_on}))
            if not is_on and self.log is not None:
                self._left_out.update(self._saved)
                self._end_recordings(None)
                self.log.end_all()

    def keep_look(self, look: Look) -> None:
        """Keep the sidebar's settings for the next start. Raises ``KaiError``."""
        self.preferences.write(self.preferences.value.model_copy(update={"look": asdict(look)}))

    def keep_days(self, days: int) -> None:
        """Keep talks for that many days, and delete older ones at once. Raises ``KaiError``."""
        if days < 1:
            raise KaiError("Talks are kept for at least a day; switch keeping off to keep none.")
        self.preferences.write(self.preferences.value.model_copy(update={"history_days": days}))
        self.forget_old()
