"""What clients that were measured on the real service have met and the documents do not say, one switch of the local
LiveAvatar each: a first paid session must work whichever of them is true."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from pydantic import SecretStr

from kai.adapters.liveavatar import Account, LiveAvatarApi, LiveAvatarFace
from kai.adapters.liveavatar import control as control_module
from kai.adapters.liveavatar import face as face_module
from kai.adapters.liveavatar.control import CHUNK_SAMPLES, FIRST_CHUNK_MS, FRAME_SAMPLES, Chunker
from kai.adapters.liveavatar.face import AvatarChoice
from kai.adapters.liveavatar.room import RoomClient
from kai.compose import _check_avatar
from kai.core.events import LegFailed, PlayoutFinished, PlayoutStarted
from kai.core.policy import faces as policy
from kai.core.state import AgentState, Look
from kai.engine.liveavatar.account import AVATARS
from kai.errors import FaceError
from kai.records.paid_sessions import PaidSessions
from kai.settings import Settings
from kai.wire import liveavatar as wire
from tests.support.faces import FaceReported, StackedFaces
from tests.support.fakes import FaceLog, FakeFace, tone
from tests.support.liveavatar import KEY, RunningLiveAvatar, liveavatar, liveavatar_process

__all__ = ["liveavatar", "liveavatar_process"]

CHOICE = AvatarChoice(avatar_id=next(iter(AVATARS)), quality="low", encoding="VP8")
QUICK: dict[str, Any] = {"speak_after_s": 0.2, "picture_delay_s": 0.0}


@pytest_asyncio.fixture
async def api(liveavatar: RunningLiveAvatar) -> AsyncIterator[LiveAvatarApi]:
    liveavatar.faults(**QUICK)
    api = LiveAvatarApi(Account(KEY, liveavatar.url))
    yield api
    await api.aclose()


@pytest.fixture
def log() -> FaceLog:
    return FaceLog()


@pytest.fixture
def records(tmp_path: Path) -> PaidSessions:
    return PaidSessions(tmp_path)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits that a person would not notice, shorter: what is tested is their order."""
    monkeypatch.setattr(control_module, "ASSUMED_S", 0.6)
    monkeypatch.setattr(control_module, "UNANSWERED_S", 0.6)


async def opened(api: LiveAvatarApi, records: PaidSessions, log: FaceLog) -> LiveAvatarFace:
    face = LiveAvatarFace(api, CHOICE, records, RoomClient)
    await face.open(Look(), log)
    return face


async def stacked(api: LiveAvatarApi, records: PaidSessions, log: FaceLog) -> StackedFaces:
    """A stack that shows the cloud face."""
    stack = StackedFaces(lambda: LiveAvatarFace(api, CHOICE, records, RoomClient), FakeFace)
    await stack.open(Look(), log)
    await play(stack, lambda: stack.on == "liveavatar")
    return stack


async def play(face: Any, until: Callable[[], object], within_s: float = 20.0) -> Any:
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


async def say(face: Any, log: FaceLog, segment_id: str = "a", ms: int = 300) -> None:
    """One answer, heard to its end."""
    face.speak(segment_id, tone(ms))
    face.end_segment(segment_id)
    await play(face, lambda: PlayoutFinished(segment_id) in log.events)


def commands(liveavatar: RunningLiveAvatar) -> list[str]:
    (running,) = [s for s in liveavatar.bill()["sessions"] if s["is_running"]]
    return running["commands"]


# -- A1, A5: is the session ready? -------------------------------------------------------------------------------------


async def test_a_session_that_never_says_connected_opens_once_its_picture_is_there(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, liveavatar: RunningLiveAvatar
) -> None:
    liveavatar.faults(**QUICK, connected="never")
    face = await opened(api, records, log)
    try:
        await say(face, log)
        assert log.of(LegFailed) == []
    finally:
        await face.aclose()


