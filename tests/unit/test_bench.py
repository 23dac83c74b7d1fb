"""The bench's own rules: what a bar holds, what a missed one does, how a prompt is judged, and how long a part may take."""

from __future__ import annotations

import importlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai.bench import __main__ as bench
from kai.bench.asked import REFLEX, TALK, THOUGHT, asked
from kai.bench.asking import Answer
from kai.bench.bars import Bar, at_least, at_most, judged, percent_of, table
from kai.bench.mind import HELD, OPEN, AskedPrompt, Prompt, has_words, prompts_of, style_faults, summary
from kai.bench.mind_long import FILLERS, fillers_of
from kai.bench.mind_tools import is_handled
from kai.bench.part import PART_S, Allowance, Wanted
from kai.bench.talk import turn_about
from kai.engine.speech.voices import CHOICES
from kai.engine.thinking import ToolCall

ROOT = Path(__file__).resolve().parents[2]
MONDAY = datetime(2026, 11, 30, 20, 5)  # noqa: DTZ001 - the mind is told local time


# -- bars --------------------------------------------------------------------------------------------------------------


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_bar_is_held_on_its_side_of_the_limit_and_on_the_limit(measured: float, limit: float) -> None:
    assert at_most("a", measured, limit).is_held == (measured <= limit)
    assert at_least("a", measured, limit).is_held == (measured >= limit)
    assert at_most("a", limit, limit).is_held
    assert at_least("a", limit, limit).is_held


def test_what_was_not_measured_holds_nothing() -> None:
    assert not at_most("a", None, 1).is_held
    assert not at_least("a", None, 1).is_held
    assert table([at_most("a", None, 1, "s")]) == ["missed  a  not measured  at most 1 s"]


def test_a_bar_comes_back_from_the_file_as_it_went_in() -> None:
    bars = [at_most("slow", 2.5, 2.4, "s"), at_least("few", None, 24), at_least("right", 91.4, 90, "%")]
    kept = json.loads(json.dumps(judged({"figure": 1}, bars)))
    assert kept["figure"] == 1
    assert [entry["is_held"] for entry in kept["bars"]] == [False, False, True]
    assert [Bar.from_json(entry) for entry in kept["bars"]] == bars


def test_a_share_is_read_as_it_is_told() -> None:
    assert percent_of("9 of 12") == 75
    with pytest.raises(ZeroDivisionError):
        percent_of("0 of 0")
    with pytest.raises(ValueError):
        percent_of("never")


