"""Calls of an engine in this process, with scripted ears and voice: what a client's bad luck does to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import httpx
import httpx2
import numpy as np
import openai
import pytest

from kai.compat import rtc
from kai.engine import call as calls
from kai.engine.server import Engine
from tests.support.peer import LOUD, Peer, calling
from tests.support.speech_double import SpeechDouble

URL = "http://127.0.0.1/v1"


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[openai.AsyncOpenAI]:
    """The official client of an engine in this process."""
    app = Engine(SpeechDouble().as_kit(), **settings).application()
    async with app.router.lifespan_context(app):
        http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app))
        yield openai.AsyncOpenAI(api_key="any", base_url=URL, max_retries=0, http_client=http)


def open_calls() -> list[str]:
    return [name for task in asyncio.all_tasks() if (name := task.get_name()).startswith("call-")]


async def wait_no_call(timeout_s: float) -> None:
    async with asyncio.timeout(timeout_s):
        while open_calls():
            await asyncio.sleep(0.05)


async def test_the_bytes_of_the_offer_reach_the_call_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    offers: list[str] = []

    async def negotiate(self: calls.Call, connection: Any, offer: str) -> str:
        offers.append(offer)
        self.hang_up()
        return "v=0\r\nanswer \r\n"

    monkeypatch.setattr(calls.Call, "_negotiate", negotiate)
    offer = "v=0\r\n  spaces and äö kept \r\n\r\n"
    async with serving() as client:
        answer = await client.realtime.calls.create(sdp=offer, session={"type": "realtime"})
        assert answer.content == b"v=0\r\nanswer \r\n"
        assert answer.response.status_code == 201
        assert answer.response.headers["content-type"] == "application/sdp"
        await client.realtime.calls.create(sdp=offer)
        await client.close()
    assert offers == [offer, offer]


async def test_a_client_that_vanishes_without_a_word_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "VANISHED_S", 2.0)
    async with serving() as client, calling(client) as peer:
        assert len(open_calls()) == 1
        ice = peer.connection.sctp.transport.transport._connection
        for protocol in ice._protocols:
            protocol.transport.abort()
        await wait_no_call(timeout_s=8)


async def test_a_client_that_only_listens_and_sends_silence_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "VANISHED_S", 1.0)
    async with serving() as client, calling(client) as peer:
        count = len(peer.heard)
        await peer.wait_until(lambda: len(peer.heard) > count + 125)
        assert len(open_calls()) == 1
        assert peer.connection.connectionState == "connected"
        silence = np.concatenate([samples for _, _, samples in peer.heard])
        assert np.abs(silence.astype(np.int32)).max() == 0


class SparedPeer(Peer):
    """A peer that wishes not to be sent silence."""

    async def offer(self) -> str:
        return rtc.offer_dtx(await super().offer())


async def test_a_client_that_wishes_for_no_silence_gets_a_fifth_of_it_and_every_answer_whole() -> None:
    peer = SparedPeer()
    async with serving() as client:
        await peer.call(client)
        await peer.wait_until(lambda: len(peer.heard) > 20)
        steps = [b - a for a, b in pairwise(pts for _, pts, _ in peer.heard)]
        assert set(steps[-5:]) == {rtc.DTX_EVERY_FRAMES * 960}
        asked_s = time.monotonic()
        peer.ask("hello")
        await peer.wait_sound(asked_s)
        await peer.wait("output_audio_buffer.stopped")
        loud = [n for n, (_, _, samples) in enumerate(peer.heard) if np.abs(samples.astype(int)).max() > LOUD]
        answer = [pts for _, pts, _ in peer.heard[loud[0] : loud[-1] + 1]]
        assert [b - a for a, b in pairwise(answer)] == [960] * (len(answer) - 1)
        await client.close()
    await peer.close()


async def test_a_turn_ends_by_the_time_that_has_passed_where_the_client_leaves_out_silence() -> None:
    left_out: list[float] = []
    peer = Peer()

    def may_leave_out() -> bool:
        left_out.append(time.monotonic())
        return True

    rtc.code_audio_inline(peer.connection, may_leave_out=may_leave_out)
    async with serving() as client:
        await peer.call(client)
        peer.microphone.play((12_000 * np.sin(np.arange(48_000) / 30)).astype(np.int16))
        await peer.wait("input_audio_buffer.speech_stopped")
        since = [at_s for at_s in left_out if at_s > peer.microphone.fell_silent_s]
        # Of 22 frames of silence ten are left out. If they were missing to the engine, it would wait for forty more.
        assert since
        assert len(since) < 30
        await client.close()
    await peer.close()


async def test_a_client_that_never_connects_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "CONNECT_S", 0.5)
    peer = Peer()
    async with serving() as client:
        await client.realtime.calls.create(sdp=await peer.offer(), session={"type": "realtime"})
        assert len(open_calls()) == 1
        await wait_no_call(timeout_s=5)
        await client.close()
    await peer.close()


async def test_a_call_ends_when_its_client_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as client:
        async with calling(client):
            assert len(open_calls()) == 1
        await wait_no_call(timeout_s=5)


async def test_the_longest_time_is_told_and_then_the_call_ends() -> None:
    async with serving(longest_session_s=1.0) as client, calling(client) as peer:
        error = await peer.wait("error")
        await peer.wait_until(lambda: peer.connection.connectionState == "closed")
    assert error["error"]["code"] == "session_expired"


async def test_an_engine_that_closes_hangs_up_every_call() -> None:
    peer = Peer()
    async with serving() as client:
        await peer.call(client)
        await client.close()
    await peer.wait_until(lambda: peer.connection.connectionState == "closed", timeout_s=5)
    await peer.close()


async def test_a_second_audio_track_is_refused_and_leaves_nothing() -> None:
    peer = Peer()
    peer.connection.addTransceiver("audio")
    async with serving() as client:
        with pytest.raises(openai.BadRequestError, match="one audio track"):
            await client.realtime.calls.create(sdp=await peer.offer(), session={"type": "realtime"})
        await wait_no_call(timeout_s=5)
        await client.close()
    await peer.close()


@pytest.mark.long
async def test_sound_is_sent_fifty_times_a_second_without_a_gap() -> None:
    async with serving() as client, calling(client) as peer:
        peer.ask("Tell me something")
        await peer.wait("output_audio_buffer.stopped")
        arrivals = [(at_s, pts) for at_s, pts, _ in peer.heard][20:]
    steps = {after[1] - before[1] for before, after in zip(arrivals, arrivals[1:], strict=False)}
    assert steps == {960}
    rate_hz = (len(arrivals) - 1) / (arrivals[-1][0] - arrivals[0][0])
    assert 48 < rate_hz < 52


async def test_a_page_that_lies_about_its_host_is_refused_before_its_key_is_looked_at() -> None:
    app = Engine(SpeechDouble().as_kit()).application()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://evil.example"
    ) as client:
        answer = await client.post("/v1/realtime/calls")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_host")
