"""Measures how well and how fast the engine hears, speaks and thinks: ``python -m kai.bench.speech``."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import jiwer
import numpy as np
from numpy.typing import NDArray

from kai.bench import barge_in, commas, sentences, short_sounds
from kai.bench.bars import Bar, at_least, at_most, percent_of
from kai.bench.sayings import UNSEEN, UNSEEN_OUT_OF_SCOPE
from kai.bench.voices import SENTENCES
from kai.engine import session
from kai.engine.listening import FIRST_WORDS_BEAM, PersonTurn
from kai.engine.speech.clauses import PHONEME_VISEMES, Clause
from kai.engine.speech.kit import LoadStep, SpeechKit
from kai.engine.speech.mind import MindTurn
from kai.engine.speech.recognition import Transcript
from kai.engine.speech.turns import PartialDue, SpeculationDue, SpeechResumed, SpeechStopped, TurnDetector
from kai.engine.speech.voices import CHOICES, Speaker, Voices
from kai.media import pcm

RECORDINGS_DIR: Final = Path(__file__).resolve().parents[2] / "tests" / "support" / "speech"
_SENTENCES: Final = (
    "Another apple, in our oven, is all over.",
    "It is 3:05 pm and 12% of people, like Dr. Smith, agree.",
    "Please put the big paper cup back on the table before Bob picks it up.",
    "She sells sea shells by the sea shore.",
    "Tom took ten tickets to the top of the tower.",
    "I am running on this computer, without the internet and without an account.",
    "You can ask me for the time, the date, or what I can do.",
    "Paper boats float past the pink bridge at dusk.",
)
_HEARD_BACK: Final = SENTENCES[:8]
_REPEATS: Final = 3
_Result = TypeVar("_Result")
Float32 = NDArray[np.float32]


def run() -> dict[str, Any]:
    """Return the figures of loading, recognition, speech, times and mind by name, in seconds unless a name says otherwise."""
    stages: list[LoadStep] = []
    load_s, kit = _timed(lambda: SpeechKit.load(stages.append))
    figures: dict[str, Any] = {
        "load_average": os.getloadavg()[0],
        "load_s": load_s,
        "load_stages_s": {stage.name: stage.seconds for stage in stages},
    }
    figures |= _hearing(kit)
    figures |= _speaking(kit.voice)
    figures["own_voice_words_misheard"] = _words_misheard(kit, kit.voice)
    figures["extra_voices"] = _extra_voices(kit)
    figures |= _understanding(kit)
    figures |= sentences.figures(kit.mind)
    figures |= turn_ends(kit)
    figures |= commas.figures(kit, [_read(RECORDINGS_DIR / entry["file"]) for entry in _manifest()])
    figures["side_talk_taken_for_a_turn"] = side_talk(kit)
    figures |= short_sounds.figures(kit)
    figures |= barge_in.figures(kit, [_read(RECORDINGS_DIR / entry["file"]) for entry in _manifest()])
    figures["label_agreement_r"] = label_agreement(kit.voice)
    turns = (MindTurn("user", "Could you tell me what time it is, please?"),)
    reply_s = [_timed(lambda: kit.mind.reply(turns, "", datetime(2026, 1, 1)))[0] for _ in range(9)]  # noqa: DTZ001
    figures["mind_reply_s_p50"] = float(np.median(reply_s))
    said = _read(RECORDINGS_DIR / _manifest()[0]["file"])
    ending_s = [_timed(lambda: kit.judge_ending(said))[0] for _ in range(9)]
    figures["judge_ending_s_p50"] = float(np.median(ending_s))
    vad = kit.make_vad()
    frame = np.zeros(512, np.float32)
    figures["vad_ms_a_frame"] = _timed(lambda: [vad(frame) for _ in range(200)])[0] * 1000 / 200
    return figures


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Return the bars of hearing, speaking, turn taking and the small mind."""
    ends = figures["turn_ends_at_pauses_of_0.7_s"]
    gives_way_ms = [found["gives_way_ms"] for found in figures["person_over_kai"].values()]
    found = [
        at_most("words misheard in the recordings", 100 * figures["wer"], 2, "%"),
        at_most("words misheard at 10 dB of noise", 100 * figures["wer_at_10_db_of_noise"], 5, "%"),
        at_most("words misheard at 5 dB of noise", 100 * figures["wer_at_5_db_of_noise"], 12, "%"),
        at_most("first sound to the first words, p50", figures["first_partial_s"]["p50"], 1.2, "s"),
        at_least("paraphrases understood", 100 * figures["intents_right_of_unseen"], 85, "%"),
        at_least("what cannot be known refused", 100 * figures["out_of_scope_refused"], 95, "%"),
        at_least("commands done, held back", percent_of(figures["commands_held_back_done"]), 97, "%"),
        at_most(
            "other sentences taken for commands, held back",
            percent_of(figures["not_commands_held_back_taken_for_one"]),
            100 / 75,
            "%",
        ),
        at_most("turns ended in a pause", 100 * ends["semantic auto (default)"]["false_ends"], 25, "%"),
        at_most("Kai began at a comma of 0.3 to 0.6 s", percent_of(figures["kai_began_at_a_comma"]), 10, "%"),
        at_most("the same with patience", 100 * ends["semantic low (patient)"]["false_ends"], 5, "%"),
        at_most(
            "until Kai gives way, p95 of the worst echo",
            max(times[1] for times in gives_way_ms) if all(gives_way_ms) else None,
            700,
            "ms",
        ),
        at_least("nods over Kai let pass", percent_of(figures["nods_over_kai_let_pass"]), 95, "%"),
        at_least("short words over Kai heard", percent_of(figures["short_words_over_kai_heard"]), 85, "%"),
        at_least("short words heard as they are", percent_of(figures["short_words_heard"]), 95, "%"),
        at_most("noises taken for words", percent_of(figures["noises_taken_for_words"]), 1, "%"),
    ]
    return [
        *found,
        *(
            at_most(f"words of the voice {voice} misheard", percent_of(told["words_misheard"]), 3, "%")
            for voice, told in figures["extra_voices"].items()
        ),
    ]


