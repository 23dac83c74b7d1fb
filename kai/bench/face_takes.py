"""Speech with known mouths: from voices that report their phonemes' times, and from real people by forced alignment.

Lips are trained and measured on a `Take`. The programs espeak-ng and flite are used only if they are installed (``apt-get
install espeak-ng flite``), and the engine's extra voices if ``requirements-voices.txt`` is.
"""

from __future__ import annotations

import ctypes as ct
import json
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import which
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kai.engine.speech import weights
from kai.engine.speech.voices import CHOICES, Speaker
from kai.errors import WeightsError
from kai.media import pcm

Array = NDArray[Any]
Span = tuple[str, int, int]

RATE_HZ: Final = 24_000
RECORDINGS: Final = Path(__file__).parents[2] / "tests" / "support" / "speech"
ALIGNED: Final = RECORDINGS / "visemes.json"

OWN_VOICE: Final = "heart"
"""The network's own voice, from which the characters' voices are made."""
FLITE_VOICES: Final = ("slt", "awb", "kal16", "rms")
ESPEAK_VOICES: Final = ("en-us", "en-us+f3", "en-gb", "en-gb+m7")

_DIPHTHONGS = {
    "ay": ("aa", "I"),
    "aw": ("aa", "U"),
    "oy": ("O", "I"),
    "ow": ("O", "U"),
    "ey": ("E", "I"),
}
_ARPABET_GROUPS = {
    "sil": "pau h# sil <s> </s> +spn+ +nsn+",
    "PP": "p b m em",
    "FF": "f v",
    "TH": "th dh",
    "DD": "t d dx",
    "kk": "k g ng hh",
    "CH": "ch jh sh zh",
    "SS": "s z",
    "nn": "n l en el nx",
    "RR": "r er axr",
    "aa": "aa ae ah",
    "E": "ax eh",
    "I": "ih ix iy y",
    "O": "ao",
    "U": "uh uw w ux",
}
ARPABET: Final[Mapping[str, tuple[str, ...]]] = {
    **{phone: (viseme,) for viseme, phones in _ARPABET_GROUPS.items() for phone in phones.split()},
    **_DIPHTHONGS,
}
"""The mouths, in order, of each phone as CMU's dictionary and flite write it."""

_ESPEAK_GROUPS = {
    "aa": "a aa A A: V",
    "O": "0 0# O: O o",
    "E": "E e @ @2 @5 a#",
    "RR": "3 3: r r- R",
    "I": "I I2 I# i i: j",
    "U": "U u: u w",
    "PP": "p b m m-",
    "FF": "f v",
    "TH": "T D",
    "DD": "t d t# t2 * d# ?",
    "kk": "k g N h x",
    "CH": "tS dZ S Z",
    "SS": "s z z#",
    "nn": "n n- l L l-",
}
_ESPEAK: Final[Mapping[str, tuple[str, ...]]] = {
    **{phone: (viseme,) for viseme, phones in _ESPEAK_GROUPS.items() for phone in phones.split()},
    "aI": ("aa", "I"),
    "aI@": ("aa", "E"),
    "aI3": ("aa", "RR"),
    "aU": ("aa", "U"),
    "aU@": ("aa", "E"),
    "OI": ("O", "I"),
    "oU": ("O", "U"),
    "eI": ("E", "I"),
    "i@": ("I", "E"),
    "e@": ("E", "E"),
    "U@": ("U", "E"),
    "O@": ("O", "RR"),
    "o@": ("O", "RR"),
    "A@": ("aa", "RR"),
    "i@3": ("I", "RR"),
    "@L": ("E", "nn"),
}


@dataclass(frozen=True, slots=True)
class Take:
    """One utterance: ``pcm`` (samples,) int16, 24 000 Hz mono, and its visemes as (name, start, end) in samples."""

    voice: str
    text: str
    pcm: NDArray[np.int16]
    visemes: tuple[Span, ...]

    @property
    def seconds(self) -> float:
        return len(self.pcm) / RATE_HZ


