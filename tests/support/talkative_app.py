"""The app with its log wide open, every field of every record in it: ``streamlit run tests/support/talkative_app.py``.

Only the media libraries are kept quiet; they would write a line for each packet.
"""

import logging
import sys
from pathlib import Path

import streamlit as st

from kai.ui.server import lifespan, middleware, routes

QUIET = ("aiortc", "aioice", "libav", "PIL", "matplotlib", "watchdog", "numba")


class _Everything(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print(record.name, record.getMessage(), {**vars(record), "msg": ""}, file=sys.stderr)
        if record.exc_info:
            print(logging.Formatter().formatException(record.exc_info), file=sys.stderr)


logging.getLogger().addHandler(_Everything(logging.DEBUG))
logging.getLogger().setLevel(logging.DEBUG)
for name in QUIET:
    logging.getLogger(name).setLevel(logging.WARNING)

ROOT = Path(__file__).resolve().parents[2]
app = st.App(ROOT / "kai/ui/main.py", routes=routes(), lifespan=lifespan, middleware=middleware())
