"""No child process of Kai is told a secret of the environment that the app was started in."""

from __future__ import annotations

import asyncio

import psutil
import pytest

from kai.adapters.engine_process import EngineProcess
from kai.adapters.liveavatar.room_link import RoomLink
from kai.adapters.local_face.baker import Baker
from kai.adapters.local_face.face import LocalFace
from kai.avatar.style import character
from kai.core.state import Look
from kai.errors import FaceError
from kai.ports import Pcm, Picture
from tests.support.fakes import FaceLog

SEEDED = {
    name: f"seeded-{number}"
    for number, name in enumerate(
        (
            "OPENAI_API_KEY",
            "HEYGEN_API_KEY",
            "KAI_MIND_API_KEY",
            "KAI_PASSWORD_HASH",
            "GITHUB_TOKEN",
            "KAI_ANY",
            "LIVEAVATAR_API_KEY",
            "LIVEKIT_API_SECRET",
            "AWS_SECRET_ACCESS_KEY",
        )
    )
}


PROGRAMS = (
    "kai.engine",
    "kai.adapters.local_face.start",
    "kai.adapters.local_face.baker",
    "kai.adapters.liveavatar.room_process",
)


class NoRoom:
    """A room's listener that hears nothing: the process is started and never joins."""

    def picture(self, picture: Picture, shown_s: float) -> None: ...
    def sound(self, pcm: Pcm, at_s: float) -> None: ...
    def plays(self, at_s: float, sound_s: float, picture_s: float) -> None: ...
    def fresh(self) -> None: ...
    def gone(self, error: FaceError) -> None: ...


async def test_every_child_finds_only_what_may_pass_in_its_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = set(psutil.Process().children(recursive=True))
    for name, value in SEEDED.items():
        monkeypatch.setenv(name, value)
    engine, face, baker = EngineProcess(), LocalFace(), Baker()
    room = RoomLink(NoRoom())
    engine.start()
    try:
        await asyncio.gather(
            face.open(Look(), FaceLog()),
            asyncio.to_thread(baker.lay_out, character("kai"), 64, 64, 1.0),
            room.prepare(),
        )
        children = set(psutil.Process().children(recursive=True)) - before
        programs = " ".join(" ".join(child.cmdline()) for child in children)
        for program in PROGRAMS:
            assert program in programs
        for child in children:
            environment = child.environ()  # on Linux this reads /proc/<pid>/environ
            assert "PATH" in environment
            assert not set(SEEDED) & set(environment)
            assert "seeded-" not in " ".join(environment.values())
    finally:
        baker.close()
        await room.aclose()
        await face.aclose()
        await engine.aclose()
