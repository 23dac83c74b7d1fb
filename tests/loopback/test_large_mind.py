"""The language model in its own process, for real: it answers, keeps talks apart, stops when told to, and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from kai.engine.llm import process as process_module
from kai.engine.llm.model import ModelHost
from kai.engine.llm.process import ModelProcess
from kai.engine.speech.mind import Mind
from kai.engine.thinking import Finished, LocalThinker, Question, Said, Thought, Trouble
from kai.engine.two_minds import TwoMinds
from kai.engine.workers import Workers
from kai.wire.realtime import ContentPart, Item

NOW = datetime(2026, 11, 30, 10, 15, tzinfo=UTC)
LOAD_S = 100
ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[tuple[ModelHost, Workers]]:
    """The model, ready to be asked."""
    host, workers = ModelHost(), Workers()
    try:
        await host.run(path, "test model")
        await wait_up(host)
        yield host, workers
    finally:
        await host.aclose()
        workers.close()


async def wait_up(host: ModelHost, other_than: int | None = None) -> None:
    async with asyncio.timeout(LOAD_S):
        while host.model is None or host.pid == other_than:
            assert not host.problem
            await asyncio.sleep(0.05)


def asking(talk: str, *texts: str) -> Question:
    items = tuple(
        Item(
            id=f"{talk}{index}",
            type="message",
            role="user" if index % 2 == 0 else "assistant",
            content=(ContentPart(type="input_text", text=text),),
        )
        for index, text in enumerate(texts)
    )
    return Question(items, "", NOW, max_tokens=40)


async def answer_of(talk: TwoMinds, question: Question) -> tuple[str, list[Thought]]:
    thoughts = [thought async for thought in talk.think(question)]
    return "".join(thought.text for thought in thoughts if isinstance(thought, Said)), thoughts


async def busy_slots(host: ModelHost) -> int:
    """How many slots compute now, as the server tells it."""
    model = host.model
    assert model is not None
    url = model.endpoint.base_url.removesuffix("/v1")
    headers = {"authorization": f"Bearer {model.endpoint.api_key}"}
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        slots = (await client.get(f"{url}/slots", headers=headers)).json()
    return sum(slot["is_processing"] for slot in slots)


@pytest.mark.timeout(300)
async def test_it_knows_things_keeps_talks_apart_stops_and_comes_back(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAI_MIND_TEMPERATURE", "0")
    async with running(model_path) as (host, workers):
        small = LocalThinker(Mind.load_plain(), workers)
        red, blue = TwoMinds(small, host, workers), TwoMinds(small, host, workers)

        # Two talks at once: each knows its own words, and none of the other's.
        (said, thoughts), _ = await asyncio.gather(
            answer_of(
                red, asking("red", "The secret word of this talk is marzipan. What is the capital of Italy?")
            ),
            answer_of(
                blue,
                asking("blue", "The secret word of this talk is lighthouse. What is the capital of Norway?"),
            ),
        )
        assert "Rome" in said
        finished = next(thought for thought in thoughts if isinstance(thought, Finished))
        assert finished.mind == "test model"
        assert finished.tokens_per_s is not None
        again = "Say the secret word of this talk."
        (of_red, _), (of_blue, _) = await asyncio.gather(
            answer_of(red, asking("red", "The secret word of this talk is marzipan.", "All right.", again)),
            answer_of(
                blue, asking("blue", "The secret word of this talk is lighthouse.", "All right.", again)
            ),
        )
        assert ("marzipan" in of_red.lower(), "lighthouse" in of_red.lower()) == (True, False)
        assert ("lighthouse" in of_blue.lower(), "marzipan" in of_blue.lower()) == (True, False)

        # Whoever comes into the slot of a talk that is over finds nothing of it.
        await red.aclose()
        other = TwoMinds(small, host, workers)
        of_other, _ = await answer_of(other, asking("other", again))
        assert "marzipan" not in of_other.lower()
        await other.aclose()

        # An interruption while a long prompt is read ends the work: the server is free long before it could have read it.
        long = " ".join(
            f"In week {week} the weather was mild and grey, with some rain." for week in range(60)
        )
        thinking = asyncio.create_task(answer_of(blue, asking("blue", f"{long} What was the weather like?")))
        async with asyncio.timeout(30):
            while not await busy_slots(host):
                await asyncio.sleep(0.02)
        thinking.cancel()
        await asyncio.wait([thinking])
        async with asyncio.timeout(5):
            while await busy_slots(host):
                await asyncio.sleep(0.02)

        # Killed in mid-answer: the person is told, and the talk goes on when it is back.
        pid = host.pid
        assert pid is not None
        story = blue.think(asking("blue", "Tell me a long story about a lighthouse."))
        assert isinstance(await anext(story), Said)
        os.kill(pid, signal.SIGKILL)
        rest = [thought async for thought in story]
        assert any(isinstance(thought, Trouble) for thought in rest)
        await wait_up(host, other_than=pid)
        said, _ = await answer_of(
            blue, asking("blue", "Hello there.", "Hello.", "What is the capital of Spain?")
        )
        assert "Madrid" in said
        await blue.aclose()
        last = host.pid
    with pytest.raises(ProcessLookupError):
        os.kill(last or 0, 0)


async def problem_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the supervisor says of a model that cannot run."""
    monkeypatch.setattr(process_module, "RESTART_DELAY_S", 0.0)
    monkeypatch.setattr(process_module, "RESTARTS_IN_A_ROW", 1)
    supervisor = ModelProcess(path)
    try:
        async with asyncio.timeout(60):
            while not supervisor.problem:
                assert supervisor.served is None
                await asyncio.sleep(0.02)
        return supervisor.problem
    finally:
        await supervisor.aclose()