def label_agreement(voice: Speaker, sentences: Sequence[str] = _SENTENCES) -> dict[str, float]:
    """Return how well the phonemes' times fit the sound: the correlation of the phonemes' expected loudness with the measured
    one, with all times moved by some ms. It should be highest at 0."""
    moves_ms = range(-60, 61, 20)
    totals = dict.fromkeys(moves_ms, 0.0)
    spoken = [clause for text in sentences for clause in voice.stream(text)]
    # A shorter clause has too little sound between its edges to compare.
    clauses = [clause for clause in spoken if len(clause.pcm) > 24_000]
    step = 24_000 // 200
    for clause in clauses:
        samples = pcm.to_float32(clause.pcm)
        count = len(samples) // step
        loud_db = np.array([pcm.level_dbfs(part) for part in samples[: count * step].reshape(-1, step)]).clip(
            -80
        )
        wanted = np.zeros(count)
        for phoneme, start, end in clause.phonemes:
            wanted[start // step : end // step] = _expected_loudness(phoneme)
        inner = np.arange(40, count - 80)
        for move_ms in moves_ms:
            moved = wanted[np.clip(inner - move_ms // 5, 0, count - 1)]
            totals[move_ms] += float(np.corrcoef(loud_db[inner], moved)[0, 1]) / len(clauses)
    return {f"{move_ms:+d} ms": value for move_ms, value in totals.items()}


def _expected_loudness(phoneme: str) -> float:
    for phonemes, loudness in (
        ("mnŋlɹjwT", 0.75),
        ("sʃʧ", 0.45),
        ("zʒvðʤbdɡ", 0.35),
        ("fθh", 0.25),
        ("ptk", 0.15),
    ):
        if phoneme and phoneme in phonemes:
            return loudness
    return 1.0 if phoneme in PHONEME_VISEMES else 0.5


def _hearing(kit: SpeechKit) -> dict[str, Any]:
    wanted: list[str] = []
    heard: list[str] = []
    asr_s: list[float] = []
    asr_cpu_s: list[float] = []
    audio_s = 0.0
    for entry in _manifest():
        samples = _read(RECORDINGS_DIR / entry["file"])
        audio_s += len(samples) / 16_000
        wanted.append(_words(entry["text"]))
        text = ""
        for _ in range(_REPEATS):
            cpu = time.process_time()
            took_s, transcript = _timed(lambda samples=samples: kit.recogniser.transcribe(samples))
            asr_cpu_s.append(time.process_time() - cpu)
            asr_s.append(took_s)
            text = transcript.text
        heard.append(_words(text))
    found = jiwer.process_words(wanted, heard)
    samples = [_read(RECORDINGS_DIR / entry["file"]) for entry in _manifest()]
    noisy = {
        f"wer_at_{snr_db}_db_of_noise": jiwer.wer(
            wanted, [_words(kit.recogniser.transcribe(with_noise(sound, snr_db)).text) for sound in samples]
        )
        for snr_db in (10, 5)
    }
    return {
        **noisy,
        "first_partial_s": {
            "p50": float(np.median(firsts := first_partials(kit, samples))),
            "max": max(firsts),
        },
        "wer": found.wer,
        "word_errors": found.substitutions + found.deletions + found.insertions,
        "words": sum(len(text.split()) for text in wanted),
        "asr_s_p50": float(np.median(asr_s)),
        "asr_s_max": max(asr_s),
        "asr_cpu_s_p50": float(np.median(asr_cpu_s)),
        "asr_share_of_real_time": sum(asr_cpu_s) / _REPEATS / audio_s,
    }


def _manifest() -> list[dict[str, str]]:
    return json.loads((RECORDINGS_DIR / "manifest.json").read_text(encoding="utf-8"))


def with_noise(samples: Float32, snr_db: float) -> Float32:
    """Return `samples` with pink noise, the same each time, `snr_db` below the speech's mean power."""
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(size=len(samples)))
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(1.0, np.arange(len(spectrum)))), len(samples))
    gain = np.sqrt(np.mean(samples**2) / np.mean(pink**2)) * 10 ** (-snr_db / 20)
    return (samples + gain * pink).astype(np.float32)


