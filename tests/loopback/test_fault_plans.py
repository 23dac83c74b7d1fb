"""Plans of faults, drawn from a seed, on both legs of a paid talk at once, over real sockets.

The engine in its scripted mode is the brain's provider, the local LiveAvatar the face's. Whatever happens: each question is
answered and stays in the chat, nothing that is paid for is left running, and no third start is paid after two that failed.
"""

from __future__ import annotations

import asyncio
import random
import time
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kai.adapters.browser import PageLink
from kai.adapters.liveavatar import Account, LiveAvatarApi, LiveAvatarFace
from kai.adapters.liveavatar import control as control_module
from kai.adapters.liveavatar import face as face_module
from kai.adapters.liveavatar.face import AvatarChoice
from kai.adapters.liveavatar.room import RoomClient
from kai.adapters.voice_only import VoiceOnly
from kai.bench.page_ear import PageEar
from kai.core.events import StartRequested, TextSubmitted
from kai.core.policy import faces as policy
from kai.core.policy import legs
from kai.core.state import Look, Role, SessionState
from kai.engine.liveavatar.account import AVATARS
from kai.ports import FaceSink, VoiceBrain
from kai.records.paid_sessions import PaidSessions
from kai.runtime.session import Session
from tests.support import waiting
from tests.support.engine import RunningEngine, engine
from tests.support.liveavatar import KEY, RunningLiveAvatar, liveavatar, liveavatar_process
from tests.support.scripted import BRAINS, as_cloud, scripted

__all__ = ["engine", "liveavatar", "liveavatar_process"]

CHOICE = AvatarChoice(avatar_id=next(iter(AVATARS)), quality="low", encoding="VP8")
QUESTIONS = 3
WITHIN_S = 60.0
HALF = "Half of it."
SAID_HALF = {"say": HALF, "at_ms": [[0, 200], [250, 400], [450, 600]]}
TURNS: tuple[list[dict[str, Any]], ...] = (
    [],
    [{"drop": True}],
    [{"expire": True}],
    [SAID_HALF, {"wait_ms": 2_500}, {"drop": True}],
)
"""What may become of the first try of an answer. The question is put again where nothing of the answer came; half an answer
stays, and is not asked for again."""
CONNECTS: tuple[dict[str, Any], ...] = (
    {},
    {"wait_ms": 300},
    {"status": 503, "code": "server_error"},
    {"status": 429, "code": "rate_limit_exceeded", "retry_after": "1"},
)
FACES: tuple[dict[str, Any], ...] = (
    {},
    {"connected": "once"},
    {"connected": "never"},
    {"shapes": "loose"},
    {"events": "none"},
    {"is_speechless": True},
    {"has_no_tracks": True},
    {"refuse": "start", "refuse_times": 1},
)


class _Watched(LiveAvatarFace):
    """A paid face that tells how its opening ended."""

    opened: bool | None = None

    async def open(self, look: Look, sink: FaceSink) -> None:
        self.opened = False
        await super().open(look, sink)
        self.opened = True


until = partial(waiting.until, within_s=WITHIN_S)


def conversations(engine: RunningEngine) -> int:
    answer = httpx2.get(
        f"{engine.url.removesuffix('/v1')}/kai/status", headers={"Authorization": f"Bearer {engine.key}"}
    )
    return answer.json()["conversations"]


def longest_run_of_failures(clouds: list[_Watched]) -> int:
    """How many billed starts in a row failed."""
    longest = run = 0
    for cloud in clouds:
        if cloud.is_start_billed:
            run = 0 if cloud.opened else run + 1
        longest = max(longest, run)
    return longest


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.long) for n in range(2, 14))])
async def test_under_any_plan_no_line_is_lost_and_nothing_paid_for_is_left(
    seed: int,
    engine: RunningEngine,
    liveavatar: RunningLiveAvatar,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = random.Random(seed)
    # The faults come within seconds, and a person would have talked for some time between two of them.
    monkeypatch.setattr(legs, "STEADY_S", 0.0)
    monkeypatch.setattr(policy, "AGAIN_AFTER_S", (0.2,))
    monkeypatch.setattr(face_module, "PATIENCE_S", 4.0)
    monkeypatch.setattr(control_module, "ASSUMED_S", 0.6)
    quick = {"speak_after_s": 0.1, "picture_delay_s": 0.0}
    switches = chance.choice(FACES)
    liveavatar.faults(**quick, **switches)
    turns: list[list[dict[str, Any]]] = []
    answers: list[str] = []
    for number in range(QUESTIONS):
        failed = chance.choice(TURNS)
        answers.append(HALF if SAID_HALF in failed else f"Answer {number}.")
        turns += [failed] if failed else []
        turns += [] if answers[-1] == HALF else [[{"say": answers[-1]}]]
    # A question of whose half answer nothing was heard is asked again, and gets what the brain says next.
    answers.append("One more.")
    turns.append([{"say": answers[-1]}])
    connects = [chance.choice(CONNECTS) for _ in range(2)]
    endpoint = as_cloud(scripted(engine, seed=seed, connects=connects, turns=turns))
    transport = chance.choice(tuple(BRAINS))
    records, api = PaidSessions(tmp_path), LiveAvatarApi(Account(KEY, liveavatar.url))
    before = conversations(engine)
    clouds: list[_Watched] = []
    link = PageLink()

    async def make_brain(_look: Look) -> VoiceBrain:
        return BRAINS[transport](endpoint)

    def make_cloud() -> _Watched:
        clouds.append(_Watched(api, CHOICE, records, RoomClient))
        return clouds[-1]

    session = Session(
        make_brain=make_brain, make_face=VoiceOnly, make_voice=VoiceOnly, make_cloud=make_cloud, browser=link
    )
    await session.open()
    ear = PageEar(link)
    try:
        session.dispatch(StartRequested(time.time(), Look()))
        await until(session, lambda s: s.brain.is_up)
        script = {"seed": seed, "count": 2, "within_s": 6}
        assert liveavatar.call("POST", "/kai/script", script).status_code == 200
        for number in range(QUESTIONS):
            session.dispatch(TextSubmitted(f"t{number}", f"Question {number}?"))
            await until(session, lambda s, count=number + 1: len(_answers(s)) == count)
            await until(session, lambda s: s.brain.is_up and s.is_between_turns)
        messages = session.snapshot().messages
        asked = [m.text for m in messages if m.role is Role.USER]
        assert asked == [f"Question {n}?" for n in range(QUESTIONS)]
        told = _answers(session.snapshot())
        assert told == [answer for answer in answers if answer != HALF or HALF in told][:QUESTIONS]
    finally:
        await session.aclose()
        await ear.aclose()
        await api.aclose()
    assert longest_run_of_failures(clouds) <= policy.MOST_FAILED_STARTS
    assert liveavatar.bill()["running"] == 0
    assert records.all() == ()
    async with asyncio.timeout(10):
        while conversations(engine) != before:
            await asyncio.sleep(0.05)


def _answers(state: SessionState) -> list[str]:
    """The answers in the chat. Of half an answer stands what was heard of it."""
    texts = [m.text.strip() for m in state.messages if m.role is Role.ASSISTANT and m.is_final]
    return [HALF if text and HALF.startswith(text) else text for text in texts]
