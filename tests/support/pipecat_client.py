"""Run by a Python that has ``pipecat-ai[heygen]``: its HeyGenClient, unmodified but for the base URL, talks to a server.

Prints one JSON object: whether the avatar came, pictures and sound that arrived, and how loud the sound got.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import MISSING
from typing import Any

import aiohttp
import numpy as np
from pipecat.clocks.system_clock import SystemClock
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.services.heygen.api_liveavatar import LiveAvatarApi, LiveAvatarNewSessionRequest
from pipecat.services.heygen.client import HeyGenCallbacks, HeyGenClient, ServiceType
from pipecat.transports.base_transport import TransportParams
from pipecat.utils.asyncio.task_manager import TaskManager, TaskManagerParams


async def main(url: str, avatar_id: str) -> None:
    LiveAvatarApi.BASE_URL = f"{url}/v1"
    seen: dict[str, Any] = {"pictures": 0, "sounds": 0, "peak": 0, "joined": []}
    came = asyncio.Event()

    async def on_connected() -> None: ...

    async def on_joined(identity: str) -> None:
        seen["joined"].append(identity)
        came.set()

    async def on_left(identity: str) -> None:
        del identity

    async def on_picture(frame: Any) -> None:
        seen["pictures"] += 1
        seen["size"] = list(frame.size)

    async def on_sound(frame: Any) -> None:
        seen["sounds"] += 1
        seen["peak"] = max(seen["peak"], int(np.abs(np.frombuffer(frame.audio, np.int16).astype(int)).max()))

    manager = TaskManager()
    manager.setup(TaskManagerParams(loop=asyncio.get_running_loop()))
    async with aiohttp.ClientSession() as session:
        client = HeyGenClient(
            api_key="stranger",
            session=session,
            params=TransportParams(
                audio_out_enabled=True, audio_out_sample_rate=24_000, video_in_enabled=True
            ),
            session_request=LiveAvatarNewSessionRequest(avatar_id=avatar_id),
            service_type=ServiceType.LIVE_AVATAR,
            callbacks=HeyGenCallbacks(
                on_connected=on_connected,
                on_participant_connected=on_joined,
                on_participant_disconnected=on_left,
            ),
            connect_as_user=True,
        )
        # Which fields a set-up needs differs from version to version; what we have no word for is nothing.
        names = FrameProcessorSetup.__dataclass_fields__
        given: dict[str, Any] = {
            "clock": SystemClock(),
            "task_manager": manager,
            "audio_out_sample_rate": 24_000,
        }
        fields = {n: given.get(n) for n, spec in names.items() if n in given or spec.default is MISSING}
        await client.setup(FrameProcessorSetup(**fields))
        client.transport_ready()
        async with asyncio.timeout(20):
            await came.wait()
        await client.capture_participant_video("heygen", on_picture)
        await client.capture_participant_audio("heygen", on_sound)
        await asyncio.sleep(1)
        tone = (12_000 * np.sin(np.arange(48_000) * 2 * np.pi * 220 / 24_000)).astype(np.int16).tobytes()
        await client.agent_speak(tone, "u1")
        await client.agent_speak_end("u1")
        await asyncio.sleep(2.5)
        await client.interrupt("i1")
        await asyncio.sleep(0.5)
        await client.cleanup()
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:3]))
