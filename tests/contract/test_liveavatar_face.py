"""The cloud face against the local LiveAvatar: the contract of the port, and its own promises."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import pytest_asyncio
from livekit import rtc
from websockets.asyncio.client import connect

from kai.adapters.liveavatar import Account, LiveAvatarApi, LiveAvatarFace, room_link
from kai.adapters.liveavatar import control as control_module
from kai.adapters.liveavatar import face as face_module
from kai.adapters.liveavatar.face import AvatarChoice
from kai.adapters.liveavatar.room import RoomClient
from kai.adapters.liveavatar.room_link import RoomLink
from kai.bench.avatar import is_mouth_open
from kai.core.events import LegFailed, PlayoutFinished, PlayoutStarted
from kai.core.state import Look
from kai.engine.liveavatar.account import AVATARS, OWN_AVATAR_ID
from kai.errors import FaceError
from kai.media.stamp import read_stamp
from kai.ports import AvatarFace, Picture
from kai.records.paid_sessions import PaidSessions
from kai.wire import liveavatar as wire
from tests.contract.suite_face import FaceContract, MakeFace
from tests.contract.suite_face import Lose as LoseFace
from tests.support.fakes import FaceLog, tone
from tests.support.live import live_account
from tests.support.liveavatar import KEY, RunningLiveAvatar, liveavatar, liveavatar_process
from tests.support.recordings import recordings

__all__ = ["liveavatar", "liveavatar_process"]

CHOICE = AvatarChoice(avatar_id=next(iter(AVATARS)), quality="low", encoding="VP8")


@pytest_asyncio.fixture
async def api(liveavatar: RunningLiveAvatar) -> AsyncIterator[LiveAvatarApi]:
    liveavatar.faults(speak_after_s=0.2, picture_delay_s=0.0)
    api = LiveAvatarApi(Account(KEY, liveavatar.url))
    yield api
    await api.aclose()


@pytest.fixture
def records(tmp_path: Path) -> PaidSessions:
    return PaidSessions(tmp_path)


class TestLiveAvatarFace(FaceContract):
    within_s, pull_pace_s = 15.0, 0.02
    stretch_ms = 150  # a jitter buffer on a busy computer

    @pytest.fixture
    def make_face(self, api: LiveAvatarApi, records: PaidSessions) -> MakeFace:
        return lambda: LiveAvatarFace(api, CHOICE, records, RoomClient)

    @pytest.fixture
    def broken_face(
        self, api: LiveAvatarApi, records: PaidSessions, liveavatar: RunningLiveAvatar
    ) -> AvatarFace:
        liveavatar.faults(refuse="start", refuse_status=500)
        return LiveAvatarFace(api, CHOICE, records, RoomClient)

    @pytest.fixture
    def lose(self, liveavatar: RunningLiveAvatar) -> LoseFace:
        async def lose(face: AvatarFace) -> None:
            del face
            liveavatar.act("end_room")

        return lose


@pytest.mark.long
class TestLive(FaceContract):
    """The same contract against HeyGen's own service, in free sandbox sessions; with ``--live`` and a key alone."""

    within_s, pull_pace_s = 30.0, 0.02
    stretch_ms = 250

    @pytest.fixture
    def make_face(self, request: pytest.FixtureRequest, tmp_path: Path) -> MakeFace:
        api = LiveAvatarApi(live_account(request))
        return lambda: LiveAvatarFace(api, replace(CHOICE, is_sandbox=True), PaidSessions(tmp_path))


# -- its own promises --------------------------------------------------------------------------------------------------


@pytest.fixture
def log() -> FaceLog:
    return FaceLog()


@pytest.fixture
def grants(api: LiveAvatarApi, monkeypatch: pytest.MonkeyPatch) -> list[wire.StartGrant]:
    """What the service grants in this test, in order."""
    found: list[wire.StartGrant] = []
    start = api.start

    async def noted(token: wire.TokenGrant) -> wire.StartGrant:
        found.append(await start(token))
        return found[-1]

    monkeypatch.setattr(api, "start", noted)
    return found


