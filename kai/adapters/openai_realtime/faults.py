"""The faults of a Realtime brain, worded for people: each has a code, advice, and whether a retry can help.

If the provider says when to retry (``Retry-After``), the message says it too. The provider's own texts may quote the key or
the talk, so none of them is passed on.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import openai
from websockets.exceptions import InvalidHandshake, InvalidStatus

from kai.compat import http
from kai.core.policy.legs import LONGEST_RETRY_AFTER_S
from kai.errors import BrainError
from kai.wire.retry_after import parse_retry_after


@dataclass(frozen=True, slots=True)
class Fault:
    """A stable code, a sentence that says what happened and what to do, and whether another try can help."""

    code: str
    message: str
    is_retryable: bool

    def error(self) -> BrainError:
        return BrainError(self.message, code=self.code, is_retryable=self.is_retryable)

    def error_after(self, wait_s: float) -> BrainError:
        """Return the error for a provider that asked for a pause: the message's first sentence, then the pause."""
        if not self.is_retryable or wait_s <= 0:
            return self.error()
        what = self.message.partition(". ")[0].removesuffix(".")
        is_short = wait_s <= LONGEST_RETRY_AFTER_S
        asked = "It asks for a pause of" if is_short else "It asks for a longer pause: try again in"
        message = f"{what}. {asked} {_spoken(wait_s)}."
        return BrainError(message, code=self.code, is_retryable=True, retry_after_s=wait_s)


NO_KEY: Final = Fault(
    "no-key", "There is no OpenAI key. Set OPENAI_API_KEY, or talk with Kai's own engine.", False
)
WRONG_KEY: Final = Fault("wrong-key", "The OpenAI key was not accepted. Check OPENAI_API_KEY.", False)
NO_ACCESS: Final = Fault(
    "no-access", "This key may not use that model. Choose another model, or another key.", False
)
NO_SERVICE: Final = Fault(
    "no-service",
    "Something else answered in OpenAI's place, probably the log-in page of this network. Log in there with a browser.",
    True,
)
GPT_LIVE: Final = Fault(
    "gpt-live",
    "GPT-Live has an interface of its own, which Kai does not speak yet. Choose a gpt-realtime model.",
    False,
)
QUOTA: Final = Fault(
    "quota", "The OpenAI account has no credit left. Add credit, or remove the key to talk offline.", False
)
RATE_LIMIT: Final = Fault("rate-limit", "OpenAI is asked too often just now.", True)
ENGINE_FULL: Final = Fault(
    "engine-full",
    "Kai's engine holds as many talks as it can. End one, in another tab perhaps.",
    True,
)
SERVER_ERROR: Final = Fault("server-error", "The voice service has a fault of its own.", True)
TIMEOUT: Final = Fault(
    "timeout", "The voice service did not answer in time. Check the internet connection.", True
)
UNREACHABLE: Final = Fault(
    "unreachable", "The voice service cannot be reached. Check the internet connection.", True
)
UDP_BLOCKED: Final = Fault(
    "udp-blocked",
    "This network lets no voice connection through (UDP is blocked), so Kai uses another way, which sounds the same.",
    True,
)
CONNECT_TIMEOUT: Final = Fault(
    "connect-timeout",
    "The voice connection did not come up. Another network may help.",
    True,
)
SESSION_EXPIRED: Final = Fault("session_expired", "The talk reached the provider's time limit.", True)
LOST: Final = Fault("connection-lost", "The voice connection was lost.", True)
SILENT: Final = Fault("line-silent", "The voice connection went silent. Check the internet connection.", True)
OVERFLOW: Final = Fault("too-slow", "The connection is too slow for a voice.", True)
BUG: Final = Fault("brain-bug", "Kai's voice connection broke.", True)

