"""Scripted faults through real sockets: whatever the service does, every answer is heard to its end and no session stays."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from kai.adapters.liveavatar import Account, LiveAvatarApi, LiveAvatarFace
from kai.adapters.liveavatar.face import AvatarChoice
from kai.core.events import LegFailed, PlayoutFinished, PlayoutStarted
from kai.core.policy import faces as policy
from kai.core.state import Look
from kai.engine.liveavatar.account import AVATARS
from kai.records.paid_sessions import PaidSessions
from tests.support.faces import FaceReported, StackedFaces
from tests.support.fakes import FaceLog, FakeFace, tone
from tests.support.liveavatar import KEY, RunningLiveAvatar, liveavatar, liveavatar_process

__all__ = ["liveavatar", "liveavatar_process"]

CHOICE = AvatarChoice(avatar_id=next(iter(AVATARS)), quality="low", encoding="VP8")
TAKEN_OVER_S = 2.0


async def play(stack: StackedFaces, until: Any, within_s: float = 40.0) -> None:
    async with asyncio.timeout(within_s):
        while not until():
            stack.pull_sound()
            await asyncio.sleep(0.02)


async def talk(liveavatar: RunningLiveAvatar, folder: Path, script: dict[str, Any]) -> FaceLog:
    """Three answers of 3 s while the script runs; then everything is closed."""
    log, records = FaceLog(), PaidSessions(folder)
    api = LiveAvatarApi(Account(KEY, liveavatar.url))
    stack = StackedFaces(lambda: LiveAvatarFace(api, CHOICE, records), FakeFace)
    await stack.open(Look(), log)
    try:
        assert liveavatar.call("POST", "/kai/script", script).status_code == 200
        for answer in ("a", "b", "c"):
            for part in range(6):
                stack.speak(answer, tone(500, hz=150 + 20 * part))
            stack.end_segment(answer)
            await play(stack, lambda answer=answer: PlayoutFinished(answer) in log.events)
    finally:
        await stack.aclose()
        await api.aclose()
    assert records.all() == ()
    assert liveavatar.bill()["running"] == 0
    return log


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
async def test_under_any_script_every_answer_is_heard_and_nothing_stays(
    seed: int, liveavatar: RunningLiveAvatar, tmp_path: Path
) -> None:
    liveavatar.faults(speak_after_s=0.2, picture_delay_s=0.2)
    log = await talk(liveavatar, tmp_path, {"seed": seed, "count": 3, "within_s": 9})
    whole = [PlayoutStarted("a"), PlayoutFinished("a"), PlayoutStarted("b"), PlayoutFinished("b")]
    assert log.of(PlayoutStarted, PlayoutFinished)[:4] == whole
    assert log.of(LegFailed) == []


async def test_the_local_face_speaks_on_within_two_seconds_of_the_loss(
    liveavatar: RunningLiveAvatar, tmp_path: Path
) -> None:
    liveavatar.faults(speak_after_s=0.2, picture_delay_s=0.0)
    log, records = FaceLog(), PaidSessions(tmp_path)
    api = LiveAvatarApi(Account(KEY, liveavatar.url))
    stack = StackedFaces(lambda: LiveAvatarFace(api, CHOICE, records), FakeFace)
    await stack.open(Look(), log)
    try:
        stack.speak("a", tone(6000))
        stack.end_segment("a")
        await play(stack, lambda: PlayoutStarted("a") in log.events)
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(liveavatar.act, "end_room")
        lost_s = loop.time()
        await play(stack, lambda: stack.on == "local")
        await play(stack, lambda: stack.pull_sound().any())
        assert loop.time() - lost_s < TAKEN_OVER_S
        await play(stack, lambda: PlayoutFinished("a") in log.events)
        assert log.of(LegFailed) == []
    finally:
        await stack.aclose()
        await api.aclose()


@pytest.mark.long
async def test_a_session_is_left_for_a_fresh_one_before_it_falls_silent_at_its_limit(
    liveavatar: RunningLiveAvatar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket stays open and the picture moves on; only the voice is gone (`is_mute` of the local service)."""
    monkeypatch.setattr(policy, "ROTATE_BEFORE_S", 6.0)
    liveavatar.faults(speak_after_s=0.2, picture_delay_s=0.0, max_session_s=10)
    log, records = FaceLog(), PaidSessions(tmp_path)
    api = LiveAvatarApi(Account(KEY, liveavatar.url))
    stack = StackedFaces(lambda: LiveAvatarFace(api, CHOICE, records), FakeFace)
    await stack.open(Look(), log)
    quiet_s, longest_quiet_s = 0.0, 0.0
    try:
        await play(stack, lambda: stack.on == "liveavatar")
        (first,) = [s["id"] for s in liveavatar.bill()["sessions"] if s["is_running"]]
        liveavatar.faults(speak_after_s=0.2, picture_delay_s=0.0)
        # In mid-sentence when the time is over.
        for part in range(28):
            stack.speak("a", tone(500, hz=150 + 5 * part))
        stack.end_segment("a")
        async with asyncio.timeout(40):
            while PlayoutFinished("a") not in log.events:
                is_sounding = bool(stack.pull_sound().any())
                quiet_s = 0.0 if is_sounding or PlayoutStarted("a") not in log.events else quiet_s + 0.02
                longest_quiet_s = max(longest_quiet_s, quiet_s)
                await asyncio.sleep(0.02)
        sessions = {s["id"]: s for s in liveavatar.bill()["sessions"]}
        assert sessions[first]["end_reason"] == "USER_CLOSED"
        assert [s["id"] for s in sessions.values() if s["is_running"]] != [first]
        assert stack.on == "liveavatar"
        assert longest_quiet_s < 2.0
        assert log.of(LegFailed) == []
    finally:
        await stack.aclose()
        await api.aclose()
    assert records.all() == ()


@pytest.mark.long
@pytest.mark.parametrize(
    ("silence_s", "limit_s", "told"),
    [
        (3.0, 1200.0, ["", "avatar-silence-soon", "avatar-resting"]),
        (180.0, 3.0, ["", "avatar-limit"]),
    ],
    ids=["silence", "limit"],
)
async def test_silence_and_the_limit_end_in_a_stop_at_the_provider_and_a_person_is_told(
    silence_s: float,
    limit_s: float,
    told: list[str],
    liveavatar: RunningLiveAvatar,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(policy, "SILENCE_S", silence_s)
    monkeypatch.setattr(policy, "WARN_BEFORE_S", 1.0)
    log, records = FaceLog(), PaidSessions(tmp_path)
    api = LiveAvatarApi(Account(KEY, liveavatar.url))
    stack = StackedFaces(lambda: LiveAvatarFace(api, CHOICE, records), FakeFace, limit_s=limit_s)
    await stack.open(Look(), log)
    try:
        await play(stack, lambda: stack.on == "liveavatar")
        before = liveavatar.bill()["sessions"][0]["id"]
        await play(stack, lambda: log.of(FaceReported)[-1].code == told[-1])
        await play(stack, lambda: records.all() == ())
        ended = liveavatar.bill()
        assert ended["running"] == 0
        assert next(s for s in ended["sessions"] if s["id"] == before)["end_reason"] == "USER_CLOSED"
        assert [report.code for report in log.of(FaceReported)] == told
        assert all(report.message for report in log.of(FaceReported) if report.code)
        assert stack.on == "local"
    finally:
        await stack.aclose()
        await api.aclose()
