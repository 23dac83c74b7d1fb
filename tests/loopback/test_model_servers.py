"""Model servers on this computer are found by what they say, told apart, and asked nothing before somebody looks."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack

import pytest

from kai.engine.others import servers
from kai.engine.others.servers import LOOK_S, PORTS, FoundServer, find_servers
from tests.support import model_servers as stand_ins
from tests.support.model_servers import KINDS, ModelServer, ServerKind, never_answering, serving_kind


async def look_at(*servers: ModelServer) -> list[FoundServer]:
    return await find_servers({server.port: server.kind.usual for server in servers})


async def test_seven_servers_are_told_apart_beside_two_that_only_resemble_them() -> None:
    async with AsyncExitStack() as stack:
        kinds = [*KINDS, stand_ins.YES_SAYER, stand_ins.IMITATOR]
        running = [await stack.enter_async_context(serving_kind(kind)) for kind in kinds]
        assert all(server.got == [] for server in running)
        found = await look_at(*running)
        assert [(each.kind, each.name) for each in found] == [(kind.kind, kind.name) for kind in KINDS]
        assert [tuple(model.id for model in each.models) for each in found] == [kind.models for kind in KINDS]
        assert [each.url for each in found] == [
            f"http://127.0.0.1:{s.port}/v1" for s in running[: len(KINDS)]
        ]
        assert [each.kind for each in found if each.needs_key] == ["jan"]
        assert all(server.posted == [] and server.chat.asked == [] for server in running)


async def test_whoever_keeps_silent_holds_a_look_up_to_its_limit_and_hides_nobody() -> None:
    assert LOOK_S == 0.3
    async with serving_kind(KINDS[0]) as ollama, never_answering() as one, never_answering() as other:
        begun_s = asyncio.get_running_loop().time()
        found = await find_servers({one: "ollama", ollama.port: "ollama", other: "jan"})
        took_s = asyncio.get_running_loop().time() - begun_s
    assert [each.kind for each in found] == ["ollama"]
    assert servers.LOOK_S <= took_s < 2 * servers.LOOK_S


async def test_the_port_of_another_does_not_make_a_server_that_one() -> None:
    kinds = [kind for kind in KINDS if kind.kind not in ("jan", "gpt4all")]
    async with AsyncExitStack() as stack:
        running = [await stack.enter_async_context(serving_kind(kind)) for kind in kinds]
        for usual in sorted(set(PORTS.values()) - {"jan", "gpt4all"}):
            found = await find_servers({server.port: usual for server in running})
            assert [each.kind for each in found] == [kind.kind for kind in kinds], usual


@pytest.mark.parametrize(
    ("kind", "models", "needs_key"),
    [
        (stand_ins.SGLANG, ["Qwen/Qwen3-8B"], False),
        (stand_ins.OLD_LM_STUDIO, ["granite-3.0-2b"], False),
        (stand_ins.LOCKED_LM_STUDIO, [], True),
        (stand_ins.HALF_LOCKED_LM_STUDIO, [], True),
    ],
    ids=["sglang", "lmstudio before 0.4", "lmstudio with a token", "lmstudio with a token and an open list"],
)
async def test_further_habits_are_known(kind: ServerKind, models: list[str], needs_key: bool) -> None:
    async with serving_kind(kind) as server:
        found = (await look_at(server))[0]
    assert (found.kind, [model.id for model in found.models], found.needs_key) == (
        kind.kind,
        models,
        needs_key,
    )


async def test_what_is_loaded_and_what_thinks_is_told_where_the_server_says_it() -> None:
    async with (
        serving_kind(KINDS[0]) as ollama,
        serving_kind(KINDS[1]) as studio,
        serving_kind(KINDS[3]) as vllm,
    ):
        found = {
            each.kind: {model.id: model for model in each.models}
            for each in await look_at(ollama, studio, vllm)
        }
    llama, qwen = found["ollama"]["llama3.2:3b"], found["ollama"]["qwen3:4b"]
    assert (llama.is_loaded, llama.thinks, llama.note) == (False, False, "3.2B, Q4_K_M")
    assert (qwen.is_loaded, qwen.thinks) == (True, True)
    assert found["lmstudio"]["qwen/qwen3-4b-2507"].is_loaded is True
    assert found["vllm"]["Qwen/Qwen3-8B"].is_loaded is None


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"id": "x"}},
        {"data": [{"id": None}, {"id": ""}, {"id": "x" * 301}, "x", None]},
        {"data": [], "object": "list", "models": 7},
        [],
        "a page",
        {"object": "list", "data": [{"id": ["a"]}], "owned_by": {}},
    ],
)
async def test_lists_of_other_shapes_give_no_models_and_no_fault(body: object) -> None:
    kind = ServerKind("", "", dict.fromkeys(("/v1/models", "/api/tags", "/props", "/api/version"), body), ())
    async with serving_kind(kind) as server:
        found = await look_at(server)
    assert all(each.models == () for each in found)


async def test_a_list_without_end_and_a_port_without_server_are_left_alone() -> None:
    endless = ServerKind("", "", {"/v1/models": {"data": [{"id": "m" * 300}] * 5_000}}, ())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    async with serving_kind(endless) as server:
        assert await find_servers({server.port: "", closed: "ollama"}) == []


async def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving_kind(stand_ins.YES_SAYER) as proxy, serving_kind(KINDS[0]) as ollama:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "")
        assert [each.kind for each in await look_at(ollama)] == ["ollama"]
        assert proxy.got == []