def first_partials(kit: SpeechKit, recordings: Sequence[Float32]) -> list[float]:
    """Return the seconds from each recording's first sound to the first words that two decodes agree on, with decoding."""
    found: list[float] = []
    for samples in recordings:
        detector = TurnDetector(vad=kit.make_vad())
        first_s = int(np.argmax(np.abs(samples) > 0.05)) / 16_000
        hearing = PersonTurn("")
        is_shown = False
        for start in range(0, len(samples), 512):
            for event in detector.push(samples[start : start + 512]):
                if isinstance(event, PartialDue) and not is_shown:
                    took_s, heard = _timed(
                        lambda audio=event.audio: kit.recogniser.transcribe(audio, FIRST_WORDS_BEAM)
                    )
                    if hearing.agree(heard):
                        is_shown = True
                        detector.settle()
                        found.append((start + 512) / 16_000 + took_s - first_s)
    return found


def _understanding(kit: SpeechKit) -> dict[str, float]:
    def intent_of(said: str) -> str:
        return kit.mind.reply((MindTurn("user", said),), "", datetime(2026, 1, 1)).intent  # noqa: DTZ001

    right = [intent_of(said) == intent for intent, sayings in UNSEEN.items() for said in sayings]
    refused = [intent_of(said) == "unknown" for said in UNSEEN_OUT_OF_SCOPE]
    return {
        "intents_right_of_unseen": float(np.mean(right)),
        "unseen_sayings": len(right),
        "out_of_scope_refused": float(np.mean(refused)),
    }


TURN_RULES: Final = {
    "server_vad 300": (300, 300, 300),
    "server_vad 448": (448, 448, 448),
    "server_vad 640": (640, 640, 640),
    "semantic high": session.SILENCE_MS_BY_EAGERNESS["high"],
    "semantic auto (default)": session.SILENCE_MS_BY_EAGERNESS["auto"],
    "semantic low (patient)": session.SILENCE_MS_BY_EAGERNESS["low"],
}


