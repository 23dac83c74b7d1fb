"""What a talk costs: tokens, the provider's credits, and the paid time of a face."""

from __future__ import annotations

from dataclasses import replace

from kai.core.events import CreditsReported, UsageReported
from kai.core.state import Credits, Face, SessionState, Spending

FAILED_START = "failed-"
"""The beginning of the name under which a paid start that failed is counted, since it has no session."""


def spent(before: Spending, event: UsageReported) -> Spending:
    cost_usd = event.cost_usd or 0.0
    return Spending(
        turns=before.turns + event.is_turn,
        tokens=before.tokens + event.tokens,
        cost_usd=before.cost_usd + cost_usd,
        turn_tokens=event.tokens if event.is_turn else before.turn_tokens,
        turn_cost_usd=cost_usd if event.is_turn else before.turn_cost_usd,
        is_exact=before.is_exact and event.cost_usd is not None,
    )


def with_credits(credits: Credits, event: CreditsReported) -> Credits:
    others = tuple((name, used) for name, used in credits.sessions if name != event.session_id)
    left = credits.left if event.left is None else event.left
    return Credits(left, (*others, (event.session_id, event.used)))


def with_failed_start(credits: Credits) -> Credits:
    """Return the credits with one more for a start that failed: it is paid, and no session of its own will report it."""
    return with_credits(credits, CreditsReported(f"{FAILED_START}{len(credits.sessions)}", 1, None))


def metered(state: SessionState, at: float) -> SessionState:
    """Return the state with its meters updated: the paid time of the shown face, and when the face must be replaced (by the
    configured limit, and in the sandbox by the session's own)."""
    faces, is_cloud = state.faces, state.faces.on is Face.CLOUD
    ends = [faces.limit_at_s, faces.deadline_at_s if faces.is_sandbox else 0.0] if is_cloud else []
    paid_s = at - state.face_paid_from_s if state.face_paid_from_s else 0.0
    return replace(
        state,
        face_until_s=min((end_s for end_s in ends if end_s), default=0.0),
        face_paid_s=state.face_paid_s + paid_s,
        face_paid_from_s=at if is_cloud and faces.is_billed else 0.0,
    )
