"""A page opens its own call through our server: who may, how often, and that each call ends with its talk."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from kai.adapters.openai_realtime import proxy
from kai.core.state import Look
from kai.errors import BrainError
from kai.runtime.calls import CALLS_PER_MINUTE, TOKEN_S, CallDesk, CallRefused
from kai.runtime.hub import SessionHub
from kai.ui.calls import OFFER_LIMIT_BYTES, routes
from kai.ui.host import COOKIE_NAME
from tests.support.engine import RunningEngine, engine
from tests.support.peer import Peer
from tests.support.scripted import scripted
from tests.ui.conftest import BROWSER_ID

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

    async def open_call(self, browser_id: str, look: Look, offer: str) -> tuple[str, str]:
        assert isinstance(look, Look)
        if self.refusal is not None:
            raise self.refusal
        self.offers.append((browser_id, offer))
        return f"rtc_{len(self.offers)}", "v=0\r\nanswer\r\n"

    async def hang_up(self, call_id: str) -> None:
        self.hung_up.append(call_id)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def desk(provider: Provider, hub: SessionHub, monkeypatch: pytest.MonkeyPatch) -> CallDesk:
    desk = CallDesk(provider.open_call, provider.hang_up)
    monkeypatch.setattr(hub, "calls", desk)
    return desk


@pytest.fixture
def client(desk: CallDesk) -> Iterator[TestClient]:
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


async def test_a_token_runs_out_and_calls_end_with_their_talk() -> None:
    now_s, provider = [100.0], Provider()
    desk = CallDesk(provider.open_call, provider.hang_up, clock=lambda: now_s[0])
    late = desk.issue("talk", "browser")
    now_s[0] += TOKEN_S + 1
    with pytest.raises(CallRefused):
        desk.spend(late, "browser")
    await desk.open("talk", "browser", Look(), OFFER)
    await desk.open("other", "browser", Look(), OFFER)
    await desk.close_of("talk")
    assert provider.hung_up == ["rtc_1"]
    assert desk.calls_of("other") == ("rtc_2",)


def test_calls_end_when_the_app_does_and_none_is_opened_where_the_brain_is_local(
    client: TestClient, hub: SessionHub, provider: Provider
) -> None:
    talk = hub.create(BROWSER_ID)
    assert call(client, token_of(client, talk.id))[0] == 201
    hub.close()
    assert provider.hung_up == ["rtc_1"]


def test_with_the_local_engine_no_page_calls_by_itself(hub: SessionHub) -> None:
    with TestClient(Starlette(routes=routes()), base_url=BASE) as client:
        client.cookies.set(COOKIE_NAME, BROWSER_ID)
        status, text = call(client, token_of(client, hub.create(BROWSER_ID).id))
    assert (status, "no-calls" in text) == (502, True)


async def test_the_engine_answers_such_a_call_and_the_session_is_ours(engine: RunningEngine) -> None:
    endpoint = scripted(engine)
    peer = Peer()
    call_id, answer = await proxy.open_call(endpoint, Look(instructions="Be brief."), await peer.offer())
    assert call_id.startswith("rtc_")
    from aiortc import RTCSessionDescription

    await peer.connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    created = await peer.wait("session.created")
    assert (created["session"]["instructions"], created["session"]["tools"]) == ("Be brief.", [])
    await proxy.hang_up(endpoint, call_id)
    await peer.wait_until(lambda: peer.connection.connectionState == "closed", timeout_s=5)
    await proxy.hang_up(endpoint, call_id)
    await peer.close()
    await asyncio.sleep(0)
