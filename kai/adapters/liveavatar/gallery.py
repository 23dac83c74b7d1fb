"""The avatars that an account may use, with preview pictures, and the account's credits, for pages to show.

Nothing here runs on the talks' loop: lists, pictures and credits are fetched on the gallery's own threads and pictures are
kept on disk, so that no page waits and a slow provider does not disturb a talk.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import cv2
import httpx
import numpy as np

from kai.adapters.liveavatar.rest import Account, LiveAvatarApi
from kai.compat import http
from kai.compat.files import write_private
from kai.core.config import AvatarConfig
from kai.errors import ConfigError, FaceError, ProtocolError
from kai.wire import liveavatar as wire

log = logging.getLogger(__name__)

LIST_S: Final = 300.0
"""A list is used for this long; one that could not be fetched is requested again after `AGAIN_S`."""
CREDITS_S: Final = 60.0
AGAIN_S: Final = 20.0
FETCH_S: Final = 25.0
PICTURE_S: Final = 8.0
MOST_PICTURE_BYTES: Final = 8 << 20
PREVIEW_PX: Final = 320
"""The longer side of a preview, as it is kept and shown."""
MOST_PREVIEWS: Final = 600
WORKERS: Final = 4
KEPT_SUFFIX: Final = ".jpg"


@dataclass(frozen=True, slots=True)
class AvatarAccount:
    """The credits left, the whole minutes that they buy (a LITE minute costs one), and those used since this app started."""

    credits_left: Decimal
    minutes_left: int
    credits_used: Decimal


@dataclass(frozen=True, slots=True)
class GalleryAvatar:
    """One avatar that can be used now. ``is_own`` means that it is the account's own, not from the public list."""

    id: str
    name: str
    is_own: bool
    is_1080p: bool
    has_preview: bool


@dataclass(frozen=True, slots=True)
class AvatarShelf:
    """What is known now: the avatars, the account's own first, and the account. ``is_loading`` is true until the first answer
    has arrived; ``problem`` says for people why data is old or missing."""

    avatars: tuple[GalleryAvatar, ...] = ()
    account: AvatarAccount | None = None
    is_loading: bool = True
    problem: str = ""


