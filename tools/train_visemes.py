"""Trains the network that finds lip shapes in sound, ``kai/avatar/data/visemes.npz``, on every voice that can be synthesised.

Developers run it when there are new voices. It takes some minutes on one core, most of them to synthesise the speech::

    apt-get install espeak-ng flite; pip install -r requirements-voices.txt
    nice -n 19 python tools/train_visemes.py [--takes FOLDER] [--out FILE]

The texts and the disturbances come from a seed. `HELD_OUT` voices are never trained on: they, and the recordings of real
people, show how well the lips follow an unknown voice. Prints their figures, and the SHA-256 that belongs in
``kai/avatar/rig.py``.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from numpy.typing import NDArray

from kai.avatar.hearing import FUTURE_ROWS, PAST_ROWS, WINDOW_SAMPLES, Features, VisemeNet, log_mel
from kai.avatar.lipsync import ROW_SAMPLES, shares_from_marks
from kai.avatar.rig import DATA_DIR
from kai.avatar.visemes import INDEX, VISEMES
from kai.bench.face import OPENINGS
from kai.bench.face_lips import score
from kai.bench.face_takes import (
    ESPEAK_VOICES,
    FLITE_VOICES,
    RATE_HZ,
    Take,
    blended_take,
    engine_take,
    engine_voices,
    espeak_take,
    flite_take,
    has_programs,
    recording_takes,
)

Array = NDArray[Any]

SEED = 20
HELD_OUT = ("george", "flite rms", "espeak en-gb+m7")
HIDDEN = (256, 128)
EPOCHS = 7
BATCH = 512
COPIES = 3
"""The number of disturbed copies of each take, in addition to the take itself."""
NOISE = 0.15
"""The noise on the network's inputs during training, in deviations, so that the network does not depend on a single band."""
DROPPED_SHARE = 0.2
"""The share of hidden units that is dropped at random during training, for the same reason."""
OPENING_WEIGHT = 10.0
"""The weight of the squared error of the mouth's opening against cross-entropy: confusing wide vowels does little harm."""
WEIGHTS_KEPT = 0.999
"""The decay per step of the running mean of the weights, which does better on unknown voices than the last weights."""
KEPT_SHARES = {"flite": 0.5, "espeak": 0.5, "flite crowd": 0.35, "espeak crowd": 0.35}
"""The shares of rows that are used: neighbours are much alike, and the older programs must not outweigh the other voices."""
SENTENCES_OF = {
    "heart": 60,
    "blend": 40,
    "flite": 50,
    "flite crowd": 120,
    "espeak": 25,
    "espeak crowd": 200,
}
SENTENCES_EACH = 20
"""The number of sentences for every other voice; `HELD_OUT` ones have `SENTENCES_HELD_OUT`."""
SENTENCES_HELD_OUT = 12


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(text.split())


