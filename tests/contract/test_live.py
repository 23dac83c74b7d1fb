"""The report from the first session: as assumed against Kai's own servers, and each switch of theirs in its own row."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from kai.adapters.liveavatar.rest import Account
from kai.adapters.liveavatar.room import RoomClient
from kai.engine.liveavatar.faults import Faults
from kai.live.__main__ import main
from kai.live.avatar import AvatarObserver, Waits
from kai.live.realtime import BrainObserver
from kai.live.report import NOT_LOOKED_AT, Budget, Recording, Row, table, without_secrets
from kai.live.session import BUDGET_USD, FirstSession, look
from kai.records.paid_sessions import PaidSessions
from kai.settings import Settings
from tests.contract.test_openai_realtime import endpoint as endpoint_of
from tests.support.engine import RunningEngine, engine
from tests.support.live import live_settings
from tests.support.liveavatar import KEY, RunningLiveAvatar, liveavatar, liveavatar_process
from tests.support.scripted import as_cloud, scripted

__all__ = ["engine", "liveavatar", "liveavatar_process"]

QUICK: dict[str, Any] = {"speak_after_s": 0.1, "picture_delay_s": 0.0, "connected_after_s": 0.1}
BRIEF = Waits(start_s=2.0, soon_s=1.5, wait_s=1.0, watch_s=0.6, still_s=0.5)


def observer(liveavatar: RunningLiveAvatar, folder: Path, **options: Any) -> AvatarObserver:
    """One whose waits are short, and that is content with the rate of a busy computer."""
    usual: dict[str, Any] = {
        "is_sandbox": False,
        "qualities": ("low",),
        "waits": BRIEF,
        "usual_rate": (2.0, 60.0),
        "make_room": RoomClient,
    }
    return AvatarObserver(Account(KEY, liveavatar.url), PaidSessions(folder), **(usual | options))


async def observed(liveavatar: RunningLiveAvatar, folder: Path, **options: Any) -> AvatarObserver:
    seer = observer(liveavatar, folder, **options)
    await seer.run()
    assert liveavatar.bill()["running"] == 0
    assert PaidSessions(folder).all() == ()
    return seer


async def test_against_the_local_service_every_row_is_as_assumed_and_the_record_holds_no_secret(
    liveavatar: RunningLiveAvatar, tmp_path: Path
) -> None:
    liveavatar.faults(**QUICK)
    seer = await observed(liveavatar, tmp_path)
    assert [row for row in seer.rows if not row.is_as_assumed] == []
    assert len(seer.rows) == 24
    path = tmp_path / "record.jsonl"
    seer.recording.write(path)
    text = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(text.splitlines()) > 30
    assert "eyJ" not in text
    assert "control?key=" not in text
    assert KEY not in text
    header, *entries = (json.loads(line) for line in text.splitlines())
    assert header == {"format": "kai-recording", "version": 1, "kind": "service"}
    assert all(entry["where"] for entry in entries)


async def test_no_session_is_begun_that_the_budget_does_not_allow(
    liveavatar: RunningLiveAvatar, tmp_path: Path
) -> None:
    liveavatar.faults(**QUICK)
    before = liveavatar.bill()["credits_used"]
    seer = await observed(liveavatar, tmp_path, budget=Budget(0.19))
    missing = [row.name for row in seer.rows if not row.was_looked_at]
    assert "a session" in missing
    assert liveavatar.bill()["credits_used"] - before == 1
    assert "not seen" in table(seer.rows)


SEEN_IN: dict[str, tuple[dict[str, Any], set[str]]] = {
    "connected": ({"connected": "once"}, {"a second control socket"}),
    "connected, never": (
        {"connected": "never"},
        {"from the start to “connected”", "a second control socket"},
    ),
    "connected_after_s": ({"connected_after_s": 1.9}, {"from the start to “connected”"}),
    "picture_after_s": ({"picture_after_s": 2.6}, {"from the start to the first picture"}),
    "shapes": (
        {"shapes": "loose"},
        {
            "the answer to a start",
            "the word that it speaks",
            "after an interruption",
            "listening right after an interruption",
        },
    ),
    "events": ({"events": "speak"}, {"after an interruption", "listening right after an interruption"}),
    "events, state": (
        {"events": "state"},
        {"the word that it speaks", "the word that it has spoken"},
    ),
    "is_speechless": ({"is_speechless": True}, {"its voice in the room"}),
    "has_no_pongs": ({"has_no_pongs": True}, {"a ping"}),
    "has_double_starts": ({"has_double_starts": True}, {"the word that it has spoken"}),
    "has_old_ids": ({"has_old_ids": True}, {"a piece of sound", "the end of an utterance"}),
    "has_no_v1": ({"has_no_v1": True}, {"the way into the room"}),
    "has_no_ws_url": ({"has_no_ws_url": True}, {"the control address"}),
    "max_concurrent": ({"max_concurrent": 1}, {"a second session beside the first"}),
    "credits": ({"credits": 0.0}, {"a session"}),
    "refuse": ({"refuse": "token", "refuse_times": 1}, {"a session of 86400 s"}),
    "refuse, start": ({"refuse": "start"}, {"a session"}),
    "refuse, stop": ({"refuse": "stop"}, {"the stop of a session"}),
    "refuse, keep-alive": ({"refuse": "keep-alive"}, {"keep-alive by REST"}),
    "refuse, credits": ({"refuse": "credits"}, {"a session that is stopped after half a second"}),
    "has_no_tracks": (
        {"has_no_tracks": True},
        {"from the start to the first picture", "its voice in the room", "the picture in quality low"},
    ),
    "is_deaf": (
        {"is_deaf": True},
        {
            "from the start to “connected”",
            "a piece of sound",
            "the word that it speaks",
            "its voice in the room",
            "the end of an utterance",
            "the word that it has spoken",
            "after an interruption",
            "listening right after an interruption",
            "a second control socket",
            "a client that stood still",
        },
    ),
    "idle_timeout_s": (
        {"idle_timeout_s": 0.3},
        {
            "the word that it has spoken",
            "after an interruption",
            "listening right after an interruption",
            "a second control socket",
        },
    ),
}
"""For each switch of the local LiveAvatar: how it is set, and the rows that tell."""
UNSEEN = {
    "refuse_status", "refuse_number", "refuse_message", "refuse_retry_after_s", "refuse_times",  # parts of "refuse"
    "reply_delay_s", "speak_after_s", "picture_delay_s",  # waits that the report has no opinion on
    "max_session_s",  # a plan's length is nothing that Kai assumes
    "has_plain_picture", "has_test_marks",  # for measuring
}  # fmt: skip


def test_every_switch_of_the_local_service_has_its_row() -> None:
    told = {name.partition(",")[0] for name in SEEN_IN}
    assert told | UNSEEN == {spec.name for spec in fields(Faults)}
    assert not told & UNSEEN


@pytest.mark.long
@pytest.mark.parametrize("name", SEEN_IN)
async def test_each_switch_differs_in_its_own_rows(
    liveavatar: RunningLiveAvatar, tmp_path: Path, name: str
) -> None:
    switches, rows = SEEN_IN[name]
    liveavatar.faults(**QUICK)
    before = await observed(liveavatar, tmp_path)
    assert [row for row in before.rows if not row.is_as_assumed] == []
    usual = {row.name: row.seen for row in before.rows}
    liveavatar.faults(**{**QUICK, **switches})
    seer = await observed(liveavatar, tmp_path)
    assert {row.name for row in seer.rows if row.seen != usual.get(row.name)} == rows


@pytest.mark.long
async def test_a_line_that_goes_half_open_differs_from_there_to_its_end(
    liveavatar: RunningLiveAvatar, tmp_path: Path
) -> None:
    """It takes everything and says nothing more, from the first sound on; the next line is well."""
    liveavatar.faults(**QUICK | {"speak_after_s": 0.8})
    looking = asyncio.create_task(observed(liveavatar, tmp_path))
    async with asyncio.timeout(20):
        while not any(s["is_running"] and s["commands"] for s in liveavatar.bill()["sessions"]):
            await asyncio.sleep(0.02)
    await asyncio.to_thread(liveavatar.act, "half_open")
    seer = await looking
    assert {row.name for row in seer.rows if row.is_different} == {
        "the word that it speaks",
        "the end of an utterance",
        "the word that it has spoken",
        "after an interruption",
        "listening right after an interruption",
    }


# A recording is answered again


@pytest.mark.parametrize(
    "switches",
    [
        {"shapes": "loose", "has_old_ids": True, "has_double_starts": True},
        pytest.param({"connected": "once"}, marks=pytest.mark.long),
        pytest.param({"connected": "never", "is_speechless": True}, marks=pytest.mark.long),
        pytest.param(
            {"events": "speak", "has_double_starts": True, "has_no_v1": True}, marks=pytest.mark.long
        ),
        pytest.param({"refuse": "start"}, marks=pytest.mark.long),
        pytest.param(
            {"refuse": "token", "refuse_status": 403, "refuse_number": 4003}, marks=pytest.mark.long
        ),
        pytest.param({"idle_timeout_s": 0.3}, marks=pytest.mark.long),
        pytest.param({"has_no_tracks": True}, marks=pytest.mark.long),
    ],
    ids=str,
)
async def test_a_recorded_session_is_answered_again_and_looks_the_same(
    liveavatar: RunningLiveAvatar, tmp_path: Path, switches: dict[str, Any]
) -> None:
    """Another client than the recorded one: its sessions and its ids are others."""
    liveavatar.faults(**QUICK, **switches)
    first = await observed(liveavatar, tmp_path, qualities=(), budget=Budget(0.3))
    liveavatar.faults(speak_after_s=0.1, picture_delay_s=0.0)
    liveavatar.replay(first.recording.text())
    second = await observed(liveavatar, tmp_path, qualities=(), budget=Budget(0.3))
    assert [(row.name, row.seen) for row in second.rows] == [(row.name, row.seen) for row in first.rows]


@pytest.mark.parametrize(
    "text", ["no JSON", "[1]", '{"format": "other", "version": 1}', '{"format": "kai-recording"}']
)
def test_what_is_no_recording_is_refused(liveavatar: RunningLiveAvatar, text: str) -> None:
    with pytest.raises(AssertionError, match="ecording"):
        liveavatar.replay(text)


# As a whole


def first_session(liveavatar: RunningLiveAvatar, folder: Path) -> FirstSession:
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        liveavatar_api_key=SecretStr(KEY),
        liveavatar_url=liveavatar.url,
        state_dir=folder,
    )
    return FirstSession(settings, waits=BRIEF)


def test_the_command_says_which_keys_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], Settings(_env_file=None)) == 2  # pyright: ignore[reportCallIssue]
    assert "OPENAI_API_KEY" in capsys.readouterr().err


def test_the_command_says_its_cost_first_and_leaves_a_table_and_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody is at these addresses: that is a row of the one service, and a reason to stop for the other."""
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        openai_api_key=SecretStr("sk-me"),
        openai_base_url="http://127.0.0.1:9/v1",
        liveavatar_api_key=SecretStr(KEY),
        liveavatar_url="http://127.0.0.1:9",
        state_dir=tmp_path,
    )
    file = tmp_path / "seen.jsonl"
    assert main(["--file", str(file), "--budget", "0.5"], settings) == 2
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert "$0.50" in lines[0]
    assert lines[1].startswith("DIFFERS     gpt-realtime-2.1: a session")
    assert "LiveAvatar cannot be reached" in said.err
    assert json.loads(file.read_text().splitlines()[0])["format"] == "kai-recording"
    assert main(["--file", str(tmp_path / "nowhere" / "seen.jsonl")], settings) == 2
    assert "Give another with --file" in capsys.readouterr().err


