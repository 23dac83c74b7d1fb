"""At which address the app listens: this computer's own, or one that others reach."""

from __future__ import annotations

from typing import Final

import streamlit as st

LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def is_bound_to_loopback() -> bool:
    """Whether the server can be reached from this computer alone. Streamlit's own default, no address, is all of them."""
    return str(st.get_option("server.address") or "") in LOOPBACK_HOSTS
