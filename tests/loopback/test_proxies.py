"""This computer is never reached by a proxy, and a proxy that does not work is named: with a real listener as the proxy."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial

import pytest

from kai.adapters.engine_client import EngineAddress
from kai.adapters.engine_minds import EngineMind, give_mind
from kai.adapters.engine_status import read_report
from kai.adapters.liveavatar.rest import Account, LiveAvatarApi
from kai.adapters.openai_realtime import Endpoint, OpenAIRealtimeBrain, OpenAISocketBrain
from kai.adapters.openai_realtime.account import ask_of_model
from kai.checks.services import check_provider
from kai.compat import http
from kai.core.state import Look
from kai.engine.chat import ChatThinker
from kai.engine.chat_client import ChatClient, ChatEndpoint
from kai.engine.speech.mind import UNKNOWN, Reply
from kai.engine.thinking import LocalThinker, Question, Trouble
from kai.engine.workers import Workers
from kai.errors import BrainError, ConfigError, FaceError, KaiError
from kai.wire.realtime import ContentPart, Item
from tests.support.chat_server import serving_chat
from tests.support.chosen_mind import choosing
from tests.support.engine import KEY, RunningEngine, engine
from tests.support.fakes import BrainLog
from tests.support.liveavatar import RunningLiveAvatar, liveavatar, liveavatar_process

__all__ = ["engine", "liveavatar", "liveavatar_process"]

NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WS_PROXY", "SOCKS_PROXY", "NO_PROXY")
WAYS = {
    "http": {"HTTP_PROXY": "http://{}", "HTTPS_PROXY": "http://{}"},
    "without a scheme": {"http_proxy": "{}", "https_proxy": "{}"},
    "all": {"ALL_PROXY": "http://user:secret@{}"},
    "small letters": {"all_proxy": "http://{}", "ws_proxy": "http://{}", "socks_proxy": "http://{}"},
    "socks": {"ALL_PROXY": "socks5://{}", "HTTP_PROXY": "socks5h://{}"},
    "nonsense": {"ALL_PROXY": "nonsense://{}", "HTTP_PROXY": "http://[", "NO_PROXY": ","},
}
"""What stands in the environment; ``{}`` is the listener's address."""


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class Listener:
    """Takes connections and remembers what came; answers as a proxy that refuses."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.place = ""

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard.append(await reader.read(65_536))
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    listener = Listener()
    server = await asyncio.start_server(listener.take, "127.0.0.1", 0)
    listener.place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield listener
    finally:
        server.close()
        await server.wait_closed()


def set_proxies(monkeypatch: pytest.MonkeyPatch, way: str, place: str) -> None:
    for name, value in WAYS[way].items():
        monkeypatch.setenv(name, value.format(place))


@pytest.fixture
def closed_port() -> Iterator[str]:
    """An address at which nobody answers."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{closed.getsockname()[1]}"


class Silent(LocalThinker):
    def __init__(self) -> None:
        pass

    async def reply(self, question: Question) -> Reply:
        return Reply("I do not know.", UNKNOWN, 0.0)


async def troubles_of(endpoint: ChatEndpoint) -> list[Trouble]:
    """What goes wrong when the model is asked something."""
    workers, client = Workers(), ChatClient(endpoint)
    said = Item(type="message", role="user", content=(ContentPart(type="input_text", text="Hi"),))
    question = Question((said,), "", datetime(2026, 1, 2, 3, 4))  # noqa: DTZ001
    try:
        thoughts = ChatThinker(endpoint, client, Silent(), workers=workers).think(question)
        return [thought async for thought in thoughts if isinstance(thought, Trouble)]
    finally:
        await client.close()
        workers.close()


