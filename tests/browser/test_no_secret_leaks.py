"""A seeded secret appears in nothing that the live app sends or writes, in a talk full of errors: every byte of the page's
WebSocket, its HTML, every route of ours, well and wrongly asked, the event stream, the log and all files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from starlette.routing import Route

from kai.bench.driver import AppProcess, Visitor, visitor, write_mic
from kai.ui import past_texts, server, texts
from kai.ui.host import COOKIE_NAME
from tests.support.engine import RunningEngine, engine
from tests.support.peer import Peer
from tests.support.scripted import scripted

__all__ = ["engine"]

ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 40.0
SCRIPT: dict[str, Any] = {
    "connects": [{"status": 503, "code": "server_error", "retry_after": "1"}],
    "turns": [
        [{"say": "One moment."}, {"tool": "no_such_tool"}],
        [{"say": "It failed."}, {"error": "something_new"}],
        [{"say": "And then"}, {"drop": True}],
        [{"say": "Here I am again."}, {"fail": "insufficient_quota"}],
    ],
}

# The whole document, what stands inside of components too.
_HTML_JS = """
() => {
  const roots = [];
  const walk = (node) => node.querySelectorAll('*').forEach((e) => {
    if (e.shadowRoot) { roots.push(e.shadowRoot); walk(e.shadowRoot); }
  });
  walk(document);
  return document.documentElement.getHTML({ shadowRoots: roots });
}
"""


@pytest.fixture
def secret(engine: RunningEngine) -> str:
    answer = httpx2.post(
        f"{engine.url}/realtime/client_secrets", json={}, headers={"Authorization": f"Bearer {engine.key}"}
    )
    return answer.json()["value"]


@pytest.fixture
def app(engine: RunningEngine, secret: str, tmp_path: Path) -> Iterator[AppProcess]:
    env = {
        "OPENAI_API_KEY": secret,
        "OPENAI_BASE_URL": engine.url,
        "KAI_OPENAI_MODEL": scripted(engine, **SCRIPT).model,
        "KAI_STATE_DIR": str(tmp_path / "state"),
        "KAI_DATA_DIR": str(tmp_path / "data"),
        "KAI_LOG_LEVEL": "DEBUG",
        "PYTHONPATH": str(ROOT),
    }
    launcher = "tests/support/talkative_app.py"
    with AppProcess(env=env, log_path=tmp_path / "app.log", launcher=launcher) as process:
        process.wait_ready()
        yield process


class Wire:
    """Everything that the page was sent, and its HTML whenever it is asked."""

    def __init__(self, person: Visitor) -> None:
        self.told: list[str] = []
        self._page = person.page
        self._page.on("websocket", lambda socket: socket.on("framereceived", self._keep))
        self._page.on("response", lambda response: self.told.append(json.dumps(response.headers)))
        self._page.on("console", lambda message: self.told.append(message.text))

    def _keep(self, frame: str | bytes) -> None:
        # Streamlit's frames are protobuf; a text inside stands there as it is.
        self.told.append(frame if isinstance(frame, str) else frame.decode("latin-1"))

    def look(self) -> None:
        self.told += [frame.evaluate(_HTML_JS) for frame in self._page.frames]


def talk_with_errors(person: Visitor, wire: Wire) -> None:
    """Refused, a tool that is none, an error, a lost connection, and the end of the money."""
    person.start()
    person.wait_state("Listening", WITHIN_S)
    person.say("Hello")
    person.wait(lambda: "It failed." in str(person.lines()), WITHIN_S, "the answer about the tool")
    wire.look()
    person.say("Go on")
    banner = person.page.locator(".banner .message")
    person.wait(lambda: "no credit left" in banner.inner_text(), WITHIN_S, "the end of the money")
    wire.look()


def ask_every_route(app: AppProcess, cookie: str, talk_id: str) -> tuple[list[str], list[int]]:
    """What each of our routes answers, asked rightly, without a body, and by a stranger; and the statuses."""
    told: list[str] = []
    statuses: list[int] = []
    values = {"talk_id": talk_id, "name": "kai", "start_ms": "0", "avatar_id": "x", "voice_id": "x"}
    bodies: tuple[dict[str, Any], ...] = ({}, {"json": {"wish": "mute", "isMuted": True}}, {"content": b"x"})
    with httpx2.Client(base_url=app.url, timeout=30, trust_env=False) as client:
        for route in server.routes():
            assert isinstance(route, Route)
            path = route.path.replace(":int", "").format(**values)
            for method in (route.methods or {"GET"}) - {"HEAD"}:
                for headers in ({"cookie": f"{COOKIE_NAME}={cookie}", "origin": app.url.rstrip("/")}, {}):
                    if path.endswith("/events"):
                        told.append(read_stream(client, path, headers))
                        continue
                    for body in bodies if method == "POST" else ({},):
                        answer = client.request(method, path, headers=headers, **body)
                        statuses.append(answer.status_code)
                        told += [answer.text, str(answer.headers)]
    return told, statuses


def read_stream(client: httpx2.Client, path: str, headers: dict[str, str]) -> str:
    """The beginning of an event stream, or the refusal of one."""
    with client.stream("GET", path, headers=headers) as answer:
        found = str(answer.headers)
        for part in answer.iter_text():
            found += part
            if "event: view" in found:
                break
    return found


async def call_through_the_app(app: AppProcess, cookie: str, talk_id: str) -> tuple[str, str]:
    """A page's own call, opened and refused: (its token, everything that was answered but that token)."""
    peer = Peer()
    offer = await peer.offer()
    headers = {"cookie": f"{COOKIE_NAME}={cookie}", "origin": app.url.rstrip("/")}
    async with httpx2.AsyncClient(base_url=app.url, timeout=20, trust_env=False) as client:
        token = (await client.post(f"api/talks/{talk_id}/call-token", headers=headers)).json()["token"]
        headers |= {"authorization": f"Bearer {token}", "content-type": "application/sdp"}
        answers = [await client.post("api/openai-call", headers=headers, content=offer) for _ in range(2)]
    await peer.close()
    assert [answer.status_code for answer in answers] == [201, 401]
    return token, "".join(answer.text + str(answer.headers) for answer in answers)


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_seeded_secret_appears_in_nothing_that_the_live_app_sends_or_writes(
    app: AppProcess, engine: RunningEngine, secret: str, chromium: Path, tmp_path: Path
) -> None:
    # A silent room: Chromium's own fake microphone beeps, and beeps are turns.
    with visitor(chromium, mic=write_mic(tmp_path / "mic.wav", [200.0])) as person:
        wire = Wire(person)
        person.open(app.url)
        talk_with_errors(person, wire)
        (talk_id,) = next(v for v in parse_qs(urlsplit(person.page.url).query).values() if len(v[0]) > 15)
        (cookie,) = (c["value"] for c in person.context.cookies() if c["name"] == COOKIE_NAME)
        for link in (texts.HELP_PAGE, past_texts.HISTORY_PAGE, past_texts.INSIGHTS_PAGE):
            person.page.get_by_role("link", name=link).first.click()
            person.page.wait_for_timeout(1500)
            wire.look()
        answers, statuses = ask_every_route(app, cookie, talk_id)
    token, called = asyncio.run(call_through_the_app(app, cookie, talk_id))
    app.stop()
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".wav"]
    everything = {
        "page": "\n".join(wire.told),
        "routes": "\n".join([*answers, called]),
        "log": app.log,
        "files": "\n".join(path.read_bytes().decode("latin-1") for path in files),
        "engine": engine.stderr,
    }
    # It was a talk with all these errors, seen, written and refused.
    assert "no credit left" in everything["page"]
    assert "a tool that he does not have" in everything["files"]
    assert "event: view" in everything["routes"]
    assert "something_new" in everything["log"]
    assert {200, 201, 202, 403, 404, 415} <= set(statuses)
    for where, text in everything.items():
        for hidden in (secret, secret.removeprefix("ek_"), token):
            assert hidden not in text, f"a secret is in: {where}"
