"""An app whose talks have a brain and a face that answer at once, with a picture that moves. For the page's own tests."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kai.adapters.browser import PageLink
from kai.adapters.engine_status import EngineReport, ModelReport
from kai.adapters.openai_realtime.faults import NO_SERVICE
from kai.adapters.voice_only import VoiceOnly
from kai.app import App, Services
from kai.avatar.ladder import STANDARD_PX
from kai.core.events import (
    BrainDescribed,
    CardShown,
    CloudLost,
    CreditsReported,
    Event,
    FaceRecalled,
    LegFailed,
    RateLimitsReported,
    UsageReported,
)
from kai.core.state import BrainFacts, Card, LegName, Look, RateLimit, Tokens
from kai.errors import BrainError
from kai.lending.calls import no_calls
from kai.ports import FaceCapability, FaceSink, Marks, Pcm
from kai.records.memory import Memory, owner_of
from kai.records.turns import Follower
from kai.runtime.hub import Page, SessionHub
from kai.runtime.session import Session
from tests.support.fakes import FakeBrain


def long_answer(text: str) -> str:
    """An answer of 6 s, so that there is something to interrupt."""
    return f"You said: {text} I am a stand-in, and I speak for a while, so that a person can look at me and cut me off."


SHOW_AVATAR = "Show me the avatar."
LOSE_OPENAI = "Lose OpenAI."

STAGED: dict[str, tuple[Event, ...]] = {
    "Spell it on a card, please.": (
        CardShown(Card("Train to Bristol", "Platform 4, 14:32\nChange at Reading\nArrives 16:05")),
    ),
    "What does this cost?": (
        BrainDescribed(BrainFacts("websocket", "gpt-realtime-2.1", 3600.0, is_billed=True)),
        UsageReported(Tokens(audio_in=600, audio_out=900), 0.04),
        RateLimitsReported((RateLimit("requests", 100, 3, 40.0),)),
    ),
    SHOW_AVATAR: (FaceRecalled(), CreditsReported("s1", 2, 40.0)),
    "Lose the avatar.": (
        CloudLost(
            "avatar-lost",
            "The avatar was lost. The face of this computer goes on; press to have it back.",
            is_retryable=False,
        ),
    ),
    LOSE_OPENAI: (LegFailed(LegName.BRAIN, NO_SERVICE.code, NO_SERVICE.message, is_retryable=False),),
    "Fail, please.": (
        LegFailed(
            LegName.BRAIN,
            "quota",
            "The account has no credit left. Add some, then try again.",
            is_retryable=False,
        ),
    ),
}
"""Typed lines at which a talk of fakes is put into a state that takes a provider otherwise."""


class DeafBrain(FakeBrain):
    """Answers typed lines alone: the tone of a browser's fake microphone would keep it talking."""

    NUMBERS = itertools.count(1)
    """Of all of them: a brain that takes over names its answers as no brain before it did."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._ids = self.NUMBERS

    def push_mic(self, pcm: Pcm) -> None: ...

    def grant_avatar(self) -> None:
        """From now on the talk has a paid face to offer."""
        session: Session = self._sink._session  # type: ignore[union-attr]
        state = session.snapshot()
        faces = replace(state.faces, limit_s=1180.0)
        session._store._state = replace(state, cloud_limit_s=1180.0, faces=faces)

    def grant_openai(self) -> bool:
        """From now on this brain is the cloud's, for which another may stand in; return whether it already does."""
        session: Session = self._sink._session  # type: ignore[union-attr]
        state = session.snapshot()
        session._store._state = replace(state, has_cloud_brain=True)
        return state.ladder.is_standing_in

    def send_text(self, item_id: str, text: str) -> None:
        if text == SHOW_AVATAR:
            self.grant_avatar()
        # The stand-in is asked what the lost brain left open.
        is_lost = text == LOSE_OPENAI and self.grant_openai()
        for event in () if is_lost else STAGED.get(text, ()):
            assert self._sink is not None
            self._sink.emit(event)
        super().send_text(item_id, text)


