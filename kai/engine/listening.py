"""What the person says in a conversation: turns out of sound, words out of turns, and interruptions of Kai.

The problem. A listener who waits for a long silence is slow, and one who takes every pause for the end interrupts people,
who pause for 0.7 s within a sentence. Recognition and thinking take long as well. So `Listener` decides by the words how
long a pause has to be, and uses the pause: it recognises and lets Kai think before the turn is over, and takes back what
was wrong.

The states of a turn (`PersonTurn`, from the events of `kai.engine.speech.turns`):

1. *An overlap*: a voice over Kai's own. Nobody is told, and it may turn out to be an echo or a nod (`kai.engine.overlap`).
2. *Announced*: the client knows that the person speaks, and Kai is silent. Words are shown as they are recognised, those
   alone on which two readings agree.
3. *In a pause*: after 128 ms of silence the turn is recognised as if it were over (the *guess*), and the conversation is
   told the words as foreseen, so that the answer may be begun. If the person goes on, the guess is taken back.
4. *Over*: an item is made of the turn. Its words are the guess, or a recognition of the whole turn, and an answer may
   follow.
5. *Continued*: a person who goes on within `REPAIR_MS` after the end had not finished. The next turn then says that it
   `continues` this one, and both are answered as one, unless much of Kai's answer was heard (`REPAIR_HEARD_MS`).

Example, with the pauses of "semantic_vad" at its usual eagerness: the person says "What could I cook with potatoes?" for
2 000 ms. The turn begins with the second voiced frame, after 64 ms, and includes the 300 ms before the voice. At 2 128 ms
the turn is recognised, and the answer is begun. If the sentence is plainly whole, the turn is over at 2 352 ms, and if that
is not certain, at 2 864 ms. Had the person said "What could I cook with", which is plainly unfinished, it would be over at
3 120 ms only. And if "and eggs" follows at 3 500 ms nevertheless, that is a turn of its own which continues the first.

Without voice detection (``turn_detection`` null) there are no such states: sound is kept until the client commits it.

All methods run on the event loop and return at once; recognition runs in `Workers`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol, assert_never

import numpy as np

from kai.compat.format import HEARING_HZ, Float32
from kai.engine.answer import CONTENT_INDEX
from kai.engine.items import Entry, Items, new_id
from kai.engine.overlap import Overlap
from kai.engine.session import SessionSettings, TurnSettings
from kai.engine.speech import turns
from kai.engine.speech.kit import SpeechKit
from kai.engine.speech.manners import is_unfinished, is_whole
from kai.engine.speech.recognition import Transcript
from kai.engine.workers import Workers
from kai.wire import realtime as wire

MIN_COMMIT_MS: Final = 100
MAX_COMMIT_MS: Final = 300_000
DOUBTFUL_SCORE: Final = -1.6
"""A partial decode with a lower score is ignored."""
FIRST_WORDS_BEAM: Final = 3
"""Beam until words are shown: the next decode often disagrees with the likeliest one of so short a sound."""
KEPT_BEFORE_MS: Final = 300
REPAIR_MS: Final = 1_600
"""A person who goes on within this time after the end of a turn had not finished: both turns are one."""
SETTLED_MS: Final = 704
"""A whole request may go on after a comma. Kai thinks meanwhile, and speaks once the person was quiet for so long."""
PROMPT_SETTLED_MS: Final = 480
"""The same for orders and questions for the clock, with which people hardly go on. Few answers to one are ready sooner."""
REPAIR_HEARD_MS: Final = 1_500
"""When more of Kai's answer than this was heard, the person's next turn is a reply to it."""


@dataclass(slots=True)
class PersonTurn:
    """One turn of the person: the id of its item, and what was recognised of it so far.

    Over Kai's voice a turn is an `overlap` first, and a `reading` of that may be under way. `continues` is the person's turn
    before, when that was ended too early. `paused_ms` is when the pause began that goes on now.
    """

    item_id: str
    start_ms: int = 0
    shown: list[str] = field(default_factory=list[str])
    last_words: list[str] = field(default_factory=list[str])
    was_speech: bool = False
    partial: Future[Transcript] | None = None
    guess: Future[Transcript] | None = None
    overlap: Overlap | None = None
    reading: Future[Transcript] | None = None
    continues: Entry | None = None
    paused_ms: int | None = None

    def agree(self, heard: Transcript) -> str:
        """Take a further decode, and return the words that can be added to those shown: two decodes agree on them.

        A doubtful decode counts when the one before it was sure: a sound that ends within a word is mostly doubtful.
        """
        is_believed = heard.is_speech or (self.was_speech and heard.score > DOUBTFUL_SCORE)
        self.was_speech = heard.is_speech
        if not is_believed:
            self.last_words[:] = heard.text.split()
            return ""
        return agreed_words(self.shown, self.last_words, heard.text)


class Loudspeaker(Protocol):
    """What is known of Kai's own sound while the person is listened to."""

    @property
    def is_sounding(self) -> bool:
        """True while Kai can be heard where the person is, and for a moment after."""
        ...

    @property
    def is_playing(self) -> bool:
        """True while there is sound of Kai's that can still be interrupted."""
        ...

    def foreign_share(self) -> float:
        """How much of the power that was heard in the last half second is not Kai's own sound, 0 to 1."""
        ...


