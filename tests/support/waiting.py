"""Waiting for a session's state."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kai.bench import live
from kai.core.state import SessionState
from kai.runtime.session import Session


async def until(
    session: Session, is_so: Callable[[SessionState], object], within_s: float = 20.0
) -> SessionState:
    """The session's state, once that is so; the test fails with what there is if it does not come."""
    try:
        return await live.until(session, is_so, within_s)
    except TimeoutError:
        state = session.snapshot()
        said = [(m.role, m.text, m.is_final) for m in state.messages]
        pytest.fail(
            f"brain {state.brain}, ladder {state.ladder}, problem {state.problem}, pending {state.pending_text}, said {said}"
        )
