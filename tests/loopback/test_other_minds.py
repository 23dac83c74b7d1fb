"""The app's side of other minds: what it tells each life of its engine, what it keeps, and whose key goes where."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from kai.adapters.engine_client import EngineAddress
from kai.adapters.other_minds import MindDesk, OtherMind
from kai.checks.run import Level
from kai.checks.services import check_servers
from kai.errors import EngineError, KaiError
from kai.records.chosen_mind import ChosenMind
from kai.records.preferences import JsonFile
from tests.support.engine_inside import engine_address
from tests.support.model_servers import KINDS, ModelServer, serving_kind

OLLAMA, JAN = KINDS[0], next(kind for kind in KINDS if kind.kind == "jan")


class Lives:
    """The engine as its supervisor shows it: an address while it is up, and its ends."""

    def __init__(self, address: EngineAddress) -> None:
        self.address = address
        self.gone = asyncio.Event()

    async def wait_up(self) -> EngineAddress:
        return self.address

    async def wait_gone(self) -> None:
        await self.gone.wait()
        self.gone.clear()


@asynccontextmanager
async def a_desk(
    kept: OtherMind | None = None, known: OtherMind | None = None
) -> AsyncIterator[tuple[MindDesk, Lives, list[OtherMind]]]:
    saved: list[OtherMind] = []
    async with engine_address() as address:
        lives = Lives(address)
        yield MindDesk(lives.wait_up, lives.wait_gone, kept or OtherMind(), saved.append, known), lives, saved


def mind_at(server: ModelServer, key: str = "") -> OtherMind:
    return OtherMind(server.chat.base_url, "llama3.2:3b", SecretStr(key))


async def told(desk: MindDesk, state: str) -> Any:
    async with asyncio.timeout(10):
        while (now := await desk.status())["state"] != state:
            await asyncio.sleep(0.01)
    return now


async def test_a_person_looks_tries_chooses_and_goes_back() -> None:
    async with serving_kind(OLLAMA) as ollama, a_desk() as (desk, _, saved):
        desk._ports = (ollama.port,)  # pyright: ignore[reportPrivateUsage]
        assert (await desk.status())["state"] == "own"
        assert ollama.got == []
        (found,) = [server for server in await desk.find() if server["url"] == ollama.chat.base_url]
        assert (found["name"], [model["id"] for model in found["models"]]) == ("Ollama", list(OLLAMA.models))
        assert (await desk.try_it(mind_at(ollama)))["is_fine"]
        assert (await desk.status())["state"] == "own"
        assert (await desk.choose(mind_at(ollama)))["state"] in ("loading", "up")
        assert (await told(desk, "up"))["server"] == "Ollama"
        assert (await desk.choose(OtherMind()))["state"] == "own"
    assert saved == [mind_at(ollama), OtherMind()]


async def test_each_life_of_the_engine_is_told_of_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kai.adapters.other_minds.AGAIN_S", 0.01)
    async with serving_kind(OLLAMA) as ollama, a_desk(kept=mind_at(ollama)) as (desk, lives, _):
        keeping = asyncio.create_task(desk.keep())
        try:
            await told(desk, "up")
            async with engine_address() as second:
                lives.address = second
                lives.gone.set()
                await told(desk, "up")
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])


async def test_a_key_goes_to_the_address_that_it_was_given_for_and_to_no_other() -> None:
    async with serving_kind(JAN) as jan, serving_kind(OLLAMA) as other:
        known = OtherMind(jan.chat.base_url, "small", SecretStr("jan-key"))
        async with a_desk(known=known) as (desk, _, _saved):
            assert (await desk.try_it(OtherMind(jan.chat.base_url, "large")))["models"] == ["Jan-v3-4B"]
            await desk.try_it(mind_at(other))
            await desk.try_it(OtherMind(jan.chat.base_url, "large", SecretStr("mine")))
        assert jan.chat.keys == ["Bearer jan-key", "Bearer mine"]
        assert other.chat.keys == [""]


async def test_what_is_wrong_is_told_and_the_choice_stays() -> None:
    async with serving_kind(OLLAMA) as ollama, a_desk() as (desk, lives, saved):
        await desk.choose(mind_at(ollama))
        with pytest.raises(EngineError, match="begins with http"):
            await desk.choose(OtherMind("ollama", "small"))
        assert (await desk.status())["model"] == "llama3.2:3b"
        lives.address = EngineAddress("http://127.0.0.1:1/v1", "run")
        with pytest.raises(EngineError, match="does not answer"):
            await desk.find()
    assert len(saved) == 1


async def test_a_file_of_the_catalogue_is_refused_while_it_is_not_here_and_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAI_MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    async with a_desk() as (desk, _, saved):
        files = await desk.files()
        assert files["on"] == ""
        assert {row["id"]: row["state"] for row in files["models"]}["qwen3-1.7b"] == "absent"
        assert all(row["tokens_per_s"] > 0 and row["licence"] == "Apache-2.0" for row in files["models"])
        with pytest.raises(EngineError, match="is not here"):
            await desk.change_file("qwen3-1.7b", "on")
        with pytest.raises(EngineError, match="no language model of that name"):
            await desk.change_file("gpt-5", "fetch")
    assert saved == []


def test_a_choice_is_kept_for_its_user_alone_and_read_again(tmp_path: Path) -> None:
    path, own = tmp_path / "mind.json", ChosenMind()
    kept = JsonFile(path, own)
    assert kept.value == own
    chosen = ChosenMind(
        base_url="https://minds.example/v1", model="large", api_key=SecretStr("seeded-secret")
    )
    kept.write(chosen)
    assert JsonFile(path, own).value == chosen
    assert path.stat().st_mode & 0o077 == 0
    assert "seeded-secret" not in repr(chosen)
    path.write_text('{"base_url": 7}')
    assert JsonFile(path, own).value == own
    assert len(list(tmp_path.glob("mind.broken-*"))) == 1


def test_a_folder_that_cannot_be_written_to_keeps_nothing_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(KaiError, match="cannot be kept"):
        JsonFile(tmp_path / "missing" / "mind.json", ChosenMind()).write(ChosenMind(model="large"))


def test_the_check_names_the_servers_of_this_computer() -> None:
    assert check_servers(lambda: []).level is Level.UNUSED
    found = check_servers(lambda: ["Ollama", "LM Studio"])
    assert (found.level, found.facts["names"]) == (Level.GREEN, "Ollama, LM Studio")
