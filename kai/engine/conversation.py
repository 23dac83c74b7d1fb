"""One conversation of the Realtime protocol, independent of its transport: its items and Kai's answers.

The person's turns are detected by `Listener`. A transport delivers the client's events and the person's sound, and carries
Kai's events and sound to the client. All methods run on the event loop and return at once; recognition, thinking and
speech run in `Workers`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Final, Protocol, assert_never

from kai.compat.format import Float32
from kai.engine import session
from kai.engine.answer import CONTENT_INDEX, Answer, Place
from kai.engine.items import Aside, Entry, Items, new_id, usage_of
from kai.engine.listening import Listener, Loudspeaker, Reports
from kai.engine.speech.clauses import Clause, louder
from kai.engine.speech.kit import SpeechKit
from kai.engine.speech.manners import is_back_channel
from kai.engine.speech.orders import Manner, SetTimer
from kai.engine.speech.reading import emoji_names
from kai.engine.speech.skills import manner_of
from kai.engine.speech.spoken import ClauseCutter, end_of, unread_script
from kai.engine.speech.timers import time_is_up
from kai.engine.thinking import (
    Finished,
    FixedThinker,
    LocalThinker,
    NextItem,
    Question,
    Said,
    Staged,
    Thinker,
    ToolCall,
    Trouble,
    Uttered,
    items_of,
    thinker_of,
)
from kai.engine.timers import Timers
from kai.engine.workers import Workers
from kai.wire import realtime as wire
from kai.wire.session_object import AudioOutputConfig, SessionConfig

MAX_ITEMS: Final = 4_000
_NO_LIMITS: Final = tuple(
    wire.RateLimit(name=name, limit=1_000_000, remaining=1_000_000, reset_seconds=0.0)
    for name in ("requests", "tokens")
)
ARE_YOU_THERE: Final = (
    "Are you still there? Ask me something simple, or ask what I can do.",
    "I'm still here whenever you'd like to go on.",
)


@dataclass(frozen=True, slots=True)
class Dropped:
    """An answer that was cut off after `heard_ms` of it had been played.

    `items` are the ids of the items that were not heard to their end, each with the milliseconds of it that were heard.
    """

    response_id: str
    heard_ms: int
    items: tuple[tuple[str, int], ...]


class Transport(Loudspeaker, Protocol):
    """The carrier of a conversation. Its methods are called on the event loop and must not wait."""

    def send(self, event: wire.ServerEvent) -> None:
        """Sends an event to the client."""
        ...

    def speak(self, place: Place, clause: Clause) -> None:
        """Queues the next sound of an answer. The transport sends the ``output_audio_buffer.*`` events itself."""
        ...

    def end_speech(self, response_id: str) -> None:
        """Marks the end of the answer's sound: no more of it follows."""
        ...

    def drop_speech(self) -> Sequence[Dropped]:
        """Drops the sound that was not played yet, and returns the answers that it cut off.

        Always empty where the client plays the sound itself.
        """
        ...

    def cut_off(self, reason: str) -> None:
        """Ends the connection; events sent before it still arrive."""
        ...

    @property
    def plays_sound(self) -> bool:
        """Whether the transport plays the sound in real time, so that the server knows what was heard (WebRTC)."""
        ...


@dataclass(slots=True)
class _Speaking:
    """An answer in progress: the entries of its messages so far, and the words of a clause that is not complete yet."""

    answer: Answer
    params: wire.ResponseParams
    manner: Manner
    entries: list[Entry] = field(default_factory=list[Entry])
    cutter: ClauseCutter = field(default_factory=ClauseCutter)
    space: str = ""
    """White space that is written before the next words; at the end of the answer it is dropped."""
    is_settled: bool = False
    is_prompt: bool = False
    """Whether the person will hardly go on with the request, so that Kai may speak."""
    has_announced: bool = False
    """Whether the person was told that the answer holds a script that the voice cannot read."""


