"""Measures turn taking as a person experiences it, in a browser: ``python -m kai.bench turns``.

For each patience it measures the time from the end of the person's speech to Kai's first sound in the page, and how often a
pause of 0.7 s in the middle of a sentence was taken for its end (Kai was heard before the sentence continued, or over it).
Then a person speaks over Kai: it measures the time from the person's first sound in the microphone until Kai is at most half
as loud, and until Kai's last sounding sample. ``python -m kai.bench speech`` measures the engine alone, without a browser.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from kai.bench.asked import REFLEX, asked
from kai.bench.bars import Bar, at_least, at_most, percent_of
from kai.bench.driver import MIC_HZ, AppProcess, Visitor, visitor, write_mic
from kai.bench.part import Wanted
from kai.bench.talk import SPEECH, answers, find_chromium, percentile
from kai.core.config import BrainConfig, Eagerness
from kai.core.state import Look
from kai.media import pcm

PATIENCE: Final = {"default": Eagerness.AUTO, "patient": Eagerness.LOW}
TURNS: Final = 6
LEAD_S: Final = 6.0
GAP_S: Final = 9.0
PAUSE_S: Final = 0.7
PLACES: Final = 1
LONG_PLACES: Final = 3
BARGE_INS: Final = 6
BARGE_LEAD_S: Final = 14.0
BARGE_GAP_S: Final = 16.0
BEFORE_S: Final = 2.5
"""A question is typed this long before the person speaks, so that Kai is in the middle of a long answer."""
INTERRUPTION: Final = "LJ001-0008.wav"
WATCHED_MS: Final = 1_800
"""The time that is examined after the person began; later, Kai's next answer may begin."""