def wait_until(is_so: Callable[[], bool], within_s: float = 20.0) -> None:
    until_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < until_s
        time.sleep(0.02)


def test_an_app_that_closes_stops_the_session_that_is_looked_at(
    liveavatar: RunningLiveAvatar, tmp_path: Path
) -> None:
    liveavatar.faults(**QUICK, connected="never")
    session = first_session(liveavatar, tmp_path)
    assert "free sandbox sessions cost nothing" in session.cost(is_sandbox=True)
    assert "$1.00" in session.cost(is_sandbox=False)
    session.begin(is_sandbox=True)
    session.begin(is_sandbox=True)  # while one runs nothing happens
    wait_until(lambda: liveavatar.bill()["running"] == 1)
    session.close()
    assert liveavatar.bill()["running"] == 0
    assert PaidSessions(tmp_path / "paid-sessions").all() == ()
    told = session.progress()
    assert not told.is_running
    assert told.rows
    assert told.spent_usd == 0.0
    assert KEY.encode() not in session.recorded()


# The brain


def brain_observer(engine: RunningEngine, **options: Any) -> BrainObserver:
    endpoint = as_cloud(endpoint_of(engine), model="gpt-realtime-2.1")
    usual: dict[str, Any] = {"transcribers": ("gpt-transcribe",)}
    return BrainObserver(endpoint, **(usual | options))