_CUTS: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why a model's answer was cut short: the chat protocol's reason, and its name in the Realtime protocol."""


class Conversation:
    """The server's side of one session.

    `tasks` is the task group of the supervisor: a bug in a task ends this conversation, not the engine.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        speech: SpeechKit,
        workers: Workers,
        tasks: asyncio.TaskGroup,
        config: SessionConfig,
        thinker: Thinker | None = None,
        now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        self._transport = transport
        self._speech = speech
        self._workers = workers
        self._thinker = thinker or LocalThinker(speech.mind, workers)
        self._tasks = tasks
        self._now = now
        self._config = config
        self._settings = session.settings_of(config)
        self._conversation_id = new_id("conv")
        self._items = Items()
        self._answer: Answer | None = None
        self._answering: asyncio.Task[None] | None = None
        self._is_answer_due = False
        self._has_spoken = False
        self._timers = Timers(tasks, self._ring)
        self._due_words: list[str] = []
        self._prompts = itertools.cycle(ARE_YOU_THERE)
        self._cached_tokens = 0
        self._limits = _NO_LIMITS
        self._listener = Listener(
            loudspeaker=transport,
            speech=speech,
            workers=workers,
            tasks=tasks,
            items=self._items,
            reports=Reports(
                send=self._send,
                interrupt=self._interrupt,
                add=self._add_item,
                heard=self._on_heard,
                idle=self._speak_up,
                foreseen=self._on_foreseen,
                taken_back=self._thinker.take_back,
            ),
            settings=self._settings,
        )
        self._prepare_voice()
        self._prepare_mind()

    # What the transport calls

    def open(self) -> None:
        """Greets the client; call it once events can reach the client."""
        self._send(wire.SessionCreated(session=self._config))
        self._send(wire.ConversationCreated(conversation=wire.Conversation(id=self._conversation_id)))

    def greet_sideband(self) -> wire.KnownServerEvent:
        """Return the first event for a client that joins later."""
        return wire.SessionCreated(session=self._config, event_id=new_id("event"))

    def decode(self, text: str | bytes) -> wire.ClientEvent | None:
        """Return the client's event, or ``None`` for a malformed one, which is answered by an ``error`` event."""
        try:
            return wire.decode_client(text)
        except wire.ClientMistake as mistake:
            self._answer_mistake(mistake, mistake.event_id)
            return None

    def handle(self, event: wire.ClientEvent) -> None:
        """Carries out the client's event; a mistake is answered by an ``error`` event and changes nothing."""
        try:
            self._dispatch(event)
        except wire.ClientMistake as mistake:
            self._answer_mistake(mistake, event.event_id)

    def push_audio(self, samples: Float32) -> None:
        """Takes the person's sound: ``(n,)`` float32 at 16 kHz, any n."""
        self._listener.push_audio(samples)

    def refuse(
        self, message: str, *, code: str, event_id: str | None = None, param: str | None = None
    ) -> None:
        """Sends an ``error`` event."""
        self._answer_mistake(wire.ClientMistake(message, code=code, param=param), event_id)

    def expire(self) -> None:
        """Tells the client that the session has reached its maximum duration."""
        self.refuse("Your session hit the maximum duration of 60 minutes.", code="session_expired")

    # The client's events

    def _dispatch(self, event: wire.ClientEvent) -> None:
        match event:
            case wire.SessionUpdate():
                self._update_session(event.session)
            case wire.ItemCreate():
                self._create_item(event)
            case wire.ItemRetrieve():
                self._send(wire.ItemRetrieved(item=self._items.find(event.item_id, verb="retrieve").item))
            case wire.ItemDelete():
                self._items.remove(event.item_id)
                self._send(wire.ItemDeleted(item_id=event.item_id))
            case wire.ItemTruncate():
                self._truncate(event)
            case wire.InputAudioAppend():
                raise wire.ClientMistake(
                    "Sound comes by the media track of this connection, not by input_audio_buffer.append.",
                    code="invalid_event_for_transport",
                    param="type",
                )
            case wire.InputAudioCommit():
                self._listener.commit()
            case wire.InputAudioClear():
                self._clear_input()
            case wire.OutputAudioClear():
                self._clear_output()
            case wire.ResponseCreate():
                self._create_response(event.response or wire.ResponseParams())
            case wire.ResponseCancel():
                self._cancel_response(event.response_id)
            case _:
                assert_never(event)

    def _update_session(self, update: SessionConfig) -> None:
        self._config = session.changed(self._config, update, has_spoken=self._has_spoken)
        self._settings = session.settings_of(self._config)
        self._listener.configure(self._settings)
        self._prepare_voice()
        self._prepare_mind()
        self._send(wire.SessionUpdated(session=self._config))

    def _prepare_voice(self) -> None:
        """Loads an extra voice ahead of its first use: that takes seconds, and no talk waits for it meanwhile."""
        voice_id = self._settings.voice
        if self._speech.voice.must_load(voice_id):
            load = self._workers.preview(partial(self._speech.voice.named, voice_id))
            self._tasks.create_task(load, name=f"load-voice-{voice_id}")

    def _prepare_mind(self) -> None:
        """Lets a mind that reads slowly read the instructions before the first question."""
        self._thinker.foresee(self._question(list(self._items), wire.ResponseParams()))

    def _create_item(self, event: wire.ItemCreate) -> None:
        given = event.item
        if given.type == "message" and given.role not in ("user", "assistant", "system"):
            raise wire.ClientMistake(
                "Invalid value for 'item.role': it is 'user', 'assistant' or 'system'.", param="item.role"
            )
        if sum(1 for _ in self._items) >= MAX_ITEMS:
            raise wire.ClientMistake("This conversation is full. Start a new one.", code="conversation_full")
        content = tuple(replace(part, audio=None) for part in given.content or ())
        item = replace(
            given,
            id=given.id or new_id("item"),
            object="realtime.item",
            status="completed",
            content=None if given.content is None else content,
        )
        self._add_item(Entry(item), previous_item_id=event.previous_item_id)

    def _add_item(self, entry: Entry, *, previous_item_id: str | None = None) -> None:
        before = self._items.add(entry, previous_item_id=previous_item_id)
        self._send(wire.ItemAdded(previous_item_id=before, item=entry.item))
        self._send(wire.ItemDone(previous_item_id=before, item=entry.item))

    def _truncate(self, event: wire.ItemTruncate) -> None:
        entry = self._items.find(event.item_id, verb="truncate")
        if not entry.is_kais_speech or event.content_index != CONTENT_INDEX:
            raise wire.ClientMistake(
                "Only the sound of an assistant's message can be truncated.", param="item_id"
            )
        if not 0 <= event.audio_end_ms <= entry.audio_ms:
            raise wire.ClientMistake(
                f"Audio content of {entry.audio_ms}ms is already shorter than {event.audio_end_ms}ms",
                param="audio_end_ms",
            )
        self._truncate_entry(entry, event.audio_end_ms)
        if not self._transport.plays_sound:
            self._transport.drop_speech()  # the client has stopped playing it

    def _truncate_entry(self, entry: Entry, audio_end_ms: int) -> None:
        entry.truncate(audio_end_ms)
        self._send(
            wire.ItemTruncated(item_id=entry.item_id, content_index=CONTENT_INDEX, audio_end_ms=audio_end_ms)
        )

    def _clear_input(self) -> None:
        self._listener.clear()
        self._send(wire.InputAudioCleared())
        self._give_due_answer()

    def _on_heard(self, is_answer_wanted: bool) -> None:
        self._is_answer_due |= is_answer_wanted
        self._give_due_answer()
        if self._answer is None:
            self._listener.wait_for_person()

    def _on_foreseen(self, entry: Entry, is_whole: bool) -> None:
        """Passes the person's words so far to the mind; with `is_whole` they are probably the complete turn."""
        self._thinker.foresee(
            self._question([*self._items, entry], wire.ResponseParams()),
            is_whole=is_whole and self._answer is None,
        )

    def _speak_up(self) -> None:
        """Speaks because the person has been silent for the idle timeout."""
        self._due_words.append(next(self._prompts))
        self._give_due_answer()

    # Kai's answers

    def _create_response(self, params: wire.ResponseParams) -> None:
        if self._answer is not None:
            raise wire.ClientMistake(
                f"Conversation already has an active response in progress: {self._answer.response_id}. Wait until "
                "the response is finished before creating a new one.",
                code="conversation_already_has_active_response",
            )
        if params.output_modalities not in (None, ("audio",), ("text",)):
            raise wire.ClientMistake(
                "Invalid value for 'response.output_modalities': it is ['audio'] or ['text'].",
                param="response.output_modalities",
            )
        session.check_output(_output_of(params), "response.audio.output")
        self._start_answer(params, thinker_of(params.metadata))

    def _start_answer(self, params: wire.ResponseParams, thinker: Thinker | None = None) -> None:
        speaks = self._settings.speaks
        if params.output_modalities is not None:
            speaks = params.output_modalities == ("audio",)
        speaks = speaks and self._speech.can_speak
        self._is_answer_due = False
        self._answer = Answer(
            self._send,
            response_id=new_id("resp"),
            conversation_id=None if params.conversation == "none" else self._conversation_id,
            speaks=speaks,
            metadata=params.metadata,
        )
        self._answer.begin()
        self._listener.wait_for_kai()
        self._answering = self._tasks.create_task(
            self._give_answer(self._answer, params, thinker), name=f"answer-{self._answer.response_id}"
        )

    async def _give_answer(
        self, answer: Answer, params: wire.ResponseParams, thinker: Thinker | None
    ) -> None:
        unheard = [entry.transcribing for entry in self._items if entry.transcribing is not None]
        if pending := [task for task in unheard if not task.done()]:
            await asyncio.wait(pending)
        before = self._context(params)
        question = self._question(before, params)
        said = (turn.text for turn in question.turns if turn.role == "user")
        speaking = _Speaking(answer, params, manner_of(said))
        calls: list[ToolCall] = []
        cut: str | None = None
        async with contextlib.aclosing((thinker or self._thinker).think(question)) as thoughts:
            async for thought in thoughts:
                match thought:
                    case ToolCall():
                        calls.append(thought)
                    case Staged():
                        if not self._stage(thought, answer):
                            return
                    case NextItem():
                        await self._close_message(speaking)
                    case Uttered(clause=clause):
                        await self._flush(speaking)
                        self._utter(speaking, clause, f" {clause.text}")
                    case Said(text=text, is_aside=True):
                        await self._tell_aside(speaking, text)
                    case Said(text=text):
                        speaking.is_prompt |= thought.is_prompt
                        await self._tell(speaking, text)
                    case Finished(reason=reason):
                        cut = _CUTS.get(reason)
                        answer.told = {**answer.told, **_told_of(thought)}
                    case Trouble():
                        await self._tell_aside(speaking, self._tell_trouble(thought, answer))
                    case _:
                        self._timers.take(thought)
        await self._close_message(speaking)
        if speaking.entries:
            self._transport.end_speech(answer.response_id)
        for call in calls:
            self._pass_on(answer, call, params)
        usage = usage_of(before, question.instructions, self._cached_tokens, speaking.entries)
        self._cached_tokens = usage.total_tokens
        is_played_there = answer.speaks and not self._transport.plays_sound
        ahead_ms = sum(entry.audio_ms for entry in speaking.entries) if is_played_there else 0
        status = "incomplete" if cut else "completed"
        self._finish_answer(answer, status, reason=cut, usage=usage, ahead_ms=ahead_ms)

    def _stage(self, staged: Staged, answer: Answer) -> bool:
        """Plays a staged fault of the provider; returns whether the answer goes on."""
        match staged.kind:
            case "limits":
                self._limits = staged.limits
                return True
            case "event":
                payload = {"event_id": new_id("event"), **(staged.event or {})}
                self._transport.send(wire.UnknownEvent(str(payload.get("type")), payload))
                return True
            case "error":
                detail = wire.ErrorDetail(
                    type="server_error", code=staged.code, message="Staged by a script."
                )
                self._send(wire.ErrorOccurred(error=detail))
                return True
            case "fail" | "cut":
                if answer.speaks:
                    self._transport.end_speech(answer.response_id)
                self._is_answer_due = False
                status = "failed" if staged.kind == "fail" else "incomplete"
                self._finish_answer(answer, status, reason=staged.code)
            case "expire":
                self.expire()
                self._transport.cut_off("Your session hit the maximum duration of 60 minutes.")
            case _:
                self._transport.cut_off("")
        return False

    def _question(self, before: Sequence[Entry], params: wire.ResponseParams) -> Question:
        instructions = self._settings.instructions if params.instructions is None else params.instructions
        items = _merged(before)
        system_lines = [
            entry.text for entry in before if entry.item.type == "message" and entry.item.role == "system"
        ]
        limit = self._settings.max_tokens if params.max_output_tokens is None else params.max_output_tokens
        return Question(
            items=items_of(items),
            instructions="\n".join([instructions, *system_lines]),
            now=self._now(),
            tools=self._settings.tools if params.tools is None else params.tools,
            tool_choice=self._settings.tool_choice if params.tool_choice is None else params.tool_choice,
            max_tokens=limit if isinstance(limit, int) else None,
            timers=self._timers.running,
            name=self._settings.name,
        )

    async def _tell(self, speaking: _Speaking, text: str) -> None:
        """Writes the next words of the answer at once, or speaks them clause by clause."""
        self._open_message(speaking)
        if not speaking.answer.speaks:
            speaking.answer.add_text(text)
            return
        for part in speaking.cutter.push(text):
            await self._say(speaking, part)

    async def _tell_aside(self, speaking: _Speaking, text: str) -> None:
        """Tells the person a remark about Kai's own machinery, which no mind gets to read."""
        await self._flush(speaking)
        self._open_message(speaking)
        entry, answer = speaking.entries[-1], speaking.answer
        start, first_word = len(answer.text), len(entry.words)
        try:
            await self._tell(speaking, text)
            await self._flush(speaking)
        finally:
            entry.asides.append(Aside(start, len(answer.text), first_word, len(entry.words)))

    async def _flush(self, speaking: _Speaking) -> None:
        """Speaks the words that are still waiting for the end of their clause."""
        if speaking.answer.place is not None and speaking.answer.speaks:
            await self._say(speaking, speaking.cutter.flush())

    def _open_message(self, speaking: _Speaking) -> None:
        answer = speaking.answer
        if answer.place is not None:
            return
        entry = Entry(answer.open_item(new_id("item"), self._items.last_id))
        speaking.entries.append(entry)
        if speaking.params.conversation != "none":
            self._items.add(entry)

    async def _close_message(self, speaking: _Speaking) -> None:
        await self._flush(speaking)
        answer = speaking.answer
        if answer.speaks and answer.place is not None and not speaking.entries[-1].audio_ms:
            # The answer consists of emoji alone and made no sound, so speak their names.
            await self._announce(speaking, emoji_names(answer.text))
        item = speaking.answer.close_item()
        if item is not None:
            speaking.entries[-1].finish(item)

    def _tell_trouble(self, trouble: Trouble, answer: Answer) -> str:
        """Tells the client what is wrong, and returns the words that tell the person."""
        self._send(
            wire.ErrorOccurred(
                error=wire.ErrorDetail(type="server_error", code=trouble.code, message=trouble.message)
            )
        )
        return f" {trouble.message} " if answer.text else f"{trouble.message} "

    def _pass_on(self, answer: Answer, call: ToolCall, params: wire.ResponseParams) -> None:
        """Asks the client to call one of its tools; the client adds the result as an item and then asks for an answer."""
        item = wire.Item(
            id=new_id("item"),
            object="realtime.item",
            type="function_call",
            status="completed",
            name=call.name,
            call_id=call.call_id,
            arguments=call.arguments,
        )
        answer.add_call(item, self._items.last_id)
        if params.conversation != "none":
            self._items.add(Entry(item))

    async def _say(self, speaking: _Speaking, text: str) -> None:
        """Speaks the next part of the answer and writes all of it, including text that makes no sound, in its order."""
        told = 0
        async for clause in self._clauses(speaking, text):
            if not speaking.is_settled:
                await self._listener.wait_settled(is_prompt=speaking.is_prompt)
                speaking.is_settled = True
            end = end_of(clause.text, text, told)
            self._utter(speaking, clause, text[told:end])
            told = end
        self._write(speaking, text[told:])
        script = unread_script(text)
        if script and not speaking.has_announced:
            speaking.has_announced = True
            await self._announce(
                speaking,
                f"There is something in {script}, which this voice cannot read. You see it in the chat.",
            )

    async def _announce(self, speaking: _Speaking, words: str) -> None:
        """Speaks words that are not part of the answer's text."""
        async for clause in self._clauses(speaking, words):
            self._utter(speaking, replace(clause, text="", words=()), "")

    async def _clauses(self, speaking: _Speaking, text: str) -> AsyncGenerator[Clause]:
        pace = self._speed(speaking.params) * speaking.manner.pace
        clauses = self._speech.voice.stream(text, pace, self._settings.voice)
        while (clause := await self._workers.speak(partial(next, clauses, None))) is not None:
            yield clause

    def _utter(self, speaking: _Speaking, clause: Clause, text: str) -> None:
        """Sends a clause to the client with the ``text`` that it speaks; for a written answer, only the text."""
        self._open_message(speaking)
        answer = speaking.answer
        if answer.speaks and answer.place is not None:
            self._has_spoken = True
            speaking.entries[-1].add_clause(clause)
            self._transport.speak(answer.place, louder(clause, speaking.manner.gain_db))
        self._write(speaking, text)

    def _write(self, speaking: _Speaking, text: str) -> None:
        """Writes the next words of the answer unchanged, except that white space at the answer's ends is left out."""
        words = text.strip()
        if not words:
            speaking.space += text
            return
        start = text.index(words)
        speaking.answer.add_text(f"{speaking.space}{text[:start]}{words}" if speaking.answer.text else words)
        speaking.space = text[start + len(words) :]

    def _context(self, params: wire.ResponseParams) -> list[Entry]:
        """Return the items to answer: the whole conversation, or the ones that the client gave for this response."""
        if params.input is None:
            return list(self._items)
        return [
            self._items.find(item.id or "", verb="retrieve") if item.type == "item_reference" else Entry(item)
            for item in params.input
        ]

    def _speed(self, params: wire.ResponseParams) -> float:
        return session.given(_output_of(params).speed, self._settings.speed)

    def _ring(self, timer: SetTimer) -> None:
        """Announces a timer that is over, as soon as neither the person nor Kai is speaking."""
        self._due_words.append(time_is_up(timer))
        self._give_due_answer()

    def _finish_answer(
        self,
        answer: Answer,
        status: str,
        *,
        reason: str | None = None,
        usage: wire.Usage | None = None,
        ahead_ms: int = 0,
    ) -> None:
        """Reports that the answer is complete or was ended; the client still has `ahead_ms` of it to play."""
        item = answer.finish(status, reason=reason, usage=usage)
        entry = None if item is None else self._items.get(item.id or "")
        if entry is not None and item is not None:
            entry.finish(item)
        self._answer = None
        self._answering = None
        self._listener.wait_for_person(in_ms=ahead_ms)
        self._send(wire.RateLimitsUpdated(rate_limits=self._limits))
        self._prepare_mind()  # the mind reads the new answer while it is still playing, not after the next question
        self._give_due_answer()

    def _give_due_answer(self) -> None:
        """Answers what the person said; while Kai answers or the person speaks, the answer stays due until then."""
        if self._is_answer_due and self._answer is None and not self._listener.is_in_turn:
            self._start_answer(wire.ResponseParams())
        elif self._due_words and self._answer is None and not self._listener.is_in_turn:
            self._start_answer(wire.ResponseParams(), FixedThinker(self._due_words.pop(0)))

    def _cancel_response(self, response_id: str | None) -> None:
        if self._answer is None or response_id not in (None, self._answer.response_id):
            raise wire.ClientMistake(
                "Cancellation failed: no active response found", code="response_cancel_not_active"
            )
        self._cut_answer("client_cancelled")

    def _cut_answer(self, reason: str) -> None:
        """Stops making the answer; sound that is already queued still plays until it is dropped."""
        answer, answering = self._answer, self._answering
        if answer is None:
            return
        if answering is not None:
            answering.cancel()
        if answer.speaks:
            self._transport.end_speech(answer.response_id)
        self._finish_answer(answer, "cancelled", reason=reason)

    def _interrupt(self) -> int:
        """Silences Kai at once, since the person speaks; returns how many ms of Kai's answers were heard."""
        self._cut_answer("turn_detected")
        return self._drop_speech()

    def _clear_output(self) -> None:
        if not self._transport.plays_sound:
            raise wire.ClientMistake(
                "output_audio_buffer.clear is for WebRTC: on a WebSocket the client plays the sound itself.",
                code="invalid_event_for_transport",
                param="type",
            )
        self._drop_speech()

    def _drop_speech(self) -> int:
        heard_ms = 0
        for dropped in self._transport.drop_speech():
            heard_ms += dropped.heard_ms
            self._send(wire.OutputAudioCleared(response_id=dropped.response_id))
            for item_id, item_heard_ms in dropped.items:
                entry = self._items.get(item_id)
                if entry is not None:
                    self._truncate_entry(entry, min(item_heard_ms, entry.audio_ms))
        return heard_ms

    # Out

    def _send(self, event: wire.KnownServerEvent) -> None:
        self._transport.send(replace(event, event_id=new_id("event")))

    def _answer_mistake(self, mistake: wire.ClientMistake, event_id: str | None) -> None:
        detail = wire.ErrorDetail(
            type="invalid_request_error",
            code=mistake.code,
            message=mistake.message,
            param=mistake.param,
            event_id=event_id,
        )
        self._send(wire.ErrorOccurred(error=detail))