async def test_a_picture_that_comes_before_the_service_hears_commands_costs_no_word(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, liveavatar: RunningLiveAvatar
) -> None:
    liveavatar.faults(**QUICK, picture_after_s=1.0, connected_after_s=1.4)
    face = await opened(api, records, log)
    try:
        await say(face, log)
        assert log.of(LegFailed) == []
    finally:
        await face.aclose()


@pytest.mark.parametrize(
    ("act", "connected"),
    [
        ("half_open", "once"),
        pytest.param("half_open", "each", marks=pytest.mark.long),
        pytest.param("close_control", "once", marks=pytest.mark.long),
        pytest.param("close_control", "each", marks=pytest.mark.long),
    ],
)
async def test_a_line_that_is_lost_in_mid_sentence_costs_no_word_and_no_second_session(
    api: LiveAvatarApi,
    records: PaidSessions,
    log: FaceLog,
    liveavatar: RunningLiveAvatar,
    act: str,
    connected: str,
) -> None:
    """Half of the sound goes into the line that is lost; where ``connected`` is said once, the next line never hears it."""
    liveavatar.faults(**QUICK, connected=connected)
    stack = await stacked(api, records, log)
    started = len(liveavatar.bill()["sessions"])
    try:
        stack.speak("a", tone(1200))
        await play(stack, lambda: PlayoutStarted("a") in log.events)
        await asyncio.to_thread(liveavatar.act, act)
        for part in range(2):
            stack.speak("a", tone(500, hz=150 + 20 * part))
        stack.end_segment("a")
        heard = await play(stack, lambda: PlayoutFinished("a") in log.events)
        assert stack.on == "liveavatar"
        assert len(liveavatar.bill()["sessions"]) == started
        # Nothing is left out; a little may be said twice.
        assert np.count_nonzero(np.abs(heard.astype(np.int32)) > 1000) / 48 > 0.7 * 2000
        assert log.of(PlayoutStarted, PlayoutFinished) == [PlayoutStarted("a"), PlayoutFinished("a")]
        await say(stack, log, "b")
    finally:
        await stack.aclose()
    assert liveavatar.bill()["running"] == 0
    assert records.all() == ()


@pytest.mark.long
async def test_a_line_that_comes_back_after_everything_arrived_repeats_nothing(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, liveavatar: RunningLiveAvatar
) -> None:
    stack = await stacked(api, records, log)
    try:
        stack.speak("a", tone(2500))
        stack.end_segment("a")
        await play(stack, lambda: PlayoutStarted("a") in log.events)
        before = commands(liveavatar)
        await asyncio.to_thread(liveavatar.act, "close_control")
        await play(stack, lambda: PlayoutFinished("a") in log.events)
        assert commands(liveavatar) == before
    finally:
        await stack.aclose()


@pytest.mark.long
async def test_a_start_of_35_seconds_is_waited_for_and_paid_once(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, liveavatar: RunningLiveAvatar
) -> None:
    liveavatar.faults(**QUICK, connected_after_s=35.0, picture_after_s=35.0)
    started = len(liveavatar.bill()["sessions"])
    face = await opened(api, records, log)
    try:
        liveavatar.faults(**QUICK)
        await say(face, log)
        assert len(liveavatar.bill()["sessions"]) == started + 1
    finally:
        await face.aclose()


async def test_a_session_that_is_lost_while_it_opens_is_not_waited_for(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, liveavatar: RunningLiveAvatar
) -> None:
    liveavatar.faults(connected="never", has_no_tracks=True)
    face = LiveAvatarFace(api, CHOICE, records, RoomClient)
    opening = asyncio.create_task(face.open(Look(), log))
    async with asyncio.timeout(10):
        # The SDK leaves sockets behind where joining is given up half way.
        while not (isinstance(face._room, RoomClient) and face._room._room.isconnected()):
            await asyncio.sleep(0.05)
        await asyncio.to_thread(liveavatar.act, "end_room")
        with pytest.raises(FaceError) as raised:
            await opening
    assert raised.value.code == "avatar-ended"