async def test_against_kais_own_engine_every_row_of_the_brain_is_as_assumed(engine: RunningEngine) -> None:
    seer = brain_observer(engine)
    await seer.run()
    assert [row for row in seer.rows if not row.is_as_assumed] == []
    assert {"gpt-realtime-2.1: longer thinking", "gpt-realtime-2.1-mini: longer thinking"} < {
        row.name for row in seer.rows
    }
    kinds = {entry["what"].get("type") for entry in seer.recording.entries if isinstance(entry["what"], dict)}
    assert {"session.created", "conversation.item.truncate", "conversation.item.truncated"} <= kinds


async def test_a_recorded_call_is_answered_again_and_looks_the_same(engine: RunningEngine) -> None:
    """And where the recording is changed, what is looked at differs in its row."""
    few: dict[str, Any] = {"models": ("gpt-realtime-2.1",), "transcribers": ()}
    first = brain_observer(engine, **few)
    await first.run()
    replay(engine, first.recording.text())
    second = brain_observer(engine, **few)
    await second.run()
    assert [(row.name, row.seen) for row in second.rows] == [(row.name, row.seen) for row in first.rows]
    entries = [json.loads(line) for line in first.recording.text().splitlines()]
    refused = {"type": "error", "error": {"type": "invalid_request_error", "code": "unknown_parameter"}}
    updated = [n for n, entry in enumerate(entries) if _kind(entry) == "session.updated"]
    entries[updated[-1]]["what"] = refused
    replay(engine, "".join(json.dumps(entry) + "\n" for entry in entries))
    third = brain_observer(engine, **few)
    await third.run()
    (different,) = [row for row in third.rows if row.is_different]
    assert (different.name, different.seen) == (
        "gpt-realtime-2.1: speed and instructions",
        "refused (unknown_parameter)",
    )