async def play(face: LiveAvatarFace, until: Callable[[], object], within_s: float = 15.0) -> Any:
    """Pull 20 ms by 20 ms, as a player does; the sound that came."""
    blocks = [np.zeros(0, np.int16)]
    loop = asyncio.get_running_loop()
    next_s = loop.time()
    async with asyncio.timeout(within_s):
        while not until():
            blocks.append(face.pull_sound())
            next_s += 0.02
            await asyncio.sleep(max(0.0, next_s - loop.time()))
    return np.concatenate(blocks)


async def opened(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, make_room: Any = RoomClient
) -> LiveAvatarFace:
    """A face whose room is in this process, which saves a second; what another process changes has its own tests."""
    face = LiveAvatarFace(api, CHOICE, records, make_room)
    await face.open(Look(), log)
    return face


def sentence() -> Any:
    return next(r for r in recordings() if r.path.name == "LJ001-0004.wav").samples(24_000)[: 24_000 * 3]


def noted(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in folder.glob("*.json")]


async def test_the_session_is_on_disk_before_it_is_paid_for_and_gone_after_the_stop(
    api: LiveAvatarApi, tmp_path: Path, log: FaceLog, liveavatar: RunningLiveAvatar
) -> None:
    seen: list[tuple[list[dict[str, Any]], int]] = []

    class Watching(LiveAvatarApi):
        async def start(self, grant: Any) -> Any:
            (path,) = tmp_path.glob("*.json")
            seen.append((noted(tmp_path), path.stat().st_mode & 0o777))
            return await super().start(grant)

    watching = Watching(Account(KEY, liveavatar.url))
    face = await opened(watching, PaidSessions(tmp_path), log)
    session_id = face.session_id
    ((records, mode),) = seen
    assert [record["id"] for record in records] == [session_id]
    assert mode == 0o600
    assert set(records[0]) == {"kind", "id", "owner_pid", "owner_began_s", "started_s"}
    await face.aclose()
    await watching.aclose()
    assert noted(tmp_path) == []
    bill = liveavatar.bill()
    assert bill["running"] == 0
    assert next(s for s in bill["sessions"] if s["id"] == session_id)["end_reason"] == "USER_CLOSED"


@pytest.mark.parametrize(
    ("switches", "code"),
    [
        ({"has_no_ws_url": True}, "avatar-no-control"),
        ({"connected": "never", "has_no_tracks": True}, "avatar-not-ready"),
        ({"has_no_tracks": True}, "avatar-no-picture"),
    ],
)
async def test_a_failed_opening_leaves_nothing_running(
    api: LiveAvatarApi,
    records: PaidSessions,
    log: FaceLog,
    liveavatar: RunningLiveAvatar,
    monkeypatch: pytest.MonkeyPatch,
    switches: dict[str, Any],
    code: str,
) -> None:
    monkeypatch.setattr(face_module, "PATIENCE_S", 2.0)
    liveavatar.faults(**switches)
    with pytest.raises(FaceError) as raised:
        await opened(api, records, log)
    assert raised.value.code == code
    assert liveavatar.bill()["running"] == 0
    assert records.all() == ()


async def test_a_face_is_not_open_before_the_service_hears_commands(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, liveavatar: RunningLiveAvatar
) -> None:
    """What is sent before "connected" is lost without a word: the greeting, most often."""
    liveavatar.faults(connected_after_s=1.2, speak_after_s=0.2, picture_delay_s=0.0)
    face = await opened(api, records, log)
    try:
        face.speak("a", tone(200))
        face.end_segment("a")
        await play(face, lambda: PlayoutFinished("a") in log.events)
        assert liveavatar.bill()["sessions"][0]["commands"][:2] == ["agent.speak", "agent.speak_end"]
    finally:
        await face.aclose()


