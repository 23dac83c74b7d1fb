"""What the language model has read of the rules is kept in a file: read once, never trusted blindly, never in the way."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from kai.engine.chat_client import ChatClient, ChatEndpoint
from kai.engine.llm import kept_rules
from kai.engine.llm.kept_rules import KeptRules, rules_folder
from kai.engine.unspoken import Opening
from tests.support.prompt_server import serving

KEY = "secret"
MEMORY = b"what was read " * 1_000


class SlotServer:
    """A stand-in for llama.cpp's server as far as slots go: what is read, saved and restored, and whether it can be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.can_save = True
        self.done: list[str] = []
        self.slots: dict[int, bytes] = {}
        self.app = Starlette(
            routes=[
                Route("/v1/chat/completions", self.read, methods=["POST"]),
                Route("/slots/{slot:int}", self.change, methods=["POST"]),
            ]
        )

    async def read(self, request: Request) -> Response:
        """Read a prompt into a slot; nothing is generated."""
        body = await request.json()
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert body["messages"] == [{"role": "system", "content": kept_rules.RULES}]
        assert (body["n_predict"], body["add_generation_prompt"]) == (0, False)
        self.slots[body["id_slot"]] = MEMORY
        self.done.append(f"read {body['id_slot']}")
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        return StreamingResponse(
            iter([f"data: {json.dumps(end)}\n\n", "data: [DONE]\n\n"]), media_type="text/event-stream"
        )

    async def change(self, request: Request) -> Response:
        """Save a slot or restore it, as the query says."""
        slot, action = request.path_params["slot"], request.query_params["action"]
        path = self.folder / (await request.json())["filename"]
        if request.headers["authorization"] != f"Bearer {KEY}" or not self.can_save:
            error = {
                "code": 501,
                "message": "This server does not support slots action.",
                "type": "not_supported_error",
            }
            return JSONResponse({"error": error}, 501)
        self.done.append(f"{action} {slot}")
        if action == "save":
            path.write_bytes(self.slots[slot])
        else:
            self.slots[slot] = path.read_bytes()
        return JSONResponse({"id_slot": slot})


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model's file, and a cache folder of this test's own."""
    monkeypatch.setenv("KAI_CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    return path


@asynccontextmanager
async def started(model: Path) -> AsyncGenerator[tuple[KeptRules, SlotServer]]:
    """The model's server, newly started, with empty slots."""
    folder = rules_folder()
    server = SlotServer(folder or Path("nowhere"))
    async with serving(server.app) as port:
        endpoint = ChatEndpoint(f"http://127.0.0.1:{port}/v1", "test model", KEY)
        client = ChatClient(endpoint, Opening.ANSWER)
        try:
            yield KeptRules(endpoint, client, model), server
        finally:
            await client.close()


def kept() -> list[Path]:
    """The files in the folder."""
    folder = rules_folder()
    assert folder is not None
    return sorted(folder.iterdir())


async def fill(model: Path, *slots: int) -> list[str]:
    """Start the server, fill these slots, and return what the server did for it."""
    async with started(model) as (rules, server):
        for slot in slots:
            await rules.fill(slot)
        assert all(server.slots[slot] == MEMORY for slot in slots)
        return server.done


async def test_the_rules_are_read_once_for_all_slots_and_all_starts(model: Path) -> None:
    assert await fill(model, 0, 1) == ["read 0", "save 0", "restore 1"]
    (path,) = kept()
    assert path.read_bytes() == MEMORY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert await fill(model, 0, 1) == ["restore 0", "restore 1"]
    assert kept() == [path]


@pytest.mark.parametrize("damage", [b"", MEMORY[:-1], MEMORY[:5_000] + b"\0" + MEMORY[5_001:]])
async def test_a_damaged_file_is_read_anew(model: Path, damage: bytes) -> None:
    await fill(model, 0)
    (path,) = kept()
    path.write_bytes(damage)
    assert await fill(model, 0) == ["read 0", "save 0"]
    assert [each.read_bytes() for each in kept()] == [MEMORY]


async def test_another_model_and_other_rules_are_read_anew(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(model, 0)
    os.utime(model, (1, 1))
    assert await fill(model, 0) == ["read 0", "save 0"]
    monkeypatch.setattr(kept_rules, "RULES", "Other rules.")
    assert await fill(model, 0) == ["read 0", "save 0"]


async def test_only_the_newest_files_are_kept(model: Path) -> None:
    for age in range(kept_rules.FILES_KEPT + 2):
        os.utime(model, (age, age))
        await fill(model, 0)
    assert len(kept()) == kept_rules.FILES_KEPT
    assert await fill(model, 0) == ["restore 0"]


async def test_a_server_that_cannot_save_reads_each_time(model: Path) -> None:
    async with started(model) as (rules, server):
        server.can_save = False
        await rules.fill(0)
        await rules.fill(1)
        assert server.done == ["read 0", "read 1"]
    assert kept() == []


async def test_a_folder_that_cannot_be_made_costs_only_time(model: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert rules_folder() is None
    assert await fill(model, 0) == ["read 0"]


async def test_a_model_file_that_is_gone_costs_only_time(model: Path) -> None:
    model.unlink()
    assert await fill(model, 0) == ["read 0", "save 0"]
    assert kept() == []
