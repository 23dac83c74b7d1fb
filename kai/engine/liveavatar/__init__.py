"""The local LiveAvatar: HeyGen's service for clients, imitated on this computer without a key, a bill or a network.

It has the REST routes, the control WebSocket, and a LiveKit-compatible room on aiortc. The avatar is the rendered face of
`kai.avatar`, and its sound is the PCM that was received. For a client only the base URL differs. ``python -m
kai.engine.liveavatar`` runs it alone.
"""