@pytest.mark.parametrize(
    "way",
    [pytest.param(way, marks=() if way in ("http", "nonsense") else (pytest.mark.long,)) for way in WAYS],
)
async def test_nothing_that_is_meant_for_this_computer_arrives_at_a_proxy(
    way: str, engine: RunningEngine, liveavatar: RunningLiveAvatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening() as listener, serving_chat() as chat:
        set_proxies(monkeypatch, way, listener.place)
        address = EngineAddress(engine.url, KEY)
        assert (await read_report(address)).voices
        await give_mind(address, EngineMind(time_zone="Asia/Tokyo"))
        async with choosing(address, chat.base_url):
            assert chat.asked
        assert not await troubles_of(ChatEndpoint(chat.base_url, "small", "k"))
        api = LiveAvatarApi(Account("key", liveavatar.url))
        assert await api.public_avatars()
        await api.aclose()
        ask = partial(ask_of_model, Endpoint(KEY, "", engine.url), "", within_s=5.0)
        found = await asyncio.to_thread(check_provider, "mind", engine.url, told_nothing(ask))
        assert found.code not in ("unreachable", "proxy")
        assert not listener.heard


@pytest.mark.parametrize("way", ["all", "socks"])
@pytest.mark.parametrize("brain", [OpenAIRealtimeBrain, OpenAISocketBrain], ids=["webrtc", "websocket"])
async def test_a_talk_with_the_local_engine_goes_by_no_proxy(
    brain: type[OpenAIRealtimeBrain | OpenAISocketBrain],
    way: str,
    engine: RunningEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with listening() as listener:
        set_proxies(monkeypatch, way, listener.place)
        endpoint = Endpoint(KEY, "kai-local", engine.url, host_addresses=("127.0.0.1",))
        talk = brain(endpoint)
        await talk.open(Look(), BrainLog())
        await talk.aclose()
        assert not listener.heard


def told_nothing(ask: Callable[[], object]) -> Callable[[], dict[str, str]]:
    """The same request, of whose answer nothing is told."""
    return lambda: {} if ask() else {}


CLOUD = "http://cloud.invalid/v1"


async def failure_of_brain(brain: type[OpenAIRealtimeBrain | OpenAISocketBrain]) -> KaiError:
    endpoint = Endpoint("sk-key", "gpt-realtime", CLOUD, host_addresses=("127.0.0.1",))
    with pytest.raises(BrainError) as caught:
        await brain(endpoint).open(Look(), BrainLog())
    return caught.value


@pytest.mark.parametrize("way", [way for way in WAYS if way != "small letters"])
@pytest.mark.parametrize("brain", [OpenAIRealtimeBrain, OpenAISocketBrain], ids=["webrtc", "websocket"])
async def test_a_proxy_that_does_not_work_is_named_by_the_brain(
    brain: type[OpenAIRealtimeBrain | OpenAISocketBrain],
    way: str,
    closed_port: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_proxies(monkeypatch, way, closed_port)
    failure = await failure_of_brain(brain)
    name = next(name for name in WAYS[way] if name.lower() in ("http_proxy", "all_proxy"))
    assert "proxy" in failure.message
    assert name in failure.message or "HTTP_PROXY" in failure.message
    assert closed_port in failure.message or way == "nonsense"
    assert "secret" not in failure.message


@pytest.mark.parametrize("way", ["http", "socks"])
async def test_a_proxy_that_does_not_work_is_named_by_the_mind_and_the_face(
    way: str, closed_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_proxies(monkeypatch, way, closed_port)
    (trouble,) = await troubles_of(ChatEndpoint(CLOUD, "small", "k"))
    assert trouble.code == "mind_unreachable"
    api = LiveAvatarApi(Account("key", "http://cloud.invalid"))
    with pytest.raises(FaceError) as caught:
        await api.credits_left()
    await api.aclose()
    for message in (trouble.message, caught.value.message):
        assert closed_port in message
        assert "HTTP_PROXY" in message
    ask = partial(ask_of_model, Endpoint("", "", CLOUD), "", within_s=5.0)
    found = await asyncio.to_thread(check_provider, "openai", CLOUD, told_nothing(ask))
    assert found.code == "proxy"


async def test_the_cloud_is_called_by_the_proxy_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening() as listener:
        set_proxies(monkeypatch, "http", listener.place)
        await failure_of_brain(OpenAIRealtimeBrain)
        await troubles_of(ChatEndpoint(CLOUD, "small", "k"))
        assert [heard.split(b" HTTP")[0] for heard in listener.heard] == [
            b"POST http://cloud.invalid/v1/realtime/calls",
            b"POST http://cloud.invalid/v1/chat/completions",
        ]
        monkeypatch.setenv("NO_PROXY", "cloud.invalid")
        assert http.proxy_for(CLOUD) is None


@pytest.mark.parametrize(
    ("url", "is_here"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://127.8.9.10", True),
        ("http://localhost", True),
        ("http://LOCALHOST.:80", True),
        ("http://kai.localhost", True),
        ("ws://[::1]:5", True),
        ("http://[::ffff:127.0.0.1]", True),
        ("http://0.0.0.0:11434", True),
        ("http://user:pass@127.0.0.1/", True),
        ("http://localhost.example", False),
        ("http://127.0.0.1.example", False),
        ("http://10.0.0.1", False),
        ("https://api.openai.com", False),
        ("", False),
        ("nonsense", False),
    ],
)
def test_what_is_on_this_computer(url: str, is_here: bool) -> None:
    assert http.is_loopback(url) == is_here


@pytest.mark.parametrize(
    ("variables", "variable"),
    [
        ({"HTTPS_PROXY": "http://p:1", "ALL_PROXY": "socks5://p:2"}, "HTTPS_PROXY"),
        ({"ALL_PROXY": "http://p:1"}, "ALL_PROXY"),
        ({"HTTP_PROXY": "http://p:1"}, ""),
        ({"https_proxy": "p:1", "HTTPS_PROXY": "http://p:1"}, "https_proxy"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, ""),
        ({"HTTPS_PROXY": "http://p:1", "no_proxy": ".example"}, ""),
        ({"HTTPS_PROXY": ""}, ""),
        ({"HTTPS_PROXY": "  http://p:1/\n"}, "HTTPS_PROXY"),
        ({"HTTPS_PROXY": '"http://p:1"'}, "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "'p:1'"}, "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "\ufeffhttp://user:p@ss@p:1"}, "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "none"}, ""),
        ({"https_proxy": "DIRECT", "ALL_PROXY": "http://p:1"}, ""),
    ],
)
def test_one_rule_says_which_proxy_is_meant(
    variables: dict[str, str], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for url in ("https://cloud.example/v1", "wss://cloud.example/v1"):
        proxy = http.proxy_for(url)
        assert ("" if proxy is None else proxy.variable) == variable
        assert proxy is None or proxy.place == "p:1"


@pytest.mark.parametrize(
    ("no_proxy", "url", "is_straight"),
    [
        ("192.168.0.0/16", "http://192.168.1.20:11434/v1", True),
        ("10.0.0.0/8, 172.16.0.0/12", "http://172.20.3.4/v1", True),
        ("10.0.0.0/8", "http://11.0.0.1/v1", False),
        ("192.168.0.0/16", "http://llm.corp.example/v1", False),
        ("fd00::/8", "http://[fd00::5]:8080/v1", True),
        ("[fd00::5]", "http://[fd00::5]/v1", True),
        ("[fd00::5]:8080", "http://[fd00::5]:8080/v1", True),
        ("[fd00::5]:8080", "http://[fd00::5]:9090/v1", False),
        ("*.corp.example", "https://llm.corp.example/v1", True),
        ("*.corp.example", "https://llm.corp.other/v1", False),
        ("*corp.example", "https://llm.corp.example/v1", True),
        (".corp.example", "wss://a.b.corp.example/v1", True),
        ("corp.example", "https://notcorp.example/v1", False),
        ("192.168.*", "http://192.168.7.7/v1", True),
        ("192.168.*", "http://192.169.7.7/v1", False),
        ("llm.corp:8080", "http://llm.corp:8080/v1", True),
        ("llm.corp:8080", "http://llm.corp:9090/v1", False),
        ("llm.corp:443", "https://llm.corp/v1", True),
        ("http://llm.corp/", "http://llm.corp/v1", True),
        ("LLM.Corp.", "http://llm.corp/v1", True),
        ("llm.corp", "http://llm.corp./v1", True),
        ("a.example;llm.corp", "http://llm.corp/v1", True),
        ("a.example llm.corp", "http://llm.corp/v1", True),
        ("<local>", "http://nas:11434/v1", True),
        ("<local>", "http://nas.example/v1", False),
        ("other,", "http://llm.corp/v1", False),
        ('"llm.corp"', "http://llm.corp/v1", True),
        ("'*.corp.example', x", "https://llm.corp.example/v1", True),
        ("https://llm.corp:8443/v1", "https://llm.corp:8443/v1", True),
        ("https://llm.corp:8443/v1", "https://llm.corp/v1", False),
        ("llm.corp/v1", "http://llm.corp/v1", True),
        ("*:8080", "http://llm.corp:8080/v1", True),
        ("*:8080", "http://llm.corp:9090/v1", False),
        ("*corp*", "http://llm.corp.example/v1", True),
        ("llm-*.example", "http://llm-7.example/v1", True),
        ("llm-*.example", "http://web.example/v1", False),
        ("192.168.1.20/24", "http://192.168.1.77/v1", True),
        ("192.168.0.0/255.255.0.0", "http://192.168.3.3/v1", True),
        ("münchen.example", "http://xn--mnchen-3ya.example/v1", True),
        ("xn--mnchen-3ya.example", "http://münchen.example/v1", True),
        (":,/,[,::,x:y", "http://llm.corp/v1", False),
    ],
)
def test_a_place_that_no_proxy_names_in_any_form_is_called_straight(
    no_proxy: str, url: str, is_straight: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://p:1")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (http.proxy_for(url) is None) == is_straight


@pytest.mark.parametrize(
    "value",
    [
        "socks4://p:1",
        "socks5://p",
        "ftp://p:1",
        "http://p:port",
        "http://",
        "http://[::1",
        "http//p:1",
        "http://p:1\nx",
        "http=p:1;https=q:2",
        "http://p:1/proxy.pac",
    ],
)
def test_a_proxy_that_cannot_be_is_refused_in_words(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(ConfigError, match="HTTPS_PROXY"):
        http.proxy_for("https://cloud.example")
    assert http.proxy_for("https://localhost") is None
