"""Log lines with their fields, which Python's own formatter leaves out."""

from __future__ import annotations

import logging
from typing import Final

_OF_EVERY_RECORD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class WithFields(logging.Formatter):
    """Writes ``WARNING kai.room: what happened (code=x, count=2)``, with what ``extra`` holds in brackets."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (logging's own name)
        line = super().formatMessage(record)
        fields = {name: value for name, value in vars(record).items() if name not in _OF_EVERY_RECORD}
        told = ", ".join(f"{name}={value}" for name, value in fields.items())
        return f"{line} ({told})" if told else line


def print_log(level: str, of: str = "kai") -> None:
    """Print the log lines of that logger, from that level on, to the terminal. A second call only changes the level."""
    logger = logging.getLogger(of)
    logger.setLevel(level)
    if not any(isinstance(handler.formatter, WithFields) for handler in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(WithFields())
        logger.addHandler(handler)
