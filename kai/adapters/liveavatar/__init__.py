"""The cloud face: HeyGen LiveAvatar in LITE mode (REST, control WebSocket, LiveKit room)."""

from kai.adapters.liveavatar.face import LiveAvatarFace
from kai.adapters.liveavatar.rest import Account, LiveAvatarApi

__all__ = ["Account", "LiveAvatarApi", "LiveAvatarFace"]
