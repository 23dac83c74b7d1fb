"""Hypothesis strategies: what a chat endpoint might stream, from usual chunks with a field that is odd to raw bytes."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

import tests.support.strategies  # noqa: F401, loads the profile
from tests.support.chat_providers import sse

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def or_odd(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(usual, usual, json_values)


texts = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["<think>", "</think>", "<|channel|>", "Hello. ", "\ud83d", "\ude00", "\0"]),
)
calls = or_odd(
    st.fixed_dictionaries(
        {},
        optional={
            "index": or_odd(st.integers(0, 2)),
            "id": or_odd(st.sampled_from(["a", "b", ""])),
            "function": or_odd(
                st.fixed_dictionaries(
                    {},
                    optional={"name": or_odd(texts), "arguments": or_odd(st.sampled_from(["{", "}", "{}"]))},
                )
            ),
        },
    )
)
deltas = or_odd(
    st.fixed_dictionaries(
        {},
        optional={
            "content": or_odd(
                texts
                | st.lists(st.fixed_dictionaries({"type": or_odd(st.just("text")), "text": or_odd(texts)}))
            ),
            "tool_calls": or_odd(st.lists(calls, max_size=3)),
            "reasoning_content": or_odd(texts),
            "refusal": or_odd(texts),
            "role": or_odd(st.just("assistant")),
        },
    )
)
choices = or_odd(
    st.fixed_dictionaries(
        {},
        optional={
            "index": or_odd(st.integers(0, 1)),
            "delta": deltas,
            "message": deltas,
            "finish_reason": or_odd(st.sampled_from(["stop", "length", "error"])),
        },
    )
)
chunks = or_odd(
    st.fixed_dictionaries(
        {},
        optional={
            "choices": or_odd(st.lists(choices, max_size=2)),
            "usage": or_odd(st.just({"completion_tokens": 3})),
            "timings": json_values,
            "error": json_values,
        },
    )
)
events = st.one_of(
    chunks.map(lambda value: sse(value, done=False)[0].encode("utf-8", "replace")),
    st.binary(max_size=20),
    st.sampled_from(
        [
            b"data: [DONE]\n\n",
            b"data: {\n",
            b": ping\n\n",
            b"event: error\n",
            b"\xef\xbb\xbf",
            b"\r\n",
            b"[" * 3_000 + b"\n",
        ]
    ),
)
chat_streams = st.lists(events, max_size=6)
"""One answer, in the pieces in which its bytes come."""