# -- A2, A12: what is paid for nothing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("switches", "code"),
    [
        ({"has_no_tracks": True}, "avatar-failed-starts"),
        pytest.param({"is_speechless": True}, "avatar-mute", marks=pytest.mark.long),
    ],
)
async def test_no_third_start_is_paid_without_a_persons_word(
    api: LiveAvatarApi,
    records: PaidSessions,
    log: FaceLog,
    liveavatar: RunningLiveAvatar,
    monkeypatch: pytest.MonkeyPatch,
    switches: dict[str, Any],
    code: str,
) -> None:
    monkeypatch.setattr(policy, "AGAIN_AFTER_S", (0.1,))
    monkeypatch.setattr(face_module, "PATIENCE_S", 1.0)
    liveavatar.faults(**QUICK, **switches)
    started = len(liveavatar.bill()["sessions"])
    stack = StackedFaces(lambda: LiveAvatarFace(api, CHOICE, records, RoomClient), FakeFace)
    await stack.open(Look(), log)
    try:
        if "is_speechless" in switches:
            monkeypatch.setattr(face_module, "PATIENCE_S", 15.0)
            for answer in ("a", "b"):
                await play(stack, lambda: stack.on == "liveavatar")
                await say(stack, log, answer, 1000)
        await play(stack, lambda: log.of(FaceReported) and log.of(FaceReported)[-1].code == code)
        await play(stack, iter([False] * 25 + [True]).__next__)
        assert len(liveavatar.bill()["sessions"]) == started + 2
        assert liveavatar.bill()["running"] == 0
        liveavatar.faults(**QUICK)
        monkeypatch.setattr(face_module, "PATIENCE_S", 15.0)
        stack.set_look(replace(Look(), face="liveavatar"))
        await play(stack, lambda: stack.on == "liveavatar")
    finally:
        await stack.aclose()


# -- A3: the pose ------------------------------------------------------------------------------------------------------


async def test_the_avatar_listens_to_who_has_just_interrupted_it(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, liveavatar: RunningLiveAvatar
) -> None:
    face = await opened(api, records, log)
    try:
        face.set_mood(AgentState.SPEAKING)
        face.speak("a", tone(3000))
        await play(face, lambda: PlayoutStarted("a") in log.events)
        face.stop_speaking()
        face.set_mood(AgentState.LISTENING)
        await play(face, lambda: "agent.start_listening" in commands(liveavatar))
        told = commands(liveavatar)
        assert told.index("agent.interrupt") < told.index("agent.start_listening")
    finally:
        await face.aclose()


async def test_a_pose_that_was_wished_while_the_avatar_talked_is_taken_when_it_has_done(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, liveavatar: RunningLiveAvatar
) -> None:
    face = await opened(api, records, log)
    try:
        face.speak("a", tone(600))
        await play(face, lambda: PlayoutStarted("a") in log.events)
        face.set_mood(AgentState.LISTENING)
        await play(face, iter([False] * 10 + [True]).__next__)
        assert "agent.start_listening" not in commands(liveavatar)
        face.end_segment("a")
        await play(face, lambda: "agent.start_listening" in commands(liveavatar))
        await say(face, log, "b")
        await play(face, lambda: commands(liveavatar).count("agent.start_listening") == 2)
    finally:
        await face.aclose()


# -- A4: shapes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "events",
    [
        "both",
        pytest.param("state", marks=pytest.mark.long),
        pytest.param("speak", marks=pytest.mark.long),
    ],
)
async def test_other_shapes_of_the_same_messages_lose_neither_start_nor_event(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, liveavatar: RunningLiveAvatar, events: str
) -> None:
    liveavatar.faults(**QUICK, shapes="loose", events=events, max_session_s=480)
    face = await opened(api, records, log)
    try:
        assert face.longest_s == 480.0
        assert records.all()[0].id == face.session_id
        face.set_mood(AgentState.LISTENING)
        await say(face, log)
        # The end of talking was understood: the pose is told anew.
        await play(face, lambda: commands(liveavatar).count("agent.start_listening") == 2)
    finally:
        await face.aclose()
    assert liveavatar.bill()["running"] == 0


