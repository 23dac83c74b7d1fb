"""The part of a Realtime brain that both transports share.

It turns the protocol's server events into Kai's events, and a person's wishes into client events. Policy is elsewhere: this
file reports facts and obeys commands. The subclass carries the messages and the sound.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
import uuid
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import replace

from kai.adapters.openai_realtime import faults, optional, prices
from kai.adapters.openai_realtime.answers import Answers, says_more
from kai.adapters.openai_realtime.config import instructions_of, session_change
from kai.adapters.openai_realtime.endpoint import Endpoint
from kai.adapters.openai_realtime.faults import Fault
from kai.adapters.openai_realtime.kept_turn import SpokenTurn
from kai.adapters.openai_realtime.mic import MicTrack
from kai.compat import liveness
from kai.compat.format import BLOCK_S
from kai.compat.recent import Recent
from kai.compat.tasks import Tasks
from kai.core.capabilities import LOCAL, LONGEST_SESSION_S, family_of, speaks_live
from kai.core.config import TurnTaking
from kai.core.events import (
    AssistantTranscriptChanged,
    BrainComplained,
    BrainRemarked,
    LegFailed,
    RateLimitsReported,
    ResponseCreated,
    ResponseDone,
    ToolRequested,
    UsageReported,
    UserSpeechStarted,
    UserSpeechStopped,
    UserTranscriptChanged,
)
from kai.core.state import BrainFacts, LegName, Look, RateLimit, Tokens
from kai.errors import BrainError, KaiError, ProtocolError
from kai.ports import BrainSink, Pcm
from kai.wire import realtime as wire
from kai.wire import saying
from kai.wire.session_object import SessionConfig

log = logging.getLogger(__name__)

CALL_S = 15.0
"""The limit for the one POST of the offer, or the one handshake; the client's own default is ten minutes."""
CONNECT_S = 15.0
CLOSE_S = 4.0
IDS_KEPT = 256
IN_FLIGHT_S = 0.25
"""When a push-to-talk key is released, the last word is still on its way, so the turn is committed this much later."""
ANSWERED_S = 10.0
"""A service sends an event at once after a turn is committed. A channel that stays silent for this long is dead, and the turn
is replayed to the next brain (see `kept_turn`)."""
MORE_SAID = "[more was said than is written here]"
HEARD_HERE = "[as this computer heard it: less was written]"
UNKNOWN_KINDS_KEPT = 64
RATE_LIMIT_S = 20.0
"""The wait after an answer that a rate limit refused: the limits count by the minute and fill up again steadily."""
MOST_PROMPTS = 2
"""How many times Kai speaks up to somebody who says nothing."""


def new_event_id() -> str:
    return f"event_{uuid.uuid4().hex[:12]}"


