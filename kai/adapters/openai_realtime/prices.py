"""The cost of a turn: its tokens by kind, without the cached ones, and their price in the dated table ``prices.json``."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from kai.core.state import Tokens
from kai.wire import realtime as wire

PRICES_FILE: Final = Path(__file__).with_name("prices.json")
AUDIO_TOKENS_PER_S: Final = 10
"""A person's sound counts as one token per 100 ms."""


@cache
def table() -> dict[str, Any]:
    """Return the price table; ``as_of`` is its date."""
    return json.loads(PRICES_FILE.read_text(encoding="utf-8"))


def tokens_of(usage: wire.Usage) -> Tokens:
    """Return the tokens of a response by kind. The input counts include cached tokens, so these are subtracted."""
    given, made = usage.input_token_details, usage.output_token_details
    cached = given.cached_tokens_details
    known = cached.text_tokens + cached.audio_tokens + cached.image_tokens
    # Some servers report only the sum of cached tokens; the text is cached first.
    rest = max(0, given.cached_tokens - known)
    text_cached = min(given.text_tokens, cached.text_tokens + rest)
    audio_cached = min(given.audio_tokens, cached.audio_tokens + rest - (text_cached - cached.text_tokens))
    image_cached = min(given.image_tokens, cached.image_tokens)
    return Tokens(
        text_in=given.text_tokens - text_cached,
        audio_in=given.audio_tokens - audio_cached,
        image_in=given.image_tokens - image_cached,
        text_cached=text_cached,
        audio_cached=audio_cached,
        image_cached=image_cached,
        text_out=made.text_tokens,
        audio_out=made.audio_tokens,
    )


def cost_usd(model: str, tokens: Tokens) -> float | None:
    """Return the price of a response, or ``None`` for a model that is not in the table."""
    prices = _of_model(model, table()["models"])
    if prices is None:
        return None
    text, audio = prices["text"], prices["audio"]
    image = prices.get("image", (0.0, 0.0))
    millionths = (
        tokens.text_in * text[0]
        + tokens.text_cached * text[1]
        + tokens.text_out * text[2]
        + tokens.audio_in * audio[0]
        + tokens.audio_cached * audio[1]
        + tokens.audio_out * audio[2]
        + tokens.image_in * image[0]
        + tokens.image_cached * image[1]
    )
    return millionths / 1e6


def transcription(model: str, usage: wire.TranscriptionUsage) -> tuple[Tokens, float | None]:
    """Return the usage of transcribing a person's line, and its price."""
    if usage.type == "duration":
        seconds = usage.seconds or 0.0
        per_minute = _of_model(model, table()["transcription_usd_per_minute"])
        return Tokens(transcribed_s=seconds), None if per_minute is None else seconds / 60 * per_minute
    given, made = usage.input_tokens or 0, usage.output_tokens or 0
    seconds = given / AUDIO_TOKENS_PER_S
    prices = _of_model(model, table()["transcription_usd_per_million_tokens"])
    if prices is not None:
        return Tokens(transcribed_s=seconds), (given * prices[0] + made * prices[1]) / 1e6
    per_minute = _of_model(model, table()["transcription_usd_per_minute"])
    return Tokens(transcribed_s=seconds), None if per_minute is None else seconds / 60 * per_minute


def _of_model(model: str, prices: dict[str, Any]) -> Any:
    """Return the row of a model, or of the family that a dated snapshot belongs to."""
    if model in prices:
        return prices[model]
    return next((prices[name] for name in prices if model.startswith(f"{name}-20")), None)
