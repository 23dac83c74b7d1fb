"""Write the table of figures in README.md from the bench's results in docs/bench.

    .venv/bin/python tools/figures.py           write the table
    .venv/bin/python tools/figures.py --check   end with code 1 when the table is not what would be written

So the table has only figures that a command printed, and none is forgotten when a part of the bench runs again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from written import write_or_check

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "docs" / "bench"
README = ROOT / "README.md"
BEGIN, END = "<!-- figures: begin, written by tools/figures.py -->", "<!-- figures: end -->"

Figures = Mapping[str, Any]


def _joined(*values: object, unit: str = "") -> str:
    return " / ".join(f"{value}{unit}" for value in values)


def _quarters(figures: Figures, name: str) -> str:
    first, last = figures[f"{name}_first_and_last_quarter"]
    return f"{first:.0f}, {last:.0f}"


def _gate(figures: Figures, name: str) -> str:
    if name not in figures["gates"]:
        return "not measured"
    value = float(figures["gates"][name].split(" ", 1)[0])
    return f"{value:g}"


def _kinds(figures: Figures) -> str:
    shares = {kind: found["right_percent"] for kind, found in figures["held"]["kinds"].items()}
    worst = min(shares, key=lambda kind: shares[kind])
    return f"{figures['held']['right_percent']:g} % / {shares[worst]:g} % ({worst})"


def _to_sound(figures: Figures, prefix: str = "") -> str:
    if f"{prefix}answered" not in figures:
        return "not measured yet"
    name = f"{prefix}end_of_speech_to_sound"
    return f"{_joined(figures[f'{name}_p50_s'], figures[f'{name}_p95_s'], unit=' s')} of {figures[f'{prefix}turns']}"


def _slowest(figures: Figures, size: str) -> float:
    return max(found["p95"] for what, found in figures["render_ms"].items() if what.endswith(size))


def _characters(figures: Figures) -> list[Figures]:
    return [voice for voice in figures.values() if isinstance(voice, Mapping) and "pitch_hz_p50" in voice]


def _worst(figures: Figures, name: str) -> float:
    return max(voice[name] for voice in _characters(figures))


def _misheard(figures: Figures) -> float:
    return 100 * max(max(voice["word_error_rate"].values()) for voice in _characters(figures))


def _least_natural(figures: Figures) -> str:
    found = [voice["distillmos"] for voice in _characters(figures)]
    return f"{min(found):.2f}" if all(isinstance(one, float) for one in found) else "not asked"


def _men(figures: Figures) -> str:
    men = [voice["pitch_hz_p50"] for voice in _characters(figures) if voice["sex"] == "man"]
    return f"{min(men):.0f} to {max(men):.0f} Hz"


def _told(figures: Figures) -> str:
    told = figures["resemblyzer"]
    return str(told["sentences_told_apart"]) if isinstance(told, Mapping) else "not asked"


def _worst_voice(figures: Figures, name: str, unit: str = "") -> str:
    found = [str(voice[name]) for voice in figures["extra_voices"].values()]
    return max(found, key=lambda value: float(value.split()[0])) + unit if found else "none installed"


def _gives_way_p95_ms(figures: Figures) -> float:
    return max(found["gives_way_ms"][1] for found in figures["person_over_kai"].values())


def _share_percent(figures: Figures, name: str) -> str:
    return f"{100 * figures[name]:.1f} %".replace(".0 %", " %")


def _false_ends(figures: Figures, name: str) -> str:
    return f"{100 * figures['turn_ends_at_pauses_of_0.7_s'][name]['false_ends']:.0f} %"


ARMS: Final = ("kai_webrtc", "kai_websocket", "pipecat")


def _compared(figures: Figures, name: str, unit: str = "", *, part: str = "p50") -> str:
    found = [figures[arm].get(name) for arm in ARMS]
    told = [value[part] if isinstance(value, Mapping) else value for value in found]
    return " / ".join("-" if value is None else f"{value:g}{unit}" for value in told)


def _heard(figures: Figures, where: str, marks: str, words: int) -> str:
    found = figures[f"{where}{marks}"]
    rules = ("kai", "by_sound_sent", "by_wall_clock")
    return " / ".join(f"{found[rule][f'within_{words}_percent']:g} %" for rule in rules)


def _longest_to_sound(figures: Figures) -> str:
    said = {cause: told for cause, told in figures["hand_over"].items() if cause != CUT}
    p50, longest = (max(told["to_sound_s"][name] for told in said.values()) for name in ("p50", "longest"))
    return f"{p50:.2f} s / {longest:.2f} s of {sum(told['tries'] for told in said.values())}"


CUT: Final = "cut without a word"

Row = tuple[str, str, Callable[[Figures], str], str]

ROWS: Final[tuple[Row, ...]] = (
    (
        "talk",
        "pressing Start to the moving picture, warm / cold (nothing compiled, nothing baked)",
        lambda f: _joined(
            f["warm_press_to_moving_picture_s"], f["cold_press_to_moving_picture_s"], unit=" s"
        ),
        "",
    ),
    (
        "talk",
        "opening the page to the moving picture, Start pressed at once, warm / cold",
        lambda f: _joined(f["warm_page_to_moving_picture_s"], f["cold_page_to_moving_picture_s"], unit=" s"),
        "",
    ),
    (
        "talk",
        "end of your speech to Kai's first sound in the page, p50 / p95: what it knows at once",
        _to_sound,
        "0.9 / 1.5 s",
    ),
    (
        "turns",
        "the same with more patience set",
        lambda f: _joined(
            f["patient_end_of_speech_to_sound_p50_s"], f["patient_end_of_speech_to_sound_p95_s"], unit=" s"
        ),
        "1.6 s / -",
    ),
    (
        "talk",
        "the same, as it is, for what it has to think about",
        lambda f: _to_sound(f, "thought_"),
        "1.4 / 2.4 s",
    ),
    (
        "mind",
        "right answers to everyday prompts that nobody tuned with, mean of the runs: all / the worst of seven kinds",
        _kinds,
        "90 / 75 %",
    ),
    (
        "mind",
        "answers among them that cannot be spoken as they are (lists, markup, emoji, addresses, over 70 words)",
        lambda f: str(sum(f["held"]["style_faults"].values())),
        "none",
    ),
    (
        "mind",
        "first word of a thought in writing, p50 / p95, and how fast the rest comes",
        lambda f: (
            _joined(f["held"]["first_word_s_p50"], f["held"]["first_word_s_p95"], unit=" s")
            + f", {f['held']['tokens_per_s_p50']:g} tokens a second"
        ),
        "",
    ),
    ("mind_long", "facts of the first of 31 turns known at the last", lambda f: f["known"], "90 %"),
    (
        "mind_pair",
        "two talks at once that have to be thought about: end of speech to sound, p50 / p95",
        lambda f: _joined(f"{f['first_sound_s_p50']:.2f}", f"{f['first_sound_s_p95']:.2f}", unit=" s"),
        "- / 4 s",
    ),
    ("mind_tools", "spoken requests for a tool handled", lambda f: f["handled"], "80 %"),
    (
        "turns",
        "pauses of 0.7 s within a sentence into which Kai spoke, in the page: as it is / with patience",
        lambda f: _joined(f["default_false_ends_heard"], f["patient_false_ends_heard"]),
        "25 / 5 %",
    ),
    (
        "speech",
        "the same in the engine, of 35 pauses",
        lambda f: _joined(
            _false_ends(f, "semantic auto (default)"), _false_ends(f, "semantic low (patient)")
        ),
        "25 / 5 %",
    ),
    (
        "turns",
        "your first sound over Kai's voice, in the page: until it is softer, p50 / p95",
        lambda f: _joined(
            round(f["person_to_softer_ms_p50"]), round(f["person_to_softer_ms_p95"]), unit=" ms"
        ),
        "",
    ),
    (
        "turns",
        "until he is silent, p50 / p95",
        lambda f: _joined(
            round(f["person_to_silence_ms_p50"]), round(f["person_to_silence_ms_p95"]), unit=" ms"
        ),
        "",
    ),
    (
        "speech",
        "until the engine has decided that it was no nod, p95 of the worst of four echoes",
        lambda f: f"{_gives_way_p95_ms(f):.0f} ms",
        "700 ms",
    ),
    (
        "speech",
        "nods over Kai's voice let pass / short words heard",
        lambda f: _joined(f["nods_over_kai_let_pass"], f["short_words_over_kai_heard"]),
        "",
    ),
    (
        "speech",
        "short words said to a Kai who listens that were heard as they are / noises taken for words",
        lambda f: _joined(f["short_words_heard"], f["noises_taken_for_words"]),
        "",
    ),
    (
        "speech",
        "words misheard in seven recordings / word error rate at 10 dB / at 5 dB of noise",
        lambda f: _joined(
            f"{f['word_errors']} of {f['words']}",
            _share_percent(f, "wer_at_10_db_of_noise"),
            _share_percent(f, "wer_at_5_db_of_noise"),
        ),
        "2 / 5 % / 12 %",
    ),
    (
        "speech",
        "your first sound to the first words shown, p50 / longest",
        lambda f: _joined(*(f"{f['first_partial_s'][key]:.2f} s" for key in ("p50", "max"))),
        "1.2 s / -",
    ),
    (
        "speech",
        "paraphrases understood that the small mind was not written with / what it cannot know refused",
        lambda f: _joined(
            _share_percent(f, "intents_right_of_unseen"), _share_percent(f, "out_of_scope_refused")
        ),
        "85 / 95 %",
    ),
    (
        "speech",
        "words of Kai's voice that the recogniser takes for others: Kai's own / the worst extra voice",
        lambda f: _joined(f["own_voice_words_misheard"], _worst_voice(f, "words_misheard")),
        "",
    ),
    (
        "speech",
        "until the first clause of an extra voice is made, p50 of the slowest",
        lambda f: _worst_voice(f, "first_clause_s_p50", " s"),
        "",
    ),
    (
        "capacity",
        "eight talks at once: answers after, p95 / the engine's share of a core",
        lambda f: _joined(f"{f['8_talks_answers_after_s_p95']:.2f} s", f"{f['8_talks_cpu_percent']:.0f} %"),
        "",
    ),
    (
        "talk",
        "pictures a second in the page, mean / worst 5 s",
        lambda f: _joined(f["frames_per_s_mean"], f["frames_per_s_worst_5_s"]),
        "- / 24",
    ),
    (
        "talk",
        "pressing Interrupt to the last sounding sample in the page, three times",
        lambda f: ", ".join(str(ms) for ms in f["interrupt_to_silence_ms"]) + " ms",
        "",
    ),
    (
        "talk",
        "sound against picture in the page, p50 / p5 to p95 (minus: sound early)",
        lambda f: (
            f"{f['sound_against_picture_p50_ms']} / "
            + " to ".join(str(ms) for ms in f["sound_against_picture_p5_p95_ms"])
            + " ms"
        ),
        "-40 to 60 ms",
    ),
    (
        "talk",
        "CPU of app, engine and face, in percent of one core: nobody there / page at rest / talking",
        lambda f: _joined(
            *(f[f"cpu_{when}_percent"]["sum"] for when in ("idle", "at_rest", "talking")),
        ),
        "3 / 35 / -",
    ),
    (
        "talk",
        "of these the face alone: page at rest / talking",
        lambda f: _joined(*(f[f"cpu_{when}_percent"]["face"] for when in ("at_rest", "talking"))),
        "30 / -",
    ),
    (
        "talk",
        "private memory of app, engine and face: nobody there / talking",
        lambda f: _joined(*(f[f"memory_{when}_mb"]["sum"] for when in ("idle", "talking")), unit=" MB"),
        "",
    ),
    (
        "heard",
        "words heard of an interrupted answer, right to one word, word times known: Kai / by sound sent / by wall clock",
        lambda f: _heard(f, "", "with_marks", 1),
        "99 % / - / -",
    ),
    (
        "heard",
        "the same without word times, right to three words",
        lambda f: _heard(f, "", "without_marks", 3),
        "95 % / - / -",
    ),
    (
        "heard",
        "the same two over real sockets, Kai alone, 15 interruptions each",
        lambda f: " / ".join(
            _heard(f, "sockets_", marks, words).partition(" /")[0]
            for marks, words in (("with_marks", 1), ("without_marks", 3))
        ),
        "99 / 95 %",
    ),
    (
        "ladder",
        "OpenAI's stand-in lost or refused in mid-talk to this computer's first sound, p50 / longest of four causes",
        _longest_to_sound,
        "- / 2 s",
    ),
    (
        "ladder",
        "a network cut without a word: to a word about it / to sound, longest",
        lambda f: (
            f"{f['hand_over'][CUT]['to_word_s']['longest']:.2f} s / {f['hand_over'][CUT]['to_sound_s']['longest']:.2f} s"
        ),
        "5 s / -",
    ),
    (
        "ladder",
        "what Kai counts that a talk costs beside the services' ledger, worst of 500 talks",
        lambda f: f"{f['money']['worst_off_percent']:g} % off",
        "1 %",
    ),
    (
        "avatar",
        "cloud face: seconds in which sound is 40 ms early to 60 ms late at most, its delay 0, 1 and 2 s and changed",
        lambda f: f"{f['seconds_within_40_early_60_late_percent']} % of {f['seconds_counted']}",
        "99 %",
    ),
    (
        "avatar",
        "cloud face: stopping it to its last sounding sample / to a closed mouth, p95 of 50",
        lambda f: _joined(
            f["interrupt_to_last_sounding_sample_p50_p95_ms"][1],
            f["interrupt_to_closed_mouth_p50_p95_ms"][1],
            unit=" ms",
        ),
        "80 / 300 ms",
    ),
    (
        "compare",
        "cloud brain and cloud face: Kai over WebRTC / over a WebSocket / Pipecat: the brain's first sound to the output's",
        lambda f: _compared(f, "brain_to_output_ms", " ms"),
        "Pipecat's + 200 / + 50 ms",
    ),
    (
        "compare",
        "the same: holes of 20 ms in the avatar's sound, in all answers",
        lambda f: _compared(f, "holes_in_all_answers"),
        "0 / 0",
    ),
    (
        "compare",
        "the same: an interruption to silence",
        lambda f: _compared(f, "interrupt_to_silence_ms", " ms"),
        "Pipecat's",
    ),
    (
        "compare",
        "the same: time in which lips and sound fit, the avatar's picture 0.9 s late, from the first word on",
        lambda f: _compared(f, "lips_within_percent", " %"),
        "99 %",
    ),
    (
        "compare",
        "the same: Start to the avatar's picture",
        lambda f: _compared(f, "connect_ms", " ms"),
        "1.2 times Pipecat's",
    ),
    (
        "compare",
        "the same: cores / memory that a talk adds",
        lambda f: _compared(f, "cpu_cores") + "; " + _compared(f, "further_mb", " MB"),
        "1.3 / 1.1 times; 200 MB",
    ),
    (
        "face",
        "lips against the truth, worst clip: own speech / voices never heard (MediaPipe on the pixels)",
        lambda f: _joined(
            _gate(f, "correlation, own speech, worst clip"),
            _gate(f, "correlation, unseen voices, worst clip"),
        ),
        "0.85 / 0.75",
    ),
    (
        "face",
        "drawing a frame, p95 of the slowest character: 512x512 / 720x720",
        lambda f: _joined(_slowest(f, "512x512"), _slowest(f, "720x720"), unit=" ms"),
        "16 / 25 ms",
    ),
    (
        "style",
        "another look while Kai talks, until the page shows it: slowest colour / slowest haircut or character",
        lambda f: _joined(f["worst_colour_s"], f["worst_other_s"], unit=" s"),
        "1.5 / 5 s",
    ),
    (
        "voices",
        "the characters' voices, the worst of seven: share of real time / first sound later than the network's own",
        lambda f: f"{_worst(f, 'share_of_real_time')} / {_worst(f, 'first_clause_later_ms_p50')} ms",
        "0.02 / 10 ms",
    ),
    (
        "voices",
        "their words misheard, the worse recogniser / how natural they sound (DistillMOS), the least of seven",
        lambda f: f"{_misheard(f):.1f} % / {_least_natural(f)}",
        "1 % / 4.1",
    ),
    (
        "voices",
        "the men's median pitch / least between any two characters / sentences whose speaker is told by Resemblyzer",
        lambda f: f"{_men(f)} / {f['least_apart_hz']:.0f} Hz / {_told(f)}",
        "85 to 145 Hz / 12 Hz / all",
    ),
    ("style", "pictures a second meanwhile, fewest", lambda f: str(f["fewest_frames_per_s"]), "20"),
    (
        "soak",
        "a long talk with the cloud face, first and last quarter: memory / threads / tasks / files and sockets",
        lambda f: _joined(
            f"{_quarters(f, 'memory_mb')} MB",
            *(_quarters(f, name) for name in ("threads", "tasks", "files_and_sockets")),
        ),
        "no growth",
    ),
)


def render() -> str:
    """Return the table, with the source of each part."""
    told = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(BENCH.glob("*.json"))}
    figures = {name: part for found in told.values() for name, part in found.items() if name != "machine"}
    lines = ["| What | Measured | To hold |", "| --- | --- | --- |"]
    lines += [
        f"| {what} | {read(figures[part])} | {bar} |" for part, what, read, bar in ROWS if part in figures
    ]
    lines += ["", "| File | Command | Commit | Load at its start |", "| --- | --- | --- | --- |"]
    for part, found in told.items():
        machine = found["machine"]
        lines.append(
            f"| `docs/bench/{part}.json` | `{machine['command'].split(' --json')[0]}` | {machine['commit']} "
            f"| {machine['load']:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Write or check the table."""
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    made = f"{before}{BEGIN}\n{render()}\n{END}{after}"
    write_or_check(README, made, __file__, __doc__)


if __name__ == "__main__":
    main()