ESPEAK_ACCENTS = words("en-us en-gb en-gb-x-rp en-gb-scotland en-029 en-us-nyc en-gb-x-gbclan en-gb-x-gbcwmd")
ESPEAK_THROATS = words(
    "f1 f2 f4 f5 m1 m2 m3 m4 m5 m6 m8 Alicia Andrea Andy Annie Denis Diogo Gene Henrique Hugo Jacky Lee Mario Michael Mike "
    "adam anika antonio aunty belinda benjamin boris caleb david ed edward grandma grandpa gustave iven john klatt linda "
    "marcelo max michel miguel norbert pablo paul pedro quincy rob robert sandro shelby steph travis victor zac"
)
"""The variants of espeak-ng that sound like people, without the one that `HELD_OUT` names."""
NOUNS = words(
    "boat table river window mother father butcher garden jacket thumb village weather measure picture church bridge "
    "paper battle finger shoulder breath leather ocean monkey bubble camp lamp pump map cup tape rope sheep ship shoe "
    "juice judge chair jar beach peach voice choice oil boy house mouse cloud crowd phone stone road coat moon spoon "
    "book foot wolf bird nurse word purse zebra vision garage thief cave glove wave leaf knife zoo rose cheese tiger "
    "number member summer problem apple people company quarter revenue customer question answer minute office"
)
VERBS = words(
    "bought made pushed pulled found moved carried opened closed painted followed measured watched caught taught threw "
    "hid chose broke gave took shook built brought washed pressed dropped saw heard felt loved mixed fixed jumped "
    "believed improved removed approved employed enjoyed admired"
)
ADJECTIVES = words(
    "big small blue yellow purple warm cold sharp smooth rough thick thin bright proud loud quiet early heavy happy "
    "famous gentle funny simple double modern perfect wooden golden broken frozen foggy muddy windy shiny vague"
)
PLACES = (
    "by the shore",
    "before breakfast",
    "after five",
    "in July",
    "on Thursday",
    "above the roof",
    "without us",
    "for a whole year",
    "from the top",
    "at half past two",
    "near the old farm",
    "behind the big barn",
    "all day long",
    "this evening",
    "once more",
)
FRAMES = (
    "The {a} {n} {v} the {b} {m} {p}.",
    "My {n} and your {m} {v} a {a} {o} {p}.",
    "Why would the {n} {p} be {a} or {b}?",
    "I have never {v} such a {a} {n}, but maybe you have.",
    "Both the {n} and the {m} were {a}, {b} and {c}.",
    "Five {a} people {v} the {n} {p}, I suppose.",
    "Please, show me which {n} the {m} {v}!",
    "Whether the {n} is {a} or {b}, we go where you go.",
)


def sentences(rng: np.random.RandomState, count: int) -> list[str]:
    """Return sentences that mean little and have every sound next to many others."""
    made: list[str] = []
    for _ in range(count):
        a, b, c = rng.choice(ADJECTIVES, 3, replace=False)
        n, m, o = rng.choice(NOUNS, 3, replace=False)
        frame = FRAMES[rng.randint(len(FRAMES))]
        made.append(frame.format(a=a, b=b, c=c, n=n, m=m, o=o, v=rng.choice(VERBS), p=rng.choice(PLACES)))
    return made


Say = Callable[[str, np.random.RandomState], Take]


def speakers() -> dict[str, Say]:
    """Return every installed voice as a function that says a text at its own pace, and crowds, in which each text has a
    different speaker."""
    found: dict[str, Say] = {}
    for voice in engine_voices():
        found[voice] = lambda text, rng, v=voice: engine_take(v, text, rng.uniform(0.85, 1.25))
    if len(found) > 1:
        found["blend"] = blend
    if has_programs():
        for voice in FLITE_VOICES:
            found[f"flite {voice}"] = lambda text, rng, v=voice: flite_take(v, text, rng.uniform(0.8, 1.15))
        for voice in ESPEAK_VOICES:
            found[f"espeak {voice}"] = lambda text, rng, v=voice: espeak_take(
                v, text, rng.randint(140, 190), rng.randint(35, 65)
            )
        found["flite crowd"] = flite_crowd
        found["espeak crowd"] = espeak_crowd
    return found


def blend(text: str, rng: np.random.RandomState) -> Take:
    """Say a text with a blend of some of the engine's extra voices, in random shares."""
    voices = [voice for voice in rng.permutation(engine_voices()[1:]) if voice not in HELD_OUT]
    shares = rng.dirichlet(np.ones(len(voices)))
    return blended_take(
        {str(v): float(share) for v, share in zip(voices, shares, strict=True)}, text, rng.uniform(0.75, 1.35)
    )


def flite_crowd(text: str, rng: np.random.RandomState) -> Take:
    """Say a text with one of flite's voices at another pitch than its own."""
    voice = str(rng.choice([v for v in (*FLITE_VOICES, "kal") if f"flite {v}" not in HELD_OUT]))
    return flite_take(
        voice, text, rng.uniform(0.7, 1.3), round(float(np.exp(rng.uniform(np.log(70), np.log(240)))), 1)
    )


def espeak_crowd(text: str, rng: np.random.RandomState) -> Take:
    """Say a text with one of espeak-ng's many accents and voice variants."""
    voice = f"{rng.choice(ESPEAK_ACCENTS)}+{rng.choice(ESPEAK_THROATS)}"
    return espeak_take(voice, text, rng.randint(120, 210), rng.randint(10, 90))