@pytest.mark.parametrize(("measured", "status"), [(1.4, 0), (1.41, 1), (None, 1)])
def test_a_missed_bar_ends_the_command_with_1_and_stands_in_the_file(
    measured: float | None,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    part = SimpleNamespace(
        run=lambda: {"to_sound_s": measured},
        bars=lambda figures: [at_most("to sound", figures["to_sound_s"], 1.4, "s")],  # pyright: ignore
    )
    monkeypatch.setattr(bench.importlib, "import_module", lambda name: part)
    file = tmp_path / "figures" / "talk.json"
    assert bench.main(["talk", "--json", str(file)]) == status
    kept, of_the_part = json.loads(file.read_text())["talk"]["bars"]
    assert of_the_part["name"] == "the part itself"
    assert of_the_part["limit"] == PART_S
    assert kept["measured"] == measured
    assert kept["is_held"] is (status == 0)
    word = "held" if status == 0 else "missed"
    assert re.search(rf"^  {word} +to sound +.*at most 1.4 s$", capsys.readouterr().out, re.MULTILINE)


def test_figures_inside_of_figures_are_told_in_lines_of_their_own() -> None:
    told = list(bench.lines_of({"runs": 3, "held": {"right": "9 of 10", "wrong": ["x" * 60, "y" * 60]}}))
    assert [line.split() for line in told] == [
        ["runs", "3"], ["held"], ["right", "9", "of", "10"], ["wrong"], ["x" * 60], ["y" * 60]
    ]  # fmt: skip
    assert [len(line) - len(line.lstrip()) for line in told] == [0, 0, 2, 2, 4, 4]


@pytest.mark.parametrize(("more", "status"), [([], 1), (["--long"], 0)])
def test_a_part_over_its_time_misses_a_bar_unless_the_long_run_was_asked_for(
    more: list[str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = SimpleNamespace(run=lambda: {}, bars=lambda figures: [])  # pyright: ignore
    monkeypatch.setattr(bench.importlib, "import_module", lambda name: part)
    monkeypatch.setattr(bench, "PART_S", -1.0)
    assert bench.main(["talk", *more]) == status


@pytest.mark.parametrize("name", [*bench.PARTS, *bench.LONG_PARTS])
def test_every_part_has_a_run_and_bars(name: str) -> None:
    source = (ROOT / "kai" / "bench" / f"{name}.py").read_text(encoding="utf-8")
    assert re.search(r"^def bars\(figures: Mapping\[str, Any\]\) -> list\[Bar\]:$", source, re.MULTILINE)
    takes = "wanted: Wanted | None = None" if name in bench.ADJUSTABLE else ""
    assert f"def run({takes}) -> dict[str, Any]:" in source


KEPT = sorted((ROOT / "docs" / "bench").glob("*.json"))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_the_figures_that_are_kept_can_be_judged(path: Path) -> None:
    """A part that renames a figure and forgets its bar would be noticed minutes into a run only."""
    for name, figures in json.loads(path.read_text(encoding="utf-8")).items():
        if name == "machine" or not is_of_this_shape(name, figures):
            continue
        bars = importlib.import_module(f"kai.bench.{name}").bars(figures)
        assert bars
        assert all(bar.measured is not None for bar in bars), bars


def is_of_this_shape(name: str, figures: dict[str, Any]) -> bool:
    """Some parts were kept before their figures had today's names."""
    newest = {
        "face": "bars",
        "talk": "thought_turns",
        "speech": "kai_began_at_a_comma",
        "style": "longest_gap_of_a_setting_ms",
    }
    return newest.get(name, "") in ("", *figures)


# -- ten minutes -------------------------------------------------------------------------------------------------------


@given(st.floats(0.5, 400))
def test_rounds_end_within_the_ten_minutes_as_long_as_they_take_alike(round_s: float) -> None:
    allowance, now_s = Allowance(Wanted(), begun_s=0.0), 0.0
    while now_s == 0 or allowance.begin_round(now_s):
        now_s += round_s
    assert now_s <= PART_S
    assert now_s + 2 * round_s > PART_S - 20, "no round was left out that would have fitted"


def test_the_long_run_is_as_long_as_it_takes() -> None:
    allowance = Allowance(Wanted(is_long=True), begun_s=0.0)
    assert allowance.begin_round(now_s=10 * PART_S)


# -- prompts -----------------------------------------------------------------------------------------------------------


def test_there_are_ten_prompts_of_each_kind_in_each_half_and_no_two_are_alike() -> None:
    halves = [prompts_of(half) for half in (OPEN, HELD)]
    for prompts in halves:
        kinds = [prompt.kind for prompt in prompts]
        assert {kind: kinds.count(kind) for kind in kinds} == dict.fromkeys(
            ("know", "memory", "instructions", "unknown", "self", "skill", "chat"), 10
        )
    every = [*halves[0], *halves[1]]
    assert len({prompt.id for prompt in every}) == len(every)
    assert len({(prompt.turns, prompt.instructions) for prompt in every}) == len(every)


@pytest.mark.parametrize("word", ["no", "ai", "ye", "ten"])
def test_a_word_is_not_found_inside_another(word: str) -> None:
    assert not has_words(word, "I know that my airmail said yesterday: often.", MONDAY)
    assert has_words(word, f"Well, {word.title()}.", MONDAY)


def test_what_a_prompt_asks_of_the_calendar_is_that_of_the_day() -> None:
    assert has_words("{weekday}", "It is Monday.", MONDAY)
    assert has_words("{tomorrow}", "Tomorrow is tuesday, December 1.", MONDAY)
    assert has_words("{month}", "We have November.", MONDAY)
    assert has_words("{year_in_words}", "It is twenty twenty-six.", MONDAY)
    assert not has_words("{year}", "It is 2025.", MONDAY)
    assert has_words(r"\w+n't", "No, I don\u2019t.", MONDAY)


def prompt(*, any_of: tuple[str, ...] = (), none_of: tuple[str, ...] = ()) -> Prompt:
    return Prompt("p", "chat", ("Hello.",), "", any_of, none_of)


def test_a_right_answer_has_one_of_the_words_and_none_of_the_wrong_ones() -> None:
    wanted = prompt(any_of=("nile",), none_of=("amazon",))
    assert wanted.is_right("It is the Nile.", MONDAY)
    assert not wanted.is_right("The Nile or the Amazon.", MONDAY)
    assert not wanted.is_right("The juvenile.", MONDAY)
    assert not prompt().is_right("", MONDAY), "silence is no answer"
    assert prompt(none_of=("bye",)).is_right("Anything else.", MONDAY)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("Paris, of course. It is 3.5 times as large - by area - as Lyon.", []),
        ("Sure:\n- milk\n- eggs", ["list"]),
        ("1. Wake up.\n2. Get up.", ["list"]),
        ("That is **very** good.", ["markup"]),
        ("See [this](there).", ["markup"]),
        ("Nice \U0001f600", ["emoji"]),
        ("It is on https://example.org today.", ["address"]),
        ("word " * 71, ["length"]),
        ("word " * 70, []),
    ],
)
def test_what_a_voice_cannot_say_is_a_fault_of_style(text: str, faults: list[str]) -> None:
    assert style_faults(text) == faults


def test_of_the_held_half_nothing_but_totals_is_told() -> None:
    answers = (Answer("Lyon, it is a **secret**.", "a model", 0.3, 1.3, 10.0),)
    asked_ones = [AskedPrompt(prompt(any_of=("paris",)), answers, is_right=False)]
    told = json.dumps(summary(asked_ones, shows_wrong=False))
    assert "secret" not in told
    assert "Hello." not in told
    shown = summary(asked_ones, shows_wrong=True)
    assert "secret" in json.dumps(shown["wrong"])
    assert shown["kinds"] == {"chat": {"right": "0 of 1", "right_percent": 0.0}}
    assert (shown["tokens_per_s_p50"], shown["style_faults"]) == (10.0, {"markup": 1})


def test_a_long_talk_has_other_turns_in_between_and_the_same_ones_each_time() -> None:
    kept = json.loads((ROOT / "tests/support/mind/long-talks.json").read_text(encoding="utf-8"))
    assert len(kept["facts"]) == 10
    drawn = [fillers_of(number, kept["fillers"]) for number in range(10)]
    assert all(len(set(turns)) == FILLERS for turns in drawn)
    assert len({tuple(turns) for turns in drawn}) == 10
    for fact in kept["facts"]:
        assert any(has_words(pattern, fact["fact"], MONDAY) for pattern in fact["any"]), fact
        assert not any(has_words(p, line, MONDAY) for p in fact["any"] for line in kept["fillers"]), fact


# -- tools -------------------------------------------------------------------------------------------------------------

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
CLOCK = {"tool": "current_time", "time_zone": "Asia/Tokyo"}
CARD = {"tool": "show_card", "all": ["milk", "eggs?"]}


def call(name: str, arguments: str) -> list[ToolCall]:
    return [ToolCall("c", name, arguments)]


@pytest.mark.parametrize(
    ("request_", "said", "calls", "is_done"),
    [
        (CLOCK, "It is nine.", call("current_time", '{"time_zone": "Asia/Tokyo"}'), True),
        (CLOCK, "It is nine.", call("current_time", '{"time_zone": "Asia/Seoul"}'), True),
        (CLOCK, "It is nine.", call("current_time", '{"time_zone": "Tokyo/Japan"}'), False),
        (CLOCK, "It is nine.", call("current_time", "{}"), False),
        (CLOCK, "It is nine.", call("show_card", '{"time_zone": "Asia/Tokyo"}'), False),
        (CLOCK, "", call("current_time", '{"time_zone": "Asia/Tokyo"}'), False),
        (CLOCK, "In Tokyo it is 9:01 pm.", [], True),
        (CLOCK, "It is 12:00.", [], False),
        (CARD, "There.", call("show_card", '{"title": "Milk", "text": "and an egg"}'), True),
        (CARD, "There.", call("show_card", '{"title": "Milk", "text": ""}'), False),
        (CARD, "There.", call("show_card", '{"title": "Milk and eggs"'), False),
        (CARD, "Milk and eggs.", [], False),
    ],
)
def test_a_request_is_handled_by_the_right_call_with_the_right_arguments(
    request_: dict[str, Any], said: str, calls: list[ToolCall], is_done: bool
) -> None:
    assert is_handled(request_, said, calls, NOON) is is_done


# -- recordings --------------------------------------------------------------------------------------------------------


def test_the_recorded_questions_are_there_and_none_is_in_kais_first_voice() -> None:
    assert [len(asked(kind)) for kind in (REFLEX, THOUGHT, TALK)] == [9, 12, 6]
    every = [each for kind in (REFLEX, THOUGHT, TALK) for each in asked(kind)]
    assert all(each.path.exists() for each in every)
    voices = {entry["voice"] for entry in json.loads((every[0].path.parent / "manifest.json").read_text())}
    assert CHOICES[0].id not in voices
    assert len(voices) == 4


def test_both_kinds_are_asked_in_turn() -> None:
    order = [each.kind for each in turn_about(asked(REFLEX)[:1], asked(THOUGHT)[:3])]
    assert order == [REFLEX, THOUGHT, THOUGHT, THOUGHT]
