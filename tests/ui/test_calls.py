"""A page opens its own call through our server: who may, how often, and that each call ends with its talk."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiortc import RTCSessionDescription
from starlette.applications import Starlette
from starlette.testclient import TestClient

from kai.compose import SharedServices
from kai.core.state import Look
from kai.errors import BrainError
from kai.lending import brain_calls
from kai.lending.calls import CALLS_PER_MINUTE, KIND, TOKEN_S, CallDesk, CallRefused, no_calls
from kai.records.memory import Memory
from kai.records.paid_sessions import PaidSessions
from kai.runtime.hub import SessionHub
from kai.settings import Settings
from kai.ui.calls import OFFER_LIMIT_BYTES, routes
from kai.ui.host import COOKIE_NAME
from tests.support.engine import RunningEngine, engine
from tests.support.peer import Peer
from tests.support.scripted import scripted
from tests.ui.conftest import BROWSER_ID, serve_with, serving
from tests.ui.fakes import make_app

__all__ = ["engine"]

BASE = "http://localhost:8501"
OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\n"
SDP = {"content-type": "application/sdp", "origin": BASE}


@dataclass
class Provider:
    """Answers every offer; refuses when told to."""

    offers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    hung_up: list[str] = field(default_factory=list[str])
    refusal: BrainError | None = None
    may_answer: asyncio.Event | None = None

    async def open_call(self, browser_id: str, look: Look, offer: str) -> tuple[str, str]:
        assert isinstance(look, Look)
        if self.refusal is not None:
            raise self.refusal
        if self.may_answer is not None:
            await self.may_answer.wait()
        self.offers.append((browser_id, offer))
        return f"rtc_{len(self.offers)}", "v=0\r\nanswer\r\n"

    async def hang_up(self, call_id: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.hung_up.append(call_id)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def records(tmp_path: Path) -> PaidSessions:
    return PaidSessions(tmp_path / "paid-sessions")


@pytest.fixture
def desk(provider: Provider, records: PaidSessions) -> CallDesk:
    return CallDesk(provider.open_call, provider.hang_up, records)


@pytest.fixture
def hub(desk: CallDesk, tmp_path: Path) -> Iterator[SessionHub]:
    with serving(make_app(Memory(tmp_path / "memory", may_keep_talks=False), calls=desk)) as app:
        yield app.hub


@pytest.fixture
def client(hub: SessionHub) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=routes()), base_url=BASE) as client:
        client.cookies.set(COOKIE_NAME, BROWSER_ID)
        yield client


def token_of(client: TestClient, talk_id: str) -> str:
    answer = client.post(f"/api/talks/{talk_id}/call-token", headers={"origin": BASE})
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()["token"]


def call(client: TestClient, token: str, **headers: str) -> tuple[int, str]:
    answer = client.post(
        "/api/openai-call", content=OFFER, headers={**SDP, "authorization": f"Bearer {token}", **headers}
    )
    return answer.status_code, answer.text


def test_a_page_gets_an_answer_to_its_offer_byte_by_byte(
    client: TestClient, hub: SessionHub, provider: Provider
) -> None:
    talk = hub.create(BROWSER_ID)
    assert call(client, token_of(client, talk.id)) == (201, "v=0\r\nanswer\r\n")
    assert provider.offers == [(BROWSER_ID, OFFER)]


def test_a_token_is_good_once(client: TestClient, hub: SessionHub) -> None:
    token = token_of(client, hub.create(BROWSER_ID).id)
    assert call(client, token)[0] == 201
    assert call(client, token)[0] == 401


def test_a_token_is_nobody_elses(client: TestClient, hub: SessionHub) -> None:
    token = token_of(client, hub.create(BROWSER_ID).id)
    client.cookies.set(COOKIE_NAME, "another-browser")
    assert call(client, token)[0] == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"host": "evil.example"}, 403),
        ({"content-type": "application/json"}, 415),
        ({"authorization": ""}, 401),
        ({"authorization": "Bearer guess"}, 401),
    ],
)
def test_what_does_not_come_from_our_own_page_is_refused(
    client: TestClient, provider: Provider, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/api/openai-call", content=OFFER, headers={**SDP, **headers})
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message"}
    assert provider.offers == []


def test_without_an_origin_nothing_is_served(client: TestClient, hub: SessionHub) -> None:
    talk = hub.create(BROWSER_ID)
    assert client.post(f"/api/talks/{talk.id}/call-token").status_code == 403
    bare = client.post("/api/openai-call", content=OFFER, headers={"content-type": "application/sdp"})
    assert bare.status_code == 403


def test_an_offer_that_is_too_large_or_none_is_refused(client: TestClient) -> None:
    for content, status in (("v=0" + "x" * OFFER_LIMIT_BYTES, 413), ("hello", 400), (b"\xff\xfe", 400)):
        assert client.post("/api/openai-call", content=content, headers=SDP).status_code == status


def test_calls_are_rate_limited(client: TestClient, hub: SessionHub) -> None:
    talk = hub.create(BROWSER_ID)
    statuses = [call(client, token_of(client, talk.id))[0] for _ in range(CALLS_PER_MINUTE + 1)]
    assert statuses == [201] * CALLS_PER_MINUTE + [429]


def test_a_providers_refusal_says_nothing_of_the_provider(
    client: TestClient, hub: SessionHub, provider: Provider
) -> None:
    provider.refusal = BrainError("The OpenAI key was not accepted. Check OPENAI_API_KEY.", code="wrong-key")
    provider.refusal.__cause__ = ValueError("sk-secret")
    status, text = call(client, token_of(client, hub.create(BROWSER_ID).id))
    assert status == 502
    assert "wrong-key" in text
    assert "sk-secret" not in text


async def test_a_token_runs_out_and_calls_end_with_their_talk(records: PaidSessions) -> None:
    now_s, provider = [100.0], Provider()
    desk = CallDesk(provider.open_call, provider.hang_up, records, clock=lambda: now_s[0])
    late = desk.issue("talk", "browser")
    now_s[0] += TOKEN_S + 1
    with pytest.raises(CallRefused):
        desk.spend(late, "browser")
    await desk.open("talk", "browser", Look(), OFFER)
    await desk.open("other", "browser", Look(), OFFER)
    await desk.close_of("talk")
    assert provider.hung_up == ["rtc_1"]
    assert desk.calls_of("other") == ("rtc_2",)
    assert [(record.kind, record.id) for record in records.all()] == [(KIND, "rtc_2")]


async def test_a_call_is_on_disk_and_private_until_it_was_hung_up(
    records: PaidSessions, tmp_path: Path
) -> None:
    provider = Provider()
    desk = CallDesk(provider.open_call, provider.hang_up, records)
    await desk.open("talk", "browser", Look(), OFFER)
    (path,) = (tmp_path / "paid-sessions").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert set(json.loads(path.read_text())) == {"kind", "id", "owner_pid", "owner_began_s", "started_s"}
    provider.refusal = BrainError("Not now.", code="unreachable")
    await desk.close_of("talk")
    assert [record.id for record in records.all()] == ["rtc_1"]


async def test_a_call_that_cannot_be_noted_is_ended_at_once(tmp_path: Path) -> None:
    provider = Provider()
    (tmp_path / "paid-sessions").write_text("a file where the folder should be")
    desk = CallDesk(provider.open_call, provider.hang_up, PaidSessions(tmp_path / "paid-sessions"))
    with pytest.raises(CallRefused) as refused:
        await desk.open("talk", "browser", Look(), OFFER)
    assert (refused.value.status, refused.value.code) == (500, "no-record")
    assert provider.hung_up == ["rtc_1"]
    assert desk.calls_of("talk") == ()


async def test_a_page_that_goes_while_its_call_is_opened_leaves_no_call_behind(records: PaidSessions) -> None:
    provider = Provider(may_answer=asyncio.Event())
    desk = CallDesk(provider.open_call, provider.hang_up, records)
    page = asyncio.create_task(desk.open("talk", "browser", Look(), OFFER))
    await asyncio.sleep(0.01)
    page.cancel()
    ending = asyncio.create_task(desk.close_of("talk"))
    await asyncio.sleep(0.01)
    assert provider.may_answer is not None
    provider.may_answer.set()
    await ending
    assert provider.hung_up == ["rtc_1"]
    assert records.all() == ()


async def test_the_next_start_of_the_app_hangs_up_what_a_killed_one_left(
    engine: RunningEngine, tmp_path: Path
) -> None:
    endpoint = scripted(engine)
    peer = Peer()
    call_id, answer = await brain_calls.open_call(endpoint, Look(), await peer.offer())
    await peer.connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    await peer.wait("session.created")
    # What the killed app had noted: its own process is gone.
    code = (
        "import sys, os, signal, pathlib; from kai.records.paid_sessions import PaidSessions; "
        "PaidSessions(pathlib.Path(sys.argv[1])).note(*sys.argv[2:]); os.kill(os.getpid(), signal.SIGKILL)"
    )
    folder = tmp_path / "paid-sessions"
    subprocess.run(
        [sys.executable, "-c", code, str(folder), KIND, call_id], check=False, cwd=Path(__file__).parents[2]
    )
    assert [record.id for record in PaidSessions(folder).orphans(KIND)] == [call_id]
    app = SharedServices(
        Settings(OPENAI_API_KEY=engine.key, OPENAI_BASE_URL=engine.url, state_dir=tmp_path, _env_file=None),
        Memory(tmp_path),
    )
    app.open()
    await peer.wait_until(lambda: peer.connection.connectionState == "closed", timeout_s=5)
    await peer.wait_until(lambda: PaidSessions(folder).all() == (), timeout_s=5)
    await app.aclose()
    await peer.close()


def test_calls_end_when_the_app_does_and_none_is_opened_where_the_brain_is_local(
    client: TestClient, hub: SessionHub, provider: Provider
) -> None:
    talk = hub.create(BROWSER_ID)
    assert call(client, token_of(client, talk.id))[0] == 201
    hub.close()
    assert provider.hung_up == ["rtc_1"]


def test_with_the_local_engine_no_page_calls_by_itself(hub: SessionHub) -> None:
    serve_with(calls=no_calls())
    with TestClient(Starlette(routes=routes()), base_url=BASE) as client:
        client.cookies.set(COOKIE_NAME, BROWSER_ID)
        status, text = call(client, token_of(client, hub.create(BROWSER_ID).id))
    assert (status, "no-calls" in text) == (502, True)


async def test_the_engine_answers_such_a_call_and_the_session_is_ours(engine: RunningEngine) -> None:
    endpoint = scripted(engine)
    peer = Peer()
    call_id, answer = await brain_calls.open_call(
        endpoint, Look(instructions="Be brief."), await peer.offer()
    )
    assert call_id.startswith("rtc_")
    await peer.connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    created = await peer.wait("session.created")
    assert (created["session"]["instructions"], created["session"]["tools"]) == ("Be brief.", [])
    await brain_calls.hang_up(endpoint, call_id)
    await peer.wait_until(lambda: peer.connection.connectionState == "closed", timeout_s=5)
    await brain_calls.hang_up(endpoint, call_id)
    await peer.close()
    await asyncio.sleep(0)