def turn_ends(kit: SpeechKit, pause_s: float = 0.7) -> dict[str, Any]:
    """Return the curve of patience: how often a pause of `pause_s` within a sentence was taken for its end, and how long
    after the real end of speech the turn ended. Each recording is paused at its quietest places near five points, mostly
    between words, sometimes within one."""
    questions = [_spoken(kit.voice, said) for said in _QUESTIONS]
    cases = [
        case for entry in _manifest() for case in _paused(_read(RECORDINGS_DIR / entry["file"]), pause_s)
    ]
    known: dict[int, tuple[float, Transcript]] = {}

    def decode(audio: Float32) -> tuple[float, Transcript]:
        key = hash(audio.tobytes())
        if key not in known:
            known[key] = _timed(lambda: kit.recogniser.transcribe(audio))
        return known[key]

    curve: dict[str, Any] = {}
    for name, rules in TURN_RULES.items():
        ended_early = 0
        late_s: list[float] = []
        for samples, pause_end_s, speech_end_s in cases:
            ends_s = _ends(kit, samples, rules, decode)
            ended_early += any(end_s < pause_end_s + 0.05 for end_s in ends_s)
            late_s += [ends_s[-1] - speech_end_s] if ends_s else []
        asked_s = [
            ends_s[-1] - end_s
            for samples, end_s in questions
            if (ends_s := _ends(kit, samples, rules, decode))
        ]
        curve[name] = {
            "question_ends_after_s_p50": round(float(np.median(asked_s)), 3),
            "false_ends": round(ended_early / len(cases), 3),
            "end_after_s_p50": round(float(np.median(late_s)), 3),
            "end_after_s_p95": round(float(np.percentile(late_s, 95)), 3),
        }
    return {"turn_ends_at_pauses_of_0.7_s": curve, "pauses": len(cases)}


def side_talk(kit: SpeechKit) -> dict[str, str]:
    """Return how many recordings of another voice, talking behind the person after a first line, began a turn, by how much
    softer they are than the person."""
    samples = [_read(RECORDINGS_DIR / entry["file"]) for entry in _manifest()]
    person, others = samples[0], samples[1:]
    level = float(np.sqrt(np.mean(person**2)))
    found: dict[str, str] = {}
    for softer_db in (0, 6, 12, 18, 24, 30):
        count = 0
        for other in others:
            detector = TurnDetector(vad=kit.make_vad())
            detector.learn_voice(person)
            gain = level / float(np.sqrt(np.mean(other**2))) * 10 ** (-softer_db / 20)
            sound = np.concatenate([(other * gain).astype(np.float32), np.zeros(16_000, np.float32)])
            count += any(isinstance(event, SpeechStopped) for event in detector.push(sound))
        found[f"{softer_db} dB softer"] = f"{count} of {len(others)}"
    return found


_QUESTIONS: Final = (
    "What time is it now?",
    "Could you tell me what day it is today?",
    "How do I connect you to a bigger model?",
    "Set a timer for ten minutes.",
    "Does my voice leave this computer?",
    "Who was the first man on the moon?",
    "Thank you very much.",
    "What is twelve times eight?",
)


def _sound_of(voice: Speaker, said: str) -> Float32:
    """Return `said` by that voice, ``(samples,)`` at 16 kHz."""
    sound = np.concatenate([clause.pcm for clause in voice.stream(said)])
    return pcm.to_float32(pcm.resampled(sound, 24_000, 16_000))


def _spoken(voice: Speaker, said: str) -> tuple[Float32, float]:
    """Return `said` by Kai's own voice with three seconds of silence after it, and its end in seconds."""
    samples = _sound_of(voice, said)
    end = int(np.nonzero(np.abs(samples) > 0.02)[0][-1])
    tail = np.random.default_rng(2).normal(0, 0.0005, 48_000).astype(np.float32)
    return np.concatenate([samples[:end], tail]), end / 16_000


