"""The engine tells of its language model, fetches it when the app asks, and thinks with it once it is there."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from kai.adapters.engine_process import EngineProcess
from kai.engine.models import places
from kai.engine.models.keeper import ModelKeeper
from kai.engine.server import Engine
from kai.engine.speech.voices import CHOICES
from tests.support.speech_double import SpeechDouble
from tests.support.tiny_models import make_model

RUN = {"authorization": "Bearer run"}
PLENTY_BYTES = 1 << 40


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the model will lie; pip looks in ``wheels`` beside it, and nowhere else."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("KAI_MIND", raising=False)
    monkeypatch.setenv("KAI_MODELS_DIR", str(tmp_path / "models"))
    return tmp_path / "models"


@asynccontextmanager
async def engine_with(keeper: ModelKeeper) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an engine that has this keeper."""
    engine = Engine(SpeechDouble().as_kit(), run_key="run", models=keeper)
    app = engine.application()
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield client


async def state_of(client: httpx.AsyncClient, *wanted: str) -> dict[str, Any]:
    """How the model is, once it is one of ``wanted``."""
    async with asyncio.timeout(60):
        while True:
            model: dict[str, Any] = (await client.get("/kai/status", headers=RUN)).json()["model"]
            if model["state"] in wanted:
                return model
            await asyncio.sleep(0.05)


async def test_the_engine_fetches_its_model_when_the_app_asks(tmp_path: Path, folder: Path) -> None:
    model, whole = make_model(tmp_path / "wheels")
    async with engine_with(ModelKeeper(models=(model,), memory_bytes=PLENTY_BYTES)) as client:
        assert (await state_of(client, "none"))["licence"] == "Apache-2.0"
        path = f"/kai/models/{model.id}/fetch"
        refused = [
            (await client.post(path, headers={"authorization": "Bearer other"})).status_code,
            (await client.delete(path)).status_code,
            (await client.post("/kai/models/another/fetch", headers=RUN)).status_code,
        ]
        assert refused == [401, 401, 404]
        assert not places.own_copy(model).exists()
        assert (await client.post(path, headers=RUN)).status_code == 202
        told = await state_of(client, "ready", "failed")
        assert (told["state"], told["path"]) == ("ready", str(places.own_copy(model)))
        assert (told["done_bytes"], told["name"]) == (model.bytes, model.name)
    assert places.own_copy(model).read_bytes() == whole


@pytest.mark.long
async def test_the_app_reads_on_the_way_how_far_the_engine_is_and_the_terminal_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The real engine, which looks for the real model where there is nothing but an unreachable mirror."""
    monkeypatch.setenv("KAI_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    engine = EngineProcess(environment={"KAI_MIND": "", "KAI_FETCH_MODEL": "1"})
    engine.start()
    try:
        await engine.wait_up()
        states: list[str] = []
        deadline_s = time.monotonic() + 90
        while (not states or states[-1] != "failed") and time.monotonic() < deadline_s:
            if not states or states[-1] != engine.report.model.state:
                states.append(engine.report.model.state)
            await asyncio.sleep(0.05)
        model = engine.report.model
        assert states[-1] == "failed"
        assert set(states) <= {"looking", "fetching", "failed"}
        assert "Look at the network connection" in model.problem
        assert model.bytes > 400_000_000
        assert [voice.id for voice in engine.report.voices] == [choice.id for choice in CHOICES]
    finally:
        await engine.aclose()
    shown = [line for line in capfd.readouterr().err.splitlines() if line.startswith("Language model")]
    assert shown[0].startswith("Language model: 0% (0 of ")
    assert shown[-1].endswith("what was fetched is kept.")
