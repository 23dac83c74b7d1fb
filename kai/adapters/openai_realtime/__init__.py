"""OpenAI Realtime over WebRTC, from Python: the voice brain, in the cloud or in the local engine on this computer."""

from kai.adapters.openai_realtime.brain import Endpoint, OpenAIRealtimeBrain

__all__ = ["Endpoint", "OpenAIRealtimeBrain"]
