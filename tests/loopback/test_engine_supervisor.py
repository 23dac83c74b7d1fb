"""The local engine as the app's child: up, killed and up again, refused for good, and gone with the app."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import psutil
import pytest

from kai.adapters.engine_process import EngineProcess
from kai.engine.speech.weights import HIBARI_MODEL, SILERO_VAD, find_weights
from kai.errors import WeightsError

ROOT = Path(__file__).parents[2]
WITHIN_S = 60


def is_alive(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


@contextlib.asynccontextmanager
async def running() -> AsyncGenerator[EngineProcess]:
    """An engine that is started, and ended with the block."""
    engine = EngineProcess()
    engine.start()
    try:
        yield engine
    finally:
        await engine.aclose()


async def test_a_killed_engine_is_started_again_with_another_key() -> None:
    async with running() as engine:
        first = await engine.wait_up()
        assert engine.pid is not None
        gone = asyncio.create_task(engine.wait_gone())
        os.kill(engine.pid, signal.SIGKILL)
        error = await asyncio.wait_for(gone, 5)
        assert error.code == "engine-lost"
        async with asyncio.timeout(WITHIN_S):
            while (second := await engine.wait_up()) == first:
                await asyncio.sleep(0.05)
        assert second.key != first.key
        assert engine.starts == 2


async def test_no_key_stands_in_a_command_line_or_a_representation_and_closing_ends_the_process() -> None:
    async with running() as engine:
        address = await engine.wait_up()
        pid = engine.pid
        assert pid is not None
        process = psutil.Process(pid)
        assert address.key not in " ".join(process.cmdline())
        assert address.key not in str(process.environ())
        assert address.key not in repr(address)
        await engine.aclose()
        assert not psutil.pid_exists(pid)
        assert engine.pid is None


async def test_of_damaged_models_the_app_is_told_what_stands_in_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytearray(find_weights(SILERO_VAD).read_bytes())
    (tmp_path / SILERO_VAD.name).write_bytes(data[: len(data) // 2])
    data = bytearray(find_weights(HIBARI_MODEL).read_bytes())
    (tmp_path / HIBARI_MODEL.name).write_bytes(bytes([data[0] ^ 1]) + data[1:])
    monkeypatch.setenv("KAI_WEIGHTS_DIR", str(tmp_path))
    async with running() as engine:
        await engine.wait_up()
        told = {part.role: part for part in engine.report.stand_ins}
    assert told.keys() == {"detector", "voice"}
    for role, file in (("detector", SILERO_VAD), ("voice", HIBARI_MODEL)):
        assert told[role].name not in ("silero", "hibari")
        assert file.name in told[role].problem
        assert "install" in told[role].problem


async def test_a_setting_that_cannot_be_is_refused_for_good_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAI_WEIGHTS_DIR", str(tmp_path / "nowhere"))
    async with running() as engine:
        with pytest.raises(WeightsError) as caught:
            await engine.wait_up()
        assert "Unset it" in caught.value.message
        assert engine.starts == 1, "trying again would not mend it"


async def test_the_engine_ends_when_its_app_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "app.py"
    script.write_text(
        "import asyncio\n"
        "from kai.adapters.engine_process import EngineProcess\n"
        "async def main():\n"
        "    engine = EngineProcess(); engine.start(); await engine.wait_up()\n"
        "    print(engine.pid, flush=True); await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    app = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert app.stdout is not None
    pid = int(await asyncio.to_thread(app.stdout.readline))
    app.kill()
    app.wait()
    app.stdout.close()
    async with asyncio.timeout(10):
        while is_alive(pid):
            await asyncio.sleep(0.05)