def takes_of(voice: str, say: Say, folder: Path) -> list[Take]:
    """Return a voice's takes, kept in the folder, because synthesis takes longer than training."""
    count = SENTENCES_OF.get(voice, SENTENCES_OF.get(voice.split()[0], SENTENCES_EACH))
    count = SENTENCES_HELD_OUT if voice in HELD_OUT else count
    path = folder / f"{voice.replace(' ', '-')}-{SEED}-{count}.npz"
    # The sentences differ from voice to voice and do not depend on the other installed voices.
    rng = np.random.RandomState([SEED, *voice.encode()])
    texts = sentences(rng, count)
    if not path.exists():
        arrays: dict[str, Array] = {}
        for i, text in enumerate(texts):
            take = say(text, rng)
            arrays[f"pcm{i}"] = take.pcm
            arrays[f"marks{i}"] = np.array([(INDEX[v], a, b) for v, a, b in take.visemes], np.int64)
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, allow_pickle=False, **arrays)
    with np.load(path, allow_pickle=False) as kept:
        return [
            Take(
                voice,
                text,
                kept[f"pcm{i}"],
                tuple((VISEMES[v], int(a), int(b)) for v, a, b in kept[f"marks{i}"]),
            )
            for i, text in enumerate(texts)
        ]


def disturb(take: Take, rng: np.random.RandomState) -> Take:
    """Return the take as by another speaker (resampled), in another room with another microphone, level and noise."""
    factor = rng.uniform(0.77, 1.30)
    sound = take.pcm.astype(np.float32) / 32768
    sound = np.interp(np.arange(0, len(sound) - 1, factor), np.arange(len(sound)), sound)
    sound = colour(sound, rng).astype(np.float32)
    tilt = rng.uniform(-0.5, 0.5)
    sound[1:] -= tilt * sound[:-1]
    sound *= 10 ** (rng.uniform(-14, 6) / 20)
    sound += rng.standard_normal(len(sound)).astype(np.float32) * 10 ** (rng.uniform(-75, -40) / 20)
    marks = tuple((v, round(a / factor), round(b / factor)) for v, a, b in take.visemes)
    return Take(take.voice, take.text, np.clip(sound * 32768, -32768, 32767).astype(np.int16), marks)