_BY_CODE: Final = {
    "insufficient_quota": QUOTA,
    "credit_balance_exhausted": QUOTA,
    "billing_hard_limit_reached": QUOTA,
    "invalid_api_key": WRONG_KEY,
    "account_deactivated": Fault(
        "no-access", "The OpenAI account is not active. Check it, or use another key.", False
    ),
    "model_not_found": NO_ACCESS,
    "too_many_conversations": ENGINE_FULL,
    "rate_limit_exceeded": RATE_LIMIT,
    "inference_rate_limit_exceeded": RATE_LIMIT,
    "session_expired": SESSION_EXPIRED,
    "server_error": SERVER_ERROR,
}
"""Faults by the provider's codes (an ``error.code``, or its ``type``)."""

HARMLESS_CODES: Final = frozenset(
    {
        "response_cancel_not_active",
        "conversation_already_has_active_response",
        "input_audio_buffer_commit_empty",
        "item_truncate_invalid_item_id",
    }
)
"""Answers to a race that we lost; nothing is wrong."""

CUT_SHORT: Final = {
    "max_output_tokens": Fault(
        "cut-short", "Kai's answer hit its length limit. Ask for the rest, or allow longer answers.", True
    ),
    "content_filter": Fault(
        "filtered", "The provider's content filter cut Kai's answer. Ask in another way.", True
    ),
}
FAILED_ANSWER: Final = Fault("response-failed", "Kai's answer could not be made. Ask again.", True)


def fault_of_code(code: str | None, kind: str | None = None) -> Fault | None:
    """Return the fault of an ``error`` event or a failed response; ``None`` for an unknown code."""
    if (known := _BY_CODE.get(code or "")) is not None:
        return known
    by_kind = _BY_CODE.get(kind or "")
    # An unknown code is more specific than its kind, so the kind counts only when it is fatal.
    return by_kind if by_kind is None or code is None or not by_kind.is_retryable else None


def fault_of_status(status: int, code: str | None) -> Fault:
    """Return the fault behind an HTTP error status."""
    if (known := fault_of_code(code)) is not None:
        return known
    match status:
        case 401:
            return WRONG_KEY
        case 403 | 404:
            return NO_ACCESS
        case 408:
            return TIMEOUT
        case 409 | 429:
            return RATE_LIMIT
        case _ if status < 500:
            return Fault(
                "refused",
                f"The voice service refused the call ({code or status}). Check the settings.",
                False,
            )
        case _:
            return SERVER_ERROR


def explain(exc: openai.OpenAIError | InvalidHandshake | OSError, base_url: str | None = None) -> BrainError:
    """Return, worded for people, what went wrong while opening a call to ``base_url``, OpenAI's by default."""
    match exc:
        case openai.APIStatusError():
            return fault_of_status(exc.status_code, exc.code).error_after(_wait_s(exc.response.headers))
        case openai.APITimeoutError() | TimeoutError():
            return TIMEOUT.error()
        case InvalidStatus():
            fault = fault_of_status(exc.response.status_code, _code_in(exc.response.body))
            return fault.error_after(_wait_s(exc.response.headers))
        case openai.APIConnectionError() | InvalidHandshake() | OSError():
            return _unreachable(base_url or http.OPENAI_URL)
        case _:
            return SERVER_ERROR.error()


def _unreachable(url: str) -> BrainError:
    advice = http.advice_on_proxy(url)
    if not advice:
        return UNREACHABLE.error()
    what = UNREACHABLE.message.partition(". ")[0]
    return BrainError(f"{what}. {advice}", code=UNREACHABLE.code, is_retryable=True)


def _wait_s(headers: Mapping[str, str]) -> float:
    return parse_retry_after(headers.get("retry-after"), time.time()) or 0.0


def _spoken(wait_s: float) -> str:
    seconds = math.ceil(wait_s)
    if seconds <= LONGEST_RETRY_AFTER_S:
        return "a second" if seconds == 1 else f"{seconds} seconds"
    return f"{math.ceil(wait_s / 60)} minutes"


def _code_in(body: bytes | None) -> str | None:
    """Return the ``error.code`` of a JSON answer, or else its ``error.type``."""
    try:
        value: object = json.loads(body or b"")
    except ValueError:
        return None
    match value:
        case {"error": {"code": str(code)}}:
            return code
        case {"error": {"type": str(kind)}}:
            return kind
        case _:
            return None
