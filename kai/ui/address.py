"""The address that the app listens on, reachable from this computer only or from others, and its base path."""

from __future__ import annotations

from typing import Final

import streamlit as st

LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def is_bound_to_loopback() -> bool:
    """Return whether only this computer can reach the server. Streamlit's default, no address, listens on all of them."""
    return str(st.get_option("server.address") or "") in LOOPBACK_HOSTS


def base_path() -> str:
    """Return the base path behind a reverse proxy (``--server.baseUrlPath``), such as ``/kai``, or an empty string."""
    path = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


def at(path: str) -> str:
    """Return the path at which a page finds one of our routes: with a base path, ``/api/health`` is ``/kai/api/health``."""
    return f"{base_path()}{path}"
