"""How providers really speak the chat protocol: what each refuses, and in what shape it streams.

A table of `Provider`s by name. Each refuses as the real one does, with its status and the words of its error, and streams the
same answer in its own shape. Sources are the providers' own documents and the reports of people who met them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Body = Mapping[str, Any]
Refusal = tuple[int, Any]
Piece = Any
"""Text, or a dict that is a whole delta (a tool call)."""


def _openai_error(
    message: str, param: str | None = None, code: str | None = None, status: int = 400
) -> Refusal:
    return status, {
        "error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    }


# ------------------------------------------------------------------ what is refused


def openai_history(body: Body) -> Refusal | None:
    """Every call is followed by its result, and every result stands behind its call."""
    waiting: set[str] = set()
    for index, message in enumerate(body["messages"]):
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                return _openai_error(
                    "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
                    f"messages.[{index}].role",
                )
            waiting.discard(message["tool_call_id"])
            continue
        if waiting:
            return _openai_error(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
                f"The following tool_call_ids did not have response messages: {', '.join(sorted(waiting))}",
                f"messages.[{index}].role",
            )
        calls = message.get("tool_calls") or ()
        waiting = {call["id"] for call in calls}
        if any(not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", call["function"]["name"]) for call in calls):
            return _openai_error(
                "Invalid 'function.name': string does not match pattern.", f"messages[{index}]"
            )
    if waiting:
        return _openai_error(
            "An assistant message with 'tool_calls' must be followed by tool messages.", "messages"
        )
    return None


def strict_history(body: Body, *, needs_nine: bool = False) -> Refusal | None:
    """Templates that are a grammar: Mistral's, Gemma's, Llama 2's, and Anthropic's own protocol behind the compatible one."""
    messages = body["messages"]
    if any(message["role"] == "system" for message in messages[1:]):
        return 400, {"message": "System message must be at the beginning.", "type": "BadRequestError"}
    turns = [message for message in messages if message["role"] != "system"]
    if not turns:
        return 400, {"message": "messages: at least one message is required", "type": "invalid_request_error"}
    if turns[0]["role"] != "user":
        return 400, {
            "message": "Conversation roles must alternate user/assistant/user/assistant/...",
            "code": 400,
        }
    if turns[-1]["role"] not in ("user", "tool"):
        return 400, {
            "message": f"Expected last role User or Tool but got {turns[-1]['role']}",
            "code": "3230",
        }
    allowed = {"user": {"assistant"}, "assistant": {"user"}, "tool": {"tool", "assistant"}}
    for before, after in zip(turns, turns[1:], strict=False):
        following = {"tool"} if before.get("tool_calls") else allowed[before["role"]]
        if after["role"] not in following:
            return 400, {
                "message": f"Unexpected role '{after['role']}' after role '{before['role']}'",
                "code": "3230",
            }
        if after["role"] != "assistant" and not str(after["content"]).strip():
            return 400, {"message": "text content blocks must be non-empty", "code": 400}
    for call in (call for turn in turns for call in turn.get("tool_calls") or ()):
        if not isinstance(json.loads(call["function"]["arguments"]), dict):
            return 400, {"message": "arguments must be an object", "code": 400}
        if needs_nine and not re.fullmatch(r"[a-zA-Z0-9]{9}", call["id"]):
            message = f"Tool call id was {call['id']} but must be a-z, A-Z, 0-9, with a length of 9."
            return 400, {
                "object": "error",
                "message": message,
                "type": "invalid_function_call",
                "code": "3280",
            }
    return openai_history(body)


def openai_reasoning(body: Body) -> Refusal | None:
    if "max_tokens" in body:
        return _openai_error(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        )
    if body.get("temperature", 1) != 1:
        return _openai_error(
            "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
            "temperature",
            "unsupported_value",
        )
    return openai_history(body)


def openai_no_system(body: Body) -> Refusal | None:
    if body["messages"][0]["role"] == "system":
        return _openai_error(
            "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
            "messages[0].role",
            "unsupported_value",
        )
    return openai_reasoning(body)


def gemini(body: Body) -> Refusal | None:
    if "stream_options" in body:
        message = 'Invalid JSON payload received. Unknown name "stream_options": Cannot find field.'
        return 400, [{"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}]
    for message in body["messages"]:
        for call in message.get("tool_calls") or ():
            if "extra_content" not in call:
                text = "Function call is missing a thought_signature in functionCall parts."
                return 400, [{"error": {"code": 400, "message": text, "status": "INVALID_ARGUMENT"}}]
    return openai_history(body)


def anthropic(body: Body) -> Refusal | None:
    if any(message.get("tool_calls") for message in body["messages"]) and not body.get("tools"):
        text = "Requests which have `tool_use` or `tool_result` blocks in their content must define tools."
        return 400, {"type": "error", "error": {"type": "invalid_request_error", "message": text}}
    if "stream_options" in body:
        text = "stream_options: Extra inputs are not permitted"
        return 400, {"type": "error", "error": {"type": "invalid_request_error", "message": text}}
    return strict_history(body)


def mistral(body: Body) -> Refusal | None:
    known = {"model", "messages", "stream", "max_tokens", "temperature", "tools", "tool_choice"}
    if unknown := sorted(set(body) - known):
        detail = [
            {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}
            for name in unknown
        ]
        return 422, {"detail": detail}
    return strict_history(body, needs_nine=True)


def vllm(body: Body) -> Refusal | None:
    if body.get("tool_choice") == "auto":
        text = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
        return 400, {
            "object": "error",
            "message": text,
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        }
    if body.get("tools"):
        return 400, {
            "error": {
                "message": "tools are not supported by this template",
                "type": "BadRequestError",
                "code": 400,
            }
        }
    return strict_history(body)


def gemma_template(body: Body) -> Refusal | None:
    if body["messages"][0]["role"] == "system":
        return 400, {
            "object": "error",
            "message": "System role not supported",
            "type": "BadRequestError",
            "code": 400,
        }
    if body.get("tools"):
        return 400, {"error": {"message": "registry.ollama.ai/library/gemma:2b does not support tools"}}
    return strict_history(body)


def llama_cpp_without_jinja(body: Body) -> Refusal | None:
    if body.get("tools"):
        return 500, {
            "error": {"code": 500, "message": "tools param requires --jinja flag", "type": "server_error"}
        }
    return None


def small_context(body: Body) -> Refusal | None:
    if len(json.dumps(body["messages"])) > 6_000:
        text = "the request exceeds the available context size. try increasing the context size or enable context shift"
        return 400, {"error": {"code": 400, "message": text, "type": "exceed_context_size_error"}}
    return strict_history(body)


def litellm(body: Body) -> Refusal | None:
    if "tool_choice" in body:
        text = (
            "litellm.UnsupportedParamsError: bedrock does not support parameters: ['tool_choice'], for model=x. To drop "
            "these, set `litellm.drop_params=True`"
        )
        return 400, {"error": {"message": text, "type": "None", "param": "None", "code": "400"}}
    return openai_history(body)


def openrouter(body: Body) -> Refusal | None:
    if body.get("tools"):
        return 404, {"error": {"message": "No endpoints found that support tool use.", "code": 404}}
    return openai_history(body)


def silent_refuser(body: Body) -> Refusal | None:
    """Refuses whatever is optional, and does not say what it minds."""
    if set(body) - {"model", "messages", "stream"}:
        return 400, "Bad Request"
    return None


def deepseek(body: Body) -> Refusal | None:
    for message in body["messages"]:
        if message.get("tool_calls") and "reasoning_content" not in message:
            text = "Missing `reasoning_content` field in the assistant message at message index 2."
            return _openai_error(text, None, "invalid_request_error")
    return openai_history(body)


# ------------------------------------------------------------------ how it is streamed


def chunk(delta: Any, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One chunk as OpenAI sends it."""
    return {
        "id": "chat-1",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "small",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }


def sse(*values: Any, done: bool = True) -> list[str]:
    """Values as events, and the end."""
    events = [f"data: {value if isinstance(value, str) else json.dumps(value)}\n\n" for value in values]
    return [*events, "data: [DONE]\n\n"] if done else events


def _deltas(pieces: Sequence[Piece]) -> list[Any]:
    return [piece if isinstance(piece, dict) else {"content": piece} for piece in pieces]


def _reason(pieces: Sequence[Piece]) -> str:
    return (
        "tool_calls" if any(isinstance(piece, dict) and "tool_calls" in piece for piece in pieces) else "stop"
    )


USAGE = {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}


def plain(pieces: Sequence[Piece]) -> list[str]:
    """OpenAI's: a role first, a usage chunk without choices last."""
    return sse(
        chunk({"role": "assistant", "content": "", "refusal": None}),
        *(chunk(delta) for delta in _deltas(pieces)),
        chunk({}, _reason(pieces)),
        {**chunk({}), "choices": [], "usage": USAGE},
    )


def azure_stream(pieces: Sequence[Piece]) -> list[str]:
    """No choices first (the prompt's filter results), a delta that is null last, one chunk without any."""
    filters = {
        "choices": [],
        "created": 0,
        "id": "",
        "model": "",
        "object": "",
        "prompt_filter_results": [{"prompt_index": 0}],
    }
    last = chunk(None, _reason(pieces))
    offset = {
        "choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 44}}]
    }
    return sse({**filters, "choices": None}, filters, *(chunk(d) for d in _deltas(pieces)), offset, last)


