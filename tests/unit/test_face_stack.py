"""The stack of faces with fakes in it: one face to the talk, whoever is shown; and nothing paid for is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from kai.avatar.feeling import CALM, Emotion, Feeling, feeling_of
from kai.avatar.ladder import LARGE_PX, STANDARD_PX
from kai.core.config import AvatarConfig, FaceSize
from kai.core.events import (
    CreditsReported,
    FaceResumed,
    LegFailed,
    PlayoutFinished,
    PlayoutStarted,
    TimerFired,
)
from kai.core.state import AgentState, Face, Look, Message, Next, Role, SessionState, ToolRun
from kai.core.timers import FaceTimer
from kai.errors import FaceError
from kai.ports import AvatarFace
from kai.runtime.faces import felt, size_px_of
from tests.contract.suite_face import FaceContract, Lose, MakeFace
from tests.support.faces import FaceReported, StackedFaces
from tests.support.fakes import FaceLog, FakeFace, tone


class FakeCloud(FakeFace):
    """A paid face; ``open_delay_s`` is how long it takes to come."""

    longest_s: float | None = 600.0
    is_sandbox = False
    is_start_billed = True

    def __init__(self, *, open_error: FaceError | None = None, open_delay_s: float = 0.0) -> None:
        super().__init__(open_error=open_error)
        self._delay_s = open_delay_s

    async def open(self, look: Look, sink: Any) -> None:
        await asyncio.sleep(self._delay_s)
        await super().open(look, sink)


class Stand:
    """A stack and everything that it made."""

    def __init__(self, make_cloud: Callable[[], FakeCloud] = FakeCloud) -> None:
        self.clouds: list[FakeCloud] = []
        self.locals: list[FakeFace] = []
        self._make_cloud = make_cloud
        self.stack = StackedFaces(self._cloud, self._local)

    def _cloud(self) -> FakeCloud:
        self.clouds.append(self._make_cloud())
        return self.clouds[-1]

    def _local(self) -> FakeFace:
        self.locals.append(FakeFace())
        return self.locals[-1]


@pytest.fixture
def log() -> FaceLog:
    return FaceLog()


@pytest_asyncio.fixture
async def stand(log: FaceLog) -> AsyncIterator[Stand]:
    stand = Stand()
    await stand.stack.open(Look(), log)
    await log.wait(lambda: stand.locals and stand.locals[0].looks)
    yield stand
    await stand.stack.aclose()
    assert all(face.is_closed for face in (*stand.clouds, *stand.locals))


async def play(face: AvatarFace, blocks: int) -> Any:
    out: list[Any] = []
    for _ in range(blocks):
        out.append(face.pull_sound())
        await asyncio.sleep(0)
    return np.concatenate(out)


class TestFaceStack(FaceContract):
    @pytest.fixture
    def make_face(self) -> MakeFace:
        return lambda: StackedFaces(FakeCloud, FakeFace)

    @pytest.fixture
    def broken_face(self) -> AvatarFace:
        error = FaceError("No.", code="no", is_retryable=False)
        return StackedFaces(lambda: FakeCloud(open_error=error), lambda: FakeFace(open_error=error))

    async def test_a_face_that_cannot_be_opened_says_why(self, broken_face: AvatarFace, log: FaceLog) -> None:
        with pytest.raises(FaceError):
            await broken_face.open(Look(), log)
        await broken_face.aclose()
        assert log.of(LegFailed) == []

    @pytest.fixture
    def lose(self) -> Lose:
        async def lose(face: AvatarFace) -> None:
            assert isinstance(face, StackedFaces)
            for child in (face.stack._local, face.stack._cloud):
                assert isinstance(child, FakeFace)
                child.fail()

        return lose


async def test_what_was_not_heard_is_said_again_by_a_face_whose_line_was_gone(
    stand: Stand, log: FaceLog
) -> None:
    stack, cloud = stand.stack, stand.clouds[0]
    said = tone(2000)
    stack.speak("a", said)
    stack.end_segment("a")
    before = await play(stack, 50)
    stack.stack.on_event(cloud, FaceResumed())
    after = await play(stack, 60)
    assert stack.on is Face.CLOUD
    assert np.array_equal(np.concatenate([before, after])[: 2 * len(said) : 2], said)
    await log.wait_for(PlayoutFinished("a"))
    assert log.of(PlayoutStarted, PlayoutFinished) == [PlayoutStarted("a"), PlayoutFinished("a")]
    stack.stack.on_event(cloud, FaceResumed())
    assert not (await play(stack, 10)).any()


async def test_an_answer_goes_on_at_the_heard_sample_when_the_cloud_face_is_lost(
    stand: Stand, log: FaceLog
) -> None:
    stack = stand.stack
    said = tone(2000)
    stack.speak("a", said)
    stack.end_segment("a")
    before = await play(stack, 50)
    stand.clouds[0].fail()
    assert stack.on is Face.LOCAL
    after = await play(stack, 60)
    whole = np.concatenate([before, after])[: 2 * len(said)]
    assert np.array_equal(whole[::2], said)
    await log.wait_for(PlayoutFinished("a"))
    assert log.of(PlayoutStarted, PlayoutFinished) == [PlayoutStarted("a"), PlayoutFinished("a")]
    assert log.of(LegFailed) == []
    assert log.of(FaceReported)[-1].face == "local"


async def test_an_answer_that_a_second_face_never_spoke_goes_on_with_the_third(
    stand: Stand, log: FaceLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had begun on the first face, so that nobody would have waited for it."""
    monkeypatch.setattr("kai.core.policy.faces.AGAIN_AFTER_S", (0.0,))
    stack = stand.stack
    said = tone(2000)
    stack.speak("a", said)
    stack.end_segment("a")
    before = await play(stack, 25)
    stand.clouds[0].fail()
    assert stack.on is Face.LOCAL
    more = await play(stack, 25)
    await log.wait(lambda: len(stand.clouds) == 2 and stack.store.snapshot().faces.next is Next.READY)
    stack.stack.show(Face.CLOUD)
    stack.stack.show(Face.LOCAL)
    after = await play(stack, 60)
    assert np.array_equal(np.concatenate([before, more, after])[: 2 * len(said) : 2], said)
    await log.wait_for(PlayoutFinished("a"))
    assert log.of(PlayoutStarted, PlayoutFinished) == [PlayoutStarted("a"), PlayoutFinished("a")]


