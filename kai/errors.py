"""Kai's errors, which form one tree.

KaiError
├── ConfigError          a setting, a file or the command line is wrong
├── WeightsError         a model or data file is missing or has the wrong checksum
├── EngineError          the local engine could not start or was lost
├── BrainError           the voice brain refused, failed or was lost
│   └── (``code`` tells which)
├── FaceError            the avatar's face refused, failed or was lost
├── BrowserError         the browser leg could not be opened or was lost
└── ProtocolError        a peer (or we) broke the rules of a protocol

A message says what happened and what to do next, because a person reads it on the page. It never contains a key, a token, a
URL with a token, a transcript or a prompt.
"""

from __future__ import annotations


class KaiError(Exception):
    """The base class of every error that Kai raises deliberately.

    ``code`` is a short stable word for the reducer and the tests. ``is_retryable`` says whether another try can help, and
    ``retry_after_s`` how long the peer asked us to wait before it (0 if it did not ask). ``detail`` is the peer's own text,
    if it is known to hold no secret, for people who want to know more.
    """

    code: str = "kai"
    is_retryable: bool = False
    retry_after_s: float = 0.0

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        is_retryable: bool | None = None,
        retry_after_s: float = 0.0,
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if is_retryable is not None:
            self.is_retryable = is_retryable
        self.retry_after_s = retry_after_s
        self.detail = detail


class ConfigError(KaiError):
    """A setting, a file or the command line is wrong."""

    code = "config"


class WeightsError(KaiError):
    """A model or data file is missing, or its SHA-256 is not the expected one."""

    code = "weights"


class EngineError(KaiError):
    """The local engine could not start or was lost."""

    code = "engine"
    is_retryable = True


class BrainError(KaiError):
    """The voice brain refused, failed or was lost."""

    code = "brain"
    is_retryable = True


class FaceError(KaiError):
    """The avatar's face refused, failed or was lost."""

    code = "face"
    is_retryable = True


class BrowserError(KaiError):
    """The browser leg could not be opened or was lost."""

    code = "browser"
    is_retryable = True


class ProtocolError(KaiError):
    """A peer, or we, broke the rules of a protocol."""

    code = "protocol"
