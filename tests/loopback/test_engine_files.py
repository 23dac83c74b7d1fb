"""The person's own files for a brain that is elsewhere: a tool that asks the local engine, over a real socket."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from kai.adapters.engine_client import EngineAddress
from kai.adapters.engine_files import EngineFiles
from kai.engine.speech.mind import Mind
from kai.runtime.tools import SEARCH_FILES, first_tools, search_tool
from tests.support.engine_inside import engine_address

HOUSE = (
    "house.md",
    "# Summer house\n\nThe key lies under the blue flower pot. The neighbour has a second one.\n",
)
TEAM = ("team.txt", "Our release is planned for the third of March. Lunch is at noon.")


@pytest.fixture(scope="module")
def mind() -> Mind:
    return Mind.load()


def files_at(address: EngineAddress, documents: list[tuple[str, str]]) -> EngineFiles:
    async def up() -> EngineAddress:
        return address

    return EngineFiles(up, lambda: tuple(documents))


async def test_a_question_finds_its_passage_and_the_file_is_named(mind: Mind) -> None:
    async with engine_address(mind) as address:
        files = files_at(address, [HOUSE, TEAM])
        await files.warm()
        tools = first_tools(search_tool(files.search))
        result = await tools.run(SEARCH_FILES, '{"question": "Where is the key of the summer house?"}')
    told = json.loads(result.output)
    assert told["passages"][0]["file"] == "house.md"
    assert "blue flower pot" in told["passages"][0]["text"]
    assert "name the file" in told["advice"]
    assert result.problem == ""


async def test_a_file_that_has_changed_is_read_anew_and_one_that_is_gone_is_forgotten(mind: Mind) -> None:
    documents = [HOUSE]
    async with engine_address(mind) as address:
        files = files_at(address, documents)
        assert "blue flower pot" in (await files.search("Where is the key?"))[0].text
        documents[0] = ("house.md", HOUSE[1].replace("blue flower pot", "old bench"))
        assert "old bench" in (await files.search("Where is the key?"))[0].text
        documents.clear()
        assert await files.search("Where is the key?") == ()
        assert not await files.has_any()


async def test_an_engine_that_has_forgotten_the_files_is_given_them_again(mind: Mind) -> None:
    async with engine_address(mind) as first:
        files = files_at(first, [HOUSE])
        assert await files.search("Where is the key?")
        async with engine_address(mind) as second:

            async def up() -> EngineAddress:
                return second

            files._wait_up = up
            assert (await files.search("Where is the key?"))[0].file == "house.md"


async def test_only_the_app_may_search_and_only_a_mind_that_is_there(mind: Mind) -> None:
    async with engine_address(mind) as address, httpx.AsyncClient(trust_env=False) as client:
        url = address.realtime_url.removesuffix("/v1") + "/kai/minds/nobody/search"
        statuses = [
            (
                await client.post(url, json={"question": "x"}, headers={"Authorization": f"Bearer {key}"})
            ).status_code
            for key in ("wrong", "run")
        ]
    assert statuses == [401, 400]


async def test_an_engine_that_is_not_up_yet_is_said_so_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kai.adapters.engine_files.READY_S", 0.05)

    async def never() -> EngineAddress:
        return await asyncio.Future()

    tools = first_tools(search_tool(EngineFiles(never, lambda: (HOUSE,)).search))
    result = await tools.run(SEARCH_FILES, '{"question": "Where is the key?"}')
    assert "still being read" in result.problem
