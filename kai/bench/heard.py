"""How exactly Kai knows which words of an interrupted answer were heard: ``python -m kai.bench heard``.

A thousand answers are interrupted in virtual time, thirty over real sockets (`kai.bench.heard_live`). Our own voices speak
them, whose word times are exact, and pauses are drawn anew, since other voices pause otherwise. A cloud face plays them 0 to
3 s later, with jitter, and its delay changes twice in each talk. The truth is what was played until the moment of the
interruption, which is kept from everything that is tested: the policy, the faces, the tape, the matcher and the alignment
are the app's own. Beside it stand two rules that other frameworks use: all sound that was sent counts as heard, and all time
since the first sound counts as heard. Both are given the exact word times.
"""

from __future__ import annotations

import asyncio
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from kai.adapters.voice_only import VoiceOnly
from kai.bench import heard_live
from kai.bench.answers import ANSWERS
from kai.bench.bars import Bar, at_least
from kai.bench.heard_rules import Found, Spoken, summary
from kai.compat.format import LIVE_HZ, SPEECH_HZ
from kai.compat.tasks import Tasks
from kai.core.events import (
    AssistantTranscriptChanged,
    AudioStarted,
    AudioStopped,
    Command,
    Event,
    InterruptRequested,
    LegConnected,
    PlayoutFinished,
    PlayoutInterrupted,
    PlayoutStarted,
    ResponseCreated,
    ResponseDone,
    StartRequested,
    StopSpeaking,
)
from kai.core.state import LegName, Look, SessionState
from kai.core.store import Store
from kai.core.words import words_of
from kai.engine.speech.synthesise import Voice
from kai.engine.speech.voices import CHOICES, Voices
from kai.media.heard import Matcher, Over
from kai.media.pcm import Resampler
from kai.media.sync import SoundHold, Timeline
from kai.ports import FaceSink, Heard, Marks, Pcm, Timed
from kai.runtime.faces import FaceStack

INTERRUPTIONS: Final = 1_000
ANSWERS_A_TALK: Final = 10
SPEEDS: Final = (0.85, 1.0, 1.0, 1.0, 1.15, 1.3)
MOST_DELAY_S: Final = 3.0
JITTER_S: Final = 0.2
FRAME_S: Final = 0.02
_FRAME: Final = round(FRAME_S * LIVE_HZ)
_BLOCK: Final = SPEECH_HZ // 50