@pytest.mark.parametrize(
    ("refuse", "status", "number", "said", "code"),
    [
        ("token", 401, 4001, "Invalid API key", "avatar-wrong-key"),
        ("start", 402, 0, "payment required", "avatar-no-credits"),
        ("start", 400, 4022, "Insufficient credits", "avatar-no-credits"),
        ("token", 429, 0, "slow down", "avatar-rate-limit"),
        ("start", 503, 0, "oops", "avatar-server"),
        ("token", 422, 0, "no such avatar", "avatar-unusable"),
        ("token", 409, 0, "no", "avatar-refused"),
        ("token", 403, 0, "Forbidden", "avatar-refused"),
        ("token", 403, 0, "Your plan does not include LITE mode", "avatar-plan-lacks"),
        ("token", 400, 0, "very_high quality is not supported", "avatar-quality"),
        ("token", 403, 0, "You do not have access to this avatar", "avatar-not-yours"),
        ("start", 400, 0, "max_session_duration (600s) exceeds the maximum allowed (60s)", "avatar-too-long"),
    ],
)
async def test_every_refusal_has_its_own_words(
    api: LiveAvatarApi,
    records: PaidSessions,
    log: FaceLog,
    liveavatar: RunningLiveAvatar,
    refuse: str,
    status: int,
    number: int,
    said: str,
    code: str,
) -> None:
    liveavatar.faults(
        refuse=refuse, refuse_status=status, refuse_number=number, refuse_message=said, refuse_times=9
    )
    with pytest.raises(FaceError) as raised:
        await opened(api, records, log)
    assert raised.value.code == code
    assert said not in raised.value.message
    assert raised.value.detail == said
    assert records.all() == () or code == "avatar-server"


async def test_a_pause_that_the_service_asks_for_is_told(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, liveavatar: RunningLiveAvatar
) -> None:
    liveavatar.faults(refuse="token", refuse_status=429, refuse_retry_after_s=7, refuse_times=9)
    with pytest.raises(FaceError) as raised:
        await opened(api, records, log)
    assert (raised.value.code, raised.value.retry_after_s) == ("avatar-rate-limit", 7.0)


async def test_nobody_there_is_said_so(records: PaidSessions, log: FaceLog) -> None:
    api = LiveAvatarApi(Account(KEY, "http://127.0.0.1:9"))
    with pytest.raises(FaceError) as raised:
        await opened(api, records, log)
    assert raised.value.code == "avatar-unreachable"
    await api.aclose()


async def test_a_full_account_is_tried_again_after_our_orphans_were_stopped(
    api: LiveAvatarApi, tmp_path: Path, log: FaceLog, liveavatar: RunningLiveAvatar
) -> None:
    records = PaidSessions(tmp_path)
    orphan = await opened(api, records, log)
    (path,) = tmp_path.glob("*.json")
    path.write_text(json.dumps(noted(tmp_path)[0] | {"owner_pid": 2**22 - 1}))
    liveavatar.faults(max_concurrent=1)
    face = await opened(api, records, log)
    assert [record.id for record in records.all()] == [face.session_id]
    assert liveavatar.bill()["running"] == 1
    await orphan.aclose()
    await face.aclose()


