"""One response on the wire: its sequence of events, complete or cut short at any point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypedDict

from kai.wire.realtime import (
    ContentPart,
    ContentPartAdded,
    ContentPartDone,
    ErrorDetail,
    FunctionArgumentsDelta,
    FunctionArgumentsDone,
    Item,
    ItemAdded,
    ItemDone,
    JsonObject,
    KnownServerEvent,
    OutputAudioDone,
    OutputItemAdded,
    OutputItemDone,
    OutputTextDelta,
    OutputTextDone,
    OutputTranscriptDelta,
    OutputTranscriptDone,
    Response,
    ResponseCreated,
    ResponseDone,
    StatusDetails,
    Usage,
)

CONTENT_INDEX: Final = 0


@dataclass(frozen=True, slots=True)
class Place:
    """The position of a message: its response, its item, and the item's index in the response."""

    response_id: str
    item_id: str
    output_index: int


class _Part(TypedDict):
    response_id: str
    item_id: str
    output_index: int
    content_index: int


class _CallPlace(TypedDict):
    response_id: str
    item_id: str
    output_index: int
    call_id: str


class Answer:
    """A response: messages, spoken or written, one after the other, followed by calls of the client's tools.

    Call `begin`; then for each message `open_item`, `add_text` any number of times and `close_item`; then `add_call` for
    each call; then `finish`. `finish` may be called at any point after `begin`: it closes an open message with the text so
    far, since the reference sends every ``done`` event of a cut response too.
    """

    def __init__(
        self,
        send: Callable[[KnownServerEvent], None],
        *,
        response_id: str,
        conversation_id: str | None,
        speaks: bool,
        metadata: JsonObject | None = None,
    ) -> None:
        self.response_id = response_id
        self.speaks = speaks
        self.place: Place | None = None
        """The place of the open message, if one is open."""
        self.text = ""
        """The words of the open message so far, or of the last message."""
        self._send = send
        self._conversation_id = conversation_id
        self.told: JsonObject = {}
        """Metadata of ``response.done`` in addition to the client's."""
        self._metadata = metadata
        self._previous_item_id: str | None = None
        self._output: list[Item] = []

    def begin(self) -> None:
        """Sends ``response.created``."""
        self._send(ResponseCreated(response=self._response("in_progress")))

    def open_item(self, item_id: str, previous_item_id: str | None) -> Item:
        """Announces the assistant's next item, still empty, and returns it."""
        self.place = place = Place(self.response_id, item_id, len(self._output))
        self.text = ""
        self._previous_item_id = previous_item_id
        item = self._item(item_id, "in_progress", is_empty=True)
        self._begin_item(item, previous_item_id)
        self._send(ContentPartAdded(**_part_of(place), part=self._part("")))
        return item

    def add_text(self, delta: str) -> None:
        """Sends the next words of the open message."""
        assert self.place is not None
        self.text += delta
        delta_event = OutputTranscriptDelta if self.speaks else OutputTextDelta
        self._send(delta_event(**_part_of(self.place), delta=delta))

    def close_item(self, status: str = "completed") -> Item | None:
        """Closes the open message and returns it, or ``None`` if none was open."""
        place, self.place = self.place, None
        if place is None:
            return None
        part = _part_of(place)
        if self.speaks:
            self._send(OutputAudioDone(**part))
            self._send(OutputTranscriptDone(**part, transcript=self.text))
        else:
            self._send(OutputTextDone(**part, text=self.text))
        self._send(ContentPartDone(**part, part=self._part(self.text)))
        item = self._item(place.item_id, status)
        self._end_item(item, self._previous_item_id)
        return item

    def add_call(self, item: Item, previous_item_id: str | None) -> None:
        """Asks the client to call a tool: `item` is a whole ``function_call``."""
        index, item_id = len(self._output), item.id or ""
        begun = replace(item, status="in_progress", arguments="")
        self._begin_item(begun, previous_item_id)
        place = _CallPlace(
            response_id=self.response_id, item_id=item_id, output_index=index, call_id=item.call_id or ""
        )
        arguments = item.arguments or ""
        self._send(FunctionArgumentsDelta(**place, delta=arguments))
        self._send(FunctionArgumentsDone(**place, name=item.name, arguments=arguments))
        self._end_item(item, previous_item_id)

    def finish(self, status: str, *, reason: str | None = None, usage: Usage | None = None) -> Item | None:
        """Closes an open message, sends ``response.done``, and returns the message, if one was open."""
        item = self.close_item("completed" if status == "completed" else "incomplete")
        details = None
        if status == "failed":
            error = ErrorDetail(type="server_error", code=reason, message="The answer could not be made.")
            details = StatusDetails(type=status, error=error)
        elif status != "completed":
            details = StatusDetails(type=status, reason=reason)
        self._send(ResponseDone(response=self._response(status, details, usage)))
        return item

    def _begin_item(self, item: Item, previous_item_id: str | None) -> None:
        index = len(self._output)
        self._send(OutputItemAdded(response_id=self.response_id, output_index=index, item=item))
        if self._conversation_id is not None:
            self._send(ItemAdded(previous_item_id=previous_item_id, item=item))

    def _end_item(self, item: Item, previous_item_id: str | None) -> None:
        if self._conversation_id is not None:
            self._send(ItemDone(previous_item_id=previous_item_id, item=item))
        index = len(self._output)
        self._send(OutputItemDone(response_id=self.response_id, output_index=index, item=item))
        self._output.append(item)

    def _part(self, text: str) -> ContentPart:
        return (
            ContentPart(type="audio", transcript=text) if self.speaks else ContentPart(type="text", text=text)
        )

    def _item(self, item_id: str, status: str, *, is_empty: bool = False) -> Item:
        return Item(
            id=item_id,
            object="realtime.item",
            type="message",
            status=status,
            role="assistant",
            content=() if is_empty else (assistant_part(self.text, speaks=self.speaks),),
        )

    def _response(
        self,
        status: str,
        details: StatusDetails | None = None,
        usage: Usage | None = None,
    ) -> Response:
        return Response(
            id=self.response_id,
            status=status,
            status_details=details,
            output=tuple(self._output),
            output_modalities=("audio",) if self.speaks else ("text",),
            conversation_id=self._conversation_id,
            max_output_tokens="inf",
            metadata={**(self._metadata or {}), **self.told} or None,
            usage=usage,
        )


def _part_of(place: Place) -> _Part:
    return _Part(
        response_id=place.response_id,
        item_id=place.item_id,
        output_index=place.output_index,
        content_index=CONTENT_INDEX,
    )


def assistant_part(text: str, *, speaks: bool) -> ContentPart:
    """Return the content part of an assistant's item."""
    if speaks:
        return ContentPart(type="output_audio", transcript=text)
    return ContentPart(type="output_text", text=text)
