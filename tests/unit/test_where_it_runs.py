"""Where a talk runs: a person's choice before the app's settings."""

from __future__ import annotations

from pathlib import Path

# What a brain gets is put together in a private method of the composition root.
# pyright: reportPrivateUsage=false
from pydantic import SecretStr

from kai.adapters.openai_realtime.config import session_for
from kai.adapters.openai_realtime.endpoint import Endpoint
from kai.app import Offer
from kai.compose import SharedServices
from kai.core.config import BrainConfig
from kai.core.state import Look
from kai.records.memory import Memory
from kai.settings import Settings
from kai.wire.session_object import AudioConfig, AudioOutputConfig


def test_a_choice_is_limited_to_what_there_is() -> None:
    neither, both = Offer(), Offer(has_cloud_brain=True, has_cloud_face=True)
    assert neither.is_brain_local(Look(runs="openai"))
    assert neither.is_face_local(Look(face="liveavatar"))
    assert not both.is_brain_local(Look())
    assert both.is_brain_local(Look(runs="local"))
    assert both.model(Look(brain=BrainConfig(model="gpt-realtime-1.5"))) == "gpt-realtime-1.5"
    assert both.model(Look(runs="local")) == "kai-local"


def test_a_voice_of_the_local_engine_is_not_asked_of_openai() -> None:
    endpoint = Endpoint(api_key="k", model="gpt-realtime-2.1")
    audio = session_for(Look(voice="emil", keeps_voice=True), endpoint).audio
    assert isinstance(audio, AudioConfig)
    assert isinstance(audio.output, AudioOutputConfig)
    assert audio.output.voice == "marin"


def test_a_brain_elsewhere_gets_the_tool_for_files_where_there_are_files(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, openai_api_key=SecretStr("k"))  # pyright: ignore[reportCallIssue]
    app = SharedServices(settings, Memory(tmp_path))
    for has_files in (True, False):
        names = [tool["name"] for tool in app._cloud_brain("b", has_files=has_files).tools]
        assert ("search_files" in names) is has_files
    assert "search_files" not in app.offer.tools
