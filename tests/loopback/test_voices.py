"""The extra voices with their real weights, where they are installed (``requirements-voices.txt``)."""

from __future__ import annotations

import numpy as np
import pytest

from kai.engine.speech import weights
from kai.engine.speech.kit import SpeechKit
from kai.engine.speech.voices import CHOICES
from kai.errors import WeightsError
from kai.media import pcm
from tests.support.words import word_errors


def is_installed() -> bool:
    try:
        for part in weights.KOKORO_PARTS:
            weights.find_weights(part)
    except WeightsError:
        return False
    return True


pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not is_installed(), reason="the extra voices are not installed"),
]

EXTRAS = [choice.id for choice in CHOICES if choice.is_extra]
TEXT = "Hello, I am here. You cannot dance, but I can speak with you for half an hour."


@pytest.fixture(scope="module")
def kit() -> SpeechKit:
    return SpeechKit.load()


@pytest.mark.parametrize("voice_id", EXTRAS)
def test_an_extra_voice_is_understood_and_its_times_fill_its_sound(kit: SpeechKit, voice_id: str) -> None:
    clauses = list(kit.voice.stream(TEXT, 1.0, voice_id))
    assert " ".join(clause.text for clause in clauses) == TEXT
    assert len(clauses[0].text) <= 44
    for clause in clauses:
        assert (clause.visemes[0].start_sample, clause.visemes[-1].end_sample) == (0, len(clause.pcm))
        assert [span.word for span in clause.words] == clause.text.split()
    resampler = pcm.Resampler(24_000, 16_000)
    parts = [resampler.push(clause.pcm) for clause in clauses]
    heard = kit.recogniser.transcribe(pcm.to_float32(np.concatenate([*parts, resampler.flush()])))
    assert word_errors(TEXT, heard.text) <= 1, heard


def test_british_and_american_voices_say_the_same_word_otherwise(kit: SpeechKit) -> None:
    said = {
        voice_id: [
            span.phoneme
            for clause in kit.voice.stream("You cannot dance.", 1.0, voice_id)
            for span in clause.phonemes
        ]
        for voice_id in ("bella", "emma")
    }
    assert "æ" in said["bella"]
    assert "ɑ" in said["emma"]
    assert said["bella"] != said["emma"]


def test_a_slower_extra_voice_takes_longer(kit: SpeechKit) -> None:
    slow, fast = (
        sum(len(clause.pcm) for clause in kit.voice.stream("Good day to all of you.", speed, "george"))
        for speed in (0.8, 1.3)
    )
    assert slow > 1.3 * fast