def gemini_stream(pieces: Sequence[Piece]) -> list[str]:
    """Calls whole, every one with index 0 and no id, arguments complete; usage in every chunk; a signature to be kept."""
    deltas = _deltas(pieces)
    for delta in deltas:
        for call in delta.get("tool_calls") or ():
            call |= {"index": 0, "id": "", "extra_content": {"google": {"thought_signature": "c2ln"}}}
    return sse(
        *(chunk(delta, usage=USAGE) for delta in deltas), chunk({"role": "assistant"}, "stop", usage=USAGE)
    )


def anthropic_stream(pieces: Sequence[Piece]) -> list[str]:
    """Pings as comments and events, usage 0 in the first chunk."""
    return [
        ": ping\n\n",
        'event: ping\ndata: {"type": "ping"}\n\n',
        *sse(*(chunk(delta) for delta in _deltas(pieces)), chunk({}, _reason(pieces), usage=USAGE)),
    ]


def mistral_stream(pieces: Sequence[Piece]) -> list[str]:
    """Magistral's contents are lists of parts, a thought among them; `data:` without a space."""
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    deltas = [
        delta
        if "content" not in delta
        else {"content": [thought, {"type": "text", "text": delta["content"]}]}
        for delta in _deltas(pieces)
    ]
    events = sse(*(chunk(delta) for delta in deltas), chunk({"content": ""}, _reason(pieces), usage=USAGE))
    return [event.replace("data: ", "data:") for event in events]


def deepseek_stream(pieces: Sequence[Piece]) -> list[str]:
    """Reasoning in a field of its own, content null meanwhile, and comments to keep the line open."""
    thoughts = [chunk({"content": None, "reasoning_content": text}) for text in ("The user ", "greets.")]
    deltas = [{"reasoning_content": None, **delta} for delta in _deltas(pieces)]
    return [
        ": keep-alive\n\n",
        *sse(*thoughts, *(chunk(d) for d in deltas), chunk({"content": ""}, _reason(pieces), usage=USAGE)),
    ]


def gpt_oss_stream(pieces: Sequence[Piece]) -> list[str]:
    """Harmony's channels as text."""
    head = ["<|channel|>", "analysis", "<|message|>", "The user greets.", "<|end|>", "<|start|>", "assistant"]
    final = ["<|channel|>", "final", "<|message|>"] if _reason(pieces) == "stop" else []
    tail = ["<|return|>"] if final else []
    return plain([*head, *final, *pieces, *tail])


def qwen_stream(pieces: Sequence[Piece]) -> list[str]:
    """The template opens the thought, so only its end is seen; calls are written into the text."""
    written: list[Piece] = ["Okay, the user greets me. ", "I should answer.", "\n</think>\n\n"]
    for piece in pieces:
        if not isinstance(piece, dict):
            written.append(piece)
            continue
        calls: dict[int, dict[str, str]] = {}
        for call in piece["tool_calls"]:
            calls[call.get("index", 0)] = call["function"]
        written += [
            "<tool_call>\n"
            + json.dumps({"name": c["name"], "arguments": json.loads(c["arguments"])})
            + "\n</tool_call>"
            for c in calls.values()
        ]
    return plain(written)


