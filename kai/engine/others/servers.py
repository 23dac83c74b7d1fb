"""Which model servers run on this computer: a table of what each says of itself, and one look at all their ports.

Any program may listen on any of these ports, so a port tells nothing: a server is what its bodies say that it is. One of
them (LM Studio) answers 200 to every path, others imitate Ollama's routes, LocalAI and llama.cpp share a port. Each port
that is open gets the same few GET requests at once, and the first row of the table that knows its own words wins. Nothing
is ever posted, no model is loaded by it, and 127.0.0.1 is written out, since some of these servers listen on IPv4 alone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias, cast

import httpx

from kai.compat import http

HOST: Final = "127.0.0.1"
PORTS: Final[Mapping[int, str]] = MappingProxyType(
    {
        11434: "ollama",
        1234: "lmstudio",
        8080: "llama.cpp",
        9931: "llama.cpp",
        8000: "vllm",
        1337: "jan",
        4891: "gpt4all",
    }
)
"""Where to look, and which kind is usual there. LocalAI is at 8080 too; llama.cpp moved to 9931 in August 2026."""
LOOK_S: Final = 0.3
"""The whole look; a server that does not answer by then is not listed."""
MAX_BODY_BYTES: Final = 1 << 20
MAX_MODELS: Final = 200
_GREETING, _VERSION, _WELL_KNOWN, _PROPS, _MODELS = (
    "/lmstudio-greeting",
    "/api/version",
    "/.well-known/localai.json",
    "/props",
    "/v1/models",
)
_TAGS, _RUNNING, _KEYED, _STATES = "/api/tags", "/api/ps", "/api/v1/models", "/api/v0/models"

Json: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model of a server, by the ``id`` that requests name. ``note`` is its size and precision, for people, where told;
    ``is_loaded`` and ``thinks`` are ``None`` where the server does not say."""

    id: str
    note: str = ""
    is_loaded: bool | None = None
    thinks: bool | None = None


@dataclass(frozen=True, slots=True)
class FoundServer:
    """A model server of this computer. ``kind`` is its row in the table; ``url`` is the base URL of its chat endpoint;
    ``needs_key`` where it refuses to list its models without one."""

    kind: str
    name: str
    url: str
    models: tuple[FoundModel, ...] = ()
    needs_key: bool = False


@dataclass(frozen=True, slots=True)
class _Told:
    """What one path of a server answered: its status and, where the body is a JSON object without an error, that."""

    status: int = 0
    body: Json | None = None

    def has(self, *names: str) -> bool:
        return self.body is not None and all(name in self.body for name in names)


_Answers: TypeAlias = Mapping[str, _Told]


@dataclass(frozen=True, slots=True)
class _Kind:
    """A row of the table: how a server is known by its answers, which paths list its models, and how those are read."""

    kind: str
    name: str
    is_it: Callable[[_Answers, str], bool]
    lists: tuple[str, ...]
    read: Callable[[_Answers], list[FoundModel]]


async def find_servers(ports: Mapping[int, str] = PORTS) -> list[FoundServer]:
    """The model servers that answer now, in the order of the ports; takes `LOOK_S` at most, and raises nothing."""
    async with http.async_client(f"http://{HOST}", timeout=LOOK_S) as client:
        looks = [
            asyncio.create_task(_look(client, port, usual), name=f"minds: look at {port}")
            for port, usual in ports.items()
        ]
        try:
            await asyncio.wait(looks, timeout=LOOK_S)
        finally:
            for look in looks:
                look.cancel()
            await asyncio.wait(looks)
    found = [look.result() for look in looks if not look.cancelled()]
    return [server for server in found if server is not None]


