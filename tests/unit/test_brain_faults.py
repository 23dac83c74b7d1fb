"""What a person reads when the provider refuses, and how long Kai leaves it alone then."""

from __future__ import annotations

from email.utils import formatdate

import httpx2
import openai
import pytest
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from kai.adapters.openai_realtime import faults
from kai.wire.retry_after import parse_retry_after

NOW_S = 1_800_000_000.0


def refused(status: int, code: str | None, **headers: str) -> openai.APIStatusError:
    request = httpx2.Request("POST", "https://api.openai.com/v1/realtime/calls")
    response = httpx2.Response(status, headers=headers, request=request)
    return openai.APIStatusError("sk-secret", response=response, body={"code": code})


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("2.5", 2.5),
        ("-3", 0.0),
        ("soon", None),
        ("nan", None),
        ("1e999", None),
        (formatdate(NOW_S + 30, usegmt=True), 30.0),
        (formatdate(NOW_S - 30, usegmt=True), 0.0),
        (formatdate(NOW_S + 30).replace(" -0000", ""), 30.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, wait_s: float | None) -> None:
    assert parse_retry_after(value, NOW_S) == wait_s


def test_a_date_says_nothing_without_a_clock() -> None:
    assert parse_retry_after(formatdate(NOW_S, usegmt=True)) is None


@pytest.mark.parametrize(
    ("status", "code", "header", "wait_s", "message"),
    [
        (
            429,
            "rate_limit_exceeded",
            "20",
            20.0,
            "OpenAI is asked too often just now. Kai tries again in 20 seconds.",
        ),
        (503, None, "0.4", 0.4, "The voice service has a fault of its own. Kai tries again in a second."),
        (503, None, "", 0.0, faults.SERVER_ERROR.message),
        (
            429,
            "rate_limit_exceeded",
            "600",
            600.0,
            "OpenAI is asked too often just now. It asks for a longer pause: try again in 10 minutes.",
        ),
        (429, "insufficient_quota", "20", 0.0, faults.QUOTA.message),
    ],
)
def test_a_wait_that_was_asked_for_is_told_and_a_fatal_code_is_not_waited_for(
    status: int, code: str | None, header: str, wait_s: float, message: str
) -> None:
    error = faults.explain(refused(status, code, **({"retry-after": header} if header else {})))
    assert (error.retry_after_s, error.message) == (wait_s, message)
    assert "sk-secret" not in error.message


def test_a_refused_handshake_may_ask_for_a_wait_too() -> None:
    body = b'{"error": {"code": "rate_limit_exceeded"}}'
    error = faults.explain(InvalidStatus(Response(429, "Busy", Headers({"Retry-After": "3"}), body)))
    assert (error.code, error.retry_after_s) == ("rate-limit", 3.0)