@dataclass(frozen=True, slots=True)
class Reports:
    """What a listener calls when something has happened, on the event loop.

    * `send` takes an event to the client.
    * `interrupt` silences Kai and returns how many ms of its answers were heard.
    * `add` adds an item to the conversation: a turn whose words may not be known yet.
    * `heard` is called when a turn's words are known; the argument tells whether they want an answer.
    * `idle` is called when the person has been silent for as long as the client has set.
    * `foreseen` gets the item that a turn still going on will be, with its words so far, and whether these are probably all.
    * `taken_back` is called when the person goes on after a turn that was foreseen as whole.
    """

    send: Callable[[wire.KnownServerEvent], None]
    interrupt: Callable[[], int]
    add: Callable[[Entry], None]
    heard: Callable[[bool], None]
    idle: Callable[[], None]
    foreseen: Callable[[Entry, bool], None]
    taken_back: Callable[[], None]


class Listener:
    """The person's side of one conversation, whose `items` it reads. `tasks` is the conversation's group."""

    def __init__(
        self,
        *,
        loudspeaker: Loudspeaker,
        speech: SpeechKit,
        workers: Workers,
        tasks: asyncio.TaskGroup,
        items: Items,
        reports: Reports,
        settings: SessionSettings,
    ) -> None:
        self._loudspeaker = loudspeaker
        self._speech = speech
        self._workers = workers
        self._tasks = tasks
        self._items = items
        self._reports = reports
        self._turn: PersonTurn | None = None
        self._last_said: Entry | None = None
        self._stopped_ms = 0
        self._silent_from_ms: int | None = None
        self._detector: turns.TurnDetector | None = None
        self._uncommitted: list[Float32] = []
        self._uncommitted_samples = 0
        self.configure(settings)

    # What the conversation calls

    def configure(self, settings: SessionSettings) -> None:
        """Apply other rules from the next frame on. A turn stays open, unless the client commits turns from now on."""
        rules = self._rules = settings.turns
        self._transcribes = settings.transcribes
        if rules is None:
            self._detector = None
            self._turn = None
            return
        if self._detector is None:
            self._detector = turns.TurnDetector(vad=self._speech.make_vad())
            self._forget_uncommitted()
        self._detector.configure(rules.threshold, rules.prefix_padding_ms, rules.silence_duration_ms)

    @property
    def is_in_turn(self) -> bool:
        """True while a turn of the person is going on, an overlap included."""
        return self._turn is not None

    def push_audio(self, samples: Float32) -> None:
        """Take the person's sound: ``(n,)`` float32, 16 000 Hz, of any length."""
        if self._detector is not None:
            for event in self._detector.push(samples):
                self._on_turn_event(event)
            self._weigh_overlap(self._detector)
            self._watch_silence(self._detector)
            return
        self._uncommitted.append(samples)
        self._uncommitted_samples += len(samples)
        while self._uncommitted_samples > MAX_COMMIT_MS * HEARING_HZ // 1000:
            self._uncommitted_samples -= len(self._uncommitted.pop(0))

    def wait_for_person(self, *, in_ms: int = 0) -> None:
        """Count the person's silence from now on, or from the end of `in_ms` of Kai's sound that is still to be played."""
        self._silent_from_ms = None if self._detector is None else self._detector.time_ms + in_ms

    def wait_for_kai(self) -> None:
        """Do not count the person's silence: it is Kai's turn."""
        self._silent_from_ms = None

    async def wait_settled(self, *, is_prompt: bool) -> None:
        """Wait until the person, whose last turn may only have paused at a comma, has been quiet for a moment.

        ``is_prompt`` marks the answer to a request that is hardly ever gone on with; see `PROMPT_SETTLED_MS`.
        """
        paused_ms = None if self._last_said is None else self._last_said.paused_ms
        if self._detector is not None and paused_ms is not None:
            settled_ms = PROMPT_SETTLED_MS if is_prompt else SETTLED_MS
            await asyncio.sleep((settled_ms - (self._detector.time_ms - paused_ms)) / 1000)

    def commit(self) -> None:
        """Make an item of the sound since the last one. Raises `ClientMistake` when there is too little of it."""
        if self._detector is not None:
            self._commit_detected(self._detector)
            return
        audio = np.concatenate(self._uncommitted) if self._uncommitted else np.zeros(0, np.float32)
        duration_ms = len(audio) * 1000 // HEARING_HZ
        if duration_ms < MIN_COMMIT_MS:
            raise wire.ClientMistake(
                f"Error committing input audio buffer: buffer too small. Expected at least {MIN_COMMIT_MS}ms of "
                f"audio, but buffer only has {duration_ms}ms of audio.",
                code="input_audio_buffer_commit_empty",
            )
        self._forget_uncommitted()
        self._commit_turn(PersonTurn(new_id("item")), audio, does_answer=False)

    def clear(self) -> None:
        """Forget the sound of which no item was made, and the turn that is going on."""
        self._forget_uncommitted()
        if self._detector is not None:
            self._detector.discard()
        if self._turn is not None:
            self._cancel_guess(self._turn)
            self._turn = None

    # A turn, from its first sound to its end

    def _on_turn_event(self, event: turns.TurnEvent) -> None:
        match event:
            case turns.SpeechStarted():
                self._begin_turn(event.audio_start_ms)
            case turns.PartialDue():
                self._show_partial(event.audio)
            case turns.SpeculationDue():
                self._speculate(event.audio)
            case turns.SpeechResumed():
                if self._turn is not None:
                    self._cancel_guess(self._turn)
            case turns.SpeechStopped():
                self._end_turn(event.audio_end_ms, event.audio)
            case turns.SpeechDropped():
                self._end_turn(event.audio_end_ms, None)
            case _:
                assert_never(event)

    def _begin_turn(self, audio_start_ms: int) -> None:
        interrupts = self._rules is not None and self._rules.does_interrupt_response
        turn = self._turn = PersonTurn(new_id("item"), audio_start_ms)
        if interrupts and self._loudspeaker.is_sounding:
            turn.overlap = Overlap()
            return
        self._announce_turn(turn)

    def _announce_turn(self, turn: PersonTurn) -> None:
        """Tell the client that the person speaks, and interrupt Kai; decide whether this turn continues the last one."""
        rules = self._rules
        turn.overlap = None
        self.wait_for_kai()
        self._reports.send(wire.SpeechStarted(item_id=turn.item_id, audio_start_ms=turn.start_ms))
        heard_ms = 0
        if rules is not None and rules.does_interrupt_response:
            heard_ms = self._reports.interrupt()
        resumed_ms = turn.start_ms - self._stopped_ms + (0 if rules is None else rules.prefix_padding_ms)
        if self._last_said is not None and resumed_ms < REPAIR_MS and heard_ms < REPAIR_HEARD_MS:
            turn.continues = self._last_said

    def _speculate(self, audio: Float32) -> None:
        turn = self._turn
        if turn is None:
            return
        if turn.overlap is not None:
            # A short word over Kai's voice: "stop" ends the answer, "yeah" does not.
            if turn.overlap.is_voice:
                self._read_overlap(turn, turn.overlap, audio)
            return
        self._cancel_guess(turn)
        if self._detector is not None:
            turn.paused_ms = self._detector.time_ms - turns.SPECULATION_SILENCE_MS
        turn.guess = self._workers.recognise_nowait(partial(self._transcribe, audio))
        rules = self._rules
        if rules is not None and rules.does_create_response:
            self._tasks.create_task(self._foresee_end(turn, turn.guess), name=f"foresee-{turn.item_id}")
        if rules is not None and rules.unfinished_silence_ms > rules.silence_duration_ms:
            weighing = self._weigh_pause(turn, audio, turn.guess, rules)
            self._tasks.create_task(weighing, name=f"pause-{turn.item_id}")

    async def _foresee_end(self, turn: PersonTurn, guess: Future[Transcript]) -> None:
        """Report what the person said before a pause, so that the answer may be begun."""
        await asyncio.wait([asyncio.wrap_future(guess)])
        if guess.cancelled() or self._turn is not turn or turn.guess is not guess:
            return
        heard = guess.result()
        if heard.is_speech and heard.text and not is_unfinished(heard.text):
            self._reports.foreseen(_foreseen_entry(turn, heard.text), True)

    async def _weigh_pause(
        self, turn: PersonTurn, audio: Float32, guess: Future[Transcript], rules: TurnSettings
    ) -> None:
        """Give the person more time when the words before the pause are plainly unfinished, and less when they are whole."""
        ending = await self._workers.speak(partial(self._speech.judge_ending, audio))
        await asyncio.wait([asyncio.wrap_future(guess)])
        if guess.cancelled():
            return
        heard = guess.result()
        does_end = await self._workers.speak(partial(is_whole, heard, ending, self._speech.mind.is_request))
        if self._turn is not turn or turn.guess is not guess or self._detector is None:
            return
        if is_unfinished(heard.text):
            self._detector.hold(rules.unfinished_silence_ms)
        elif does_end:
            self._detector.hold(rules.finished_silence_ms)

    def _end_turn(self, audio_end_ms: int, audio: Float32 | None) -> None:
        turn, self._turn = self._turn, None
        if turn is None:
            return
        if turn.overlap is not None:
            if self._loudspeaker.is_playing or not turn.overlap.is_voice:
                # It was Kai's echo, a nod or a noise: the client learns nothing of it, and Kai goes on.
                return
            self._announce_turn(turn)
        self._stopped_ms = audio_end_ms
        self._reports.send(wire.SpeechStopped(item_id=turn.item_id, audio_end_ms=audio_end_ms))
        self._commit_turn(
            turn, audio, does_answer=self._rules is not None and self._rules.does_create_response
        )

    def _watch_silence(self, detector: turns.TurnDetector) -> None:
        """Report that the person has said nothing for as long as the client has set, counted from Kai's last sound."""
        if self._silent_from_ms is None or self._rules is None or not self._rules.idle_timeout_ms:
            return
        now_ms = detector.time_ms
        if self._turn is not None or self._loudspeaker.is_playing:
            self._silent_from_ms = max(self._silent_from_ms, now_ms)
            return
        from_ms = self._silent_from_ms
        if now_ms - from_ms < self._rules.idle_timeout_ms:
            return
        self.wait_for_kai()
        silence = PersonTurn(new_id("item"))
        self._reports.send(
            wire.TimeoutTriggered(item_id=silence.item_id, audio_start_ms=from_ms, audio_end_ms=now_ms)
        )
        self._commit_turn(silence, None, does_answer=False)
        self._reports.idle()

    # A voice over Kai's own

    def _weigh_overlap(self, detector: turns.TurnDetector) -> None:
        turn = self._turn
        if turn is None or turn.overlap is None or not turn.overlap.is_due(detector.time_ms):
            return
        overlap = turn.overlap
        share = None if detector.is_silent else self._loudspeaker.foreign_share()
        if not overlap.weigh(detector.time_ms, share):
            return
        if overlap.is_worth_reading and turn.reading is None:
            detector.forget_before(overlap.foreign_ms + KEPT_BEFORE_MS)
            self._read_overlap(turn, overlap, detector.audio())
        if overlap.is_turn(is_kai_over=not self._loudspeaker.is_playing):
            self._confirm(turn, overlap, detector)

    def _read_overlap(self, turn: PersonTurn, overlap: Overlap, audio: Float32) -> None:
        overlap.reading_began()
        reading = turn.reading = self._workers.recognise_nowait(partial(self._transcribe, audio, 1))
        judging = self._judge_overlap(turn, overlap, reading)
        self._tasks.create_task(judging, name=f"judge-{turn.item_id}")

    async def _judge_overlap(self, turn: PersonTurn, overlap: Overlap, reading: Future[Transcript]) -> None:
        await asyncio.wait([asyncio.wrap_future(reading)])
        if reading.cancelled() or self._turn is not turn or not turn.overlap or self._detector is None:
            return
        if turn.reading is reading:
            turn.reading = None
        overlap.take(reading.result())
        if overlap.is_turn():
            self._confirm(turn, overlap, self._detector)

    def _confirm(self, turn: PersonTurn, overlap: Overlap, detector: turns.TurnDetector) -> None:
        turn.start_ms = max(turn.start_ms, detector.time_ms - overlap.foreign_ms - KEPT_BEFORE_MS)
        self._announce_turn(turn)

    # Words

    def _show_partial(self, audio: Float32) -> None:
        turn = self._turn
        if (
            turn is None
            or turn.overlap is not None
            or not self._transcribes
            or turn.partial is not None
            or turn.guess is not None
        ):
            return
        beam = 1 if turn.shown else FIRST_WORDS_BEAM
        turn.partial = self._workers.recognise_nowait(partial(self._transcribe, audio, beam))
        self._tasks.create_task(self._finish_partial(turn, turn.partial), name=f"partial-{turn.item_id}")

    async def _finish_partial(self, turn: PersonTurn, decoding: Future[Transcript]) -> None:
        await asyncio.wait([asyncio.wrap_future(decoding)])
        turn.partial = None
        if decoding.cancelled() or self._turn is not turn:
            return
        heard = decoding.result()
        if heard.is_speech and self._rules is not None and self._rules.does_create_response:
            self._reports.foreseen(_foreseen_entry(turn, heard.text), False)
        delta = turn.agree(heard)
        if delta:
            if self._detector is not None:
                self._detector.settle()
            self._reports.send(
                wire.TranscriptionDelta(item_id=turn.item_id, content_index=CONTENT_INDEX, delta=delta)
            )

    def _commit_detected(self, detector: turns.TurnDetector) -> None:
        """End the turn that is going on, without an answer: a commit by the client while voice detection is on."""
        for event in detector.finish():
            if isinstance(event, turns.SpeechStopped) and self._turn is not None:
                turn, self._turn = self._turn, None
                self._commit_turn(turn, event.audio, does_answer=False)
                return
            self._on_turn_event(event)
        raise wire.ClientMistake(
            "Error committing input audio buffer: nobody is speaking. The server commits turns by itself.",
            code="input_audio_buffer_commit_empty",
        )

    def _commit_turn(self, turn: PersonTurn, audio: Float32 | None, *, does_answer: bool) -> None:
        """Make an item of what the person said; `audio` is ``None`` when that was no speech after all."""
        audio_ms = 0 if audio is None else len(audio) * 1000 // HEARING_HZ
        self._reports.send(
            wire.InputAudioCommitted(item_id=turn.item_id, previous_item_id=self._items.last_id)
        )
        entry = Entry(
            _user_item(turn.item_id), audio_ms=audio_ms, continues=turn.continues, paused_ms=turn.paused_ms
        )
        self._last_said = entry
        self._reports.add(entry)
        if turn.partial is not None:
            turn.partial.cancel()
        guess = turn.guess
        if audio is not None and guess is None:
            guess = self._workers.recognise_nowait(partial(self._transcribe, audio))
        entry.transcribing = self._tasks.create_task(
            self._finish_transcription(entry, audio, guess, does_answer=does_answer),
            name=f"hear-{turn.item_id}",
        )

    async def _finish_transcription(
        self, entry: Entry, audio: Float32 | None, guess: Future[Transcript] | None, *, does_answer: bool
    ) -> None:
        transcript = None if guess is None else await asyncio.wrap_future(guess)
        text = transcript.text if transcript is not None and transcript.is_speech else ""
        entry.set_transcript(text)
        if text and audio is not None and self._detector is not None:
            self._detector.learn_voice(audio)
        if self._transcribes:
            self._reports.send(
                wire.TranscriptionCompleted(
                    item_id=entry.item_id,
                    content_index=CONTENT_INDEX,
                    transcript=text,
                    usage=wire.TranscriptionUsage(type="duration", seconds=entry.audio_ms / 1000),
                )
            )
        self._reports.heard(does_answer and bool(text))

    def _transcribe(self, audio: Float32, beam: int = 5) -> Transcript:
        return self._speech.recogniser.transcribe(audio, beam)

    def _cancel_guess(self, turn: PersonTurn) -> None:
        if turn.guess is not None:
            turn.guess.cancel()
            turn.guess = None
            self._reports.taken_back()

    def _forget_uncommitted(self) -> None:
        self._uncommitted.clear()
        self._uncommitted_samples = 0