def vllm_stream(pieces: Sequence[Piece]) -> list[str]:
    """Names repeated in every chunk of a call, no index, and a choice that nobody asked for."""
    chunks: list[Any] = []
    for delta in _deltas(pieces):
        calls = delta.get("tool_calls") or ()
        if not calls:
            chunks.append(
                chunk(delta)
                | {"choices": [*chunk(delta)["choices"], {"index": 1, "delta": {"content": "Other."}}]}
            )
        for call in calls:
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            half = len(arguments) // 2
            for part in (arguments[:half], arguments[half:]):
                told = {"id": call["id"], "type": "function", "function": {"name": name, "arguments": part}}
                chunks.append(chunk({"tool_calls": [told]}))
    return sse(*chunks, chunk({}, _reason(pieces)))


def llama_cpp_stream(pieces: Sequence[Piece]) -> list[str]:
    """Timings in the last chunk, Windows' ends of lines."""
    timings = {"predicted_n": 7, "predicted_per_second": 14.5}
    return [
        event.replace("\n", "\r\n")
        for event in sse(
            *(chunk(delta) for delta in _deltas(pieces)),
            chunk({}, _reason(pieces), timings=timings, usage=USAGE),
        )
    ]


def ollama_stream(pieces: Sequence[Piece]) -> list[str]:
    """Arguments as an object, no end but the connection's."""
    deltas = _deltas(pieces)
    for delta in deltas:
        for call in delta.get("tool_calls") or ():
            call["function"] = {**call["function"], "arguments": json.loads(call["function"]["arguments"])}
    return sse(
        *(chunk({"role": "assistant", **d}) for d in deltas), chunk({"content": ""}, "stop"), done=False
    )


def lm_studio_stream(pieces: Sequence[Piece]) -> list[str]:
    """The answer whole, as if no stream had been asked for."""
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    calls = [call for piece in pieces if isinstance(piece, dict) for call in piece.get("tool_calls") or ()]
    message = {"role": "assistant", "content": text or None, "tool_calls": calls or None}
    whole = {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": _reason(pieces)}],
    }
    return [json.dumps({**whole, "usage": USAGE}, indent=2)]


def openrouter_stream(pieces: Sequence[Piece]) -> list[str]:
    """Reasoning with details, comments, native reasons beside the protocol's."""
    thought = chunk(
        {"content": "", "reasoning": "Hm.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]}
    )
    return [
        ": OPENROUTER PROCESSING\n\n",
        *sse(thought, *(chunk(d) for d in _deltas(pieces)), chunk({"content": ""}, "stop")),
    ]


# ------------------------------------------------------------------ the table


@dataclass(frozen=True)
class Provider:
    """One provider's ways. ``gives``: it lets its model call tools at all; ``reason``: how an answer of words ends."""

    name: str
    refuse: Callable[[Body], Refusal | None] = openai_history
    stream: Callable[[Sequence[Piece]], list[str]] = plain
    model: str = "small"
    calls_tools: bool = True
    tokens: int | None = 7
    extra: Mapping[str, object] = field(default_factory=dict[str, object])

    def __str__(self) -> str:
        return self.name


PROVIDERS = (
    Provider("openai"),
    Provider("openai-reasoning", openai_reasoning, extra={"temperature": 0.2}),
    Provider("openai-o1-mini", openai_no_system),
    Provider("azure", openai_reasoning, azure_stream, tokens=None),
    Provider("gemini", gemini, gemini_stream),
    Provider("anthropic", anthropic, anthropic_stream),
    Provider("mistral", mistral, mistral_stream),
    Provider("deepseek", deepseek, deepseek_stream),
    Provider("gpt-oss", openai_history, gpt_oss_stream),
    Provider("qwen", strict_history, qwen_stream, model="qwen3-30b-a3b-thinking"),
    Provider("qwen-by-another-name", strict_history, qwen_stream),
    Provider("vllm", strict_history, vllm_stream, tokens=None),
    Provider("vllm-without-parser", vllm, calls_tools=False),
    Provider("gemma", gemma_template, calls_tools=False),
    Provider("llama.cpp", strict_history, llama_cpp_stream),
    Provider("llama.cpp-without-jinja", llama_cpp_without_jinja, llama_cpp_stream, calls_tools=False),
    Provider("llama.cpp-small", small_context, llama_cpp_stream),
    Provider("ollama", openai_history, ollama_stream, tokens=None),
    Provider("lm-studio", strict_history, lm_studio_stream),
    Provider("litellm", litellm),
    Provider("openrouter", openrouter, openrouter_stream, calls_tools=False, tokens=None),
    Provider("silent-refuser", silent_refuser, calls_tools=False),
)
