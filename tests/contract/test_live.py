"""The report from the first run: as assumed against the local LiveAvatar, and each switch of it in its own row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kai.adapters.liveavatar.rest import Account
from kai.live import BrainObserver, Observer, table, without_secrets
from tests.support.engine import RunningEngine
from tests.support.liveavatar import KEY, RunningLiveAvatar, liveavatar, liveavatar_process
from tests.support.scripted import as_cloud, scripted

__all__ = ["liveavatar", "liveavatar_process"]

QUICK: dict[str, Any] = {"speak_after_s": 0.1, "picture_delay_s": 0.0, "connected_after_s": 0.1}


async def observed(liveavatar: RunningLiveAvatar) -> Observer:
    observer = Observer(Account(KEY, liveavatar.url), is_sandbox=True, start_s=2.0, wait_s=1.0)
    await observer.run()
    assert liveavatar.bill()["running"] == 0
    return observer


async def test_against_the_local_service_every_row_is_as_assumed_and_the_record_holds_no_secret(
    liveavatar: RunningLiveAvatar, tmp_path: Path
) -> None:
    liveavatar.faults(**QUICK)
    observer = await observed(liveavatar)
    assert [row.name for row in observer.rows if not row.is_as_assumed] == []
    assert len(observer.rows) == 8
    path = tmp_path / "record.jsonl"
    observer.recording.write(path)
    text = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(text.splitlines()) > 10
    assert "eyJ" not in text
    assert "control?key=" not in text
    assert KEY not in text
    assert all(json.loads(line)["where"] for line in text.splitlines())


@pytest.mark.long
@pytest.mark.parametrize(
    ("switches", "names"),
    [
        ({"connected": "once"}, {"a second control socket"}),
        ({"connected": "never"}, {"from the start to “connected”", "a second control socket"}),
        (
            {"shapes": "loose"},
            {"the answer to a start", "the word that it speaks", "listening right after an interruption"},
        ),
        ({"events": "speak"}, {"listening right after an interruption"}),
        ({"events": "state"}, {"the word that it speaks"}),
    ],
)
async def test_each_switch_differs_in_its_own_row(
    liveavatar: RunningLiveAvatar, switches: dict[str, Any], names: set[str]
) -> None:
    liveavatar.faults(**QUICK, **switches)
    observer = await observed(liveavatar)
    assert {row.name for row in observer.rows if not row.is_as_assumed} == names
    assert table(observer.rows).count("DIFFERS") == len(names)


async def test_against_kais_own_engine_every_row_of_the_brain_is_as_assumed(engine: RunningEngine) -> None:
    endpoint = scripted(engine, turns=[[{"say": "One two three four five six seven eight nine ten."}]])
    observer = BrainObserver(as_cloud(endpoint), models=(endpoint.model,))
    await observer.run()
    assert [row for row in observer.rows if not row.is_as_assumed] == []
    assert len(observer.rows) == 5
    kinds = {
        entry["what"].get("type") for entry in observer.recording.entries if isinstance(entry["what"], dict)
    }
    assert {"session.created", "conversation.item.truncate", "conversation.item.truncated"} <= kinds


def test_what_opens_a_session_and_sound_are_left_out_of_the_record() -> None:
    told = without_secrets({"data": {"livekit_url": "wss://x", "n": 1}, "list": [{"audio": "AAAA"}]})
    assert told == {
        "data": {"livekit_url": "<str, 7 characters>", "n": 1},
        "list": [{"audio": "<str, 4 characters>"}],
    }
