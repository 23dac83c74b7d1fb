"""What a refused call is told as: whose limit it was decides what a person can do."""

from __future__ import annotations

from kai.adapters.openai_realtime import faults


def test_a_full_engine_of_our_own_is_not_told_as_openai_s_limit() -> None:
    full = faults.fault_of_status(429, "too_many_conversations")
    assert full.code == "engine-full"
    assert "OpenAI" not in full.message
    assert "End one" in full.message
    assert faults.fault_of_status(429, None).code == faults.fault_of_status(429, "rate_limit_exceeded").code
    assert faults.fault_of_status(429, None).code != full.code
