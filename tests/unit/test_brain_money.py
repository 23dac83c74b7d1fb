"""Tokens, prices and the provider's limits; and what goes wrong, in words."""

from __future__ import annotations

import json

import httpx2
import openai
import pytest
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from kai.adapters.openai_realtime import faults, prices
from kai.core.capabilities import MODELS, TRANSCRIPTION_MODELS
from kai.core.state import RateLimit, Tokens
from kai.wire import realtime as wire

USAGE = wire.Usage(
    total_tokens=253,
    input_tokens=132,
    output_tokens=121,
    input_token_details=wire.InputTokenDetails(
        text_tokens=119,
        audio_tokens=13,
        cached_tokens=64,
        cached_tokens_details=wire.CachedTokensDetails(text_tokens=64),
    ),
    output_token_details=wire.OutputTokenDetails(text_tokens=30, audio_tokens=91),
)


def test_cached_tokens_are_taken_off_the_input_and_priced_by_themselves() -> None:
    tokens = prices.tokens_of(USAGE)
    assert tokens == Tokens(text_in=55, audio_in=13, text_cached=64, text_out=30, audio_out=91)
    assert tokens.total == USAGE.total_tokens
    dollars = (55 * 4 + 64 * 0.4 + 30 * 24 + 13 * 32 + 91 * 64) / 1e6
    assert prices.cost_usd("gpt-realtime-2.1", tokens) == pytest.approx(dollars)
    assert prices.cost_usd("gpt-realtime-2025-08-28", tokens) == pytest.approx(
        (55 * 4 + 64 * 0.4 + 30 * 16 + 13 * 32 + 91 * 64) / 1e6
    )
    assert prices.cost_usd("a-model-of-tomorrow", tokens) is None


def test_a_sum_of_cached_tokens_without_its_parts_is_not_counted_twice() -> None:
    details = wire.InputTokenDetails(text_tokens=10, audio_tokens=20, cached_tokens=15)
    tokens = prices.tokens_of(wire.Usage(input_tokens=30, input_token_details=details))
    assert (tokens.text_cached, tokens.audio_cached, tokens.text_in, tokens.audio_in) == (10, 5, 0, 15)


def test_writing_down_is_billed_by_the_minute_or_by_tokens() -> None:
    minute = wire.TranscriptionUsage(type="duration", seconds=120.0)
    assert prices.transcription("gpt-transcribe", minute) == (
        Tokens(transcribed_s=120.0),
        pytest.approx(0.009),
    )
    tokens = wire.TranscriptionUsage(type="tokens", input_tokens=100, output_tokens=10)
    assert prices.transcription("gpt-4o-transcribe", tokens) == (
        Tokens(transcribed_s=10.0),
        pytest.approx((100 * 2.5 + 10 * 10) / 1e6),
    )


def test_every_model_that_we_offer_has_a_price_and_the_table_a_date() -> None:
    assert prices.table()["as_of"] == "2026-11-22"
    for model in MODELS:
        assert prices.cost_usd(model, Tokens(text_in=1)) is not None
    for model in TRANSCRIPTION_MODELS:
        assert prices.transcription(model, wire.TranscriptionUsage(type="duration", seconds=1))[1] is not None


@pytest.mark.parametrize(("remaining", "is_near"), [(99, True), (100, False), (1000, False), (0, True)])
def test_a_limit_is_near_when_less_than_a_tenth_is_left(remaining: int, is_near: bool) -> None:
    assert RateLimit("tokens", 1000, remaining).is_near is is_near


def refused(status: int, code: str | None) -> openai.APIStatusError:
    request = httpx2.Request("POST", "https://api.openai.com/v1/realtime/calls")
    body = {"message": "says sk-secret", "type": "t", "code": code, "param": None}
    kinds = {401: openai.AuthenticationError, 403: openai.PermissionDeniedError, 429: openai.RateLimitError}
    kind = kinds.get(status, openai.InternalServerError if status >= 500 else openai.APIStatusError)
    return kind("says sk-secret", response=httpx2.Response(status, request=request), body=body)


CASES = [
    (401, "invalid_api_key", "wrong-key", False),
    (403, None, "no-access", False),
    (404, "model_not_found", "no-access", False),
    (429, "insufficient_quota", "quota", False),
    (429, "billing_hard_limit_reached", "quota", False),
    (429, "rate_limit_exceeded", "rate-limit", True),
    (400, "invalid_offer", "refused", False),
    (408, None, "timeout", True),
    (500, None, "server-error", True),
    (503, None, "server-error", True),
]


@pytest.mark.parametrize(("status", "code", "ours", "is_retryable"), CASES)
def test_each_refusal_has_its_own_code_and_advice_by_http_and_by_websocket(
    status: int, code: str | None, ours: str, is_retryable: bool
) -> None:
    body = json.dumps({"error": {"message": "says sk-secret", "code": code}}).encode()
    for exc in (refused(status, code), InvalidStatus(Response(status, "no", Headers(), body))):
        error = faults.explain(exc)
        assert (error.code, error.is_retryable) == (ours, is_retryable)
        assert "sk-secret" not in error.message


def test_no_two_faults_share_their_words() -> None:
    every = [value for value in vars(faults).values() if isinstance(value, faults.Fault)]
    assert len(every) >= 12
    assert len({fault.message for fault in every}) == len({fault.code for fault in every}) == len(every)


def test_what_cannot_be_reached_may_be_tried_again() -> None:
    request = httpx2.Request("POST", "https://api.openai.com")
    assert faults.explain(openai.APITimeoutError(request)).code == "timeout"
    assert faults.explain(openai.APIConnectionError(request=request)).code == "unreachable"
    assert faults.explain(ConnectionRefusedError()).code == "unreachable"
