"""How often Kai begins to speak into a pause at a comma: twelve requests with a second half, by three voices.

The real detector, recogniser, judge of endings and small mind hear each request, with a pause of 0.3 to 0.6 s after its first
half. Kai is counted as having begun if its first sound comes before the person's voice is noticed again. Times of
recognising and answering are those that were measured here; where they are longer, Kai is later.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kai.engine.listening import PROMPT_SETTLED_MS, SETTLED_MS
from kai.engine.session import SILENCE_MS_BY_EAGERNESS
from kai.engine.speech.kit import SpeechKit
from kai.engine.speech.manners import is_unfinished, is_whole
from kai.engine.speech.mind import MindTurn
from kai.engine.speech.recognition import Transcript
from kai.engine.speech.turns import (
    SPECULATION_SILENCE_MS,
    SpeculationDue,
    SpeechResumed,
    SpeechStarted,
    SpeechStopped,
    TurnDetector,
)
from kai.engine.speech.voices import Speaker
from kai.media import pcm

REQUESTS: Final = (
    "Can you explain how you work, and what you could do for our customers?",
    "Tell me what you can do, and how fast you are.",
    "What time is it, and what day is it today?",
    "Set a timer for ten minutes, and call it tea.",
    "Could you tell me a story, one about a lighthouse?",
    "What is the capital of France, and how many people live there?",
    "I would like to know who made you, and why.",
    "Why is the sky blue, and why is the sunset red?",
    "Please explain what a language model is, in simple words.",
    "How do I cook rice, if I only have a microwave?",
    "What can I do in Rome, when I have a single day?",
    "Does my voice leave this computer, or does it stay here?",
)
VOICES: Final = ("kai", "mara", "emil")
PAUSES_S: Final = (0.3, 0.4, 0.5, 0.6)
RULES: Final = SILENCE_MS_BY_EAGERNESS["auto"]
HEARD_HZ: Final = 16_000

Float32 = NDArray[np.float32]


def figures(kit: SpeechKit, recordings: list[Float32]) -> dict[str, str]:
    """Return how often Kai began in a pause, as "3 of 36": at the commas, and in real people's recordings that were paused
    at their quietest places."""
    cases = list(_requests(kit))
    begun = sum(_does_begin(kit, sound, pause_end_s) for sound, pause_end_s in cases)
    paused = [case for number, samples in enumerate(recordings) for case in _paused(samples, number)]
    read = sum(_does_begin(kit, sound, pause_end_s) for sound, pause_end_s in paused)
    return {
        "kai_began_at_a_comma": f"{begun} of {len(cases)}",
        "kai_began_in_a_recording_s_pause": f"{read} of {len(paused)}",
    }


def _requests(kit: SpeechKit) -> Iterator[tuple[Float32, float]]:
    for number, said in enumerate(REQUESTS):
        for turn, voice in enumerate(VOICES):
            yield _at_comma(kit.voice.named(voice), said, PAUSES_S[(number + turn) % len(PAUSES_S)])


def _at_comma(voice: Speaker, said: str, pause_s: float) -> tuple[Float32, float]:
    """Return the request with its natural pause at the comma replaced by one of ``pause_s``, and the pause's end."""
    parts: list[NDArray[np.int16]] = []
    words: list[tuple[int, int]] = []
    for clause in voice.stream(said):
        offset = sum(len(part) for part in parts)
        words += [(start + offset, end + offset) for _, start, end in clause.words]
        parts.append(clause.pcm)
    samples = pcm.to_float32(pcm.resampled(np.concatenate(parts), 24_000, HEARD_HZ))
    first = len(said.split(",")[0].split())
    before, after = (at * HEARD_HZ // 24_000 for at in (words[first - 1][1], words[first][0]))
    loud_end = before - int(np.argmax(np.abs(samples[:before][::-1]) > 0.02))
    return _with_pause(samples[:loud_end], samples[after:], pause_s)


def _paused(samples: Float32, number: int) -> Iterator[tuple[Float32, float]]:
    for part in (1, 2):
        middle = len(samples) * part // 3
        spot = pcm.quietest_sample(samples, HEARD_HZ, start=middle - 4_000, end=middle + 4_000)
        yield _with_pause(samples[:spot], samples[spot:], PAUSES_S[(number + part) % len(PAUSES_S)])


def _with_pause(first: Float32, second: Float32, pause_s: float) -> tuple[Float32, float]:
    noise = np.random.default_rng(3)
    lead, gap, tail = (
        noise.normal(0, 0.0005, int(seconds * HEARD_HZ)).astype(np.float32) for seconds in (0.3, pause_s, 1.5)
    )
    return np.concatenate([lead, first, gap, second, tail]), (len(lead) + len(first) + len(gap)) / HEARD_HZ


def _does_begin(kit: SpeechKit, sound: Float32, pause_end_s: float) -> bool:
    """Return whether Kai's first sound would come before the voice after the pause is noticed."""
    detector = TurnDetector(silence_duration_ms=RULES[0], vad=kit.make_vad())
    heard, ready_s, paused_s = Transcript("", 0.0, False), np.inf, 0.0
    speaks_at_s = np.inf
    wanted_ms = RULES[0]
    for start in range(0, len(sound), 512):
        now_s = (start + 512) / HEARD_HZ
        if now_s >= ready_s:
            detector.hold(wanted_ms)
            ready_s = np.inf
        for event in detector.push(sound[start : start + 512]):
            match event:
                case SpeculationDue():
                    begun_s = time.perf_counter()
                    heard = kit.recogniser.transcribe(event.audio)
                    ready_s = now_s + time.perf_counter() - begun_s
                    paused_s = now_s - SPECULATION_SILENCE_MS / 1000
                    wanted_ms = pause_ms(kit, heard, event.audio, RULES)
                case SpeechResumed():
                    ready_s = np.inf
                case SpeechStopped():
                    speaks_at_s = _first_sound_s(kit, heard, now_s, paused_s)
                case SpeechStarted() if speaks_at_s < np.inf:
                    return speaks_at_s < now_s
                case _:
                    pass
        if now_s > pause_end_s + 1.0:
            break
    return False


def pause_ms(kit: SpeechKit, heard: Transcript, audio: Float32, rules: tuple[int, int, int]) -> int:
    """Return how long a pause ends the turn after these words, as `kai.engine.listening` weighs it by these rules: in
    general, for words that are whole, and for words that are unfinished."""
    silence_ms, finished_ms, unfinished_ms = rules
    if is_unfinished(heard.text):
        return unfinished_ms
    if is_whole(heard, kit.judge_ending(audio), kit.mind.is_request):
        return finished_ms
    return silence_ms


def _first_sound_s(kit: SpeechKit, heard: Transcript, now_s: float, paused_s: float) -> float:
    begun_s = time.perf_counter()
    reply = kit.mind.reply((MindTurn("user", heard.text),), "", datetime(2026, 1, 1, 12))  # noqa: DTZ001
    next(iter(kit.voice.stream(reply.text)), None)
    ready_s = now_s + time.perf_counter() - begun_s
    settled_ms = PROMPT_SETTLED_MS if reply.is_prompt else SETTLED_MS
    return max(ready_s, paused_s + settled_ms / 1000)