async def test_a_full_account_of_others_is_tried_three_times_and_said_so(
    api: LiveAvatarApi,
    records: PaidSessions,
    log: FaceLog,
    liveavatar: RunningLiveAvatar,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert sum(face_module.CONCURRENCY_WAITS_S) == 6.0
    monkeypatch.setattr(face_module, "CONCURRENCY_WAITS_S", (0.1, 0.2))
    liveavatar.faults(max_concurrent=0)
    with pytest.raises(FaceError) as raised:
        await opened(api, records, log)
    assert raised.value.code == "avatar-concurrency"
    assert records.all() == ()


async def test_what_is_heard_is_the_rooms_sound_and_its_place_is_known(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog
) -> None:
    face = await opened(api, records, log)
    try:
        face.speak("a", sentence())
        await play(face, lambda: PlayoutStarted("a") in log.events)
        heard = await play(face, iter([False] * 75 + [True]).__next__)
        stopped = face.stop_speaking()
        assert stopped is not None
        said = sentence()
        tail, end = heard[-48 * 300 :: 2].astype(float), stopped.samples
        window = said[max(0, end - 24 * 500) : end + 24 * 200].astype(float)
        fits = np.correlate(window, tail, "valid")
        at = max(0, end - 24 * 500) + int(np.argmax(fits)) + len(tail)
        assert at / 24 == pytest.approx(end / 24, abs=30)
    finally:
        await face.aclose()


@pytest.mark.long
async def test_sound_waits_for_a_picture_that_comes_late(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, liveavatar: RunningLiveAvatar
) -> None:
    liveavatar.faults(picture_delay_s=0.8, speak_after_s=0.2)
    face = await opened(api, records, log)
    try:
        await play(face, lambda: face.picture_older_ms > 300, 15)
        await play(face, iter([False] * 60 + [True]).__next__)
        assert face.capability.delay_ms == pytest.approx(face.picture_older_ms + 60, abs=80)
    finally:
        await face.aclose()


async def test_an_interrupted_avatar_shuts_its_mouth_and_keeps_it_shut(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog
) -> None:
    face = await opened(api, records, log)
    try:
        for block in np.split(tone(4_000), 40):
            face.speak("a", block)
        await play(face, lambda: log.pictures and is_mouth_open(log.pictures[-1][0]))
        face.stop_speaking()
        log.pictures.clear()
        # Half a second for what the service still had on its way; nothing of it may be held and shown later.
        await play(face, lambda: len(log.pictures) >= 12)
        log.pictures.clear()
        await play(face, lambda: len(log.pictures) >= 25)
        assert not any(is_mouth_open(picture) for picture, _ in log.pictures)
    finally:
        await face.aclose()


@pytest.mark.parametrize(
    ("act", "code", "within_s"),
    [
        ("stall_video", "avatar-stalled", 7),
        pytest.param("freeze_video", "avatar-frozen", 9, marks=pytest.mark.long),
        pytest.param("vanish", "avatar-vanished", 13, marks=pytest.mark.long),
        ("say_closed", "avatar-ended", 3),
        ("end_room", "avatar-ended", 4),
        pytest.param("kill_media", "avatar-stalled", 8, marks=pytest.mark.long),
    ],
)
async def test_troubles_are_told_apart(
    api: LiveAvatarApi,
    records: PaidSessions,
    log: FaceLog,
    liveavatar: RunningLiveAvatar,
    act: str,
    code: str,
    within_s: float,
) -> None:
    face = await opened(api, records, log)
    try:
        liveavatar.act(act)
        failed = await log.wait_for_a(LegFailed, within_s)
        assert failed.code == code
    finally:
        await face.aclose()


@pytest.mark.long
async def test_an_avatar_that_says_nothing_is_silent(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, liveavatar: RunningLiveAvatar
) -> None:
    face = await opened(api, records, log)
    try:
        liveavatar.act("mute_sound")
        face.speak("a", tone(1000))
        face.end_segment("a")
        assert (await log.wait_for_a(LegFailed, 9)).code == "avatar-never-spoke"
    finally:
        await face.aclose()


@pytest.mark.parametrize(
    "act",
    [
        "drop_signal",
        "republish",
        pytest.param("break_control", marks=pytest.mark.long),
        pytest.param("close_control", marks=pytest.mark.long),
    ],
)
async def test_small_losses_are_mended_without_a_word(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, liveavatar: RunningLiveAvatar, act: str
) -> None:
    face = await opened(api, records, log)
    try:
        liveavatar.act(act)
        await play(face, iter([False] * 100 + [True]).__next__)
        seen = face.pictures
        face.speak("a", tone(400))
        face.end_segment("a")
        await play(face, lambda: PlayoutFinished("a") in log.events)
        assert face.pictures > seen
        assert log.of(LegFailed) == []
    finally:
        await face.aclose()


async def test_a_service_that_answers_no_ping_is_not_taken_for_lost(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, liveavatar: RunningLiveAvatar
) -> None:
    liveavatar.faults(has_no_pongs=True, speak_after_s=0.2, picture_delay_s=0.0)
    token = await api.mint(wire.TokenRequest(avatar_id=CHOICE.avatar_id))
    grant = await api.start(token)
    assert grant.ws_url is not None
    async with connect(grant.ws_url, ping_interval=0.2, ping_timeout=0.3) as believer:
        async with asyncio.timeout(10):
            await believer.wait_closed()
        assert believer.close_code in (1006, 1011)
    await api.stop(token.session_id)
    face = await opened(api, records, log)
    try:
        face.speak("a", tone(300))
        face.end_segment("a")
        await play(face, lambda: PlayoutFinished("a") in log.events)
        assert log.of(LegFailed) == []
    finally:
        await face.aclose()


async def test_a_session_with_nothing_to_say_is_kept_alive(
    api: LiveAvatarApi,
    records: PaidSessions,
    log: FaceLog,
    liveavatar: RunningLiveAvatar,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(control_module, "KEEP_ALIVE_S", 0.4)
    liveavatar.faults(picture_delay_s=0.0, idle_timeout_s=1.5)
    face = await opened(api, records, log)
    try:
        await play(face, iter([False] * 175 + [True]).__next__)
        (session,) = [s for s in liveavatar.bill()["sessions"] if s["is_running"]]
        assert set(session["commands"]) == {"session.keep_alive"}
        assert log.of(LegFailed) == []
    finally:
        await face.aclose()


async def test_a_session_is_asked_for_no_longer_than_it_may_last(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, grants: list[wire.StartGrant]
) -> None:
    face = LiveAvatarFace(api, replace(CHOICE, longest_s=45), records, RoomClient)
    await face.open(Look(), log)
    await face.aclose()
    assert [grant.max_session_duration for grant in grants] == [45]
    assert face.longest_s == 45.0


async def test_no_key_token_or_address_with_one_is_logged_noted_or_told(
    records: PaidSessions,
    tmp_path: Path,
    log: FaceLog,
    liveavatar: RunningLiveAvatar,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    key = "seeded-key-4d1f7a90c2"
    api = LiveAvatarApi(Account(key, liveavatar.url))
    hidden = [key]
    mint, start = api.mint, api.start

    async def minted(request: wire.TokenRequest) -> wire.TokenGrant:
        token = await mint(request)
        hidden.append(token.session_token)
        return token

    async def started(token: wire.TokenGrant) -> wire.StartGrant:
        grant = await start(token)
        assert grant.ws_url is not None
        assert grant.livekit_agent_token is not None
        # What stands in the address is as secret as a token.
        hidden.extend([grant.livekit_client_token, grant.livekit_agent_token, grant.ws_url.split("=")[-1]])
        return grant

    monkeypatch.setattr(api, "mint", minted)
    monkeypatch.setattr(api, "start", started)
    told: list[str] = []
    face = await opened(api, records, log, RoomLink)
    try:
        told += [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
        assert isinstance(face._room, RoomLink)
        assert face._room.process_id is not None
        told.append(" ".join(psutil.Process(face._room.process_id).cmdline()))
        liveavatar.act("break_control")
        face.speak("a", tone(300))
        await play(face, iter([False] * 40 + [True]).__next__)
        liveavatar.act("end_room")
        await log.wait_for_a(LegFailed, 10)
        told += [repr(face), repr(face._choice), repr(log.events)]
    finally:
        await face.aclose()
        await api.aclose()
    told += [record.getMessage() + str(vars(record)) for record in caplog.records]
    told += capfd.readouterr()  # the room's process too
    everything = "\n".join(told)
    assert "avatar session started" in everything
    assert len(hidden) == 5
    for secret in hidden:
        assert secret not in everything


async def test_a_room_whose_process_dies_is_visited_by_another_and_the_session_goes_on(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, liveavatar: RunningLiveAvatar
) -> None:
    """As it dies of a panic in the room's library, which ends the process that it is in."""
    liveavatar.faults(speak_after_s=0.2, picture_delay_s=0.0)
    face = await opened(api, records, log, RoomLink)
    try:
        assert isinstance(face._room, RoomLink)
        room = face._room
        former = room.process_id
        assert former is not None
        os.kill(former, signal.SIGKILL)
        await play(face, lambda: room.process_id not in (None, former))
        seen = face.pictures
        await play(face, lambda: face.pictures > seen + 5)
        face.speak("a", tone(300))
        face.end_segment("a")
        await play(face, lambda: PlayoutFinished("a") in log.events)
        assert log.of(LegFailed) == []
        assert [s["is_running"] for s in liveavatar.bill()["sessions"]].count(True) == 1
    finally:
        await face.aclose()
    assert not psutil.pid_exists(former)


async def test_a_room_that_dies_again_and_again_is_given_up(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_link, "MOST_VISITS", 1)
    face = await opened(api, records, log, RoomLink)
    try:
        assert isinstance(face._room, RoomLink)
        assert face._room.process_id is not None
        os.kill(face._room.process_id, signal.SIGKILL)
        assert (await log.wait_for_a(LegFailed, 5)).code == "avatar-room-broken"
    finally:
        await face.aclose()


async def test_one_token_for_two_joiners_is_told_and_the_session_is_stopped(
    api: LiveAvatarApi,
    records: PaidSessions,
    log: FaceLog,
    liveavatar: RunningLiveAvatar,
    grants: list[wire.StartGrant],
) -> None:
    face = await opened(api, records, log)
    intruder = rtc.Room()
    try:
        await intruder.connect(grants[0].livekit_url, grants[0].livekit_client_token)
        failed = await log.wait_for_a(LegFailed, 10)
        assert (failed.code, failed.is_retryable) == ("avatar-replaced", False)
    finally:
        await face.aclose()
        await intruder.disconnect()
    assert liveavatar.bill()["running"] == 0


@pytest.mark.long
async def test_a_slow_consumer_sees_the_newest_picture_and_nothing_piles_up(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, liveavatar: RunningLiveAvatar
) -> None:
    """The SDK's queue has no bound of its own: a consumer of 10 pictures a second would be 0.6 s later each second."""
    liveavatar.faults(picture_delay_s=0.0, has_test_marks=True)
    face = await opened(api, records, log)
    ages: list[float] = []
    picture = face.picture

    def slow(shown: Picture, shown_s: float) -> None:
        time.sleep(0.1)
        stamped_ms = read_stamp(shown[: shown.shape[0] * 2 // 3])
        if stamped_ms is not None:
            ages.append(time.monotonic() - stamped_ms / 1000)
        picture(shown, shown_s)

    memory = psutil.Process().memory_info
    try:
        face.picture = slow
        await play(face, lambda: len(ages) > 10, 20)
        before_bytes = memory().rss
        await play(face, lambda: len(ages) > 60, 60)
        assert np.median(ages[-10:]) < np.median(ages[:10]) + 0.5
        assert memory().rss - before_bytes < 60e6
    finally:
        await face.aclose()


@pytest.mark.parametrize(
    "switches",
    [
        {"events": "state"},
        {"events": "speak"},
        {"events": "none"},
        {"has_old_ids": True},
        {"has_double_starts": True},
    ],
)
async def test_either_family_of_events_will_do_and_so_does_none(
    api: LiveAvatarApi,
    records: PaidSessions,
    log: FaceLog,
    liveavatar: RunningLiveAvatar,
    switches: dict[str, Any],
) -> None:
    liveavatar.faults(speak_after_s=0.2, picture_delay_s=0.0, **switches)
    face = await opened(api, records, log)
    try:
        face.speak("a", tone(300))
        face.end_segment("a")
        await play(face, lambda: PlayoutFinished("a") in log.events)
        assert log.of(PlayoutStarted, PlayoutFinished) == [PlayoutStarted("a"), PlayoutFinished("a")]
    finally:
        await face.aclose()


async def test_the_gallery_has_what_can_be_used_and_the_account_tells_its_credits(
    api: LiveAvatarApi, liveavatar: RunningLiveAvatar
) -> None:
    usable = [a for a in (*await api.own_avatars(), *await api.public_avatars()) if a.is_usable]
    assert {avatar.name for avatar in usable} == {
        "Kai",
        "Mara",
        "Ade",
        "Ines",
        "Emil",
        "Vera",
        "Jun",
        "Wayne",
    }
    assert await api.first_avatar() == usable[0].id == OWN_AVATAR_ID
    left = await api.credits_left()
    assert 0 <= left <= 100