async def _look(client: httpx.AsyncClient, port: int, usual: str) -> FoundServer | None:
    # One request first: a port that is closed, or speaks another protocol, is told by it and left alone.
    first = await _ask(client, port, _MODELS)
    if first is None:
        return None
    told = {_MODELS: first, **await _ask_all(client, port, (_GREETING, _VERSION, _WELL_KNOWN, _PROPS, _TAGS))}
    kind = next((kind for kind in _KINDS if kind.is_it(told, usual)), None)
    if kind is None:
        return None
    told |= await _ask_all(client, port, tuple(path for path in kind.lists if path not in told))
    models = kind.read(told)
    refused = [told[path].status in (401, 403) for path in kind.lists]
    url = f"http://{HOST}:{port}/v1"
    return FoundServer(kind.kind, kind.name, url, tuple(models[:MAX_MODELS]), not models and any(refused))


async def _ask_all(client: httpx.AsyncClient, port: int, paths: tuple[str, ...]) -> dict[str, _Told]:
    answers = await asyncio.gather(*(_ask(client, port, path) for path in paths))
    return {path: answer or _Told() for path, answer in zip(paths, answers, strict=True)}


async def _ask(client: httpx.AsyncClient, port: int, path: str) -> _Told | None:
    """What that path answers; ``None`` where nothing that speaks HTTP does."""
    body = b""
    try:
        async with client.stream("GET", f"http://{HOST}:{port}{path}") as reply:
            async for part in reply.aiter_bytes():
                body += part
                if len(body) > MAX_BODY_BYTES:
                    return _Told(reply.status_code)
    except (httpx.HTTPError, httpx.StreamError):
        return None
    try:
        read: Any = json.loads(body)
    except (ValueError, RecursionError):
        read = None
    is_told = isinstance(read, dict) and "error" not in read
    return _Told(reply.status_code, cast("Json", read) if is_told else None)


# -- how each is known -------------------------------------------------------------------------------------------------


def _is_lm_studio(told: _Answers, _usual: str) -> bool:
    greeting = told[_GREETING].body
    return greeting is not None and greeting.get("lmstudio") is True


def _is_local_ai(told: _Answers, _usual: str) -> bool:
    body = told[_WELL_KNOWN].body
    return (
        body is not None and isinstance(body.get("version"), str) and isinstance(body.get("endpoints"), dict)
    )


def _is_llama_cpp(told: _Answers, _usual: str) -> bool:
    return told[_PROPS].has("build_info", "total_slots") or _owners(told) == {"llamacpp"}


def _is_ollama(told: _Answers, _usual: str) -> bool:
    # Programs that imitate these two routes for other programs' sake have no chat endpoint at /v1, so no list there.
    version, tags = told[_VERSION].body, told[_TAGS].body
    return (
        version is not None
        and isinstance(version.get("version"), str)
        and tags is not None
        and isinstance(tags.get("models"), list)
        and _is_list(told[_MODELS])
    )


def _is_owned_by(owner: str) -> Callable[[_Answers, str], bool]:
    return lambda told, _usual: _owners(told) == {owner}


def _is_at_place_of(kind: str) -> Callable[[_Answers, str], bool]:
    """For those that say nothing of themselves: a list of models, or its refusal, at the port that they usually have."""

    def is_it(told: _Answers, usual: str) -> bool:
        return usual == kind and (_is_list(told[_MODELS]) or told[_MODELS].status in (401, 403))

    return is_it


def _is_any(told: _Answers, _usual: str) -> bool:
    return bool(_listed(told[_MODELS], "data", "id"))


def _is_list(told: _Told) -> bool:
    return told.body is not None and (
        isinstance(told.body.get("data"), list) or told.body.get("object") == "list"
    )


def _owners(told: _Answers) -> set[str]:
    return {str(entry.get("owned_by", "")) for entry in _entries(told[_MODELS], "data")}


# -- how each lists its models -----------------------------------------------------------------------------------------


def _entries(told: _Told, field: str) -> list[Json]:
    given: Any = None if told.body is None else told.body.get(field)
    if not isinstance(given, list):
        return []
    return [cast("Json", entry) for entry in cast("list[Any]", given) if isinstance(entry, dict)]