def engine_voices() -> tuple[str, ...]:
    """Return the ids of the engine's installed voices."""
    try:
        for part in weights.KOKORO_PARTS:
            weights.find_weights(part)
    except WeightsError:
        return (OWN_VOICE,)
    return (OWN_VOICE, *(choice.id for choice in CHOICES if choice.is_extra))


@cache
def _speakers() -> Mapping[str, Speaker]:
    # These imports are slow, and reading recordings does not need them.
    from kai.engine.speech.kokoro import load_kokoro
    from kai.engine.speech.pronounce import Pronouncer
    from kai.engine.speech.synthesise import Voice

    speakers: dict[str, Speaker] = {OWN_VOICE: Voice.load()}
    if len(engine_voices()) > 1:
        pronouncers = {
            accent: Pronouncer(is_british=accent == "British") for accent in ("American", "British")
        }
        speakers |= load_kokoro({c.id: pronouncers[c.accent] for c in CHOICES if c.is_extra})
    return speakers


def engine_take(voice: str, text: str, speed: float = 1.0) -> Take:
    """Return a take of the engine's voice saying a text, with silence between its clauses."""
    return _said(voice, text, _speakers()[voice], speed)


def _said(voice: str, text: str, speaker: Speaker, speed: float) -> Take:
    sound: list[NDArray[np.int16]] = []
    visemes: list[Span] = []
    at = 0
    for clause in speaker.stream(text, speed):
        sound.append(clause.pcm)
        visemes += [(v.viseme, at + v.start_sample, at + v.end_sample) for v in clause.visemes]
        at += len(clause.pcm)
    return Take(voice, text, np.concatenate(sound), tuple(visemes))


def blended_take(shares: Mapping[str, float], text: str, speed: float = 1.0) -> Take:
    """Return a take of a new voice, blended from the engine's extra voices, with the first one's accent."""
    from kai.engine.speech.kokoro import KokoroVoice

    voices = {voice: _speakers()[voice] for voice in shares}
    blended = KokoroVoice.blended([(v, shares[k]) for k, v in voices.items() if isinstance(v, KokoroVoice)])
    return _said("blend", text, blended, speed)


def has_programs() -> bool:
    """Return whether flite and espeak-ng are installed."""
    return which("flite") is not None and which("espeak-ng") is not None