def _kind(entry: dict[str, Any]) -> str:
    what = entry.get("what")
    return str(what.get("type")) if isinstance(what, dict) else ""


def replay(engine: RunningEngine, recording: str) -> None:
    answer = httpx.put(
        f"{engine.url.removesuffix('/v1')}/kai/replay",
        content=recording,
        headers={"Authorization": f"Bearer {engine.key}"},
        trust_env=False,
    )
    assert answer.status_code == 204, answer.text


async def test_a_call_that_the_budget_does_not_allow_is_not_made(engine: RunningEngine) -> None:
    seer = brain_observer(engine, budget=Budget(0.01))
    await seer.run()
    assert [row.seen for row in seer.rows] == [NOT_LOOKED_AT] * 2
    assert seer.recording.entries == []


async def test_what_the_engine_refuses_is_a_row_that_differs(engine: RunningEngine) -> None:
    endpoint = scripted(engine, connects=[{"status": 403, "code": "model_not_found"}])
    seer = BrainObserver(as_cloud(endpoint), models=(endpoint.model,))
    await seer.run()
    (row,) = seer.rows
    assert row.is_different
    assert row.seen.startswith("refused")


@pytest.mark.long
class TestLive:
    """The services themselves: ``make long ARGS="--live -k TestLive"``."""

    async def test_everything_is_as_assumed(self, request: pytest.FixtureRequest) -> None:
        rows: list[Row] = []
        budget, recording = Budget(BUDGET_USD), Recording()
        await look(live_settings(request), rows, is_sandbox=True, budget=budget, recording=recording)
        assert not any(row.is_different for row in rows), table(rows)
        assert budget.spent_usd <= BUDGET_USD


# The parts


def test_a_row_that_was_not_looked_at_is_neither_as_assumed_nor_different() -> None:
    rows = [
        Row("a", ("x", "y"), "y", "here"),
        Row("b", ("x",), "z", "there"),
        Row("c", ("x",), NOT_LOOKED_AT, "there"),
    ]
    assert [(row.is_as_assumed, row.is_different) for row in rows] == [
        (True, False),
        (False, True),
        (False, False),
    ]
    assert [line.split()[0] for line in table(rows).splitlines()] == ["as", "DIFFERS", "not"]


def test_what_opens_a_session_and_sound_are_left_out_of_the_record() -> None:
    told = without_secrets({"data": {"livekit_url": "wss://x", "n": 1}, "list": [{"audio": "AAAA"}]})
    assert told == {
        "data": {"livekit_url": "<str, 7 characters>", "n": 1},
        "list": [{"audio": "<str, 4 characters>"}],
    }
    settings = {
        "audio": {"input": {"noise_reduction": None}},
        "max_output_tokens": 12,
        "usage": {"tokens": 3},
    }
    assert without_secrets(settings) == settings
    sound = {"type": "response.output_audio.delta", "delta": "AAAA"}
    assert without_secrets(sound) == {**sound, "delta": "<str, 4 characters>"}
    words = {"type": "response.output_audio_transcript.delta", "delta": "Hello"}
    assert without_secrets(words) == words


def test_a_secret_in_the_middle_of_a_text_is_left_out_of_the_record() -> None:
    recording = Recording(("sk-me",))
    recording.note("x", {"message": "Incorrect API key provided: sk-me. eyJhbGciOiJ.eyJzdWIiOiI.abc", "n": 1})
    assert "sk-me" not in recording.text()
    assert "eyJ" not in recording.text()
