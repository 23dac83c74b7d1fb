"""Records of paid sessions: private, whole, and reaped when their owner is dead."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from kai.errors import FaceError, KaiError
from kai.records.paid_sessions import PaidSessions

DEAD_PID = 2**22 - 1


def orphaned(folder: Path, session_id: str) -> None:
    """A record as a dead process left it."""
    PaidSessions(folder).note("liveavatar", session_id)
    path = folder / f"liveavatar-{session_id}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"owner_pid": DEAD_PID}))


def test_a_record_is_private_and_has_no_secret(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    PaidSessions(folder).note("liveavatar", "abc-1")
    (path,) = folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    record = json.loads(path.read_text())
    assert set(record) == {"kind", "id", "owner_pid", "owner_began_s", "started_s"}
    assert (record["kind"], record["id"], record["owner_pid"]) == ("liveavatar", "abc-1", os.getpid())


def test_what_lives_is_no_orphan_and_a_reused_pid_is(tmp_path: Path) -> None:
    records = PaidSessions(tmp_path)
    records.note("liveavatar", "mine")
    assert records.orphans("liveavatar") == ()
    path = tmp_path / "liveavatar-mine.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"owner_began_s": psutil.boot_time() - 99}))
    assert [record.id for record in records.orphans("liveavatar")] == ["mine"]


def test_a_session_of_a_killed_process_is_an_orphan(tmp_path: Path) -> None:
    code = (
        "import sys, os, signal, pathlib; from kai.records.paid_sessions import PaidSessions; "
        "PaidSessions(pathlib.Path(sys.argv[1])).note('liveavatar', 'lost'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, cwd=Path(__file__).parents[2])
    assert [record.id for record in PaidSessions(tmp_path).orphans("liveavatar")] == ["lost"]


async def test_reaping_stops_orphans_only_and_keeps_what_could_not_be_stopped(tmp_path: Path) -> None:
    records = PaidSessions(tmp_path)
    for session_id in ("gone", "stuck"):
        orphaned(tmp_path, session_id)
    records.note("liveavatar", "alive")
    records.note("other", "elsewhere")
    stopped: list[str] = []

    async def stop(session_id: str) -> None:
        stopped.append(session_id)
        if session_id == "stuck":
            raise FaceError("Not now.", code="avatar-unreachable")

    assert await records.reap("liveavatar", stop) == 1
    assert sorted(stopped) == ["gone", "stuck"]
    assert sorted(record.id for record in records.all()) == ["alive", "elsewhere", "stuck"]


def test_broken_records_and_ids_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "liveavatar-x.json").write_text("{")
    records = PaidSessions(tmp_path)
    assert records.all() == ()
    for wrong in ("../up", "", "a/b"):
        with pytest.raises(KaiError):
            records.note("liveavatar", wrong)
    records.forget("liveavatar", "never")
    assert PaidSessions(tmp_path / "nowhere").all() == ()
