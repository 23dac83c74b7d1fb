"""What every ``AvatarFace`` promises, sentence by sentence. Subclass ``FaceContract`` in a test module and give it a face:

    class TestMyFace(FaceContract):
        within_s, pull_pace_s = 20.0, 0.02     # a real one needs real time

        @pytest.fixture
        def make_face(self): return lambda: MyFace(...)

``broken_face`` (a face that cannot be opened) and ``lose`` (ends a face from the other side) are optional: without them
their tests are left out, loudly.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
import pytest
import pytest_asyncio

from kai.core.events import LegFailed, PlayoutFinished, PlayoutStarted
from kai.core.state import AgentState, LegName, Look
from kai.errors import FaceError
from kai.ports import AvatarFace, Marks, Pcm, Timed
from tests.support.fakes import BLOCK_24K, BLOCK_48K, FaceLog, tone

MakeFace = Callable[[], AvatarFace]
Lose = Callable[[AvatarFace], Awaitable[None]]

CLOSE_S = 5.0
FIRST_PICTURE_S = 0.5


RISES_HZ_A_S = 400.0
PLACED_MS = 80


def rising(ms: int) -> Pcm:
    """A tone that rises from 200 Hz: ``(ms * 24,)`` int16, 24 000 Hz. Its pitch tells the place, however late it sounds."""
    t = np.arange(ms * 24) / 24_000
    return (12_000 * np.sin(2 * np.pi * (200 * t + RISES_HZ_A_S / 2 * t * t))).astype(np.int16)


def place_in_rising_ms(played: Pcm) -> float:
    """Where in `rising` a sound of 48 000 Hz ends."""
    sounding = np.flatnonzero(np.abs(played.astype(np.int32)) > 2000)
    last = played[: sounding[-1] + 1][-PLACED_MS * 48 :].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(last * np.hanning(len(last)), 1 << 17))
    pitch_hz = float(np.argmax(spectrum)) * 48_000 / (1 << 17)
    return (pitch_hz - 200) / RISES_HZ_A_S * 1000 + PLACED_MS / 2


class FaceContract:
    """One promise a test."""

    within_s = 5.0
    """How long one reaction may take."""
    pull_pace_s = 0.0
    """Time between two pulls: 0.02 for a face that lives in real time."""
    stretch_ms = 25
    """How much longer or shorter than given a sound may come out: more for one that came over a network."""
    fade_blocks = 1
    """Blocks in which the sound may die away after it was stopped."""

    @pytest.fixture
    def make_face(self) -> MakeFace:
        raise NotImplementedError("give a callable that returns a fresh face")

    @pytest.fixture
    def broken_face(self) -> AvatarFace:
        pytest.skip("no broken face was given")

    @pytest.fixture
    def lose(self) -> Lose:
        pytest.skip("no way to lose the face was given")

    @pytest.fixture
    def log(self) -> FaceLog:
        return FaceLog()

    @pytest_asyncio.fixture
    async def face(self, make_face: MakeFace, log: FaceLog) -> AsyncIterator[AvatarFace]:
        face = make_face()
        async with asyncio.timeout(60):
            await face.open(Look(), log)
        yield face
        await face.aclose()

    async def play(self, face: AvatarFace, until: Callable[[], object]) -> Pcm:
        """Pull block after block, as a player does, until a condition holds; the sound that came, 48 000 Hz."""
        blocks = [np.zeros(0, np.int16)]
        loop = asyncio.get_running_loop()
        next_s = loop.time()
        async with asyncio.timeout(self.within_s):
            while not until():
                block = face.pull_sound()
                assert block.shape == (BLOCK_48K,)
                assert block.dtype == np.int16
                blocks.append(block.copy())
                # By the clock, as players do: a busy computer makes single pulls late, and not all of them fewer.
                next_s += self.pull_pace_s
                await asyncio.sleep(max(0.0, next_s - loop.time()))
        return np.concatenate(blocks)

    async def play_blocks(self, face: AvatarFace, count: int) -> Pcm:
        left = iter(range(count))
        return await self.play(face, lambda: next(left, None) is None)

    def say(self, face: AvatarFace, segment_id: str, ms: int, *, is_whole: bool = True) -> None:
        for block in np.split(tone(ms), ms // 20):
            face.speak(segment_id, block)
        if is_whole:
            face.end_segment(segment_id)

    # -------------------------------------------------------------- sound

    async def test_what_is_spoken_is_heard_whole(self, face: AvatarFace, log: FaceLog) -> None:
        self.say(face, "a", 400)
        heard = await self.play(face, lambda: PlayoutFinished("a") in log.events)
        assert log.of(PlayoutStarted, PlayoutFinished) == [PlayoutStarted("a"), PlayoutFinished("a")]
        sounding = np.flatnonzero(np.abs(heard.astype(np.int32)) > 100)
        assert (sounding[-1] - sounding[0]) / 48 == pytest.approx(400, abs=self.stretch_ms)
        energy = float(np.square(heard.astype(np.float64)).sum() / 2)
        assert energy == pytest.approx(float(np.square(tone(400).astype(np.float64)).sum()), rel=0.15)

    async def test_with_nothing_to_say_the_sound_is_silence(self, face: AvatarFace, log: FaceLog) -> None:
        assert not (await self.play_blocks(face, 10)).any()
        assert log.of(PlayoutStarted, PlayoutFinished) == []

    async def test_a_segment_begins_after_the_one_before_it(self, face: AvatarFace, log: FaceLog) -> None:
        self.say(face, "a", 100)
        self.say(face, "b", 100)
        await self.play(face, lambda: PlayoutFinished("b") in log.events)
        assert log.of(PlayoutStarted, PlayoutFinished) == [
            PlayoutStarted("a"),
            PlayoutFinished("a"),
            PlayoutStarted("b"),
            PlayoutFinished("b"),
        ]

    async def test_a_segment_is_finished_only_when_it_was_ended(self, face: AvatarFace, log: FaceLog) -> None:
        self.say(face, "a", 100, is_whole=False)
        await self.play(face, lambda: PlayoutStarted("a") in log.events)
        assert (await self.play_blocks(face, 30)).any()
        assert PlayoutFinished("a") not in log.events
        face.end_segment("a")
        await self.play(face, lambda: PlayoutFinished("a") in log.events)

    async def test_sound_in_parts_of_any_length_is_heard(self, face: AvatarFace, log: FaceLog) -> None:
        pcm = tone(300)
        for part in np.split(pcm, [1, 8, 489, 490, 3001]):
            face.speak("a", part)
        face.end_segment("a")
        heard = await self.play(face, lambda: PlayoutFinished("a") in log.events)
        sounding = np.flatnonzero(np.abs(heard.astype(np.int32)) > 100)
        assert (sounding[-1] - sounding[0]) / 48 == pytest.approx(300, abs=self.stretch_ms)

    async def test_marks_do_not_disturb_the_sound(self, face: AvatarFace, log: FaceLog) -> None:
        face.mark("a", Marks((Timed("aa", 0, BLOCK_24K * 10),), (Timed("ah", 0, BLOCK_24K * 10),)))
        self.say(face, "a", 200)
        await self.play(face, lambda: PlayoutFinished("a") in log.events)

    async def test_the_player_may_pull_from_a_thread_and_reports_come_on_the_loop(
        self, face: AvatarFace, log: FaceLog
    ) -> None:
        stop = threading.Event()

        def player() -> None:
            while not stop.wait(0.02):
                face.pull_sound()

        thread = threading.Thread(target=player, name="player")
        thread.start()
        try:
            self.say(face, "a", 200)
            await log.wait_for(PlayoutFinished("a"), self.within_s)  # the log raises when told off the loop
        finally:
            stop.set()
            thread.join()

    # -------------------------------------------------------------- silence

    async def test_stop_is_silent_at_once_and_tells_how_far_was_heard(
        self, face: AvatarFace, log: FaceLog
    ) -> None:
        for block in np.split(rising(2000), 100):
            face.speak("a", block)
        before = await self.play(face, lambda: PlayoutStarted("a") in log.events)
        before = np.concatenate([before, await self.play_blocks(face, 20)])
        heard = face.stop_speaking()
        assert heard is not None
        assert heard.segment_id == "a"
        assert heard.samples / 24 == pytest.approx(place_in_rising_ms(before), abs=60)
        await self.play_blocks(face, self.fade_blocks)
        assert not (await self.play_blocks(face, 10)).any()

    async def test_what_was_stopped_does_not_come_back_and_is_not_finished(
        self, face: AvatarFace, log: FaceLog
    ) -> None:
        self.say(face, "a", 1000)
        self.say(face, "b", 1000)
        await self.play(face, lambda: PlayoutStarted("a") in log.events)
        face.stop_speaking()
        self.say(face, "c", 100)
        await self.play(face, lambda: PlayoutFinished("c") in log.events)
        assert log.of(PlayoutStarted, PlayoutFinished) == [
            PlayoutStarted("a"),
            PlayoutStarted("c"),
            PlayoutFinished("c"),
        ]

    async def test_stop_with_nothing_sounding_tells_nothing(self, face: AvatarFace) -> None:
        assert face.stop_speaking() is None
        assert face.stop_speaking() is None

    async def test_stop_after_the_last_sample_tells_nothing(self, face: AvatarFace, log: FaceLog) -> None:
        self.say(face, "a", 100)
        await self.play(face, lambda: PlayoutFinished("a") in log.events)
        assert face.stop_speaking() is None

    async def test_stop_before_the_first_sample_tells_that_nothing_was_heard(self, face: AvatarFace) -> None:
        self.say(face, "a", 100)
        heard = face.stop_speaking()
        assert heard is None or (heard.segment_id, heard.samples) == ("a", 0)

    # -------------------------------------------------------------- the picture

    async def test_a_face_with_a_picture_shows_it_when_it_is_wanted_and_rests_when_not(
        self, face: AvatarFace, log: FaceLog
    ) -> None:
        if not face.capability.has_picture:
            pytest.skip("a face without a picture")
        face.want_frames(True)
        await log.wait(lambda: len(log.pictures) >= 3, self.within_s)
        for picture, _ in log.pictures:
            assert picture.dtype == np.uint8
            assert picture.ndim == 2
            assert picture.shape[0] % 3 == 0
        times = [at_s for _, at_s in log.pictures]
        assert times == sorted(times)
        face.want_frames(False)
        await log.wait_quiet(0.3, self.within_s)
        seen = len(log.pictures)
        face.want_frames(True)
        await log.wait(lambda: len(log.pictures) > seen, FIRST_PICTURE_S)

    async def test_a_picture_belongs_to_the_receiver(self, face: AvatarFace, log: FaceLog) -> None:
        if not face.capability.has_picture:
            pytest.skip("a face without a picture")
        face.want_frames(True)
        await log.wait(lambda: len(log.pictures) >= 1, self.within_s)
        first = log.pictures[0][0]
        first[:] = 7
        await log.wait(lambda: len(log.pictures) >= 8, self.within_s)
        assert (first == 7).all()
        assert not any(np.shares_memory(first, later) for later, _ in log.pictures[1:])

    async def test_moods_and_looks_do_not_disturb(self, face: AvatarFace, log: FaceLog) -> None:
        self.say(face, "a", 200)
        for mood in AgentState:
            face.set_mood(mood)
        face.set_look(Look())
        await self.play(face, lambda: PlayoutFinished("a") in log.events)
        assert log.of(LegFailed) == []

    # -------------------------------------------------------------- opening, losing, closing

    async def test_a_face_that_cannot_be_opened_says_why(self, broken_face: AvatarFace, log: FaceLog) -> None:
        with pytest.raises(FaceError) as raised:
            await broken_face.open(Look(), log)
        assert raised.value.message
        assert raised.value.code
        async with asyncio.timeout(CLOSE_S):
            await broken_face.aclose()
        assert log.events == []

    async def test_a_lost_face_is_reported_once(self, face: AvatarFace, log: FaceLog, lose: Lose) -> None:
        await lose(face)
        failed = await log.wait_for_a(LegFailed, self.within_s)
        assert failed.leg is LegName.FACE
        assert failed.message
        async with asyncio.timeout(CLOSE_S):
            await face.aclose()
        assert len(log.of(LegFailed)) == 1

    async def test_closing_in_mid_speech_ends_sound_pictures_and_reports(
        self, face: AvatarFace, log: FaceLog
    ) -> None:
        face.want_frames(True)
        self.say(face, "a", 2000)
        await self.play(face, lambda: PlayoutStarted("a") in log.events)
        async with asyncio.timeout(CLOSE_S):
            await face.aclose()
        reported = (len(log.events), len(log.pictures))
        assert not (await self.play_blocks(face, self.fade_blocks + 5))[self.fade_blocks * BLOCK_48K :].any()
        with contextlib.suppress(TimeoutError):
            await log.wait(lambda: (len(log.events), len(log.pictures)) != reported, 0.2)
        assert (len(log.events), len(log.pictures)) == reported

    async def test_closing_twice_or_before_opening_is_fine(self, make_face: MakeFace, log: FaceLog) -> None:
        opened, never_opened = make_face(), make_face()
        async with asyncio.timeout(60):
            await opened.open(Look(), log)
        async with asyncio.timeout(CLOSE_S):
            await opened.aclose()
            await opened.aclose()
            await never_opened.aclose()
            await never_opened.aclose()
