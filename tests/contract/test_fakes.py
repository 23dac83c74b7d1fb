"""The fakes keep the contract of the ports; and so does the voice without a face."""

from __future__ import annotations

import numpy as np
import pytest

from kai.adapters.voice_only import VoiceOnly
from kai.errors import BrainError, FaceError
from kai.ports import AvatarFace, Pcm, VoiceBrain
from tests.contract.suite_brain import BrainContract, Lose, MakeBrain
from tests.contract.suite_face import FaceContract, MakeFace
from tests.contract.suite_face import Lose as LoseFace
from tests.support.fakes import FakeBrain, FakeFace, tone


class TestFakeBrain(BrainContract):
    @pytest.fixture
    def make_brain(self) -> MakeBrain:
        return FakeBrain

    @pytest.fixture
    def broken_brain(self) -> VoiceBrain:
        return FakeBrain(open_error=BrainError("Nobody is there. Check the network.", code="refused"))

    @pytest.fixture
    def lose(self) -> Lose:
        async def lose(brain: VoiceBrain) -> None:
            assert isinstance(brain, FakeBrain)
            brain.fail()

        return lose

    @pytest.fixture
    def speech(self) -> Pcm:
        return np.concatenate([np.zeros(9600, np.int16), tone(600, 48_000)])


class TestFakeFace(FaceContract):
    @pytest.fixture
    def make_face(self) -> MakeFace:
        return FakeFace

    @pytest.fixture
    def broken_face(self) -> AvatarFace:
        return FakeFace(open_error=FaceError("The face did not start. Start again.", code="start"))

    @pytest.fixture
    def lose(self) -> LoseFace:
        async def lose(face: AvatarFace) -> None:
            assert isinstance(face, FakeFace)
            face.fail()

        return lose


class TestVoiceOnly(FaceContract):
    @pytest.fixture
    def make_face(self) -> MakeFace:
        return VoiceOnly