class RealtimeTalk(ABC):
    """The protocol's side of a brain. Kai's loop only; only ``open`` and ``aclose`` wait."""

    def __init__(self, endpoint: Endpoint, transport: str) -> None:
        self._endpoint = endpoint
        self._transport = transport
        self._turn = SpokenTurn(endpoint.kept_turn)
        self._answers = Answers(keeps_sound=endpoint.hear is not None)
        self._mic = MicTrack()
        self._sink: BrainSink | None = None
        self._look = Look()
        self._told = self._look
        """The look that was last sent to the session: the person's, or the same without its idle time-out."""
        self._tasks = Tasks("brain", lambda _: self._lose(faults.BUG))
        self._ready = asyncio.Event()
        self._is_open = False
        self._is_closing = False
        self._failure: BrainError | None = None
        self.left_out: frozenset[str] = frozenset()
        """The parts of the session, named in `optional`, that the service refused."""
        self._expires_in_s: float | None = None
        self._active_response_id: str | None = None
        self._wants_response: wire.ResponseParams | None = None
        self._asked_event_id = ""
        self._cancelled = Recent[str, None](IDS_KEPT)
        self._stopped_item_id = ""
        self._user_text: dict[str, str] = {}
        self._answer_text: dict[str, str] = {}
        self._response_of_item = Recent[str, str](IDS_KEPT)
        self._open_calls: set[str] = set()
        self._is_muted = False
        self._prompts = 0
        self._idle_due: asyncio.TimerHandle | None = None
        """When set, the idle time-out is withheld from the session until this timer fires."""
        self._heard_events = 0
        self.unknown_events: Counter[str] = Counter()
        """Telemetry: how often each kind of unknown event arrived."""
        self.opened_in_s = 0.0
        """The time that opening took."""

    @property
    def facts(self) -> BrainFacts:
        """See ``VoiceBrain.facts``."""
        model = self._endpoint.model_of(self._look.brain)
        endpoint = self._endpoint
        return BrainFacts(self._transport, model, self._expires_in_s, endpoint.is_billed, endpoint.stand_ins)

    async def open(self, look: Look, sink: BrainSink) -> None:
        """See ``VoiceBrain.open``."""
        self._look = self._told = look
        self._sink = sink
        self._apply_mute()
        started_s = time.monotonic()
        try:
            if not self._endpoint.api_key:
                raise faults.NO_KEY.error()
            if speaks_live(self._endpoint.model_of(look.brain)):
                raise faults.GPT_LIVE.error()
            await self._connect()
            if self._failure is not None:
                raise self._failure
        except BaseException:
            await self.aclose()
            raise
        self.opened_in_s = time.monotonic() - started_s
        self._is_open = True
        if self.left_out:
            self._tasks.spawn(self._tell_left_out(), "tell what was left out")
        if self._endpoint.wait_lost is not None:
            self._tasks.spawn(self._watch(), "watch the endpoint")
        else:
            self._tasks.spawn(self._watch_line(), "watch the line")

    def push_mic(self, pcm: Pcm) -> None:
        if self._turn.takes(pcm):
            self._mic.push(pcm)

    def set_muted(self, is_muted: bool) -> None:
        """Mute or unmute the microphone. This is also the first call on a brain that takes over a talk; the conversation so
        far follows in the same step. If the previous brain got no answer to a turn, that turn is replayed after that."""
        self._is_muted = is_muted
        self._apply_mute()
        if self._is_open and self._look.brain.is_push_to_talk and self._turn.begin_again():
            self._tasks.spawn(self._say_again(), "say a turn again")

    def seed(self, lines: tuple[tuple[str, str], ...]) -> None:
        for role, text in lines:
            kind = "output_text" if role == "assistant" else "input_text"
            content = (wire.ContentPart(type=kind, text=text),)
            self._send(wire.ItemCreate(item=wire.Item(type="message", role=role, content=content)))

    def send_text(self, item_id: str, text: str) -> None:
        self._person_is_there()
        content = (wire.ContentPart(type="input_text", text=text),)
        item = wire.Item(id=item_id, type="message", role="user", content=content)
        self._send(wire.ItemCreate(item=item))
        self._ask_for_response()

    def greet(self, words: str) -> None:
        """See ``VoiceBrain.greet``. A model is asked for the words; our own engine takes them as they are."""
        own = instructions_of(self._look, self._endpoint.model_of(self._look.brain))
        asked = f"{own}\n\nBegin the talk: say exactly this, and nothing else: {words}".strip()
        self._ask_for_response(wire.ResponseParams(instructions=asked, metadata=saying.metadata_of(words)))

    def say(self, text: str) -> None:
        asked = f"Say exactly this, and nothing else: {text}"
        self._ask_for_response(wire.ResponseParams(instructions=asked, metadata=saying.metadata_of(text)))

    def begin_turn(self) -> None:
        self._person_is_there()
        self._turn.is_held = True
        if not self._turn.is_repeated:
            self._turn.begin()
            self._send(wire.InputAudioClear())
            self._apply_mute()

    def end_turn(self, is_kept: bool) -> None:
        self._turn.is_held = False
        if self._turn.is_repeated:
            return
        if is_kept:
            self._tasks.spawn(self._commit_turn(), "commit a turn")
            return
        self._turn.is_open = False
        self._apply_mute()
        self._send(wire.InputAudioClear())

    def send_tool_result(self, call_id: str, output: str) -> None:
        item = wire.Item(type="function_call_output", call_id=call_id, output=output)
        self._send(wire.ItemCreate(item=item))
        self._open_calls.discard(call_id)
        if not self._open_calls:
            self._ask_for_response()

    @abstractmethod
    def tell_heard(self, response_id: str, heard_ms: int, heard_text: str | None = None) -> None:
        """See ``VoiceBrain.tell_heard``."""

    def update(self, look: Look) -> None:
        self._look = look
        self._prompts = 0
        self._tell(look)
        self._apply_mute()

    async def aclose(self) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        self._is_open = False
        if self._idle_due is not None:
            self._idle_due.cancel()
        await self._tasks.aclose()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._disconnect()
        except TimeoutError:
            log.warning("the brain's connection did not close in time")
        self._mic.stop()

    @abstractmethod
    async def _connect(self) -> None:
        """Connect and wait for ``session.created``, or raise ``BrainError``."""

    @abstractmethod
    async def _disconnect(self) -> None:
        """Release everything; ignore errors."""

    @abstractmethod
    def _arrived_count(self) -> int:
        """Return how much has arrived over this connection, in any unit."""

    @abstractmethod
    async def _is_answering(self) -> bool:
        """Ask the other side for a sign of life, and return whether there was one in time."""

    @abstractmethod
    def _transmit(self, event: wire.ClientEvent) -> None:
        """Send an event, if there is a connection."""

    @abstractmethod
    def _on_sound_event(self, event: wire.ServerEvent, sink: BrainSink) -> bool:
        """Handle an event about Kai's sound; return whether it was one."""

    @abstractmethod
    def cancel(self, response_id: str) -> None:
        """See ``VoiceBrain.cancel``."""

    def _lose(self, fault: Fault | KaiError, retry_after_s: float = 0.0) -> None:
        """Handle a call that the other side ended: fail the opening, or report the leg as failed, once."""
        if self._is_closing or self._failure is not None:
            return
        self._turn.leave()
        self._failure = BrainError(fault.message, code=fault.code, is_retryable=fault.is_retryable)
        self._ready.set()
        if self._is_open and self._sink is not None:
            self._is_open = False
            failed = LegFailed(LegName.BRAIN, fault.code, fault.message, fault.is_retryable, retry_after_s)
            self._sink.emit(failed)

    async def _tell_left_out(self) -> None:
        """Report the parts that were left out. Runs as a task, because a leg's events count only once it is known as open."""
        for part in sorted(self.left_out):
            told = optional.TOLD[part]
            if self._sink is not None and not self._is_closing:
                self._sink.emit(BrainComplained(told.code, told.message))

    async def _watch(self) -> None:
        assert self._endpoint.wait_lost is not None
        error = await self._endpoint.wait_lost()
        self._lose(BrainError(error.message, code=error.code))

    async def _watch_line(self) -> None:
        """Report a network that went away without a word. The engine of this computer has no network in between."""
        await liveness.wait_gone(self._arrived_count, self._is_answering)
        self._lose(faults.SILENT)

    def _send(self, event: wire.ClientEvent) -> None:
        if not self._is_closing:
            self._transmit(event)

    def _ask_for_response(self, params: wire.ResponseParams | None = None) -> None:
        """Ask for an answer, or, while another is running, once its ``response.done`` has arrived."""
        if self._active_response_id is not None:
            self._wants_response = params or wire.ResponseParams()
            return
        self._wants_response = None
        self._asked_event_id = new_event_id()
        self._send(wire.ResponseCreate(response=params, event_id=self._asked_event_id))

    def _count_prompt(self) -> None:
        """Count a prompt of Kai's into a silence, and end the prompts at ``MOST_PROMPTS``: otherwise Kai would talk to an
        empty room without end, at the person's cost."""
        self._prompts += 1
        if self._prompts == MOST_PROMPTS:
            self._tell(replace(self._look, brain=replace(self._look.brain, idle_timeout_ms=0)))

    def _person_is_there(self) -> None:
        had_enough, self._prompts = self._prompts >= MOST_PROMPTS, 0
        if self._idle_due is not None:
            self._restore_idle()
        elif had_enough:
            self._tell(self._look)

    def _restore_idle(self) -> None:
        """Send the idle time-out that was withheld after a switch of turn taking."""
        if self._idle_due is not None:
            self._idle_due.cancel()
            self._idle_due = None
        if self._prompts < MOST_PROMPTS and not self._is_closing:
            self._tell(self._look)

    def _tell(self, look: Look) -> None:
        """Change the session to this look. After a switch of turn taking, the idle time-out is withheld until that time has
        passed or the person has spoken: a service that switched voice detection on again was seen to count all the time
        before as silence, so that Kai would speak up at once."""
        brain, before = look.brain, self._told.brain
        idle_ms = brain.idle_timeout_ms if brain.turn_taking is TurnTaking.SERVER_VAD else 0
        if brain.turn_taking is not before.turn_taking and idle_ms:
            if self._idle_due is not None:
                self._idle_due.cancel()
            self._idle_due = asyncio.get_running_loop().call_later(idle_ms / 1000, self._restore_idle)
        if self._idle_due is not None:
            look = replace(look, brain=replace(brain, idle_timeout_ms=0))
        change = session_change(self._told, look, self._endpoint, self.left_out)
        self._told = look
        if change is not None:
            self._send(wire.SessionUpdate(session=change, event_id=new_event_id()))

    async def _commit_turn(self) -> None:
        await asyncio.sleep(IN_FLIGHT_S)
        self._turn.is_open = False
        self._apply_mute()
        before = self._heard_events
        self._turn.is_unanswered = True
        self._send(wire.InputAudioCommit(event_id=new_event_id()))
        self._ask_for_response()
        await asyncio.sleep(ANSWERED_S)
        if self._heard_events == before:
            log.warning("a committed turn was not answered")
            self._lose(faults.LOST)

    async def _say_again(self) -> None:
        """Replay, at the pace of speech, a turn to which the previous brain got no answer."""
        log.info("a turn is said again")
        self._send(wire.InputAudioClear())
        self._apply_mute()
        loop = asyncio.get_running_loop()
        next_s = loop.time()
        while not self._turn.is_said:
            if (block := self._turn.next_block()) is not None:
                self._mic.push(block)
            next_s += BLOCK_S
            await asyncio.sleep(max(0.0, next_s - loop.time()))
        self._turn.end_again()
        await self._commit_turn()

    def _apply_mute(self) -> None:
        """Mute or unmute the track. A muted track still sends silence: without packets, a server detects no end of a turn."""
        is_key_up = self._look.brain.is_push_to_talk and not self._turn.is_open
        self._mic.is_muted = self._is_muted or is_key_up

    def _take(self, message: str | bytes) -> None:
        """Handle a message of the server. Messages are handled in order of arrival; nothing here waits."""
        try:
            event = wire.decode_server(message)
        except ProtocolError as exc:
            log.warning("an event that cannot be read", extra={"code": exc.code})
            return
        self._heard_events += 1
        self._turn.is_unanswered = False
        sink = self._sink
        if sink is not None and not self._is_closing:
            self._on_event(event, sink)

    def _on_event(self, event: wire.ServerEvent, sink: BrainSink) -> None:
        if self._on_sound_event(event, sink):
            return
        match event:
            case wire.SessionCreated(session=session):
                self._expires_in_s = _expires_in_s(session)
                self._ready.set()
            case wire.SpeechStarted(item_id=item_id):
                self._person_is_there()
                sink.emit(UserSpeechStarted(item_id))
            case wire.SpeechStopped(item_id=item_id) | wire.InputAudioCommitted(item_id=item_id):
                # Both kinds of turn detection send "committed"; the second of the two events adds nothing.
                if item_id != self._stopped_item_id:
                    self._stopped_item_id = item_id
                    sink.emit(UserSpeechStopped(item_id))
            case wire.TimeoutTriggered(item_id=item_id):
                # The silence that is committed with this event is no turn of the person's.
                self._stopped_item_id = item_id
                self._count_prompt()
            case wire.TranscriptionDelta(item_id=item_id, delta=delta):
                text = self._user_text.get(item_id, "") + (delta or "")
                self._user_text[item_id] = text
                sink.emit(UserTranscriptChanged(item_id, text, is_final=False))
            case wire.TranscriptionCompleted(item_id=item_id, transcript=text, usage=usage):
                self._user_text.pop(item_id, None)
                sure = _confidence(event.logprobs or ())
                sink.emit(UserTranscriptChanged(item_id, text.strip(), is_final=True, confidence=sure))
                if usage is not None:
                    self._report_transcription(usage, sink)
            case wire.TranscriptionFailed(item_id=item_id):
                sink.emit(UserTranscriptChanged(item_id, self._user_text.pop(item_id, ""), is_final=True))
            case wire.ResponseCreated(response=response):
                self._active_response_id = response.id
                sink.emit(ResponseCreated(response.id))
            case wire.OutputItemAdded(response_id=response_id, item=item):
                if item.id is not None:
                    self._response_of_item[item.id] = response_id
            case (
                wire.OutputTranscriptDelta(response_id=response_id, item_id=item_id, delta=delta)
                | wire.OutputTextDelta(response_id=response_id, item_id=item_id, delta=delta)
            ):
                text = self._answer_text.get(item_id, "") + delta
                self._answer_text[item_id] = text
                sink.emit(AssistantTranscriptChanged(response_id, item_id, text, is_final=False))
            case (
                wire.OutputTranscriptDone(response_id=response_id, item_id=item_id, transcript=text)
                | wire.OutputTextDone(response_id=response_id, item_id=item_id, text=text)
            ):
                self._answer_text.pop(item_id, None)
                self._answers.wrote(response_id, item_id, text)
                sink.emit(AssistantTranscriptChanged(response_id, item_id, text, is_final=True))
            case wire.ResponseDone(response=response):
                self._response_done(response, sink)
            case wire.RateLimitsUpdated(rate_limits=limits):
                sink.emit(RateLimitsReported(_rate_limits(limits)))
            case wire.ErrorOccurred(error=error):
                self._on_error(error, sink)
            case wire.UnknownEvent(type=kind):
                self._on_unknown(kind, sink)
            case _:
                log.debug("event", extra={"event": event.TYPE})

    def _on_unknown(self, kind: str, sink: BrainSink) -> None:
        """Count an unknown event: additions to a provider's protocol must not break a talk."""
        kind = kind[:80]
        if kind in self.unknown_events or len(self.unknown_events) < UNKNOWN_KINDS_KEPT:
            self.unknown_events[kind] += 1
        log.debug("an event that is not known", extra={"event": kind})
        sink.emit(BrainRemarked(kind))

    def _response_done(self, response: wire.Response, sink: BrainSink) -> None:
        if self._active_response_id == response.id:
            self._active_response_id = None
        details = response.status_details
        error = details.error if details is not None else None
        fault = faults.fault_of_code(error.code, error.type) if error is not None else None
        if response.status == "failed":
            fault = fault or faults.FAILED_ANSWER
        mind, tokens_per_s = _mind_of(response.metadata)
        message = fault.message if fault else ""
        sink.emit(ResponseDone(response.id, response.status, message, mind, tokens_per_s))
        if response.usage is not None:
            self._report_usage(response.usage, sink)
        if response.status == "failed" and fault is not None and not fault.is_retryable:
            self._lose(fault)
            return
        if response.status == "failed" and fault is not None and fault is faults.RATE_LIMIT:
            # The question would stay without an answer: the call ends, and whoever is next gets the question again.
            self._lose(fault.error_after(RATE_LIMIT_S), RATE_LIMIT_S)
            return
        reason = details.reason if details is not None else None
        if response.status == "incomplete" and (cut := faults.CUT_SHORT.get(reason or "")) is not None:
            sink.emit(BrainComplained(cut.code, cut.message))
        if response.status == "completed":
            self._call_tools(response, sink)
        if self._wants_response is not None and self._active_response_id is None:
            self._ask_for_response(self._wants_response)

    def _call_tools(self, response: wire.Response, sink: BrainSink) -> None:
        """Request the tools of a completed response. An incomplete one may hold only half of the arguments."""
        for item in response.output:
            if item.type == "function_call" and item.call_id:
                self._open_calls.add(item.call_id)
        for item in response.output:
            if item.type == "function_call" and item.call_id:
                sink.emit(ToolRequested(item.call_id, item.name or "", item.arguments or "{}"))

    def _report_usage(self, usage: wire.Usage, sink: BrainSink) -> None:
        tokens = prices.tokens_of(usage)
        model = self._endpoint.model_of(self._look.brain)
        sink.emit(UsageReported(tokens, prices.cost_usd(model, tokens) if self._endpoint.is_billed else 0.0))

    def _report_transcription(self, usage: wire.TranscriptionUsage, sink: BrainSink) -> None:
        model = self._look.brain.transcription_model or self._endpoint.transcription_model
        tokens, cost = prices.transcription(model, usage)
        if tokens != Tokens():
            sink.emit(UsageReported(tokens, cost if self._endpoint.is_billed else 0.0, is_turn=False))

    def _on_error(self, error: wire.ErrorDetail, sink: BrainSink) -> None:
        code = error.code or error.type or "error"
        fault = faults.fault_of_code(error.code, error.type)
        if code == "session_expired" or (fault is not None and not fault.is_retryable):
            self._lose(fault or faults.SESSION_EXPIRED)
        elif code == "conversation_already_has_active_response":
            # Voice detection was quicker than our request, which now waits for that answer to end.
            if error.event_id and error.event_id == self._asked_event_id:
                self._wants_response = self._wants_response or wire.ResponseParams()
                if self._active_response_id is None:
                    self._ask_for_response()
        elif code not in faults.HARMLESS_CODES:
            log.warning("the brain complained", extra={"code": code, "param": error.param})
            message = fault.message if fault is not None else _said_plainly(code, error)
            sink.emit(BrainComplained(fault.code if fault is not None else code, message))

    def _compare_written(self, response_id: str, sound_ms: int, sink: BrainSink) -> None:
        """Mark an answer whose sound is much longer than its text: cloud models were heard to say more than they write. The
        local engine is exempt: it writes all that it says, and its pauses make the sound longer."""
        if family_of(self._endpoint.model_of(self._look.brain)) is LOCAL:
            return
        lines = self._answers.lines_of(response_id)
        if not lines or not says_more(lines, sound_ms, self._look.speed):
            return
        item_id, text = list(lines.items())[-1]
        log.info("more was said than written", extra={"sound_ms": sound_ms})
        sink.emit(AssistantTranscriptChanged(response_id, item_id, f"{text} {MORE_SAID}".strip(), True))
        if (sound := self._answers.take_sound(response_id)) is not None:
            before = " ".join(list(lines.values())[:-1])
            filling = self._fill_in(response_id, item_id, before, text, sound)
            self._tasks.spawn(filling, "hear what was not written")

    async def _fill_in(self, response_id: str, item_id: str, before: str, text: str, sound: Pcm) -> None:
        """Replace an answer's last line with the words recognised in its sound, if there are more of them. ``before`` is the
        text of the answer's other lines, which are in the sound too."""
        assert self._endpoint.hear is not None
        try:
            heard = await self._endpoint.hear(sound)
        except KaiError as exc:
            log.info("an answer could not be heard here", extra={"code": exc.code})
            return
        words = heard.split()[len(before.split()) :]
        if len(words) > len(text.split()) and self._sink is not None and not self._is_closing:
            line = f"{' '.join(words)} {HEARD_HERE}"
            self._sink.emit(AssistantTranscriptChanged(response_id, item_id, line, True))

    def _forget_answer(self, response_id: str) -> None:
        """Drop whatever still arrives of that answer."""
        self._cancelled[response_id] = None