def _foreseen_entry(turn: PersonTurn, text: str) -> Entry:
    """The turn as the item that it will be when it ends in these words."""
    return Entry(_user_item(turn.item_id, text), continues=turn.continues)


def _user_item(item_id: str, transcript: str | None = None) -> wire.Item:
    return wire.Item(
        id=item_id,
        object="realtime.item",
        type="message",
        role="user",
        status="completed",
        content=(wire.ContentPart(type="input_audio", transcript=transcript),),
    )


def agreed_words(shown: list[str], last_words: list[str], text: str) -> str:
    """Return what can be added to the words `shown` so far: the words on which the last decode and this one, `text`, agree.

    A delta can only be appended, but the recogniser may change its mind, mostly about the newest words. Nothing is added
    while it disagrees with what was shown; the final transcript corrects that. Both lists are brought up to date.
    """
    words = text.split()
    agreed = 0
    for was, now in zip(last_words, words, strict=False):
        if _bare(was) != _bare(now):
            break
        agreed += 1
    last_words[:] = words
    is_same = [_bare(word) for word in words[: len(shown)]] == [_bare(word) for word in shown]
    if not is_same or agreed <= len(shown):
        return ""
    fresh = words[len(shown) : agreed]
    delta = (" " if shown else "") + " ".join(fresh)
    shown += fresh
    return delta


def _bare(word: str) -> str:
    return "".join(character for character in word.lower() if character.isalnum())