def _told_of(finished: Finished) -> wire.JsonObject:
    """Return which mind answered and how fast, as metadata of the response; the protocol wants strings."""
    told: wire.JsonObject = {}
    if finished.mind:
        told["kai_mind"] = finished.mind
    if finished.tokens_per_s is not None:
        told["kai_tokens_per_s"] = f"{finished.tokens_per_s:.1f}"
    return told


def _output_of(params: wire.ResponseParams) -> AudioOutputConfig:
    audio = params.audio
    if audio is None or isinstance(audio.output, wire.Unset):
        return AudioOutputConfig()
    return audio.output


def _merged(entries: Sequence[Entry]) -> tuple[wire.Item, ...]:
    """Return the items with the two halves of an interrupted sentence joined, without Kai's premature answer between."""
    merged: list[wire.Item] = []
    for entry in entries:
        first = entry.continues
        index = next(
            (i for i, item in enumerate(merged) if first is not None and item.id == first.item_id), None
        )
        if first is None or index is None or not entry.text or is_back_channel(entry.text):
            merged.append(entry.told)
            continue
        begun = " ".join(filter(None, (part.transcript for part in merged[index].content or ())))
        whole = f"{begun.rstrip('.,;:- …')} {entry.text}".strip()
        part = wire.ContentPart(type="input_audio", transcript=whole)
        merged[index:] = [replace(entry.item, content=(part,))]
    return tuple(merged)