def run() -> dict[str, Any]:
    """Return how many interruptions were right to one, two and three words, by rule, in virtual time and over sockets."""
    figures: dict[str, Any] = {}
    for name, has_marks in (("with_marks", True), ("without_marks", False)):
        found = asyncio.run(interrupted(INTERRUPTIONS // 2, has_marks=has_marks, seed=22))
        figures[name] = summary(found)
    figures |= heard_live.run()
    return figures


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Return the bars: within one word with marks, within three words without."""
    return [
        at_least(f"{title}{where}", figures[f"{prefix}{name}"]["kai"][rule], limit, "%")
        for prefix, where in (("", ", virtual time"), ("sockets_", ", over sockets"))
        for name, title, rule, limit in (
            ("with_marks", "right to one word, word times known", "within_1_percent", 99),
            ("without_marks", "right to three words, word times unknown", "within_3_percent", 95),
        )
    ]


class Speakers:
    """Our own voices, speaking with pauses that are drawn anew."""

    def __init__(self) -> None:
        self._voices = Voices(Voice.load(), dict, has_extra=lambda: False)
        self._ids = [choice.id for choice in CHOICES if not choice.is_extra]

    def draw(self, chance: random.Random, speed: float) -> Spoken:
        """Return a random answer, spoken by a random voice."""
        text = chance.choice(ANSWERS)
        steps = chance.choice(("", ":+1:+2", ":-2:-1", ":+2:+0"))
        voice = self._voices.named(f"{chance.choice(self._ids)}{steps}")
        parts: list[Pcm] = []
        words: list[Timed] = []
        samples = 0
        for clause in voice.stream(text, speed):
            loud = np.flatnonzero(np.abs(clause.pcm.astype(np.int32)) > 300)
            end = min(len(clause.pcm), int(loud[-1]) + 480 if len(loud) else 0)
            pause_s = (
                chance.uniform(0.15, 0.7) if clause.text.rstrip()[-1:] in ".!?" else chance.uniform(0, 0.35)
            )
            pause = np.zeros(round(pause_s * SPEECH_HZ), np.int16)
            words += [
                Timed(span.word, samples + span.start_sample, samples + min(span.end_sample, end))
                for span in clause.words
            ]
            parts += [clause.pcm[:end], pause]
            samples += end + len(pause)
        return Spoken(text, np.concatenate(parts), tuple(words))


@dataclass(slots=True)
class _Room:
    """A cloud avatar in virtual time: it plays what it gets, ``delay_s`` later, and its sound arrives with jitter.

    ``source`` says which sample of the answer each sample of the room was, -1 for silence: the truth.
    """

    chance: random.Random
    delay_s: float
    begun_s: float | None = None
    queue: Pcm = field(default_factory=lambda: np.zeros(0, np.int16))
    played: int = 0
    stalled_until_s: float = 0.0
    arrived_s: float = 0.0

    def frame(self, now_s: float) -> tuple[Pcm, int]:
        """Return the next 20 ms of 48 000 Hz, and the answer's sample at its end, or -1 in silence."""
        is_due = self.begun_s is not None and now_s >= max(self.begun_s + self.delay_s, self.stalled_until_s)
        if not is_due or not len(self.queue):
            return np.zeros(_FRAME, np.int16), -1
        pcm, self.queue = self.queue[:_FRAME], self.queue[_FRAME:]
        self.played += len(pcm)
        noise = np.random.default_rng(self.played).normal(0, 12, len(pcm))
        heard = np.clip(pcm * 0.85 + noise, -32768, 32767).astype(np.int16)
        return np.pad(heard, (0, _FRAME - len(heard))), self.played // 2

    def arrival_s(self, now_s: float) -> float:
        """Return when sound of this moment arrives; it keeps its order."""
        self.arrived_s = max(self.arrived_s, now_s + self.chance.uniform(0, JITTER_S))
        return self.arrived_s


class VirtualFace(VoiceOnly):
    """A cloud face on a virtual room: the parts of `LiveAvatarFace` for its sound, without its sockets and its clock."""

    def __init__(self, room: _Room) -> None:
        super().__init__()
        self.room = room
        self._matcher = Matcher()
        self._sound = SoundHold(Timeline())
        self._resampler = Resampler(SPEECH_HZ, LIVE_HZ)
        self._pushed = 0
        self._on_way: list[tuple[float, Pcm]] = []
        self._sources: list[int] = []
        self._sink: FaceSink | None = None
        self.now_s = 0.0

    async def open(self, look: Look, sink: FaceSink) -> None:
        self._sink = sink

    def speak(self, segment_id: str, pcm: Pcm, *, is_sounding: bool = False) -> None:
        if self.room.begun_s is None:
            self.room.begun_s = self.now_s
        self._matcher.sent(segment_id, pcm)
        self.room.queue = np.concatenate([self.room.queue, self._resampler.push(pcm)])

    def end_segment(self, segment_id: str) -> None:
        self._matcher.ended(segment_id)

    def stop_speaking(self) -> Heard | None:
        cut = self._sound.cut()
        self._matcher.cut()
        self.room.queue, self.room.begun_s, self.room.played = self.room.queue[:0], None, 0
        self._resampler = Resampler(SPEECH_HZ, LIVE_HZ)
        return cut

    def heard_now(self) -> Heard | None:
        """Return nothing: no caption is shown."""

    def pull_sound(self) -> Pcm:
        block = self._sound.read(self.now_s)
        for place in block.reached:
            assert self._sink is not None
            is_over = isinstance(place, Over)
            self._sink.emit((PlayoutFinished if is_over else PlayoutStarted)(place.segment_id))
        return block.pcm

    async def aclose(self) -> None:
        """Do nothing: nothing is open."""

    def pass_time(self, now_s: float) -> None:
        """Let 20 ms of the room pass."""
        self.now_s = now_s
        pcm, source = self.room.frame(now_s)
        self._sources.append(source)
        self._on_way.append((self.room.arrival_s(now_s + FRAME_S), pcm))
        while self._on_way and self._on_way[0][0] <= now_s:
            arrived_s, pcm = self._on_way.pop(0)
            findings = self._matcher.push(pcm)
            self._sound.push(pcm, findings, arrived_s)
            self._pushed += len(pcm)

    def truth(self) -> int:
        """Return the answer's sample that left for the page last."""
        frames = (self._pushed - round(self._sound.held_ms * LIVE_HZ / 1000)) // _FRAME
        sounding = [source for source in self._sources[:frames] if source >= 0]
        return sounding[-1] if sounding else 0

    def begin(self) -> None:
        """Forget the truth about earlier answers, of which the last may have been played to its end."""
        self.room.begun_s, self.room.played = None, 0
        held = round(self._sound.held_ms * LIVE_HZ / 1000)
        del self._sources[: (self._pushed - held) // _FRAME]
        self._pushed = held


class VirtualTalk:
    """A talk in virtual time: the real policy, the real stack of faces, and a virtual room."""

    def __init__(self, chance: random.Random, look: Look, tasks: Tasks) -> None:
        self.now_s = 100.0
        self.face = VirtualFace(_Room(chance, chance.uniform(0, MOST_DELAY_S)))
        self.store = Store(self._run, state=SessionState(), clock=lambda: self.now_s)
        self.stack = FaceStack(
            make_local=lambda: self.face,
            make_cloud=None,
            voice=self.face,
            emit=self.store.dispatch,
            show=lambda _picture, _at_s: None,
            play_from=lambda _pull: None,
            tasks=tasks,
        )
        self._look = look

    async def open(self) -> None:
        await self.stack.open(self._look)
        self.tell(StartRequested(0.0, self._look), LegConnected(LegName.BRAIN), LegConnected(LegName.BROWSER))

    def tell(self, *events: Event) -> None:
        for event in events:
            self.store.dispatch(event)

    def _run(self, command: Command) -> None:
        match command:
            case StopSpeaking(segment_id):
                for told in self.stack.stop_speaking(segment_id, self._written):
                    self.tell(PlayoutInterrupted(told.segment_id, told.heard_ms, told.text))
            case _:
                pass

    def _written(self, segment_id: str) -> str:
        return " ".join(m.text for m in self.store.snapshot().messages if m.response_id == segment_id)

    def interrupt(
        self, number: int, spoken: Spoken, after_s: float, *, has_marks: bool, is_ahead: bool, stall_s: float
    ) -> Found:
        """Let the answer be spoken, and interrupt it that long after the room began to play it.

        ``is_ahead`` means that the brain sends faster than real time, as over a WebSocket. The room stalls for ``stall_s`` in
        the middle."""
        answer_id, face, room = f"r{number}", self.face, self.face.room
        written = AssistantTranscriptChanged(answer_id, f"{answer_id}-0", spoken.text, is_final=False)
        self.tell(ResponseCreated(answer_id), written, AudioStarted(answer_id))
        face.begin()
        if has_marks:
            self.stack.mark(answer_id, Marks((), spoken.words))
        begun_s, sent = self.now_s, 0
        until_s = begun_s + room.delay_s + after_s
        room.stalled_until_s = 0.0
        is_stalled = False
        while self.now_s < until_s:
            due = round((self.now_s - begun_s) * SPEECH_HZ * (8 if is_ahead else 1)) + _BLOCK
            while sent < min(due, len(spoken.pcm)):
                part = spoken.pcm[sent : sent + _BLOCK]
                sent += len(part)
                self.stack.speak(answer_id, part)
                if sent == len(spoken.pcm):
                    self.stack.end_segment(answer_id)
                    self.tell(ResponseDone(answer_id, "completed"), AudioStopped(answer_id))
            if stall_s and not is_stalled and self.now_s > until_s - after_s / 2:
                is_stalled, room.stalled_until_s = True, self.now_s + stall_s
            self._pass_frame()
        truth = spoken.words_by(face.truth())
        self.tell(InterruptRequested())
        lines = [m.text for m in self.store.snapshot().messages if m.response_id == answer_id]
        clock = spoken.words_by(round((self.now_s - begun_s) * SPEECH_HZ))
        found = Found(truth, sum(len(words_of(line)) for line in lines), spoken.words_by(sent), clock)
        quiet_until_s = self.now_s + 1.0
        while self.now_s < quiet_until_s:
            self._pass_frame()
        return found

    def _pass_frame(self) -> None:
        """Let 20 ms pass for the room and for the page."""
        self.face.pass_time(self.now_s)
        self.face.pull_sound()
        self.now_s += FRAME_S


async def interrupted(count: int, *, has_marks: bool, seed: int) -> list[Found]:
    """Return ``count`` interruptions, in talks of `ANSWERS_A_TALK`."""
    speakers, found = Speakers(), list[Found]()
    tasks = Tasks("bench")
    for talk_number in range(-(-count // ANSWERS_A_TALK)):
        chance = random.Random(seed * 10_000 + talk_number)
        speed = chance.choice(SPEEDS)
        talk = VirtualTalk(chance, Look(speed=speed), tasks)
        await talk.open()
        changes = sorted(chance.sample(range(1, ANSWERS_A_TALK), 2))
        for number in range(min(ANSWERS_A_TALK, count - len(found))):
            stall_s = 0.0
            if number in changes:
                before_s = talk.face.room.delay_s
                talk.face.room.delay_s = chance.uniform(0, MOST_DELAY_S)
                # A longer delay shows in the middle of an answer, where the avatar stalls.
                stall_s = max(0.0, talk.face.room.delay_s - before_s) / 2
            spoken = speakers.draw(chance, speed)
            after_s = chance.uniform(0.3, len(spoken.pcm) / SPEECH_HZ)
            is_ahead = chance.random() < 0.3
            found.append(
                talk.interrupt(
                    number, spoken, after_s, has_marks=has_marks, is_ahead=is_ahead, stall_s=stall_s
                )
            )
            await asyncio.sleep(0)
    await tasks.aclose()
    return found
