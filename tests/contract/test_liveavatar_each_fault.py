"""The cloud face keeps its contract whatever the service's habits are: each switch that it must live with is on in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from kai.adapters.liveavatar import Account, LiveAvatarApi, LiveAvatarFace
from kai.adapters.liveavatar.face import AvatarChoice
from kai.adapters.liveavatar.room import RoomClient
from kai.engine.liveavatar.account import AVATARS
from kai.engine.liveavatar.faults import Faults
from kai.records.paid_sessions import PaidSessions
from tests.contract.suite_face import FaceContract, MakeFace
from tests.support.liveavatar import KEY, RunningLiveAvatar, liveavatar, liveavatar_process

__all__ = ["liveavatar", "liveavatar_process"]

CHOICE = AvatarChoice(avatar_id=next(iter(AVATARS)), quality="low", encoding="VP8", longest_s=600)
QUICK = {"speak_after_s": 0.2, "picture_delay_s": 0.0}
HABITS: dict[str, dict[str, Any]] = {
    "once, loosely": {
        "connected": "once",
        "shapes": "loose",
        "has_old_ids": True,
        "has_double_starts": True,
    },
    "never, without events": {
        "connected": "never",
        "events": "none",
        "has_no_pongs": True,
        "has_no_v1": True,
    },
    "by words, slowly": {"events": "speak", "connected_after_s": 1.0, "picture_after_s": 1.5},
    "by states, in a small plan": {"events": "state", "max_session_s": 120, "reply_delay_s": 0.2},
    "late": {"picture_delay_s": 0.9, "speak_after_s": 0.9, "max_concurrent": 2},
}
ENDS = {
    "refuse", "refuse_status", "refuse_number", "refuse_message", "refuse_retry_after_s", "refuse_times",
    "has_no_ws_url", "idle_timeout_s", "credits", "is_deaf", "is_speechless", "has_no_tracks",
}  # fmt: skip
"""With these there is no face to keep a contract; the other tests of the face say what it tells then."""
MEASURING = {"has_plain_picture", "has_test_marks"}


def test_every_switch_of_the_local_service_is_met() -> None:
    lived_with = {name for switches in HABITS.values() for name in switches}
    assert lived_with | ENDS | MEASURING == {spec.name for spec in fields(Faults)}


@pytest.mark.long
class TestLiveAvatarFaceInEachFault(FaceContract):
    within_s, pull_pace_s = 15.0, 0.02
    stretch_ms = 150

    @pytest_asyncio.fixture(params=HABITS)
    async def api(
        self, request: pytest.FixtureRequest, liveavatar: RunningLiveAvatar
    ) -> AsyncIterator[LiveAvatarApi]:
        liveavatar.faults(**{**QUICK, **HABITS[request.param]})
        api = LiveAvatarApi(Account(KEY, liveavatar.url))
        yield api
        await api.aclose()
        assert liveavatar.bill()["running"] == 0

    @pytest.fixture
    def make_face(self, api: LiveAvatarApi, tmp_path: Path) -> MakeFace:
        records = PaidSessions(tmp_path)
        return lambda: LiveAvatarFace(api, CHOICE, records, RoomClient)