def run(wanted: Wanted | None = None) -> dict[str, Any]:
    """Return all figures, in seconds or milliseconds as their names say. ``--long`` breaks each sentence at three places."""
    places = LONG_PLACES if wanted is not None and wanted.is_long else PLACES
    chromium = find_chromium()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="kai-bench-") as folder:
        root = Path(folder)
        short = _with_onsets([each.path for each in asked(REFLEX)[:TURNS]], root)
        mic = write_mic(root / "mic.wav", _script(short, LEAD_S, GAP_S))
        recordings = sorted(SPEECH.glob("*.wav"))
        paused = [
            _paused(path, place, root / f"paused-{place}-{path.name}")
            for place in (range(places) if places > 1 else (1,))
            for path in recordings
        ]
        paused_mic = write_mic(root / "paused.wav", _script([path for path, _, _ in paused], LEAD_S, GAP_S))
        for name, eagerness in PATIENCE.items():
            seen = _visit(chromium, mic, eagerness, root / name, TURNS * (GAP_S + 2.5))
            figures |= {f"{name}_{key}": value for key, value in answers(seen).items()}
            length_s = sum(end_s for _, _, end_s in paused) + len(paused) * GAP_S
            seen = _visit(chromium, paused_mic, eagerness, root / f"{name}-paused", length_s)
            figures[f"{name}_false_ends_heard"] = f"{_cut_short(seen, paused)} of {len(paused)}"
        figures |= _barge_ins(chromium, root)
    return figures


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Return the bars of turn taking in the page."""
    return [
        *(
            at_least(f"answered, {name}", figures[f"{name}_answered"], figures[f"{name}_turns"])
            for name in PATIENCE
        ),
        at_most("end of speech to sound, p50", figures["default_end_of_speech_to_sound_p50_s"], 0.9, "s"),
        at_most("end of speech to sound, p95", figures["default_end_of_speech_to_sound_p95_s"], 1.5, "s"),
        at_most("with patience, p50", figures["patient_end_of_speech_to_sound_p50_s"], 1.6, "s"),
        at_most("Kai speaks into a pause", percent_of(figures["default_false_ends_heard"]), 25, "%"),
        at_most("with patience", percent_of(figures["patient_false_ends_heard"]), 5, "%"),
        at_least("times that a person spoke over Kai", figures["barge_ins"], BARGE_INS - 1),
        at_most("until Kai is softer, p95", figures["person_to_softer_ms_p95"], 250, "ms"),
        at_most("until Kai is silent, p50", figures["person_to_silence_ms_p50"], 550, "ms"),
        at_most("until Kai is silent, p95", figures["person_to_silence_ms_p95"], 750, "ms"),
    ]


def _visit(chromium: Path, mic: Path, eagerness: Eagerness, data: Path, length_s: float) -> dict[str, Any]:
    """Return what was seen and heard in a talk of that length. If the page had to reconnect, the visit is repeated once."""
    for attempt in range(3):
        with (
            _app(eagerness, data.with_name(f"{data.name}-{attempt}")) as app,
            visitor(chromium, mic=mic) as person,
        ):
            _begin(person, app)
            person.page.wait_for_timeout((LEAD_S + length_s) * 1000)
            seen = person.measured() if person.media_frame() is not None else None
        if seen is not None:
            return seen
    raise TimeoutError("the page connected anew in each of three visits")


def _app(eagerness: Eagerness, data: Path) -> AppProcess:
    """Return an app whose kept settings are these."""
    data.mkdir()
    look = replace(Look(), brain=BrainConfig(eagerness=eagerness))
    (data / "preferences.json").write_text(json.dumps({"look": asdict(look)}))
    return AppProcess(env={"KAI_DATA_DIR": str(data)})


def _begin(person: Visitor, app: AppProcess) -> None:
    app.wait_ready()
    person.open(app.url)
    person.start()
    person.wait_picture(60)
    person.measure()


def _script(paths: list[Path], lead_s: float, gap_s: float) -> list[Path | float]:
    script: list[Path | float] = [lead_s]
    for path in paths:
        script += [path, gap_s]
    return [*script, 300.0]


def _with_onsets(paths: list[Path], folder: Path) -> list[Path]:
    """Return the recordings without the silence before and after them, so that they end with the speech."""
    found: list[Path] = []
    for number, path in enumerate(paths):
        samples = pcm.read_wav(path, MIC_HZ)
        loud = np.nonzero(np.abs(samples.astype(np.int32)) > 0.03 * 32_768)[0]
        found.append(_write(folder / f"{number}-{path.name}", samples[loud[0] : loud[-1] + 1]))
    return found


def _paused(path: Path, place: int, target: Path) -> tuple[Path, float, float]:
    """Write the recording with a pause at its quietest place near a third (``place`` 0), half (1) or two thirds (2) of it;
    return the file, the end of the pause and the end of the recording, in seconds."""
    samples = pcm.read_wav(path, MIC_HZ)
    middle, reach = len(samples) * (2 + place) // 6, MIC_HZ // 4
    spot = pcm.quietest_sample(pcm.to_float32(samples), MIC_HZ, start=middle - reach, end=middle + reach)
    quiet = np.random.default_rng(1).normal(0, 3, int(PAUSE_S * MIC_HZ)).astype(np.int16)
    whole = np.concatenate([samples[:spot], quiet, samples[spot:]])
    return _write(target, whole), (spot + len(quiet)) / MIC_HZ, len(whole) / MIC_HZ


def _write(path: Path, samples: np.ndarray) -> Path:
    path.write_bytes(pcm.to_wav(samples.astype(np.int16), MIC_HZ))
    return path


def _cut_short(seen: dict[str, Any], paused: list[tuple[Path, float, float]]) -> int:
    """Return in how many of the sentences Kai was heard before they were over."""
    mic = [at for kind, at in seen["mic"] if kind == "on"]
    heard = [at for kind, at in seen["sound"] if kind == "on"]
    begun_ms = mic[0] if mic else 0.0
    count = 0
    for _, _, end_s in paused:
        count += any(begun_ms < at < begun_ms + end_s * 1000 for at in heard)
        begun_ms += (end_s + GAP_S) * 1000
    return count


_LEVELS_JS = """
async () => {
  const M = window.__kaiLevels = { kai: [], person: [] };
  const context = new AudioContext({ latencyHint: 'interactive' });
  const code = `class Peaks extends AudioWorkletProcessor {
    constructor() { super(); this.peak = 0; this.count = 0; }
    process(inputs) { const x = inputs[0][0]; if (x) { for (const v of x) this.peak = Math.max(this.peak, Math.abs(v));
      this.count += x.length; if (this.count >= 480) { this.port.postMessage([Date.now(), this.peak]);
      this.peak = 0; this.count = 0; } } return true; } }; registerProcessor('peaks', Peaks)`;
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
  const tap = (stream, list) => {
    const node = new AudioWorkletNode(context, 'peaks');
    context.createMediaStreamSource(stream).connect(node);
    const mute = context.createGain(); mute.gain.value = 0; node.connect(mute); mute.connect(context.destination);
    node.port.onmessage = (e) => list.push(e.data);
  };
  tap(document.querySelector('video').srcObject, M.kai);
  tap(window.__kaiMic, M.person);
}
"""


def _barge_ins(chromium: Path, root: Path) -> dict[str, Any]:
    samples = pcm.read_wav(SPEECH / INTERRUPTION, MIC_HZ)
    loud = np.nonzero(np.abs(samples.astype(np.int32)) > 0.05 * 32_768)[0]
    clip = _write(root / "interruption.wav", samples[loud[0] : loud[-1] + 1])
    clip_s = (loud[-1] + 1 - loud[0]) / MIC_HZ
    mic = write_mic(root / "barge.wav", _script([clip] * (BARGE_INS + 1), BARGE_LEAD_S, BARGE_GAP_S))
    with _app(Eagerness.AUTO, root / "barge") as app, visitor(chromium, mic=mic) as person:
        _begin(person, app)
        person.in_media(_LEVELS_JS)
        # The first sound only gives the time from which the others are counted.
        person.wait(
            lambda: any(k == "on" for k, _ in person.measured()["mic"]), 40, "the person's first sound"
        )
        first_ms = next(at for kind, at in person.measured()["mic"] if kind == "on")
        for number in range(1, BARGE_INS + 1):
            at_ms = first_ms + number * (clip_s + BARGE_GAP_S) * 1000
            now_ms = float(person.page.evaluate("() => Date.now()"))
            person.page.wait_for_timeout(max(0.0, at_ms - BEFORE_S * 1000 - now_ms))
            person.say("What can you do?")
            person.page.wait_for_timeout(BEFORE_S * 1000 + 2_500)
        levels = person.in_media("() => window.__kaiLevels")
    return barge_in_figures(levels["kai"], levels["person"])


def barge_in_figures(kai: list[list[float]], person: list[list[float]]) -> dict[str, Any]:
    """Return how soon after the person began Kai was softer and silent, from (ms, peak) of every 10 ms of both."""
    heard = np.array(kai, dtype=float).reshape(-1, 2)
    spoken = np.array(person, dtype=float).reshape(-1, 2)
    softer: list[float] = []
    silent: list[float] = []
    last_loud_ms = -1e12
    for at_ms, peak in spoken:
        if peak < 0.05:
            continue
        is_onset = at_ms - last_loud_ms > BARGE_GAP_S * 500
        last_loud_ms = at_ms
        before = heard[(heard[:, 0] > at_ms - 1_500) & (heard[:, 0] <= at_ms)]
        after = heard[(heard[:, 0] > at_ms) & (heard[:, 0] < at_ms + WATCHED_MS)]
        if not is_onset or not len(before) or float((before[:, 1] > 0.02).mean()) < 0.5:
            continue  # Kai was not speaking
        # The loudness of speech varies; a tenth of the time it is above this level.
        usual = float(np.percentile(before[:, 1], 90))
        loud_ms = after[after[:, 1] > usual / 2][:, 0]
        sounding_ms = after[after[:, 1] > 0.01][:, 0]
        softer.append(float(loud_ms[-1] - at_ms) if len(loud_ms) else 0.0)
        silent.append(float(sounding_ms[-1] - at_ms) if len(sounding_ms) else 0.0)
    return {
        "barge_ins": len(silent),
        "person_to_softer_ms_p50": percentile(softer, 50),
        "person_to_softer_ms_p95": percentile(softer, 95),
        "person_to_silence_ms_p50": percentile(silent, 50),
        "person_to_silence_ms_p95": percentile(silent, 95),
    }
