"""Finds the model servers of this computer: a table of how each kind is recognised, and one look at all their ports.

Any program may listen on any of these ports, so a port proves nothing: a server is recognised by the bodies of its
responses. LM Studio answers 200 to every path, others imitate Ollama's routes, and LocalAI and llama.cpp share a port. Each
open port gets the same few GET requests at the same time, and the first row of the table that matches wins. Nothing is ever
posted, and no model is loaded. The address is 127.0.0.1, not localhost, since some of these servers listen on IPv4 alone.
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
"""The ports, and the kind of server that usually listens there. LocalAI also uses 8080; llama.cpp moved to 9931 in August
2026."""
LOOK_S: Final = 0.3
"""The time for the whole look; a server that has not answered by then is not listed."""
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
    """A model of a server; requests name its ``id``.

    ``note`` is its size and precision, for people, where the server reports them. ``is_loaded`` and ``thinks`` are ``None``
    where the server does not say.
    """

    id: str
    note: str = ""
    is_loaded: bool | None = None
    thinks: bool | None = None


@dataclass(frozen=True, slots=True)
class FoundServer:
    """A model server of this computer.

    ``kind`` is its row in the table, and ``url`` the base URL of its chat endpoint. ``needs_key`` is true where it refuses
    to list its models without a key.
    """

    kind: str
    name: str
    url: str
    models: tuple[FoundModel, ...] = ()
    needs_key: bool = False


@dataclass(frozen=True, slots=True)
class _Told:
    """The response of one path: its status, and its body where that is a JSON object without an error."""

    status: int = 0
    body: Json | None = None

    def has(self, *names: str) -> bool:
        return self.body is not None and all(name in self.body for name in names)


_Answers: TypeAlias = Mapping[str, _Told]


@dataclass(frozen=True, slots=True)
class _Kind:
    """A row of the table: how a server is recognised by its responses, and which paths list its models in which form."""

    kind: str
    name: str
    is_it: Callable[[_Answers, str], bool]
    lists: tuple[str, ...]
    read: Callable[[_Answers], list[FoundModel]]


async def find_servers(ports: Mapping[int, str] = PORTS) -> list[FoundServer]:
    """Return the model servers that answer now, in the order of the ports; takes at most `LOOK_S` and does not raise."""
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
    # Send one request first: it reveals a closed port or another protocol, which then gets no more requests.
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
    """Return the response of that path, or ``None`` where no HTTP server answers."""
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
    # Programs that merely imitate these two routes have no chat endpoint at /v1, and so no list there.
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
    """Recognise a server that does not name itself by a list of models, or its refusal, at the kind's usual port."""

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


def _entries(told: _Told, field: str) -> list[Json]:
    given: Any = None if told.body is None else told.body.get(field)
    if not isinstance(given, list):
        return []
    return [cast("Json", entry) for entry in cast("list[Any]", given) if isinstance(entry, dict)]


def _listed(told: _Told, field: str, name: str) -> list[tuple[str, Json]]:
    """Return the entries whose id a request can name, each with that id."""
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
            continue  # an embedding model, which cannot talk
        details: Any = entry.get("details")
        facts = cast("Json", details) if isinstance(details, dict) else {}
        thinks = None if abilities is None else "thinking" in abilities
        models.append(
            FoundModel(found, _note(facts, "parameter_size", "quantization_level"), found in running, thinks)
        )
    return models


def _read_lm_studio(told: _Answers) -> list[FoundModel]:
    """Read the list with loaded instances (from 0.4 on), else the one with states, else the plain list. Where the first one
    is refused, a token is needed for a talk too, whatever another list says."""
    models: list[FoundModel] = []
    if told[_KEYED].status in (401, 403):
        return models
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
"""The most specific row first: LocalAI imitates Ollama's routes, and every server has ``/v1/models``."""