def flite_take(voice: str, text: str, stretch: float = 1.0, pitch_hz: float | None = None) -> Take:
    """Return a take of flite saying a text, at its own pitch or another one; the durations are flite's own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        command = ["flite", "-voice", voice, "--setf", f"duration_stretch={stretch}", "-psdur"]
        if pitch_hz is not None:
            command += ["--setf", f"int_f0_target_mean={pitch_hz}"]
        told = subprocess.run(
            [*command, "-t", text, "-o", str(path)], capture_output=True, text=True, check=True
        ).stdout
        sound = pcm.read_wav(path, RATE_HZ)
    spans: list[tuple[str, float, float]] = []
    start_s = 0.0
    for token in told.split():
        phone, end = token.rsplit(":", 1)
        spans.append((phone, start_s, float(end)))
        start_s = float(end)
    return Take(f"flite {voice}", text, sound, spans_from_phones(spans))


class _EspeakEvent(ct.Structure):
    class _Id(ct.Union):
        _fields_ = [("number", ct.c_int), ("name", ct.c_char_p), ("string", ct.c_char * 8)]

    _fields_ = [
        ("type", ct.c_int),
        ("unique", ct.c_uint),
        ("text_position", ct.c_int),
        ("length", ct.c_int),
        ("audio_position", ct.c_int),
        ("sample", ct.c_int),
        ("user", ct.c_void_p),
        ("id", _Id),
    ]


class _Espeak:
    """The espeak-ng library, which reports the sample at which each phoneme begins (event 7)."""

    PHONEME, END = 7, 0

    def __init__(self) -> None:
        self._library: Any = ct.CDLL("libespeak-ng.so.1")
        # The first 1 returns the sound to us; option bit 1 reports phonemes.
        self.rate_hz = int(self._library.espeak_Initialize(1, 200, None, 1))
        self._sound: list[Array] = []
        self._events: list[tuple[int, str]] = []
        kind = ct.CFUNCTYPE(ct.c_int, ct.POINTER(ct.c_short), ct.c_int, ct.POINTER(_EspeakEvent))
        self._callback = kind(self._take)
        self._library.espeak_SetSynthCallback(self._callback)

    def _take(self, sound: Any, count: int, events: Any) -> int:
        if sound and count:
            self._sound.append(np.ctypeslib.as_array(sound, (count,)).copy())
        i = 0
        while events[i].type != self.END:
            if events[i].type == self.PHONEME:
                self._events.append((events[i].sample, events[i].id.string.decode("utf8", "replace")))
            i += 1
        return 0

    def say(self, voice: str, text: str, words_per_minute: int, pitch: int) -> Take:
        self._sound.clear()
        self._events.clear()
        self._library.espeak_SetVoiceByName(voice.encode())
        self._library.espeak_SetParameter(1, words_per_minute, 0)
        self._library.espeak_SetParameter(3, pitch, 0)
        raw = text.encode() + b"\0"
        self._library.espeak_Synth(raw, len(raw), 0, 1, 0, 1, None, None)
        self._library.espeak_Synchronize()
        sound = np.concatenate(self._sound)
        ends = [sample for sample, _ in self._events[1:]] + [len(sound)]
        spans = [
            (phone, start / self.rate_hz, end / self.rate_hz)
            for (start, phone), end in zip(self._events, ends, strict=True)
        ]
        return Take(
            f"espeak {voice}",
            text,
            pcm.resampled(np.ascontiguousarray(sound, np.int16), self.rate_hz, RATE_HZ),
            spans_from_phones(spans, _EspeakTable()),
        )


class _EspeakTable(dict[str, tuple[str, ...]]):
    """Mouths by espeak's mnemonics, without their marks of stress and length; an unknown one is a neutral vowel, a pause is
    silence."""

    def get(self, key: str, default: Any = None) -> Any:
        bare = key.strip("',%=|;!")
        if key.startswith("_") or not bare:
            return ("sil",)
        for name in (bare, bare.rstrip("#2-"), bare.strip("~:-").rstrip("0123456789")):
            if name in _ESPEAK:
                return _ESPEAK[name]
        return ("E",)


@cache
def _espeak() -> _Espeak:
    return _Espeak()


def espeak_take(voice: str, text: str, words_per_minute: int = 165, pitch: int = 50) -> Take:
    """Return a take of espeak-ng saying a text."""
    return _espeak().say(voice, text, words_per_minute, pitch)


def recording_takes() -> Iterator[Take]:
    """Yield the real recordings; ``tools/align_recordings.py`` found their visemes, about five in six of them right."""
    aligned = json.loads(ALIGNED.read_text())
    for entry in json.loads((RECORDINGS / "manifest.json").read_text()):
        if entry["file"] in aligned:
            visemes = tuple((str(v), int(a), int(b)) for v, a, b in aligned[entry["file"]])
            voice = f"recording {entry['source']}"
            yield Take(voice, entry["text"], pcm.read_wav(RECORDINGS / entry["file"], RATE_HZ), visemes)


def spans_from_phones(
    phones: Iterable[tuple[str, float, float]], table: Mapping[str, tuple[str, ...]] = ARPABET
) -> tuple[Span, ...]:
    """Return visemes in samples for phones in seconds; a diphthong becomes two mouths of half the time each."""
    spans: list[Span] = []
    for phone, start_s, end_s in phones:
        if end_s <= start_s:
            continue
        mouths: Sequence[str] = table.get(phone.lower() if table is ARPABET else phone, ("E",))
        edges = np.rint(np.linspace(start_s, end_s, len(mouths) + 1) * RATE_HZ).astype(int)
        spans += [(mouth, int(edges[i]), int(edges[i + 1])) for i, mouth in enumerate(mouths)]
    return tuple(spans)
