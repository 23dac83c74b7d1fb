"""The local LiveAvatar: what HeyGen's service does for a client, on this computer, without a key, a bill or a network.

REST, control WebSocket and a LiveKit-compatible room on aiortc. The avatar is the rendered face of `kai.avatar`, its sound
is the PCM that was received. Only the base URL differs for a client. ``python -m kai.engine.liveavatar`` runs it alone.
"""