class Gallery:
    """The avatars and the account of one app. Any thread; no method blocks.

    At most `WORKERS` fetches run at once; the number of waiting fetches is bounded by the avatars in the list.
    """

    def __init__(
        self,
        account: Account,
        folder: Path,
        *,
        defaults: AvatarConfig | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.defaults = defaults or AvatarConfig()
        """The avatar settings of the app, which apply if a person has chosen nothing."""
        self._account = account
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="avatar gallery")
        self._shelf = AvatarShelf()
        self._preview_urls: dict[str, str] = {}
        self._fetching: dict[str, Future[bytes | None]] = {}
        self._due_s = {"list": float("-inf"), "credits": float("-inf")}
        self._is_refreshing = False
        self._first_left: Decimal | None = None
        self._is_closed = False

    def shelf(self) -> AvatarShelf:
        """Return what is known now, at once, and start to fetch what is old; call again a second later to see it."""
        self._refresh()
        return self._shelf

    def preview(self, avatar_id: str) -> Future[bytes | None]:
        """Return the avatar's picture as a JPEG of at most `PREVIEW_PX`, from disk or the provider; ``None`` without one."""
        with self._lock:
            url = self._preview_urls.get(avatar_id)
            if url is None or self._is_closed:
                done: Future[bytes | None] = Future()
                done.set_result(None)
                return done
            running = self._fetching.get(avatar_id)
            if running is None:
                running = self._fetching[avatar_id] = self._pool.submit(self._picture, avatar_id, url)
            return running

    def aclose(self) -> None:
        """Begin no further fetch."""
        with self._lock:
            self._is_closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _refresh(self) -> None:
        now_s = self._clock()
        with self._lock:
            due = [name for name, due_s in self._due_s.items() if now_s >= due_s]
            if not due or self._is_refreshing or self._is_closed:
                return
            self._is_refreshing = True
            self._pool.submit(self._fetch, due)

    def _fetch(self, due: list[str]) -> None:
        try:
            # A separate loop for a few seconds, so that neither the talks' loop nor the page's waits for a provider.
            asyncio.run(self._ask(due))
        finally:
            with self._lock:
                self._is_refreshing = False

    async def _ask(self, due: list[str]) -> None:
        api = LiveAvatarApi(self._account)
        problem = ""
        try:
            async with asyncio.timeout(FETCH_S):
                if "list" in due:
                    self._take_list(await api.own_avatars(), await api.public_avatars())
                self._take_credits(await api.credits_left())
        except FaceError as exc:
            problem = exc.message
        except TimeoutError:
            problem = "LiveAvatar's gallery did not answer in time. Kai asks again."
        finally:
            await api.aclose()
        now_s = self._clock()
        with self._lock:
            self._shelf = replace(self._shelf, is_loading=False, problem=problem)
            for name, good_s in (("list", LIST_S), ("credits", CREDITS_S)):
                if problem:
                    self._due_s[name] = now_s + AGAIN_S
                elif name in due or name == "credits":
                    self._due_s[name] = now_s + good_s

    def _take_list(self, own: tuple[wire.Avatar, ...], public: tuple[wire.Avatar, ...]) -> None:
        own_ids = {avatar.id for avatar in own}
        by_id = {a.id: a for a in (*own, *(p for p in public if p.id not in own_ids)) if a.is_usable}
        urls = {
            a.id: a.preview_url for a in by_id.values() if a.preview_url and self._is_fetchable(a.preview_url)
        }
        avatars = tuple(
            GalleryAvatar(a.id, a.name, a.id in own_ids, a.is_1080p, a.id in urls) for a in by_id.values()
        )
        with self._lock:
            self._preview_urls = urls
            self._shelf = replace(self._shelf, avatars=avatars, is_loading=False)

    def _take_credits(self, left: Decimal) -> None:
        with self._lock:
            first = self._first_left
            # Credits that were bought meanwhile must not count as negative use.
            self._first_left = first = left if first is None else max(first, left)
            self._shelf = replace(self._shelf, account=AvatarAccount(left, int(left), first - left))

    def _is_fetchable(self, url: str) -> bool:
        """Return whether a picture may be fetched: only from the provider over HTTPS, or from the configured server."""
        return url.startswith("https://") or urlsplit(url).netloc == urlsplit(self._account.base_url).netloc

    def _picture(self, avatar_id: str, url: str) -> bytes | None:
        try:
            path = self._path(url)
            try:
                return path.read_bytes()
            except OSError:
                picture = self._download(url)
            if picture is not None:
                self._keep(path, picture)
            return picture
        finally:
            with self._lock:
                self._fetching.pop(avatar_id, None)

    def _path(self, url: str) -> Path:
        # A signed URL has a new query each time for the same picture.
        name = hashlib.sha256(url.partition("?")[0].encode()).hexdigest()[:24]
        return self._folder / f"{name}{KEPT_SUFFIX}"

    def _download(self, url: str) -> bytes | None:
        data = bytearray()
        until_s = time.monotonic() + PICTURE_S
        try:
            with (
                http.client(url, timeout=PICTURE_S / 2) as client,
                client.stream("GET", url) as reply,
            ):
                reply.raise_for_status()
                for part in reply.iter_bytes():
                    data += part
                    if len(data) > MOST_PICTURE_BYTES or time.monotonic() > until_s:
                        raise ProtocolError("A preview is too large or too slow.", code="bad-preview")
            return smaller(bytes(data))
        except (httpx.HTTPError, ProtocolError, ConfigError) as exc:
            log.info("an avatar's preview cannot be had", extra={"kind": type(exc).__name__})
            return None

    def _keep(self, path: Path, picture: bytes) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(path, picture)
            kept = sorted(self._folder.glob(f"*{KEPT_SUFFIX}"), key=lambda p: p.stat().st_mtime)
            for old in kept[:-MOST_PREVIEWS]:
                old.unlink(missing_ok=True)
        except OSError as exc:
            log.info("an avatar's preview cannot be kept", extra={"kind": type(exc).__name__})


def smaller(data: bytes) -> bytes:
    """Return the picture in ``data`` (JPEG, PNG or WebP) as a JPEG whose longer side is at most `PREVIEW_PX`. It is encoded
    anew, so that only pixels can pass. Raises `ProtocolError` for data that is no picture."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if picture is None:
        raise ProtocolError("A preview is not a picture.", code="bad-preview")
    height, width = picture.shape[:2]
    scale = PREVIEW_PX / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    is_made, made = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not is_made:
        raise ProtocolError("A preview cannot be made smaller.", code="bad-preview")
    return made.tobytes()
