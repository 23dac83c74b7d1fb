"""What every ``VoiceBrain`` promises, sentence by sentence. Subclass ``BrainContract`` in a test module and give it a brain:

    class TestMyBrain(BrainContract):
        within_s, mic_pace_s = 20.0, 0.02      # a real one needs real time

        @pytest.fixture
        def make_brain(self): return lambda: MyBrain(...)

``broken_brain`` (a brain whose other side refuses), ``lose`` (cuts a brain's connection from the other side) and
``speech`` (a sentence, 48 000 Hz) are optional: without them their tests are left out, loudly.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
import pytest
import pytest_asyncio

from kai.core.events import (
    AssistantTranscriptChanged,
    LegFailed,
    ResponseCreated,
    ResponseDone,
    UserSpeechStarted,
    UserSpeechStopped,
    UserTranscriptChanged,
)
from kai.core.state import LegName, Look
from kai.errors import BrainError
from kai.ports import Pcm, VoiceBrain
from tests.support.fakes import BLOCK_48K, BrainLog

MakeBrain = Callable[[], VoiceBrain]
Lose = Callable[[VoiceBrain], Awaitable[None]]

SILENCE = np.zeros(BLOCK_48K, np.int16)
CLOSE_S = 5.0


class BrainContract:
    """One promise a test."""

    within_s = 5.0
    """How long one answer, or one reaction, may take."""
    mic_pace_s = 0.0
    """Time between two microphone blocks: 0.02 for a brain that lives in real time."""
    question = "What is your name?"
    """A line whose answer takes some words to say."""

    @pytest.fixture
    def make_brain(self) -> MakeBrain:
        raise NotImplementedError("give a callable that returns a fresh brain")

    @pytest.fixture
    def broken_brain(self) -> VoiceBrain:
        pytest.skip("no broken brain was given")

    @pytest.fixture
    def lose(self) -> Lose:
        pytest.skip("no way to lose the connection was given")

    @pytest.fixture
    def speech(self) -> Pcm:
        pytest.skip("no speech was given")

    @pytest.fixture
    def log(self) -> BrainLog:
        return BrainLog()

    @pytest_asyncio.fixture
    async def brain(self, make_brain: MakeBrain, log: BrainLog) -> AsyncIterator[VoiceBrain]:
        brain = make_brain()
        await brain.open(Look(), log)
        yield brain
        await brain.aclose()

    async def answer_to(self, brain: VoiceBrain, log: BrainLog, item_id: str, text: str) -> str:
        """Type a line and wait until its answer was sent to the end; its id."""
        known = log.of(ResponseCreated)
        brain.send_text(item_id, text)
        await log.wait(lambda: len(log.of(ResponseCreated)) > len(known), self.within_s)
        (response_id,) = (e.response_id for e in log.of(ResponseCreated) if e not in known)
        await log.wait(lambda: log.ended(response_id), self.within_s)
        return response_id

    async def hear(self, brain: VoiceBrain, pcm: Pcm) -> None:
        """Let the brain hear a sentence and a second of silence after it."""
        silence = np.zeros(48_000 + -len(pcm) % BLOCK_48K, np.int16)
        for block in np.concatenate([pcm, silence]).reshape(-1, BLOCK_48K):
            brain.push_mic(block)
            await asyncio.sleep(self.mic_pace_s)

    # -------------------------------------------------------------- answers

    async def test_a_typed_line_is_answered_by_sound_and_words(
        self, brain: VoiceBrain, log: BrainLog
    ) -> None:
        response_id = await self.answer_to(brain, log, "typed-1", self.question)
        assert ResponseCreated(response_id) in log.events
        await log.wait(
            lambda: (response_id, "completed") in {(e.response_id, e.status) for e in log.of(ResponseDone)},
            self.within_s,
        )
        lines = [e for e in log.of(AssistantTranscriptChanged) if e.is_final]
        assert {e.response_id for e in lines} == {response_id}
        assert any(e.text.strip() for e in lines)
        for pcm in log.sounds[response_id]:
            assert pcm.dtype == np.int16
            assert pcm.ndim == 1
        said = log.pcm(response_id)
        assert said.size > 24_000 // 5
        assert np.abs(said.astype(np.int32)).max() > 300

    async def test_the_sound_of_an_answer_is_whole_before_the_next_begins(
        self, brain: VoiceBrain, log: BrainLog
    ) -> None:
        first = await self.answer_to(brain, log, "typed-1", self.question)
        second = await self.answer_to(brain, log, "typed-2", self.question)
        spoken = [entry for entry in log.order if entry[0] != "marks"]
        switch = spoken.index(("end", first)) + 1
        assert {segment for _, segment in spoken[:switch]} == {first}
        assert {segment for _, segment in spoken[switch:]} == {second}
        assert spoken.count(("end", first)) == spoken.count(("end", second)) == 1
        assert spoken[-1] == ("end", second)

    async def test_nothing_of_a_cancelled_answer_reaches_the_sink(
        self, brain: VoiceBrain, log: BrainLog
    ) -> None:
        brain.send_text("typed-1", self.question)
        await log.wait(lambda: log.order, self.within_s)
        cancelled = log.order[0][1]
        brain.cancel(cancelled)
        heard = len(log.order)
        await self.answer_to(brain, log, "typed-2", self.question)
        assert cancelled not in {segment for _, segment in log.order[heard:]}
        assert not log.ended(cancelled)

    async def test_a_line_typed_right_after_a_cancel_is_answered(
        self, brain: VoiceBrain, log: BrainLog
    ) -> None:
        brain.send_text("typed-1", self.question)
        await log.wait_for_a(ResponseCreated, self.within_s)
        brain.cancel(log.of(ResponseCreated)[0].response_id)
        await self.answer_to(brain, log, "typed-2", self.question)

    async def test_cancelling_an_answer_that_is_over_or_unknown_does_no_harm(
        self, brain: VoiceBrain, log: BrainLog
    ) -> None:
        brain.cancel("nobody-knows-it")
        over = await self.answer_to(brain, log, "typed-1", self.question)
        brain.cancel(over)
        await self.answer_to(brain, log, "typed-2", self.question)

    async def test_no_answer_follows_what_was_said_before(self, brain: VoiceBrain, log: BrainLog) -> None:
        brain.seed((("user", "My name is Ada."), ("assistant", "Hello Ada.")))
        await self.answer_to(brain, log, "typed-1", self.question)
        assert len(log.of(ResponseCreated)) == 1

    async def test_a_changed_look_does_not_disturb(self, brain: VoiceBrain, log: BrainLog) -> None:
        brain.update(Look(speed=1.2, instructions="Be brief."))
        await self.answer_to(brain, log, "typed-1", self.question)

    # -------------------------------------------------------------- the microphone

    async def test_a_spoken_line_is_heard_and_answered(
        self, brain: VoiceBrain, log: BrainLog, speech: Pcm
    ) -> None:
        await self.hear(brain, speech)
        await log.wait(lambda: [e for e in log.of(UserTranscriptChanged) if e.is_final], self.within_s)
        await log.wait(lambda: [what for what, _ in log.order if what == "end"], self.within_s)
        began, stopped = log.of(UserSpeechStarted)[0], log.of(UserSpeechStopped)[0]
        line = next(e for e in log.of(UserTranscriptChanged) if e.is_final)
        assert began.item_id == stopped.item_id == line.item_id
        assert line.text.strip()
        assert log.events.index(began) < log.events.index(stopped)

    async def test_while_muted_nothing_is_heard(self, brain: VoiceBrain, log: BrainLog, speech: Pcm) -> None:
        brain.set_muted(True)
        await self.hear(brain, speech)
        await self.answer_to(brain, log, "typed-1", self.question)
        assert log.of(UserSpeechStarted, UserTranscriptChanged) == []
        brain.set_muted(False)
        await self.hear(brain, speech)
        await log.wait_for_a(UserSpeechStarted, self.within_s)

    async def test_a_flood_of_microphone_blocks_does_no_harm(self, brain: VoiceBrain, log: BrainLog) -> None:
        for _ in range(1000):
            brain.push_mic(SILENCE)
        await self.answer_to(brain, log, "typed-1", self.question)

    # -------------------------------------------------------------- opening, losing, closing

    async def test_a_brain_that_cannot_be_opened_says_why(
        self, broken_brain: VoiceBrain, log: BrainLog
    ) -> None:
        with pytest.raises(BrainError) as raised:
            await broken_brain.open(Look(), log)
        assert raised.value.message
        assert raised.value.code
        async with asyncio.timeout(CLOSE_S):
            await broken_brain.aclose()
        assert log.events == []

    async def test_a_lost_brain_is_reported_once(self, brain: VoiceBrain, log: BrainLog, lose: Lose) -> None:
        await lose(brain)
        failed = await log.wait_for_a(LegFailed, 40.0)
        assert failed.leg is LegName.BRAIN
        assert failed.message
        async with asyncio.timeout(CLOSE_S):
            await brain.aclose()
        assert len(log.of(LegFailed)) == 1

    async def test_closing_in_mid_answer_ends_all_reports(self, brain: VoiceBrain, log: BrainLog) -> None:
        brain.send_text("typed-1", self.question)
        await log.wait(lambda: log.order, self.within_s)
        async with asyncio.timeout(CLOSE_S):
            await brain.aclose()
        reported = (len(log.events), len(log.order))
        await log.wait_quiet(0.2)
        assert (len(log.events), len(log.order)) == reported
        assert log.of(LegFailed) == []

    async def test_closing_twice_or_before_opening_is_fine(
        self, make_brain: MakeBrain, log: BrainLog
    ) -> None:
        opened, never_opened = make_brain(), make_brain()
        await opened.open(Look(), log)
        async with asyncio.timeout(CLOSE_S):
            await opened.aclose()
            await opened.aclose()
            await never_opened.aclose()
            await never_opened.aclose()