def _paused(samples: Float32, pause_s: float) -> list[tuple[Float32, float, float]]:
    """Return copies of the recording, each paused after another sixth of it: (sound, end of the pause, end of speech)."""
    loud = np.nonzero(np.abs(samples) > 0.02)[0]
    first, last = int(loud[0]), int(loud[-1])
    quiet = np.random.default_rng(1).normal(0, 0.0005, int(pause_s * 16_000)).astype(np.float32)
    tail = np.random.default_rng(2).normal(0, 0.0005, 48_000).astype(np.float32)
    found: list[tuple[Float32, float, float]] = []
    for sixth in range(1, 6):
        middle = first + (last - first) * sixth // 6
        reach = min(4_000, (last - first) // 12)
        spot = pcm.quietest_sample(samples, 16_000, start=middle - reach, end=middle + reach)
        sound = np.concatenate([samples[:spot], quiet, samples[spot : last + 1], tail])
        found.append((sound, (spot + len(quiet)) / 16_000, (last + 1 + len(quiet)) / 16_000))
    return found


def _ends(
    kit: SpeechKit,
    samples: Float32,
    rules: tuple[int, int, int],
    decode: Callable[[Float32], tuple[float, Transcript]],
) -> list[float]:
    """Return when turns ended, in seconds, for this sound and these rules; a transcript arrives when it would be ready."""
    silence_ms, _, unfinished_ms = rules
    held_ms = silence_ms
    detector = TurnDetector(silence_duration_ms=silence_ms, vad=kit.make_vad())
    ends_s: list[float] = []
    held_from_s = np.inf
    for start in range(0, len(samples), 512):
        now_s = (start + 512) / 16_000
        if now_s >= held_from_s:
            detector.hold(held_ms)
            held_from_s = np.inf
        for event in detector.push(samples[start : start + 512]):
            match event:
                case SpeculationDue() if unfinished_ms > silence_ms:
                    took_s, heard = decode(event.audio)
                    held_from_s = now_s + took_s
                    held_ms = commas.pause_ms(kit, heard, event.audio, rules)
                case SpeechResumed():
                    held_from_s = np.inf
                case SpeechStopped():
                    ends_s.append(now_s)
                case _:
                    pass
    return ends_s


def _speaking(voice: Speaker) -> dict[str, float]:
    first_s: list[float] = []
    whole_s = 0.0
    audio_s = 0.0
    for text in _SENTENCES * _REPEATS:
        started = time.perf_counter()
        stream = voice.stream(f"{text} And this is what follows it.")
        clause: Clause | None = next(stream, None)
        first_s.append(time.perf_counter() - started)
        while clause is not None:
            audio_s += len(clause.pcm) / 24_000
            clause = next(stream, None)
        whole_s += time.perf_counter() - started
    return {
        "first_clause_s_p50": float(np.median(first_s)),
        "first_clause_s_p95": float(np.percentile(first_s, 95)),
        "tts_share_of_real_time": whole_s / audio_s,
    }


def _words_misheard(kit: SpeechKit, speaker: Speaker) -> str:
    """Return how many words of this voice our recogniser gets wrong; people would misunderstand those too."""
    heard = [_words(kit.recogniser.transcribe(_sound_of(speaker, text)).text) for text in _HEARD_BACK]
    found = jiwer.process_words([_words(text) for text in _HEARD_BACK], heard)
    errors = found.substitutions + found.deletions + found.insertions
    return f"{errors} of {sum(len(text.split()) for text in _HEARD_BACK)}"


def _extra_voices(kit: SpeechKit) -> dict[str, Any]:
    """Return for each installed extra voice the time to its first clause, its cost, and how well its times fit."""
    found: dict[str, Any] = {}
    voices: Voices = kit.voice
    for voice_id in sorted(
        choice.id for choice in CHOICES if choice.is_extra and choice.id in voices.installed
    ):
        speaker = voices.named(voice_id)
        first_s: list[float] = []
        cpu_s = audio_s = 0.0
        for text in _SENTENCES[:3]:
            begun_s, cpu = time.perf_counter(), time.process_time()
            for number, clause in enumerate(speaker.stream(text)):
                if not number:
                    first_s.append(time.perf_counter() - begun_s)
                audio_s += len(clause.pcm) / 24_000
            cpu_s += time.process_time() - cpu
        fit = label_agreement(speaker, _SENTENCES[:3])
        found[voice_id] = {
            "first_clause_s_p50": round(float(np.median(first_s)), 2),
            "cpu_share_of_real_time": round(cpu_s / audio_s, 3),
            "words_misheard": _words_misheard(kit, speaker),
            "label_agreement_r_at_0_ms": round(fit["+0 ms"], 2),
            "label_agreement_best": max(fit, key=lambda move: fit[move]),
        }
    return found


def _read(path: Path) -> NDArray[np.float32]:
    return pcm.to_float32(pcm.read_wav(path, 16_000))


def _words(text: str) -> str:
    text = re.sub(r"\bmr\b", "mister", text.lower().replace("-", " "))
    return " ".join(re.sub(r"[^a-z0-9' ]", " ", text).split())


def _timed(call: Callable[[], _Result]) -> tuple[float, _Result]:
    started = time.perf_counter()
    result = call()
    return time.perf_counter() - started, result
