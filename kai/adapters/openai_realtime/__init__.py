"""OpenAI Realtime from Python, over WebRTC or a WebSocket: the voice brain, in the cloud or on this computer."""

from kai.adapters.openai_realtime.brain import OpenAIRealtimeBrain
from kai.adapters.openai_realtime.endpoint import Endpoint
from kai.adapters.openai_realtime.websocket import OpenAISocketBrain

__all__ = ["Endpoint", "OpenAIRealtimeBrain", "OpenAISocketBrain"]
