"""Records of paid sessions wait for the disk, so nobody writes or removes one on the loop that eight talks share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from kai.adapters.liveavatar.face import KIND, LiveAvatarFace
from kai.adapters.liveavatar.rest import Account, LiveAvatarApi
from kai.core.state import Look
from kai.errors import FaceError
from kai.lending.avatars import AvatarDesk
from kai.lending.calls import CallDesk
from kai.records.paid_sessions import PaidSession, PaidSessions
from tests.contract.test_liveavatar_face import CHOICE
from tests.support.liveavatar import KEY, RunningLiveAvatar, liveavatar, liveavatar_process

__all__ = ["liveavatar", "liveavatar_process"]


class WatchedRecords(PaidSessions):
    """Real records that remember which thread each act on the disk was done in."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.acts: list[tuple[str, int]] = []

    def note(self, kind: str, session_id: str) -> None:
        self.acts.append(("note", threading.get_ident()))
        super().note(kind, session_id)

    def forget(self, kind: str, session_id: str) -> None:
        self.acts.append(("forget", threading.get_ident()))
        super().forget(kind, session_id)

    def orphans(self, kind: str) -> tuple[PaidSession, ...]:
        self.acts.append(("orphans", threading.get_ident()))
        return super().orphans(kind)


@pytest.fixture
def records(tmp_path: Path) -> WatchedRecords:
    return WatchedRecords(tmp_path)


@pytest_asyncio.fixture
async def api(liveavatar: RunningLiveAvatar) -> AsyncIterator[LiveAvatarApi]:
    api = LiveAvatarApi(Account(KEY, liveavatar.url))
    yield api
    await api.aclose()


Act = Callable[[LiveAvatarApi, WatchedRecords, RunningLiveAvatar], Awaitable[None]]


async def start_and_stop_a_face(api: LiveAvatarApi, records: WatchedRecords, _: RunningLiveAvatar) -> None:
    face = LiveAvatarFace(api, CHOICE, records)
    await face._start_session()
    await face.aclose()


async def start_a_face_in_vain(
    api: LiveAvatarApi, records: WatchedRecords, server: RunningLiveAvatar
) -> None:
    server.faults(refuse="start", refuse_status=402)
    face = LiveAvatarFace(api, CHOICE, records)
    with pytest.raises(FaceError):
        await face._start_session()
    await face.aclose()


async def lend_and_stop(api: LiveAvatarApi, records: WatchedRecords, _: RunningLiveAvatar) -> None:
    desk = AvatarDesk(api, CHOICE, records, limit_s=1200)
    grant = await desk.start("ann", desk.ticket("ann"))
    await desk.stop("ann", grant.session_id)


async def lend_in_vain(api: LiveAvatarApi, records: WatchedRecords, server: RunningLiveAvatar) -> None:
    server.faults(refuse="start", refuse_status=402)
    desk = AvatarDesk(api, CHOICE, records, limit_s=1200)
    with pytest.raises(FaceError):
        await desk.start("ann", desk.ticket("ann"))


async def open_a_call_and_end_it(_: LiveAvatarApi, records: WatchedRecords, __: RunningLiveAvatar) -> None:
    async def open_call(_browser: str, _look: object, _offer: str) -> tuple[str, str]:
        return "call-1", "answer"

    async def hang_up(_call: str) -> None: ...

    desk = CallDesk(open_call, hang_up, records)
    await desk.open("talk", "ann", Look(), "v=0")
    await desk.close_of("talk")


async def reap(_: LiveAvatarApi, records: WatchedRecords, __: RunningLiveAvatar) -> None:
    PaidSessions(records._folder).note(KIND, "left")
    path = records._folder / f"{KIND}-left.json"
    path.write_text(path.read_text().replace('"owner_pid": ', '"owner_pid": 9'))

    async def stop(_session: str) -> None: ...

    assert await records.reap(KIND, stop) == 1


@pytest.mark.parametrize(
    ("act", "done"),
    [
        (start_and_stop_a_face, ["note", "forget"]),
        (start_a_face_in_vain, ["note", "forget"]),
        (lend_and_stop, ["note", "forget"]),
        (lend_in_vain, ["note", "forget"]),
        (open_a_call_and_end_it, ["note", "forget"]),
        (reap, ["orphans", "forget"]),
    ],
)
async def test_no_record_is_written_or_removed_on_the_loop(
    act: Act, done: list[str], api: LiveAvatarApi, records: WatchedRecords, liveavatar: RunningLiveAvatar
) -> None:
    await act(api, records, liveavatar)
    assert [name for name, _ in records.acts] == done
    assert all(thread != threading.get_ident() for _, thread in records.acts)
    assert await asyncio.to_thread(records.all) == ()
