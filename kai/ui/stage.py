"""The picture: one media component, drawn on every run in one keyed container; pages set its size with CSS only."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import streamlit as st
from streamlit_webrtc import WebRtcMode, create_audio_sink_track, webrtc_streamer

from kai.runtime.hub import Talk
from kai.settings import IceServer
from kai.ui import bridge, compat, texts, theme
from kai.ui.view import Mount

CONTAINER: Final = "kai-stage"

AUDIO_CONSTRAINTS: Final = {"echoCancellation": True, "noiseSuppression": True, "autoGainControl": True}

_VIDEO_ATTRIBUTES: Final[dict[str, Any]] = {
    "autoPlay": True,
    "controls": False,
    "playsInline": True,
    "disablePictureInPicture": True,
    # The video covers everything else in the component's frame, because Kai draws its own controls.
    "style": {
        "position": "fixed",
        "inset": 0,
        "width": "100vw",
        "height": "100vh",
        "objectFit": "cover",
        "background": "transparent",
        "zIndex": 10,
    },
}


@cache
def _css(name: str) -> str:
    return (Path(__file__).parent / "css" / f"{name}.css").read_text("utf-8")


def draw_styles(*, is_on_stage: bool) -> None:
    """Draw the page's own CSS, which shows the picture large on the stage or small in a corner."""
    words = f":root {{ --kai-settings: '{texts.SETTINGS}'; }}"
    page = _css("page") + _css("stage" if is_on_stage else "corner")
    st.html(f"<style>{theme.css()}{words}{page}</style>")


def component_key(talk: Talk, mount: Mount) -> str:
    """Return the component's key; a new key makes a new connection."""
    return f"kai-{talk.id[:8]}-{mount.serial}-{'down' if mount.is_receive_only else 'both'}"


def draw_media(talk: Talk, mount: Mount | None, ice_servers: tuple[IceServer, ...] = ()) -> None:
    """Draw the component of ``mount``, or an empty container in its place."""
    with st.container(key=CONTAINER):
        if mount is None:
            return
        key = component_key(talk, mount)
        state = talk.snapshot()
        video, audio = talk.browser.tracks()
        # Without this, both sides would use a public STUN server, and the server's side would wait 5 s for it.
        ice: dict[str, Any] = {"iceServers": [server.for_browser() for server in ice_servers]}
        with compat.reporting_to(talk.browser):
            webrtc_streamer(
                key=key,
                mode=WebRtcMode.RECVONLY if mount.is_receive_only else WebRtcMode.SENDRECV,
                source_video_track=video,
                source_audio_track=audio,
                sink_audio_track=None
                if mount.is_receive_only
                else create_audio_sink_track(talk.browser.on_mic_frame, key=f"{key}-mic"),
                media_stream_constraints={"video": False, "audio": AUDIO_CONSTRAINTS},
                server_rtc_configuration=ice,
                frontend_rtc_configuration=ice,
                video_html_attrs=_VIDEO_ATTRIBUTES,
                desired_playing_state=bridge.may_play(state, key),
                media_toggle_controls=False,
            )
