"""One response on the wire: its ladder of events, complete or cut at any rung."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
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

OUTPUT_INDEX: Final = 0
CONTENT_INDEX: Final = 0


class _Place(TypedDict):
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
    """A response with at most one message in it, spoken or written, and calls of the client's tools after it.

    `begin`, `open_item`, `add_text` any number of times, `close_item`, `add_call`, then `finish`; or `finish` at any point
    after `begin`, which closes what is open with what there is (the reference sends every ``done`` event of a cut
    response too).
    """

    def __init__(
        self,
        send: Callable[[KnownServerEvent], None],
        *,
        response_id: str,
        item_id: str,
        conversation_id: str | None,
        speaks: bool,
        metadata: JsonObject | None = None,
    ) -> None:
        self.response_id = response_id
        self.item_id = item_id
        self.speaks = speaks
        self.text = ""
        self.is_item_open = False
        self._send = send
        self._conversation_id = conversation_id
        self._metadata = metadata
        self._previous_item_id: str | None = None
        self._message: Item | None = None
        self._output: list[Item] = []

    def begin(self) -> None:
        """Sends ``response.created``."""
        self._send(ResponseCreated(response=self._response("in_progress")))

    def open_item(self, previous_item_id: str | None) -> Item:
        """The assistant's empty item, announced."""
        self.is_item_open = True
        self._previous_item_id = previous_item_id
        item = self._item("in_progress", is_empty=True)
        self._send(OutputItemAdded(response_id=self.response_id, output_index=OUTPUT_INDEX, item=item))
        if self._conversation_id is not None:
            self._send(ItemAdded(previous_item_id=previous_item_id, item=item))
        self._send(
            ContentPartAdded(
                response_id=self.response_id,
                item_id=self.item_id,
                output_index=OUTPUT_INDEX,
                content_index=CONTENT_INDEX,
                part=self._part(""),
            )
        )
        return item

    def add_text(self, delta: str) -> None:
        """Sends the next words."""
        self.text += delta
        delta_event = OutputTranscriptDelta if self.speaks else OutputTextDelta
        self._send(
            delta_event(
                response_id=self.response_id,
                item_id=self.item_id,
                output_index=OUTPUT_INDEX,
                content_index=CONTENT_INDEX,
                delta=delta,
            )
        )

    def close_item(self, status: str = "completed") -> Item | None:
        """Closes the message, if one is open; the message, if there ever was one."""
        if self.is_item_open:
            self._message = self._close_item(status)
            self._output.append(self._message)
        return self._message

    def add_call(self, item: Item, previous_item_id: str | None) -> None:
        """Asks the client to call a tool: `item` is a whole ``function_call``."""
        index, item_id = len(self._output), item.id or ""
        begun = replace(item, status="in_progress", arguments="")
        self._send(OutputItemAdded(response_id=self.response_id, output_index=index, item=begun))
        if self._conversation_id is not None:
            self._send(ItemAdded(previous_item_id=previous_item_id, item=begun))
        place = _CallPlace(
            response_id=self.response_id, item_id=item_id, output_index=index, call_id=item.call_id or ""
        )
        arguments = item.arguments or ""
        self._send(FunctionArgumentsDelta(**place, delta=arguments))
        self._send(FunctionArgumentsDone(**place, name=item.name, arguments=arguments))
        if self._conversation_id is not None:
            self._send(ItemDone(previous_item_id=previous_item_id, item=item))
        self._send(OutputItemDone(response_id=self.response_id, output_index=index, item=item))
        self._output.append(item)

    def finish(self, status: str, *, reason: str | None = None, usage: Usage | None = None) -> Item | None:
        """Closes what is open and sends ``response.done``; the finished message, if there was one."""
        item = self.close_item("completed" if status == "completed" else "incomplete")
        details = None
        if status == "failed":
            error = ErrorDetail(type="server_error", code=reason, message="The answer could not be made.")
            details = StatusDetails(type=status, error=error)
        elif status != "completed":
            details = StatusDetails(type=status, reason=reason)
        self._send(ResponseDone(response=self._response(status, details, usage)))
        return item

    def _close_item(self, status: str) -> Item:
        place = _Place(
            response_id=self.response_id,
            item_id=self.item_id,
            output_index=OUTPUT_INDEX,
            content_index=CONTENT_INDEX,
        )
        if self.speaks:
            self._send(OutputAudioDone(**place))
            self._send(OutputTranscriptDone(**place, transcript=self.text))
        else:
            self._send(OutputTextDone(**place, text=self.text))
        self._send(ContentPartDone(**place, part=self._part(self.text)))
        item = self._item(status)
        if self._conversation_id is not None:
            self._send(ItemDone(previous_item_id=self._previous_item_id, item=item))
        self._send(OutputItemDone(response_id=self.response_id, output_index=OUTPUT_INDEX, item=item))
        self.is_item_open = False
        return item

    def _part(self, text: str) -> ContentPart:
        return (
            ContentPart(type="audio", transcript=text) if self.speaks else ContentPart(type="text", text=text)
        )

    def _item(self, status: str, *, is_empty: bool = False) -> Item:
        return Item(
            id=self.item_id,
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
            metadata=self._metadata,
            usage=usage,
        )


def assistant_part(text: str, *, speaks: bool) -> ContentPart:
    """What an assistant's item holds."""
    if speaks:
        return ContentPart(type="output_audio", transcript=text)
    return ContentPart(type="output_text", text=text)