def colour(sound: Array, rng: np.random.RandomState) -> Array:
    """Return a sound as through an uneven microphone; sometimes with a codec's low-pass, without bass, or with an echo."""
    size = 1 << (len(sound) + RATE_HZ // 2).bit_length()
    hz = np.fft.rfftfreq(size, 1 / RATE_HZ)
    mel = np.log1p(hz / 700)
    gain_db = np.interp(mel, np.linspace(0, mel[-1], 7), rng.uniform(-6, 6, 7))
    if rng.rand() < 0.35:
        cut_hz = np.exp(rng.uniform(np.log(3400), np.log(8000)))
        gain_db -= 60 * np.clip((hz / cut_hz - 1) * 12, 0, 1)
    if rng.rand() < 0.2:
        gain_db -= 30 * np.clip(1 - hz / rng.uniform(80, 350), 0, 1)
    spectrum = np.fft.rfft(sound, size) * 10 ** (gain_db / 20)
    if rng.rand() < 0.35:
        decay_s = rng.uniform(0.08, 0.5)
        at_s = np.arange(int(decay_s * RATE_HZ * 0.7)) / RATE_HZ
        echo = rng.standard_normal(len(at_s)) * np.exp(-6.9 * at_s / decay_s)
        echo *= 10 ** (rng.uniform(-22, -6) / 20) / np.linalg.norm(echo)
        echo[0] = 1
        spectrum *= np.fft.rfft(echo, size)
    return np.fft.irfft(spectrum, size)[: len(sound)]


def features(take: Take, band_mean: Array) -> tuple[Array, Array]:
    """Return ``(n, 26)`` features and ``(n,)`` viseme numbers of a take."""
    front = Features(band_mean)
    found, _ = front.push(take.pcm.astype(np.float32) / 32768)
    tail, _ = front.push(np.zeros(900, np.float32))
    rows = np.vstack([found, tail])[: len(take.pcm) // ROW_SAMPLES]
    shares, _ = shares_from_marks(take.visemes, 0, len(rows))
    labels = np.where(shares.sum(1) > 0, shares.argmax(1), INDEX["sil"])
    return rows, labels


def mean_bands(takes: list[Take]) -> Array:
    """Return ``(26,)``, the average band levels of speech, which are assumed for a new voice at first."""
    means: list[Array] = []
    for take in takes[::5]:
        sound = take.pcm.astype(np.float32) / 32768
        bands = log_mel(np.lib.stride_tricks.sliding_window_view(sound, WINDOW_SAMPLES)[::ROW_SAMPLES])
        loud = bands.max(1) > bands.max() - 5
        means.append((bands[loud] - bands.max()).mean(0))
    return np.mean(means, 0)


OPENING = np.array([OPENINGS[viseme] for viseme in VISEMES], np.float32)


@dataclass(slots=True)
class Learner:
    """A network of ReLU layers and a softmax, trained with Adam on cross-entropy and on the mouth's opening."""

    weights: list[Array]
    biases: list[Array]

    @classmethod
    def begin(cls, sizes: tuple[int, ...], rng: np.random.RandomState) -> Learner:
        pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
        return cls(
            [(rng.standard_normal(pair) * np.sqrt(2 / pair[0])).astype(np.float32) for pair in pairs],
            [np.zeros(pair[1], np.float32) for pair in pairs],
        )

    def learn(self, see: Callable[[Array], Array], labels: Array, rng: np.random.RandomState) -> None:
        """Train on the ``(n,)`` labels of the inputs that ``see`` returns for indices; end with the weights' running mean."""
        parameters = self.weights + self.biases
        first = [np.zeros_like(p) for p in parameters]
        second = [np.zeros_like(p) for p in parameters]
        means = [p.copy() for p in parameters]
        step, steps = 0, EPOCHS * (len(labels) // BATCH)
        for epoch in range(EPOCHS):
            order, lost = rng.permutation(len(labels)), 0.0
            for start in range(0, len(order) - BATCH + 1, BATCH):
                chosen = order[start : start + BATCH]
                inputs = see(chosen)
                inputs += NOISE * rng.standard_normal(inputs.shape).astype(np.float32)
                loss, gradients = self._gradients(inputs, labels[chosen], rng)
                lost += loss
                step += 1
                rate = 2e-3 * min(1.0, step / 200, 2.5 * (1 - step / (steps + 1)))
                for p, g, m, v, mean in zip(parameters, gradients, first, second, means, strict=True):
                    m += 0.1 * (g - m)
                    v += 0.001 * (g * g - v)
                    p -= rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
                    mean += (1 - min(WEIGHTS_KEPT, step / (step + 10))) * (p - mean)
            print(f"epoch {epoch + 1}: loss {lost / (len(order) // BATCH):.3f}", flush=True)
        for p, mean in zip(parameters, means, strict=True):
            p[...] = mean

    def _gradients(
        self, inputs: Array, labels: Array, rng: np.random.RandomState
    ) -> tuple[float, list[Array]]:
        layers, kept = [inputs], [np.ones(1, np.float32)]
        for w, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            h = np.maximum(layers[-1] @ w + b, 0)
            kept.append((rng.random_sample(h.shape) > DROPPED_SHARE).astype(np.float32) / (1 - DROPPED_SHARE))
            layers.append(h * kept[-1])
        scores = layers[-1] @ self.weights[-1] + self.biases[-1]
        scores -= scores.max(1, keepdims=True)
        shares = np.exp(scores)
        shares /= shares.sum(1, keepdims=True)
        picked = shares[np.arange(len(labels)), labels]
        heard = (shares @ OPENING)[:, None]
        too_wide = heard - OPENING[labels][:, None]
        back = shares + 2 * OPENING_WEIGHT * too_wide * shares * (OPENING - heard)
        back[np.arange(len(labels)), labels] -= 1
        back /= len(labels)
        by_weight: list[Array] = []
        by_bias: list[Array] = []
        for i in range(len(self.weights) - 1, -1, -1):
            by_weight.insert(0, layers[i].T @ back)
            by_bias.insert(0, back.sum(0))
            if i:
                back = (back @ self.weights[i].T) * (layers[i] > 0) * kept[i]
        loss = -np.log(picked + 1e-9).mean() + OPENING_WEIGHT * (too_wide**2).mean()
        return float(loss), by_weight + by_bias


def train(takes: list[Take]) -> VisemeNet:
    """Return a network trained on these takes."""
    rng = np.random.RandomState(SEED)
    band_mean = mean_bands(takes).astype(np.float32)
    all_rows: list[Array] = []
    all_labels: list[Array] = []
    all_starts: list[Array] = []
    at = 0
    for take in takes:
        share = KEPT_SHARES.get(take.voice, KEPT_SHARES.get(take.voice.split()[0], 1.0))
        for copy in range(COPIES + 1):
            rows, labels = features(disturb(take, rng) if copy else take, band_mean)
            kept = rng.rand(len(rows)) < share
            all_rows.append(np.pad(rows, ((PAST_ROWS, FUTURE_ROWS), (0, 0)), "edge"))
            all_labels.append(labels[kept])
            all_starts.append(at + np.flatnonzero(kept))
            at += len(all_rows[-1])
    rows, labels, starts = np.concatenate(all_rows), np.concatenate(all_labels), np.concatenate(all_starts)
    span = np.arange(PAST_ROWS + 1 + FUTURE_ROWS)

    def windows(chosen: Array) -> Array:
        """Return ``(n, 312)``, the network's inputs for the chosen rows."""
        return rows[starts[chosen][:, None] + span].reshape(len(chosen), -1)

    some = windows(rng.permutation(len(starts))[:60_000])
    mean, deviation = some.mean(0), some.std(0) + np.float32(1e-3)
    print(f"{len(starts)} rows of {len(takes)} takes", flush=True)
    learner = Learner.begin((some.shape[1], *HIDDEN, len(VISEMES)), rng)
    learner.learn(lambda chosen: (windows(chosen) - mean) / deviation, labels, rng)
    layers = tuple(zip(learner.weights, learner.biases, strict=True))
    return VisemeNet(mean, deviation, band_mean, layers)


def save(net: VisemeNet, path: Path) -> str:
    """Write the network, with the same bytes for the same weights, and return its SHA-256."""
    arrays = {"mu": net.mean, "sd": net.deviation, "GM": net.band_mean}
    for i, (weights, bias) in enumerate(net.layers):
        arrays |= {f"W{i}": weights, f"b{i}": bias}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, array in arrays.items():
            raw = io.BytesIO()
            np.lib.format.write_array(raw, array.astype(np.float32), allow_pickle=False)
            # A fixed date keeps the bytes the same from run to run.
            entry = zipfile.ZipInfo(f"{name}.npy", (2026, 1, 1, 0, 0, 0))
            archive.writestr(entry, raw.getvalue(), zipfile.ZIP_DEFLATED)
    path.write_bytes(packed.getvalue())
    return hashlib.sha256(packed.getvalue()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--takes", type=Path, default=Path("artifacts") / "takes", help="where speech is kept"
    )
    parser.add_argument("--out", type=Path, default=DATA_DIR / "visemes.npz")
    parser.add_argument("--only-speak", action="store_true", help="make the takes and stop")
    options = parser.parse_args()
    takes: dict[str, list[Take]] = {}
    for voice, say in speakers().items():
        takes[voice] = takes_of(voice, say, options.takes)
        print(f"{voice}: {sum(take.seconds for take in takes[voice]):.0f} s", flush=True)
    if options.only_speak:
        return
    net = train([take for voice, said in takes.items() if voice not in HELD_OUT for take in said])
    print(f'    "visemes.npz": "{save(net, options.out)}",  # {options.out.stat().st_size} bytes')
    print("voices that it never heard")
    for voice in HELD_OUT:
        if voice in takes:
            print(f"  {voice:<24} {score(takes[voice], net)}")
    print(f"  {'recordings of people':<24} {score(list(recording_takes()), net)}")


if __name__ == "__main__":
    main()
