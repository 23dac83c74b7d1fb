"""Stand-ins of the model servers that people have: each on a real port, with the bodies that the real one gives.

A table of `ServerKind`s by name; `serving_kind` runs one. What each lists, refuses and imitates is taken from the servers'
own documents and sources. All of them stream chat answers at ``/v1/chat/completions`` as `ChatServer` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.support.chat_providers import PROVIDERS, Provider
from tests.support.chat_server import ChatServer, serving_chat

Answer: TypeAlias = tuple[int, Any]
Answers: TypeAlias = Mapping[str, Any]
"""Bodies of GET requests by path."""


def plain_list(*names: str, **more: Any) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": name, "object": "model", **more} for name in names]}


def _unexpected(path: str) -> Answer:
    return 200, {"error": f"Unexpected endpoint or method. (GET {path}). Returning 200 anyway"}


def _not_found(_path: str) -> Answer:
    return 404, {"detail": "Not Found"}


def _says_yes(_path: str) -> Answer:
    return 200, {"status": "ok", "message": "Welcome", "models": "many", "version": 3}


@dataclass(frozen=True)
class ServerKind:
    """One server's ways. ``kind`` and ``name`` are what it must be told as; ``models`` what a person may choose.

    ``key`` is wanted for everything but ``open_paths``; ``otherwise`` answers every other path.
    """

    kind: str
    name: str
    answers: Answers
    models: tuple[str, ...]
    otherwise: Callable[[str], Answer] = _not_found
    key: str = ""
    open_paths: frozenset[str] = frozenset()
    usual: str = ""
    chats: bool = True

    def __str__(self) -> str:
        return self.kind


OLLAMA_TAGS: Mapping[str, Any] = {
    "models": [
        {
            "name": name,
            "model": name,
            "modified_at": "2026-11-20T10:15:00.1+01:00",
            "size": 2019393189,
            "digest": "a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72",
            "details": {
                "parent_model": "",
                "format": "gguf",
                "family": "llama",
                "families": ["llama"],
                "parameter_size": size,
                "quantization_level": "Q4_K_M",
                "context_length": 131072,
            },
            "capabilities": can,
        }
        for name, size, can in (
            ("llama3.2:3b", "3.2B", ["completion", "tools"]),
            ("qwen3:4b", "4.0B", ["completion", "tools", "thinking"]),
            ("nomic-embed-text:latest", "137M", ["embedding"]),
        )
    ]
}

KINDS: tuple[ServerKind, ...] = (
    ServerKind(
        "ollama",
        "Ollama",
        {
            "/api/version": {"version": "0.18.2"},
            "/api/tags": OLLAMA_TAGS,
            "/api/ps": {
                "models": [
                    {
                        "name": "qwen3:4b",
                        "model": "qwen3:4b",
                        "expires_at": "2318-11-30T10:15:00Z",
                        "size_vram": 0,
                        "context_length": 4096,
                    }
                ]
            },
            "/v1/models": plain_list(
                "llama3.2:3b", "qwen3:4b", "nomic-embed-text:latest", owned_by="library"
            ),
        },
        ("llama3.2:3b", "qwen3:4b"),
        usual="ollama",
    ),
    ServerKind(
        "lmstudio",
        "LM Studio",
        {
            "/lmstudio-greeting": {"lmstudio": True},
            "/api/v1/models": {
                "models": [
                    {
                        "key": "qwen/qwen3-4b-2507",
                        "type": "llm",
                        "params_string": "4B",
                        "quantization": {"name": "Q4_K_M", "bits_per_weight": 4},
                        "loaded_instances": [
                            {"id": "qwen/qwen3-4b-2507", "config": {"context_length": 8192}}
                        ],
                        "max_context_length": 262144,
                    },
                    {
                        "key": "text-embedding-nomic-embed-text-v1.5",
                        "type": "embedding",
                        "loaded_instances": [],
                    },
                ]
            },
            "/v1/models": plain_list(
                "qwen/qwen3-4b-2507", "text-embedding-nomic-embed-text-v1.5", owned_by="x"
            ),
        },
        ("qwen/qwen3-4b-2507",),
        otherwise=_unexpected,
        usual="lmstudio",
    ),
    ServerKind(
        "llama.cpp",
        "llama.cpp",
        {
            "/health": {"status": "ok"},
            "/props": {
                "build_info": "b9931-00dc8057",
                "total_slots": 4,
                "model_path": "/models/gemma.gguf",
                "is_sleeping": False,
            },
            "/api/tags": {"models": [{"name": "gemma-4-E2B-it"}]},
            "/v1/models": {
                **plain_list(
                    "gemma-4-E2B-it",
                    owned_by="llamacpp",
                    meta={"n_ctx_train": 131072, "n_params": 4_600_000_000, "size": 2_620_000_000},
                ),
                "models": [{"name": "gemma-4-E2B-it"}],
            },
        },
        ("gemma-4-E2B-it",),
        usual="llama.cpp",
    ),
    ServerKind(
        "vllm",
        "vLLM",
        {
            "/version": {"version": "0.12.0"},
            "/v1/models": plain_list(
                "Qwen/Qwen3-8B", owned_by="vllm", root="Qwen/Qwen3-8B", max_model_len=32768
            ),
        },
        ("Qwen/Qwen3-8B",),
        usual="vllm",
    ),
    ServerKind(
        "jan",
        "Jan",
        {"/v1/models": plain_list("Jan-v3-4B")},
        (),
        otherwise=lambda _path: (401, {"message": "Invalid or missing authorization token"}),
        key="jan-key",
        usual="jan",
    ),
    ServerKind(
        "localai",
        "LocalAI",
        {
            "/.well-known/localai.json": {
                "version": "v4.9.0",
                "endpoints": {"chat_completions": "/v1/chat/completions", "models": "/v1/models"},
            },
            "/api/version": {"version": "0.9.0"},
            "/api/tags": {"models": [{"name": "hermes", "details": {}}]},
            "/v1/models": plain_list("hermes"),
        },
        ("hermes",),
        usual="llama.cpp",
    ),
    ServerKind(
        "gpt4all",
        "GPT4All",
        {"/v1/models": plain_list("Llama 3 8B Instruct")},
        ("Llama 3 8B Instruct",),
        usual="gpt4all",
    ),
)
"""The seven that a person may have."""

SGLANG = ServerKind(
    "sglang",
    "SGLang",
    {"/v1/models": plain_list("Qwen/Qwen3-8B", owned_by="sglang", root="Qwen/Qwen3-8B", max_model_len=32768)},
    ("Qwen/Qwen3-8B",),
    usual="vllm",
)
OLD_LM_STUDIO = ServerKind(
    "lmstudio",
    "LM Studio",
    {
        "/lmstudio-greeting": {"lmstudio": True},
        "/api/v0/models": {
            "object": "list",
            "data": [
                {"id": "granite-3.0-2b", "type": "llm", "state": "not-loaded", "max_context_length": 4096},
                {"id": "text-embedding-x", "type": "embeddings", "state": "loaded"},
            ],
        },
        "/v1/models": plain_list("granite-3.0-2b", "text-embedding-x"),
    },
    ("granite-3.0-2b",),
    otherwise=_unexpected,
)
LOCKED_LM_STUDIO = ServerKind(
    "lmstudio",
    "LM Studio",
    {"/lmstudio-greeting": {"lmstudio": True}},
    (),
    otherwise=lambda _path: (401, {"error": {"message": "An LM Studio API token is required"}}),
    key="token",
    open_paths=frozenset({"/lmstudio-greeting"}),
)
HALF_LOCKED_LM_STUDIO = replace(
    LOCKED_LM_STUDIO,
    answers={**LOCKED_LM_STUDIO.answers, "/v1/models": plain_list("granite-3.0-2b")},
    open_paths=LOCKED_LM_STUDIO.open_paths | {"/v1/models"},
)
YES_SAYER = ServerKind("", "", {}, (), otherwise=_says_yes)
"""A web application that answers 200 to all, with JSON that resembles everything."""
IMITATOR = ServerKind(
    "",
    "",
    {
        "/api/version": {"version": "0.9.3"},
        "/api/tags": {"models": [{"name": "lightrag:latest", "digest": "sha256:l"}]},
    },
    (),
    usual="ollama",
)
"""Has Ollama's own routes for other programs' sake, and no chat endpoint of the compatible kind."""


@dataclass
class ModelServer:
    """A running stand-in. ``got`` has every GET that came, ``posted`` path and body of each POST but chat's.

    With ``is_frozen`` nothing but the chat is answered until that goes on, as those of a stopped process are not.
    """

    kind: ServerKind
    chat: ChatServer
    got: list[str] = field(default_factory=list[str])
    posted: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    is_frozen: bool = False

    @property
    def port(self) -> int:
        return self.chat.port

    async def _get(self, request: Request) -> Response:
        path = request.url.path
        self.got.append(path)
        if self.is_frozen:
            await self.chat.go_on.wait()
        if path in self.kind.answers and self._may(request, path):
            return JSONResponse(self.kind.answers[path])
        status, body = self.kind.otherwise(path)
        return (
            JSONResponse(body, status_code=status) if not isinstance(body, str) else PlainTextResponse(body)
        )

    async def _load(self, request: Request) -> Response:
        self.posted.append((request.url.path, await request.json()))
        if self.is_frozen:
            await self.chat.go_on.wait()
        return JSONResponse(
            {"model": self.posted[-1][1].get("model"), "response": "", "done": True, "done_reason": "load"}
        )

    def _may(self, request: Request, path: str) -> bool:
        is_open = not self.kind.key or path in self.kind.open_paths
        return is_open or request.headers.get("authorization") == f"Bearer {self.kind.key}"

    def routes(self) -> list[Route]:
        loads = [Route("/api/generate", self._load, methods=["POST"])] if self.kind.kind == "ollama" else []
        return [*loads, Route("/{path:path}", self._get, methods=["GET"])]


@asynccontextmanager
async def serving_kind(kind: ServerKind, **chat: Any) -> AsyncIterator[ModelServer]:
    """A stand-in of that kind on a free port, which streams what `ChatServer` is given."""
    server = ModelServer(kind, ChatServer(**chat))
    async with serving_chat(server.chat, routes=server.routes()):
        yield server


def provider_of(kind: ServerKind) -> Provider:
    """How that kind refuses and streams."""
    names = {"lmstudio": "lm-studio"}
    return next(each for each in PROVIDERS if each.name == names.get(kind.kind, kind.kind))


@asynccontextmanager
async def never_answering() -> AsyncIterator[int]:
    """The port of a listener that takes connections and says nothing."""
    writers: list[asyncio.StreamWriter] = []

    async def hold(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