async def test_a_file_that_is_no_model_is_told_and_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xllamacpp")
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + bytes(1_000))
    assert "does not run on this computer" in await problem_of(path, monkeypatch)


async def test_a_package_that_cannot_be_loaded_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "xllamacpp.py").write_text("raise ImportError('no such symbol')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    problem = await problem_of(tmp_path / "model.gguf", monkeypatch)
    assert "xllamacpp cannot be loaded: no such symbol" in problem


@pytest.mark.timeout(200)
def test_a_computer_short_of_memory_is_told_so_and_nothing_hangs(model_path: Path) -> None:
    """The whole of it under a limit that the model does not fit in."""
    script = (
        "import asyncio, pathlib, sys\n"
        "from kai.engine.llm import process\n"
        "process.RESTART_DELAY_S, process.RESTARTS_IN_A_ROW = 0.0, 0\n"
        "async def main():\n"
        "    model = process.ModelProcess(pathlib.Path(sys.argv[1]))\n"
        "    while not model.problem:\n"
        "        await asyncio.sleep(0.05)\n"
        "    print(model.problem)\n"
        "    await model.aclose()\n"
        "asyncio.run(main())\n"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1_000_000_000, 1_000_000_000))

    done = subprocess.run(
        [sys.executable, "-c", script, str(model_path)],
        preexec_fn=limit,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert "does not run on this computer" in done.stdout, done.stderr[-2000:]


async def test_no_process_is_left_when_the_engine_goes_without_a_word(model_path: Path) -> None:
    """Its standard input closes with whoever held the other end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "kai.engine.llm",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    given = {
        "path": str(model_path),
        "key": "k",
        "slots": 3,
        "context_tokens": 512,
        "threads": 1,
        "rules_folder": "",
    }
    process.stdin.write(f"{json.dumps(given)}\n".encode())
    async with asyncio.timeout(LOAD_S):
        assert b"base_url" in await process.stdout.readline()
    process.stdin.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(10):
            await process.wait()
    assert process.returncode == 0
