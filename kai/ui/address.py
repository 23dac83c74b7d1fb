"""At which address the app listens, this computer's own or one that others reach, and below which path."""

from __future__ import annotations

from typing import Final

import streamlit as st

LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def is_bound_to_loopback() -> bool:
    """Whether the server can be reached from this computer alone. Streamlit's own default, no address, is all of them."""
    return str(st.get_option("server.address") or "") in LOOPBACK_HOSTS


def base_path() -> str:
    """The path below which everything is served behind a reverse proxy (``--server.baseUrlPath``): ``/kai``, or nothing."""
    path = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


def at(path: str) -> str:
    """Where a page finds one of our own routes: ``/api/health`` is ``/kai/api/health`` behind such a proxy."""
    return f"{base_path()}{path}"