def _said_plainly(code: str, error: wire.ErrorDetail) -> str:
    """Return a sentence about an error that has no advice of its own. A provider's text may quote the conversation, so only
    its code is shown; the local engine's messages are written for people."""
    if code.startswith("mind"):
        return error.message
    if code.startswith("cannot_update") or (error.param or "").startswith("session"):
        return f"The voice service did not take a setting ({error.param or code}). The old ones hold."
    return f"The voice service could not do that ({code}). The talk goes on."


def _confidence(logprobs: tuple[wire.LogProb, ...]) -> float | None:
    if not logprobs:
        return None
    return math.exp(min(0.0, sum(token.logprob for token in logprobs) / len(logprobs)))


def _mind_of(metadata: wire.JsonObject | None) -> tuple[str, float | None]:
    """Return the mind that wrote an answer and its tokens per second, which only the local engine reports."""
    told = metadata or {}
    mind, rate = told.get("kai_mind"), told.get("kai_tokens_per_s")
    try:
        tokens_per_s = float(rate) if isinstance(rate, str) else None
    except ValueError:
        tokens_per_s = None
    return (mind if isinstance(mind, str) else ""), tokens_per_s


def _expires_in_s(session: SessionConfig) -> float | None:
    expires_at = session.expires_at
    if isinstance(expires_at, int) and expires_at > 0:
        # Our clock may be wrong, so the known limit bounds the result.
        return min(max(expires_at - time.time(), 0.0), LONGEST_SESSION_S) or LONGEST_SESSION_S
    return LONGEST_SESSION_S


def _rate_limits(limits: tuple[wire.RateLimit, ...]) -> tuple[RateLimit, ...]:
    return tuple(
        RateLimit(limit.name, limit.limit, limit.remaining, limit.reset_seconds or 0.0)
        for limit in limits
        if limit.name is not None and limit.limit is not None and limit.remaining is not None
    )
