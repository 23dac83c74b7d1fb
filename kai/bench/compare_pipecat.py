"""One talk of Pipecat as its own examples build it: ``python -m kai.bench.compare_pipecat PLAN``, by a Python that has it.

``OpenAIRealtimeLLMService`` and ``HeyGenVideoService`` stand between the two ends of a transport. The input pushes 20 ms of
microphone on a steady clock. The output takes each frame at once, which is the kindest that a transport can be.
"""

# Pipecat is not in our environment, so nothing is known of its types.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

import aiohttp
import numpy as np
from loguru import logger
from pipecat.frames.frames import InputAudioRawFrame, LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.services.heygen import api_liveavatar as avatar_api
from pipecat.services.heygen.client import ServiceType
from pipecat.services.heygen.video import HeyGenVideoService
from pipecat.services.openai.realtime import events, llm
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams

from kai.bench.compare_notes import (
    PICTURE_S,
    READS_S,
    NotedOutlet,
    Notes,
    Plan,
    PlayedMicrophone,
    hold_talk,
    until,
)

logger.remove()
logger.add(sys.stderr, level="WARNING")


class Input(BaseInputTransport):
    """The microphone."""

    def __init__(self, params: TransportParams) -> None:
        super().__init__(params)
        self.microphone = PlayedMicrophone()
        self._pump: Any = None

    async def start(self, frame: Any) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)
        self._pump = self.create_task(self.microphone.run(self._push))

    async def _push(self, pcm: Any) -> None:
        frame = InputAudioRawFrame(audio=pcm.tobytes(), sample_rate=16_000, num_channels=1)
        await self.push_audio_frame(frame)

    async def cancel(self, frame: Any) -> None:
        await super().cancel(frame)
        if self._pump is not None:
            await self.cancel_task(self._pump)
            self._pump = None


class Output(BaseOutputTransport):
    """Where sound and pictures leave for the person."""

    def __init__(self, params: TransportParams, outlet: NotedOutlet) -> None:
        super().__init__(params)
        self._outlet = outlet

    async def start(self, frame: Any) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: Any) -> bool:
        self._outlet.play(np.frombuffer(frame.audio, np.int16), frame.sample_rate)
        return True

    async def write_video_frame(self, frame: Any) -> bool:
        width, height = frame.size
        self._outlet.show(lambda: np.frombuffer(frame.image, np.uint8).reshape(height, width, 3)[:, :, 1])
        return True


async def main(plan: Plan) -> None:
    """Hold the talk of that plan."""
    note, answers = Notes(plan.notes, "client"), list[float]()
    outlet = NotedOutlet(plan, note)
    avatar_api.LiveAvatarApi.BASE_URL = f"{plan.liveavatar}/v1"
    parse = events.parse_server_event

    def noting(text: str) -> Any:
        event = parse(text)
        if event.type == "response.created":
            answers.append(time.monotonic())
        return event

    events.parse_server_event = noting
    side = plan.height_px
    params = TransportParams(
        audio_in_enabled=True,
        audio_out_enabled=True,
        video_out_enabled=True,
        video_out_is_live=True,
        video_out_width=side,
        video_out_height=side,
    )
    async with aiohttp.ClientSession() as http:
        source, sink = Input(params), Output(params, outlet)
        listening = events.AudioInput(
            transcription=events.InputAudioTranscription(),
            turn_detection=events.SemanticTurnDetection(),
            noise_reduction=events.InputAudioNoiseReduction(type="near_field"),
        )
        brain = llm.OpenAIRealtimeLLMService(
            api_key="k",
            base_url=plan.realtime.replace("http", "ws", 1) + "/realtime",
            settings=llm.OpenAIRealtimeLLMService.Settings(
                model=plan.model,
                system_instruction="Be brief.",
                session_properties=events.SessionProperties(audio=events.AudioConfiguration(input=listening)),
            ),
        )
        face = HeyGenVideoService(
            api_key="k",
            session=http,
            service_type=ServiceType.LIVE_AVATAR,
            session_request=avatar_api.LiveAvatarNewSessionRequest(
                avatar_id=plan.avatar_id,
                video_settings=avatar_api.VideoSettings(
                    encoding=avatar_api.VideoEncoding.H264, quality=avatar_api.VideoQuality(plan.quality)
                ),
            ),
        )
        pair = LLMContextAggregatorPair(LLMContext([{"role": "user", "content": "Hello."}]))
        pipeline = Pipeline([source, pair.user(), brain, face, sink, pair.assistant()])
        task = PipelineTask(
            pipeline, params=PipelineParams(audio_in_sample_rate=16_000, audio_out_sample_rate=24_000)
        )
        await asyncio.sleep(READS_S)
        note("start")
        running = asyncio.create_task(PipelineRunner(handle_sigint=False).run(task))
        await until(lambda: outlet.pictures, PICTURE_S, "a picture", note)

        async def begin() -> None:
            await task.queue_frames([LLMRunFrame()])

        await hold_talk(plan, note, begin=begin, microphone=source.microphone, outlet=outlet, answers=answers)
        await task.cancel()
        await asyncio.wait([running], timeout=8)


if __name__ == "__main__":
    asyncio.run(main(Plan.from_json(sys.argv[1])))
    os._exit(0)