class FakeFace(VoiceOnly):
    """The voice alone, with a picture of the wanted size in which a disc goes round, 25 times a second."""

    capability = FaceCapability("fake", delay_ms=40, has_picture=True, is_billed=False, can_restyle=True)

    _side_px = STANDARD_PX

    async def open(self, look: Look, sink: FaceSink) -> None:
        await super().open(look, sink)
        self._painter = asyncio.get_running_loop().create_task(self._paint(sink), name="fake face")

    def mark(self, segment_id: str, marks: Marks) -> None: ...

    def want_size(self, size_px: int) -> None:
        self._side_px = size_px

    async def _paint(self, sink: FaceSink) -> None:
        side = 0
        while True:
            if side != self._side_px:
                side = self._side_px
                rows, columns = np.mgrid[0:side, 0:side]
                ground = np.full((side * 3 // 2, side), 128, np.uint8)
            at_s = time.monotonic()
            angle = at_s * 2
            disc = (columns - side * (0.5 + 0.3 * np.cos(angle))) ** 2 + (
                rows - side * (0.5 + 0.3 * np.sin(angle))
            ) ** 2 < 60**2
            picture = ground.copy()
            picture[:side] = np.where(disc, 190, 60)
            sink.picture(picture, at_s)
            await asyncio.sleep(0.04)

    async def aclose(self) -> None:
        self._painter.cancel()
        await asyncio.gather(self._painter, return_exceptions=True)
        await super().aclose()


class FakeCloud(FakeFace):
    """The same as a paid one."""

    capability = replace(FakeFace.capability, is_billed=True)
    longest_s: float | None = None
    is_sandbox = False
    is_start_billed = True


@dataclass
class FakeModels:
    """A language model that is fetched at a rate (twenty times as fast once that was stopped) or fails with ``problem``."""

    model: ModelReport
    rate_bytes_s: float = 0.0
    problem: str = ""
    wishes: list[str] = field(default_factory=list)
    _begun_s: float = 0.0

    def now(self) -> ModelReport:
        if self.model.state == "fetching":
            done_bytes = int(self.rate_bytes_s * (time.monotonic() - self._begun_s))
            self.model = replace(self.model, done_bytes=min(self.model.bytes, done_bytes))
            if done_bytes >= 1.1 * self.model.bytes:
                self.model = replace(self.model, state="ready")
        return self.model

    def services(self) -> Services:
        return Services(engine=EngineReport(model=self.now()))

    async def change(self, model_id: str, wish: str) -> None:
        self.wishes.append(f"{wish} {model_id}")
        if wish == "cancel":
            self.model = replace(self.now(), state="none")
            self.rate_bytes_s *= 20
            return
        rate = max(1.0, self.rate_bytes_s)
        self._begun_s = time.monotonic() - self.model.done_bytes / rate
        state = "failed" if self.problem else "fetching"
        self.model = replace(self.model, state=state, problem=self.problem)


def make_app(memory: Memory, *, refuses: str = "", models: FakeModels | None = None, **more: Any) -> App:
    """An app of fakes, whose hub is not yet started and closes the memory. Its brain refuses with those words, if there are
    any; ``more`` are further parts of ``App``."""

    async def make_brain(_look: Look) -> FakeBrain:
        error = BrainError(refuses, code="refused", is_retryable=False) if refuses else None
        return DeafBrain(reply=long_answer, open_error=error)

    def make_session(browser_id: str) -> tuple[Session, Page]:
        page = PageLink()
        follower = Follower(owner_of(browser_id), page.media, page.voiced_at_s)
        session = Session(
            make_brain=make_brain,
            make_face=FakeFace,
            make_voice=VoiceOnly,
            browser=page,
            make_cloud=FakeCloud,
            cloud_limit_s=0.0,
            recorder=memory.make_recorder(follower),
        )
        memory.follow(session, follower)
        return session, page

    async def close_services() -> None:
        await asyncio.to_thread(memory.close)

    calls = more.setdefault("calls", no_calls())
    if models is not None:
        more |= {"services": models.services, "change_model_file": models.change}
    return App(SessionHub(make_session, lambda: None, close_services, calls.close_of), memory, **more)
