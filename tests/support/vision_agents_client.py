"""Run by a Python that has ``vision-agents-plugins-liveavatar``: its LiveAvatar, unmodified, talks to a server.

Prints one JSON object: pictures and sound that arrived, how loud the sound got, and whether it was silent after a flush.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import numpy as np
from getstream.video.rtc.track_util import AudioFormat, PcmData
from vision_agents.core.agents.inference import AudioOutputChunk, AudioOutputFlush, AudioOutputStream
from vision_agents.plugins.liveavatar import Avatar as LiveAvatar

TONE_S = 4


async def main(url: str, avatar_id: str) -> None:
    seen: dict[str, Any] = {"pictures": 0, "sounds": 0, "peak": 0}
    avatar = LiveAvatar(
        avatar_id=avatar_id, api_key="stranger", base_url=url, is_sandbox=False, video_quality="low"
    )
    show, play = avatar._on_video_frame, avatar._on_audio_frame

    async def on_picture(frame: Any) -> None:
        seen["pictures"] += 1
        seen["size"] = [frame.width, frame.height]
        await show(frame)

    async def on_sound(pcm: Any) -> None:
        seen["sounds"] += 1
        seen["peak"] = max(seen["peak"], int(np.abs(np.asarray(pcm.samples).astype(int)).max()))
        await play(pcm)

    avatar._rtc_manager._on_video, avatar._rtc_manager._on_audio = on_picture, on_sound
    said = AudioOutputStream()
    avatar.attach_audio_input(said)
    await avatar.start()
    try:
        await asyncio.sleep(1.5)
        tone = (12_000 * np.sin(np.arange(24_000 * TONE_S) * 2 * np.pi * 220 / 24_000)).astype(np.int16)
        pcm = PcmData.from_bytes(tone.tobytes(), sample_rate=24_000, format=AudioFormat.S16, channels=1)
        await said.send(AudioOutputChunk(data=pcm, final=True))
        await asyncio.sleep(2)
        await said.send(AudioOutputFlush())
        await asyncio.sleep(1)
        seen["peak_before"], seen["peak"] = seen["peak"], 0
        await asyncio.sleep(0.5)
    finally:
        await avatar.close()
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:3]))
