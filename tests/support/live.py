"""The services themselves, for tests that ``--live`` asks for: the settings that ``python -m kai.live`` takes."""

from __future__ import annotations

import pytest

from kai.adapters.liveavatar.rest import Account
from kai.adapters.openai_realtime import Endpoint
from kai.live.session import avatar_account, brain_endpoint
from kai.settings import Settings


def live_settings(request: pytest.FixtureRequest) -> Settings:
    """The person's settings; the test is left out where ``--live`` was not asked for."""
    if not request.config.getoption("--live", default=False):
        pytest.skip("asks for --live")
    return Settings.load({})


def live_account(request: pytest.FixtureRequest) -> Account:
    """The LiveAvatar account; without a key the test is left out."""
    account = avatar_account(live_settings(request))
    if account is None:
        pytest.skip("asks for LIVEAVATAR_API_KEY")
    return account


def live_endpoint(request: pytest.FixtureRequest, model: str) -> Endpoint:
    """OpenAI with that model; without a key the test is left out."""
    endpoint = brain_endpoint(live_settings(request), model)
    if endpoint is None:
        pytest.skip("asks for OPENAI_API_KEY")
    return endpoint
