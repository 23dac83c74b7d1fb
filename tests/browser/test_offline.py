"""With no way out all of it works; with no interface at all the typed talk does, and Kai says what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.browser.conftest import is_browser_required
from tests.support.walks import run_walk

NO_NAMESPACE = "no network namespace can be made here (`unshare --net`)"
WALK_S = 170


def namespace() -> list[str] | None:
    """The command that runs another in a network namespace of its own, where this computer can make one."""
    command = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]
    is_there = shutil.which("unshare") and shutil.which("ip")
    if not is_there or subprocess.run([*command, "ip", "link"], capture_output=True, check=False).returncode:
        return None
    return command


# That a spoken talk needs no way out is walked by test_conversation.py each time, with the model.
@pytest.mark.long
@pytest.mark.timeout(WALK_S + 40)
@pytest.mark.parametrize("kind", ["link-local", "nothing"])
def test_a_talk_without_a_way_out(kind: str) -> None:
    command = namespace()
    if command is None:
        if is_browser_required():
            pytest.fail(NO_NAMESPACE, pytrace=False)
        pytest.skip(NO_NAMESPACE)
    told = run_walk([*command, sys.executable, "-m", "tests.browser.offline_walk", kind], timeout_s=WALK_S)
    assert f"{kind}: all of it works" in told
