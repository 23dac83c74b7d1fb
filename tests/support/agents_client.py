"""Run by a Python that has ``openai-agents``: its realtime session, unmodified but for the address, talks to a server.

``agents_client.py URL KEY MODEL SPEECH``, the last a file of 24 000 Hz mono int16 without a header. Prints one JSON object:
what was said by whom, how much was heard, how answers ended, what the tool was asked, and every complaint.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

from agents import function_tool, set_tracing_disabled
from agents.realtime import RealtimeAgent, RealtimeRunner

CHUNK_BYTES = 4_800
BYTES_A_SECOND = 48_000
WITHIN_S = 40.0

seen: dict[str, Any] = {
    "complaints": [],
    "events": [],
    "heard_bytes": 0,
    "interrupted": 0,
    "asked": [],
    "users": [],
    "turns": 0,
    "statuses": [],
}


class Complaints(logging.Handler):
    """What the library warns of."""

    def emit(self, record: logging.LogRecord) -> None:
        seen["complaints"].append(record.getMessage()[:500])


@function_tool
def order_tea(cups: int) -> str:
    """Orders tea."""
    seen["asked"].append(cups)
    return f"{cups} cups are on their way."


async def until(is_so: Any) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not is_so():
            await asyncio.sleep(0.02)


async def listen(session: Any) -> None:
    async for event in session:
        match event.type:
            case "audio":
                seen["heard_bytes"] += len(event.audio.data)
            case "audio_interrupted":
                seen["interrupted"] += 1
            case "error":
                seen["complaints"].append(repr(event.error)[:500])
            case "raw_model_event":
                on_raw(event.data)
            case "history_updated":
                seen["history"] = [item.model_dump() for item in event.history]
            case _:
                pass


async def speak(session: Any, sound: bytes) -> None:
    for start in range(0, len(sound), CHUNK_BYTES):
        await session.send_audio(sound[start : start + CHUNK_BYTES])
        await asyncio.sleep(0.02)


def on_raw(data: Any) -> None:
    match data.type:
        case "raw_server_event":
            seen["events"].append(data.data["type"])
            if data.data["type"] == "error":
                seen["complaints"].append(json.dumps(data.data["error"]))
            if data.data["type"] == "response.done":
                seen["statuses"].append(data.data["response"]["status"])
        case "exception":
            seen["complaints"].append(f"{data.context}: {data.exception!r}"[:500])
        case "input_audio_transcription_completed":
            seen["users"].append(data.transcript)
        case "turn_ended":
            seen["turns"] += 1
        case _:
            pass


async def main(url: str, key: str, model: str, speech: str) -> None:
    set_tracing_disabled(True)
    log = logging.getLogger("openai.agents")
    log.addHandler(Complaints(logging.WARNING))
    agent = RealtimeAgent(name="Kai", instructions="You are Kai. Be brief.", tools=[order_tea])
    address = f"{url.replace('http', 'ws', 1)}/realtime?model={model}"
    session = await RealtimeRunner(agent).run(
        model_config={"api_key": key, "url": address, "initial_model_settings": {"model_name": model}}
    )
    async with session:
        listening = asyncio.create_task(listen(session))
        await session.send_message("What is your name?")
        await until(lambda: seen["turns"] == 1 and seen["heard_bytes"] > 0)
        await asyncio.sleep(seen["heard_bytes"] / BYTES_A_SECOND)  # it counts what it got as being played
        sound = Path(speech).read_bytes()
        heard = seen["heard_bytes"]
        await speak(session, sound)
        await until(lambda: seen["turns"] == 2 and seen["users"])
        await asyncio.sleep((seen["heard_bytes"] - heard) / BYTES_A_SECOND)
        # Of the long answer only its beginning is there when the person speaks over it.
        heard, seen["interrupted"] = seen["heard_bytes"], 0
        await session.send_message("Tell me a story.")
        await until(lambda: seen["heard_bytes"] > heard)
        await speak(session, sound)
        await until(lambda: seen["turns"] == 4 and seen["interrupted"])
        await session.interrupt()
        await session.send_message("Tea for two, please.")
        await until(lambda: seen["asked"] and seen["turns"] == 6)
        await asyncio.sleep(0.3)
        listening.cancel()
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:5]))