# -- A7 to A11 ---------------------------------------------------------------------------------------------------------


async def test_a_length_that_the_plan_does_not_allow_is_left_to_the_plan(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, liveavatar: RunningLiveAvatar
) -> None:
    liveavatar.faults(**QUICK, max_session_s=120)
    face = LiveAvatarFace(api, replace(CHOICE, longest_s=600), records, RoomClient)
    await face.open(Look(), log)
    await face.aclose()
    assert face.longest_s == 120.0


def test_check_reads_the_plans_length_without_paying(liveavatar: RunningLiveAvatar) -> None:
    liveavatar.faults(max_session_s=120)
    started = len(liveavatar.bill()["sessions"])
    found = _check_avatar(
        Settings(
            _env_file=None,  # pyright: ignore[reportCallIssue]
            liveavatar_api_key=SecretStr(KEY),
            liveavatar_url=liveavatar.url,
        )
    )
    assert found.code == "plan"
    assert found.facts["plan"] == policy.plan_words(120.0)
    assert liveavatar.bill()["running"] == 0
    assert len(liveavatar.bill()["sessions"]) == started


async def test_a_session_is_kept_alive_while_it_talks_too(
    api: LiveAvatarApi,
    records: PaidSessions,
    log: FaceLog,
    liveavatar: RunningLiveAvatar,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(control_module, "KEEP_ALIVE_S", 0.15)
    face = await opened(api, records, log)
    try:
        for _ in range(10):
            face.speak("a", tone(400))
            await play(face, iter([False] * 4 + [True]).__next__)
        assert commands(liveavatar).count("session.keep_alive") >= 4
    finally:
        await face.aclose()


def test_chunks_are_whole_pictures_and_the_last_is_padded_with_silence() -> None:
    chunker = Chunker()
    said = tone(2000)[: 2000 * 24 - 333]
    chunks = [chunk for part in np.array_split(said, 7) for chunk in chunker.push(part, 0.0)]
    assert [len(chunk) for chunk in chunks] == [FIRST_CHUNK_MS * 24, CHUNK_SAMPLES]
    early = chunker.flush(0.0, is_last=False)
    last = chunker.flush(0.0, is_last=True)
    assert early is not None
    assert last is not None
    assert chunker.flush(0.0, is_last=True) is None
    assert all(len(chunk) % FRAME_SAMPLES == 0 for chunk in (*chunks, early, last))
    whole = np.concatenate([*chunks, early, last])
    assert np.array_equal(whole[: len(said)], said)
    assert not whole[len(said) :].any()
    assert len(whole) - len(said) < FRAME_SAMPLES


async def test_a_filmed_avatar_is_chosen_before_one_from_a_photo(
    api: LiveAvatarApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, film = (wire.Avatar(id=kind, name=kind, type=kind) for kind in ("IMAGE", "VIDEO"))

    async def own() -> tuple[wire.Avatar, ...]:
        return (photo, film, replace(film, id="old", is_expired=True))

    monkeypatch.setattr(api, "own_avatars", own)
    assert await api.first_avatar() == "VIDEO"


async def test_a_start_waits_for_the_stop_of_the_session_before_it(
    api: LiveAvatarApi, records: PaidSessions, log: FaceLog, liveavatar: RunningLiveAvatar
) -> None:
    """The account allows one session, and the answer to a stop takes a while: without the wait the start is refused."""
    liveavatar.faults(**QUICK, max_concurrent=1)
    first = await opened(api, records, log)
    liveavatar.faults(**QUICK, max_concurrent=1, reply_delay_s=0.4)
    refusals: list[str] = []
    mint = api._mint

    async def watched(request: wire.TokenRequest) -> wire.TokenGrant:
        refusals.append(f"running {liveavatar.bill()['running']}")
        return await mint(request)

    api._mint = watched  # type: ignore[method-assign]
    closing = asyncio.create_task(first.aclose())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second = await opened(api, records, log)
    await closing
    await second.aclose()
    assert refusals == ["running 0"]