def _listed(told: _Told, field: str, name: str) -> list[tuple[str, Json]]:
    """Each entry with its id, of those that have one that a request can name."""
    entries = [(entry.get(name), entry) for entry in _entries(told, field)]
    return [(found, entry) for found, entry in entries if isinstance(found, str) and 0 < len(found) <= 300]


def _read_plain(told: _Answers) -> list[FoundModel]:
    return [FoundModel(found) for found, _ in _listed(told[_MODELS], "data", "id")]


def _read_llama_cpp(told: _Answers) -> list[FoundModel]:
    models: list[FoundModel] = []
    for found, entry in _listed(told[_MODELS], "data", "id"):
        meta: Any = entry.get("meta")
        size: Any = cast("Json", meta).get("n_params") if isinstance(meta, dict) else None
        note = f"{size / 1e9:.1f}B" if isinstance(size, int | float) and size > 0 else ""
        status: Any = entry.get("status")
        value: Any = cast("Json", status).get("value") if isinstance(status, dict) else "loaded"
        models.append(FoundModel(found, note, value == "loaded"))
    return models


def _read_ollama(told: _Answers) -> list[FoundModel]:
    running = {found for found, _ in _listed(told[_RUNNING], "models", "name")}
    models: list[FoundModel] = []
    for found, entry in _listed(told[_TAGS], "models", "name"):
        can: Any = entry.get("capabilities")
        abilities = cast("list[Any]", can) if isinstance(can, list) else None
        if abilities is not None and "completion" not in abilities:
            continue  # it makes embeddings, no talk
        details: Any = entry.get("details")
        facts = cast("Json", details) if isinstance(details, dict) else {}
        thinks = None if abilities is None else "thinking" in abilities
        models.append(
            FoundModel(found, _note(facts, "parameter_size", "quantization_level"), found in running, thinks)
        )
    return models


def _read_lm_studio(told: _Answers) -> list[FoundModel]:
    """From 0.4 on with what is loaded, before that with a state, and at least the plain list."""
    models: list[FoundModel] = []
    for found, entry in _listed(told[_KEYED], "models", "key"):
        if str(entry.get("type", "llm")) in ("llm", "vlm"):
            loaded: Any = entry.get("loaded_instances")
            note = _note(entry, "params_string", "quantization")
            models.append(FoundModel(found, note, bool(loaded) if isinstance(loaded, list) else None))
    if models:
        return models
    for found, entry in _listed(told[_STATES], "data", "id"):
        if str(entry.get("type", "llm")) in ("llm", "vlm"):
            models.append(FoundModel(found, _note(entry, "quantization"), entry.get("state") == "loaded"))
    return models or _read_plain(told)


def _note(facts: Json, *names: str) -> str:
    return ", ".join(
        str(facts[name])[:40] for name in names if isinstance(facts.get(name), str) and facts[name]
    )


_KINDS: Final = (
    _Kind("lmstudio", "LM Studio", _is_lm_studio, (_KEYED, _STATES, _MODELS), _read_lm_studio),
    _Kind("localai", "LocalAI", _is_local_ai, (_MODELS,), _read_plain),
    _Kind("llama.cpp", "llama.cpp", _is_llama_cpp, (_MODELS,), _read_llama_cpp),
    _Kind("ollama", "Ollama", _is_ollama, (_TAGS, _RUNNING), _read_ollama),
    _Kind("vllm", "vLLM", _is_owned_by("vllm"), (_MODELS,), _read_plain),
    _Kind("sglang", "SGLang", _is_owned_by("sglang"), (_MODELS,), _read_plain),
    _Kind("jan", "Jan", _is_at_place_of("jan"), (_MODELS,), _read_plain),
    _Kind("gpt4all", "GPT4All", _is_at_place_of("gpt4all"), (_MODELS,), _read_plain),
    _Kind("other", "A model server", _is_any, (_MODELS,), _read_plain),
)
"""The most telling first: LocalAI imitates Ollama's routes, and everybody has ``/v1/models``."""
