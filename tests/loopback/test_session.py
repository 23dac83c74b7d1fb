"""A whole talk with fakes for the outer world: what the session does with the reducer's commands, in real time but fast."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest
import pytest_asyncio

from kai.adapters.voice_only import VoiceOnly
from kai.avatar.feeling import feeling_of
from kai.core.events import (
    BrowserLeft,
    Event,
    InterruptRequested,
    LegConnected,
    MuteToggled,
    RecordingWished,
    RetryRequested,
    StartRequested,
    StopRequested,
    TextSubmitted,
)
from kai.core.state import AgentState, LegName, LegStatus, Look, Phase, Role, SessionState
from kai.errors import BrainError, BrowserError, FaceError, KaiError
from kai.ports import AvatarFace, Emit, Pcm, Picture, VoiceBrain
from kai.runtime.session import Session
from tests.support.fakes import BLOCK_48K, FakeBrain, FakeFace, tone

WITHIN_S = 10.0
START = StartRequested(1_700_000_000.0, Look(instructions="Be brief."))


class FakePage:
    """A page that connects at once and pulls a block of sound a turn; ``pace_s`` is the time between two."""

    def __init__(self, pace_s: float = 0.001) -> None:
        self.pace_s = pace_s
        self.heard: list[Pcm] = []
        self.pictures = 0
        self.closings = 0
        self.is_closed = False
        self.page_errors: list[BrowserError] = []
        self.say: Callable[[Pcm], None] = lambda _pcm: None
        self._pull: Callable[[], Pcm] | None = None
        self._task: asyncio.Task[None] | None = None

    def connect(self, emit: Emit, on_mic: Callable[[Pcm], None]) -> None:
        self.emit, self.say = emit, on_mic
        self._task = asyncio.create_task(self._play())

    async def _play(self) -> None:
        while True:
            await asyncio.sleep(self.pace_s)
            if self._pull is not None:
                self.heard.append(self._pull())

    def expect_page(self) -> None:
        if self.page_errors:
            raise self.page_errors.pop()

    def show(self, picture: Picture, at_s: float) -> None:
        self.pictures += 1

    def play_from(self, pull: Callable[[], Pcm]) -> None:
        self._pull = pull

    def close_page(self) -> None:
        self.closings += 1

    async def aclose(self) -> None:
        self.is_closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


class FakeRecorder:
    """Keeps blocks while it is on; refuses with ``error``, if there is one."""

    def __init__(self) -> None:
        self.error: KaiError | None = None
        self.is_on = False
        self.person: list[Pcm] = []
        self.kai: list[Pcm] = []
        self.fail: Callable[[KaiError], None] = lambda _error: None

    def start(self, on_failed: Callable[[KaiError], None]) -> None:
        if self.error is not None:
            raise self.error
        self.is_on, self.fail = True, on_failed

    def stop(self) -> None:
        self.is_on = False

    def push_mic(self, pcm: Pcm) -> None:
        if self.is_on:
            self.person.append(pcm)

    def push_played(self, pcm: Pcm) -> None:
        if self.is_on:
            self.kai.append(pcm)


class World:
    """A session, and every leg that it made."""

    def __init__(self) -> None:
        self.brains: list[FakeBrain] = []
        self.faces: list[FakeFace] = []
        self.page = FakePage()
        self.recorder = FakeRecorder()
        self.brain_errors: list[BrainError] = []
        self.face_errors: list[FaceError] = []
        self.reply: Callable[[str], str] = lambda text: f"You said {text}"
        self.session = Session(
            make_brain=self._make_brain,
            make_face=self._make_face,
            make_voice=VoiceOnly,
            browser=self.page,
            recorder=self.recorder,
        )

    async def _make_brain(self, _look: Look) -> VoiceBrain:
        error = self.brain_errors.pop(0) if self.brain_errors else None
        self.brains.append(FakeBrain(reply=self.reply, open_error=error))
        return self.brains[-1]

    def _make_face(self) -> AvatarFace:
        error = self.face_errors.pop(0) if self.face_errors else None
        self.faces.append(FakeFace(open_error=error))
        return self.faces[-1]

    @property
    def state(self) -> SessionState:
        return self.session.snapshot()

    def tell(self, *events: Event) -> None:
        for event in events:
            self.session.dispatch(event)

    async def until(self, is_so: Callable[[SessionState], object], what: str = "") -> SessionState:
        try:
            async with asyncio.timeout(WITHIN_S):
                while not is_so(self.state):
                    await asyncio.sleep(0.002)
        except TimeoutError:
            pytest.fail(f"{what or 'it'} did not come; the state is {self.state}")
        return self.state

    async def talking(self) -> None:
        self.tell(START)
        self.tell(LegConnected(LegName.BROWSER))
        await self.until(lambda s: s.brain.is_up and s.face.is_up and s.browser.is_up, "all legs")

    def lines(self, role: Role) -> list[str]:
        return [m.text for m in self.state.messages if m.role is role]


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.session.open()
    yield world
    await world.session.aclose()


async def test_a_typed_line_is_answered_and_heard(world: World) -> None:
    await world.talking()
    world.tell(TextSubmitted("t1", "good morning"))
    await world.until(lambda s: s.agent is AgentState.SPEAKING, "speaking")
    await world.until(lambda s: s.agent is AgentState.LISTENING and not s.live_answers, "listening")
    assert world.lines(Role.USER) == ["good morning"]
    assert world.lines(Role.ASSISTANT) == ["You said good morning"]
    heard = np.concatenate(world.page.heard)
    sounding_ms = np.count_nonzero(np.abs(heard.reshape(-1, BLOCK_48K)).max(axis=1)) * 20
    assert sounding_ms >= 4 * 240 - 40
    assert world.page.pictures > 0
    moods = [
        m for m, n in zip(world.faces[0].moods, [*world.faces[0].moods[1:], None], strict=True) if m != n
    ]
    assert moods[-3:] == [AgentState.THINKING, AgentState.SPEAKING, AgentState.LISTENING]
    assert world.faces[0].feelings[-1] == feeling_of("good morning")


async def test_the_microphone_reaches_the_brain_and_mute_silences_it(world: World) -> None:
    await world.talking()
    speech = tone(200, 48_000).reshape(-1, BLOCK_48K)
    world.page.say(speech[0])
    await world.until(lambda _s: len(world.brains[0].mic) == 1, "the microphone")
    assert world.brains[0].mic[0].any()
    world.tell(MuteToggled(True))
    await world.until(lambda s: s.is_muted)
    world.page.say(speech[1])
    assert not world.brains[0].mic[-1].any()


@pytest.mark.parametrize("is_muted", [False, True])
async def test_a_voice_over_kais_makes_him_softer_unless_the_microphone_is_muted(
    world: World, is_muted: bool
) -> None:
    await world.talking()
    world.tell(MuteToggled(is_muted), TextSubmitted("t1", "one two three four five six seven eight"))
    await world.until(lambda s: s.agent is AgentState.SPEAKING and s.is_muted is is_muted, "speaking")
    await world.until(lambda _s: any(pcm.any() for pcm in world.page.heard), "sound")
    usual = max(int(np.abs(pcm).max()) for pcm in world.page.heard)
    voice = np.random.default_rng(1).normal(0, 3_000, 10 * BLOCK_48K).astype(np.int16).reshape(-1, BLOCK_48K)
    for block in voice:
        world.page.say(block)
    count = len(world.page.heard)
    await world.until(lambda _s: len(world.page.heard) > count + 5, "more sound")
    peaks = [int(np.abs(pcm).max()) for pcm in world.page.heard[count + 2 : count + 5]]
    assert (max(peaks) < usual / 3) is not is_muted, (usual, peaks)


async def test_interrupting_last_words_silences_the_face_and_ends_the_line(world: World) -> None:
    world.page.pace_s = 0.02
    await world.talking()
    world.tell(TextSubmitted("t1", "a long story please with many many words"))
    await world.until(lambda s: s.agent is AgentState.SPEAKING, "speaking")
    response_id = next(a.id for a in world.state.answers)
    count = len(world.page.heard)
    await world.until(lambda _s: len(world.page.heard) > count + 40, "some words")
    world.tell(InterruptRequested())
    state = await world.until(lambda s: s.agent is AgentState.LISTENING, "listening")
    assert response_id in state.cancelled
    assert world.brains[0].cancelled == [], "the brain had sent everything and has nothing to cancel"
    count = len(world.page.heard)
    await asyncio.sleep(0.2)
    assert not np.concatenate(world.page.heard[count + 1 :]).any(), "silence"
    (line,) = [m for m in world.state.messages if m.role is Role.ASSISTANT]
    assert line.is_interrupted
    assert "You said a long story please with many many words".startswith(line.text)
    assert 1 <= len(line.text.split()) < 8


async def test_a_lost_face_lets_the_voice_go_on_in_mid_sentence_and_comes_back(world: World) -> None:
    world.page.pace_s = 0.005
    await world.talking()
    world.tell(TextSubmitted("t1", "one two three four five six seven"))
    await world.until(lambda s: s.agent is AgentState.SPEAKING, "speaking")
    world.faces[0].fail()
    await world.until(lambda s: s.face.is_up and len(world.faces) == 2, "another face")
    await world.until(lambda s: not s.live_answers, "the end of the answer")
    assert world.lines(Role.ASSISTANT) == ["You said one two three four five six seven"]
    assert not any(m.is_interrupted for m in world.state.messages)
    assert world.faces[0].is_closed
    sounding = np.count_nonzero([pcm.any() for pcm in world.page.heard])
    assert sounding * 20 >= 9 * 240 - 100, "no word was lost on the way from face to voice to face"


async def test_a_face_that_cannot_start_leaves_the_voice(world: World) -> None:
    error = FaceError("The face did not start.", code="face-start", is_retryable=False)
    world.face_errors = [error]
    world.tell(START, LegConnected(LegName.BROWSER))
    await world.until(lambda s: s.brain.is_up and s.face.status is LegStatus.FAILED, "voice only")
    world.tell(TextSubmitted("t1", "hello"))
    await world.until(lambda s: s.agent is AgentState.SPEAKING, "speaking")
    await world.until(lambda s: not s.live_answers, "the end of the answer")
    assert any(pcm.any() for pcm in world.page.heard)
    world.tell(RetryRequested(LegName.FACE))
    await world.until(lambda s: s.face.is_up, "the face at last")


async def test_a_lost_brain_is_called_again_and_knows_what_was_said(world: World) -> None:
    await world.talking()
    world.tell(TextSubmitted("t1", "hello"))
    await world.until(lambda s: bool(s.messages[1:]) and not s.live_answers, "an answer")
    world.brains[0].fail()
    await world.until(lambda s: s.brain.is_up and len(world.brains) == 2, "another brain")
    assert world.brains[1].seeded == [("user", "hello"), ("assistant", "You said hello")]
    world.tell(TextSubmitted("t2", "again"))
    await world.until(lambda _s: "You said again" in world.lines(Role.ASSISTANT), "an answer")


async def test_a_brain_that_refuses_for_good_is_told_and_nothing_is_lost(world: World) -> None:
    error = BrainError("The key was not accepted. Check it.", code="wrong-key", is_retryable=False)
    world.brain_errors = [error]
    world.tell(START, TextSubmitted("t1", "hello"))
    state = await world.until(lambda s: s.brain.status is LegStatus.FAILED, "a failed brain")
    assert len(world.brains) == 1
    assert state.problem is not None
    assert state.problem.message == error.message
    world.tell(RetryRequested(LegName.BRAIN))
    await world.until(lambda _s: world.lines(Role.ASSISTANT) == ["You said hello"], "the answer after all")


async def test_where_no_page_can_connect_the_reason_is_told_and_the_typed_talk_goes_on(world: World) -> None:
    world.page.page_errors = [BrowserError("Switch Wi-Fi on.", code="no-network", is_retryable=False)]
    world.tell(START)
    state = await world.until(lambda s: s.browser.status is LegStatus.FAILED and s.brain.is_up, "text only")
    assert state.browser.code == "no-network"
    world.tell(TextSubmitted("t1", "hello"))
    await world.until(lambda s: bool(s.messages[1:]) and not s.live_answers, "an answer")
    assert any(pcm.any() for pcm in world.page.heard)


async def test_stop_closes_every_leg_and_start_begins_anew(world: World) -> None:
    await world.talking()
    world.tell(TextSubmitted("t1", "hello"))
    await world.until(lambda s: s.agent is AgentState.SPEAKING, "speaking")
    world.tell(StopRequested())
    state = await world.until(lambda s: s.phase is Phase.CLOSED, "the end")
    await world.until(lambda _s: world.brains[0].is_closed and world.faces[0].is_closed, "closed legs")
    assert {state.leg(name).status for name in LegName} == {LegStatus.DISCONNECTED}
    assert world.page.closings == 1


async def test_stop_while_legs_are_being_opened_leaves_none(world: World) -> None:
    is_let = asyncio.Event()

    async def slow_brain(_look: Look) -> VoiceBrain:
        await is_let.wait()
        return FakeBrain()

    world.session._make_brain = slow_brain  # pyright: ignore[reportPrivateUsage]
    world.tell(START)
    await world.until(lambda s: s.face.is_up)
    world.tell(StopRequested())
    await world.until(lambda s: s.phase is Phase.CLOSED)
    is_let.set()
    await asyncio.sleep(0.05)
    assert world.state.brain.status is LegStatus.DISCONNECTED
    assert world.faces[0].is_closed


async def test_closing_the_session_ends_the_talk_and_the_page(world: World) -> None:
    await world.talking()
    await world.session.aclose("Kai was switched off.")
    assert world.state.phase is Phase.CLOSED
    assert world.state.problem is not None
    assert world.brains[0].is_closed
    assert world.faces[0].is_closed
    assert world.page.is_closed
    world.tell(TextSubmitted("t9", "late"))
    await asyncio.sleep(0.01)
    assert "late" not in world.lines(Role.USER)


async def test_a_face_rests_while_no_page_sees_it(world: World) -> None:
    await world.talking()
    await world.until(lambda _s: world.page.pictures > 2, "pictures")
    world.tell(BrowserLeft())
    await world.until(lambda s: s.browser.status is LegStatus.RECONNECTING)
    await asyncio.sleep(0.05)
    count = world.page.pictures
    await asyncio.sleep(0.2)
    assert world.page.pictures == count
    world.tell(LegConnected(LegName.BROWSER))
    await world.until(lambda _s: world.page.pictures > count + 2, "pictures again")


async def test_what_an_old_face_still_says_is_not_heard(world: World) -> None:
    await world.talking()
    old = world.faces[0]
    old.fail()
    await world.until(lambda _s: len(world.faces) == 2, "another face")
    await world.until(lambda s: s.face.is_up)
    await asyncio.sleep(0.05)
    assert world.state.face.status is LegStatus.CONNECTED


# ------------------------------------------------------------------ recording


async def test_both_sides_are_recorded_while_it_is_on_and_nothing_of_a_muted_microphone(world: World) -> None:
    await world.talking()
    world.tell(TextSubmitted("t1", "before"))
    await world.until(lambda s: s.agent is AgentState.SPEAKING, "speaking")
    assert not world.recorder.kai
    world.tell(RecordingWished(True))
    await world.until(lambda s: s.is_recording, "recording")
    world.page.say(tone(20, 48_000))
    world.tell(TextSubmitted("t2", "good morning to you"))
    await world.until(lambda s: s.agent is AgentState.LISTENING and not s.live_answers, "listening")
    assert len(world.recorder.person) == 1
    assert max(np.abs(pcm).max() for pcm in world.recorder.kai) > 500, "Kai is heard in it"
    world.tell(MuteToggled(True))
    await world.until(lambda s: s.is_muted, "muted")
    world.page.say(tone(20, 48_000))
    assert len(world.recorder.person) == 1
    world.tell(MuteToggled(False))
    await world.until(lambda s: not s.is_muted, "unmuted")
    world.page.say(tone(20, 48_000))
    assert len(world.recorder.person) == 2
    world.tell(StopRequested())
    await world.until(lambda s: s.phase is Phase.CLOSED, "the end")
    assert not world.recorder.is_on


async def test_what_cannot_be_recorded_is_told_and_the_talk_goes_on(world: World) -> None:
    await world.talking()
    world.recorder.error = KaiError("No room.", code="recording-disk")
    world.tell(RecordingWished(True))
    state = await world.until(lambda s: s.problem is not None, "a problem")
    assert not state.is_recording
    world.recorder.error = None
    world.tell(RecordingWished(True))
    await world.until(lambda s: s.is_recording, "recording")
    await asyncio.to_thread(world.recorder.fail, KaiError("No room any more.", code="recording-disk"))
    state = await world.until(lambda s: not s.is_recording, "darkness")
    assert state.problem is not None
    assert state.problem.message == "No room any more."
    assert not world.recorder.is_on
    assert state.is_active