async def test_a_face_that_takes_over_goes_on_with_the_answer_after_the_one_that_is_heard(
    stand: Stand, log: FaceLog
) -> None:
    stack = stand.stack
    first, second = tone(600), tone(400, hz=300)
    stack.speak("a", first)
    stack.end_segment("a")
    stack.speak("b", second)
    stack.end_segment("b")
    before = await play(stack, 10)
    stand.clouds[0].fail()
    after = await play(stack, 60)
    said = np.concatenate([first, second])
    assert np.array_equal(np.concatenate([before, after])[: 2 * len(said) : 2], said)
    await log.wait_for(PlayoutFinished("b"))


async def test_after_a_change_of_face_what_was_heard_counts_from_the_answers_beginning(
    stand: Stand, log: FaceLog
) -> None:
    stack = stand.stack
    stack.speak("a", tone(2000))
    await play(stack, 50)
    stand.clouds[0].fail()
    await play(stack, 10)
    heard = stack.stop_speaking()
    assert heard is not None
    assert (heard.segment_id, heard.samples / 480) == ("a", 60)


async def test_a_lost_cloud_face_is_closed_and_a_fresh_one_is_shown_between_turns(
    stand: Stand, log: FaceLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kai.core.policy.faces.AGAIN_AFTER_S", (0.01,))
    stack = stand.stack
    stand.clouds[0].fail()
    await log.wait(lambda: len(stand.clouds) == 2 and stack.on is Face.CLOUD)
    assert stand.clouds[0].is_closed
    assert not stand.clouds[1].is_closed
    assert log.of(FaceReported)[-1] == FaceReported("liveavatar")


async def test_a_person_switches_to_the_local_face_and_back(stand: Stand, log: FaceLog) -> None:
    stack = stand.stack
    stack.set_look(Look(face="local"))
    assert stack.on is Face.LOCAL
    await log.wait(lambda: True)
    stack.set_look(Look(face="liveavatar"))
    await log.wait(lambda: stack.on is Face.CLOUD)
    assert [cloud.is_closed for cloud in stand.clouds] == [True, False]


async def test_who_wants_the_local_face_from_the_start_pays_nothing(log: FaceLog) -> None:
    stand = Stand()
    await stand.stack.open(Look(face="local"), log)
    assert stand.stack.on is Face.LOCAL
    assert stand.clouds == []
    await stand.stack.aclose()


async def test_a_refused_cloud_face_is_no_failure_of_the_leg(log: FaceLog) -> None:
    error = FaceError("No credit is left.", code="avatar-no-credits", is_retryable=False)
    stand = Stand(lambda: FakeCloud(open_error=error))
    await stand.stack.open(Look(), log)
    assert stand.stack.on is Face.LOCAL
    assert FaceReported("local", "avatar-no-credits", "No credit is left.") in log.events
    await stand.stack.aclose()


async def test_closing_while_the_cloud_face_opens_leaves_nothing(log: FaceLog) -> None:
    stand = Stand(lambda: FakeCloud(open_delay_s=30))
    opening = asyncio.create_task(stand.stack.open(Look(), log))
    await log.wait(lambda: True)
    await asyncio.sleep(0.01)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    assert all(face.is_closed for face in (*stand.clouds, *stand.locals))


FAULTS: tuple[Exception, ...] = (
    RuntimeError("a bug"),
    OSError(24, "Too many open files"),
    TimeoutError(),
    KeyError("missing"),
    MemoryError(),
    FaceError("No.", code="no"),
)


class FaultyFace(FakeFace):
    """A local face whose opening meets a fault that is nobody's refusal."""

    def __init__(self, fault: Exception) -> None:
        super().__init__()
        self._fault = fault

    async def open(self, look: Look, sink: Any) -> None:
        raise self._fault


@pytest.mark.parametrize("is_in_factory", [False, True], ids=["in open", "in the factory"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
async def test_a_fault_of_the_local_face_is_a_clear_failure_at_once(
    fault: Exception, is_in_factory: bool, log: FaceLog
) -> None:
    def make() -> FakeFace:
        if is_in_factory:
            raise fault
        return FaultyFace(fault)

    stack = StackedFaces(FakeCloud, make)
    with pytest.raises(FaceError) as failed:
        async with asyncio.timeout(2):
            await stack.open(Look(face="local"), log)
    assert failed.value.code == ("no" if isinstance(fault, FaceError) else "face-bug")
    assert failed.value.message


async def test_a_faulty_local_face_leaves_the_cloud_face_alone_and_is_tried_again(log: FaceLog) -> None:
    made: list[FakeFace] = []

    def make() -> FakeFace:
        made.append(FakeFace() if made else FaultyFace(RuntimeError("once")))
        return made[-1]

    stack = StackedFaces(FakeCloud, make)
    await stack.open(Look(), log)
    await log.wait(lambda: made and made[0].is_closed)
    assert stack.on is Face.CLOUD
    stack.take(TimerFired(FaceTimer.LOCAL))
    await log.wait(lambda: len(made) == 2 and made[1].looks)
    await stack.aclose()


@pytest.mark.parametrize("count", [1, 5])
async def test_nothing_is_kept_of_answers_that_were_interrupted(
    stand: Stand, log: FaceLog, count: int
) -> None:
    for number in range(count):
        stand.stack.speak(f"answer {number}", tone(400))
        await play(stand.stack, 4)
        assert PlayoutStarted(f"answer {number}") in log.events
        stand.stack.stop_speaking()
        assert not stand.stack.stack._started
        assert stand.stack.stack._live == set()


async def test_the_mood_the_rest_and_the_wish_for_frames_go_with_the_face(stand: Stand) -> None:
    stand.stack.set_mood(AgentState.THINKING)
    stand.stack.rest(True)
    stand.clouds[0].fail()
    assert stand.locals[0].moods[-1] is AgentState.THINKING
    assert stand.locals[0].is_resting


async def test_a_local_face_that_opens_later_is_told_in_which_size_to_draw(log: FaceLog) -> None:
    stand = Stand()
    stand.stack.want_size(LARGE_PX)
    await stand.stack.open(Look(face="local"), log)
    assert [face.sizes_px for face in stand.locals] == [[LARGE_PX]]
    stand.stack.want_size(STANDARD_PX)
    assert stand.locals[0].sizes_px == [LARGE_PX, STANDARD_PX]
    await stand.stack.aclose()


def test_a_face_is_drawn_large_where_it_is_shown_large_or_where_a_person_wants_it_so() -> None:
    small, large = SessionState(shown_px=440), SessionState(shown_px=790)
    assert [size_px_of(state) for state in (SessionState(), small, large)] == [512, 512, 720]
    wanted = {size: replace(small, look=Look(face_size=size)) for size in FaceSize}
    assert [size_px_of(state) for state in wanted.values()] == [512, 512, 720]
    assert size_px_of(replace(large, look=Look(face_size=FaceSize.STANDARD))) == 512


async def test_another_avatar_takes_over_between_turns_and_the_former_is_stopped(
    stand: Stand, log: FaceLog
) -> None:
    stack = stand.stack
    stack.speak("a", tone(400))
    stack.set_look(Look(avatar=AvatarConfig(avatar_id="another")))
    await log.wait(lambda: len(stand.clouds) == 2 and stand.clouds[1].looks)
    assert not stand.clouds[0].is_closed
    stack.end_segment("a")
    await play(stack, 30)
    await log.wait(lambda: stand.clouds[0].is_closed)
    assert stack.on is Face.CLOUD
    assert not stand.clouds[1].is_closed
    assert stand.clouds[1].looks[0].avatar.avatar_id == "another"


async def test_what_a_paid_session_costs_is_passed_on(stand: Stand, log: FaceLog) -> None:
    told = CreditsReported("s1", 2, 48.0)
    stand.clouds[0]._emit(told)
    assert log.of(CreditsReported) == [told]


async def test_a_session_that_takes_over_in_mid_sentence_goes_on_at_the_heard_sample(
    stand: Stand, log: FaceLog
) -> None:
    stack = stand.stack
    said = tone(2000)
    stack.speak("a", said)
    stack.end_segment("a")
    before = await play(stack, 40)
    stack.take(TimerFired(FaceTimer.ROTATE))
    await log.wait(lambda: stack.store.snapshot().faces.next is Next.READY)
    assert stack.stack._cloud is stand.clouds[0]
    stack.take(TimerFired(FaceTimer.DEADLINE))
    assert stack.stack._cloud is stand.clouds[1]
    after = await play(stack, 70)
    whole = np.concatenate([before, after])[: 2 * len(said)]
    assert np.array_equal(whole[::2], said)
    await log.wait(lambda: stand.clouds[0].is_closed)
    await log.wait_for(PlayoutFinished("a"))
    assert log.of(PlayoutStarted, PlayoutFinished) == [PlayoutStarted("a"), PlayoutFinished("a")]


def test_the_newest_words_are_felt_or_a_tool_that_failed_or_nothing_if_a_person_wishes_so() -> None:
    asked = SessionState(messages=(Message("m1", Role.USER, "I am so happy!", 0.0),))
    assert felt(SessionState()) == felt(asked) == CALM
    failed = replace(asked, tool_runs=(ToolRun("c1", "look_up", False, "It is not there."),))
    assert felt(failed) == Feeling(Emotion.CONCERNED, 0.5)
    answer = Message("m2", Role.ASSISTANT, "Wow, that is great!", 0.0)
    told = replace(failed, messages=(*asked.messages, answer))
    assert felt(told) == feeling_of(answer.text)
    assert felt(replace(told, look=Look(shows_feelings=False))) == CALM
