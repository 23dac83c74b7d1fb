"""The next rung takes over where one does not hold, and says so; and the voices of an extra."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest

from kai.avatar.style import CHARACTERS
from kai.engine.speech.clauses import Clause
from kai.engine.speech.ladder import EnginePart, PartRole, Rung, climb
from kai.engine.speech.stand_ins import LoudnessVad
from kai.engine.speech.timbre import Timbre
from kai.engine.speech.voices import CHOICES, Speaker, Voices, parse_voice
from kai.errors import WeightsError


def breaking(error: Exception) -> Callable[[], str]:
    def load() -> str:
        raise error

    return load


def test_the_first_rung_that_holds_is_taken_and_a_good_first_one_has_no_problem() -> None:
    rungs = (Rung("best", lambda: "a"), Rung("next", lambda: "b", "It is worse."))
    assert climb(PartRole.VOICE, rungs) == ("a", EnginePart(PartRole.VOICE, "best"))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (WeightsError("The file is wrong. Install it."), "The file is wrong. Install it."),
        (ModuleNotFoundError("No module named 'x'", name="x"), "A package is missing or damaged (x)."),
        (FileNotFoundError(2, "No such file", "y.json"), "A package is missing or damaged (y.json)."),
    ],
)
def test_a_stand_in_says_what_is_different_and_the_first_reason_why(error: Exception, words: str) -> None:
    rungs = (
        Rung("best", breaking(error)),
        Rung("next", breaking(WeightsError("Another reason.")), "Never told."),
        Rung("last", lambda: "c", "It is worse."),
    )
    found, part = climb(PartRole.DETECTOR, rungs)
    assert (found, part.name) == ("c", "last")
    assert part.problem.startswith(f"It is worse. {words}")


def test_where_no_rung_holds_the_first_reason_is_raised() -> None:
    with pytest.raises(WeightsError, match="first"):
        climb(
            PartRole.MIND,
            (Rung("a", breaking(WeightsError("first"))), Rung("b", breaking(OSError("second")))),
        )


class Saying:
    """A voice whose clauses are its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def stream(self, text: str, speed: float = 1.0) -> Iterator[Clause]:
        del text, speed
        yield Clause(self.name, np.ones(10, np.int16), (), (), ())


def said_by(voices: Voices, voice_id: str) -> list[str]:
    return [clause.text for clause in voices.stream("Hi.", 1.0, voice_id)]


def test_the_extra_voices_are_loaded_once_and_when_they_are_wanted() -> None:
    loads: list[int] = []

    def load() -> Mapping[str, Speaker]:
        loads.append(1)
        return {choice.id: Saying(choice.id) for choice in CHOICES if choice.is_extra}

    voices = Voices(Saying("heart"), load, has_extra=lambda: True)
    assert said_by(voices, "marin") == said_by(voices, "") == said_by(voices, "emil") == ["heart"]
    assert loads == []
    assert [said_by(voices, name) for name in ("emma", "george", "emma")] == [["emma"], ["george"], ["emma"]]
    assert loads == [1]


def test_extra_voices_that_turn_out_wrong_leave_the_first_one_and_a_reason() -> None:
    def load() -> Mapping[str, Speaker]:
        raise WeightsError("Part 2 is wrong.")

    voices = Voices(Saying("heart"), load, has_extra=lambda: True)
    assert "emma" in voices.installed
    assert said_by(voices, "emma") == ["heart"]
    assert voices.installed == set(CHARACTERS)
    assert voices.problem == "Part 2 is wrong."


def test_there_are_two_women_and_two_men_american_and_british() -> None:
    extras = {(choice.sex, choice.accent) for choice in CHOICES if choice.is_extra}
    assert extras == {
        ("woman", "American"),
        ("man", "American"),
        ("woman", "British"),
        ("man", "British"),
    }


class Moved(Saying):
    """A voice that says in which timbre it is."""

    def moved(self, timbre: Timbre) -> Speaker:
        return Saying(f"{timbre.pitch:.3f} {timbre.melody:.3f}")


def moved_voices() -> Voices:
    return Voices(Moved("heart"), dict, has_extra=lambda: False)


def test_each_character_has_a_voice_of_its_own_and_kai_s_speaks_for_the_unknown() -> None:
    told = [choice for choice in CHOICES if not choice.is_extra]
    assert [choice.id for choice in told] == list(CHARACTERS)
    assert [choice.sex for choice in told] == ["man", "woman", "man", "woman", "man", "woman", "man"]
    said = {choice.id: said_by(moved_voices(), choice.id)[0] for choice in told}
    assert len(set(said.values())) == len(told)
    for wish in ("marin", "", "george"):
        assert said_by(moved_voices(), wish) == [said["kai"]]


def test_no_two_men_differ_by_their_pitch_alone() -> None:
    men = [choice.timbre for choice in CHOICES if choice.timbre is not None and choice.sex == "man"]
    for one, other in itertools.combinations(men, 2):
        assert abs(one.formants - other.formants) >= 0.02
        assert abs(one.melody - other.melody) >= 0.1
        assert one.pace != other.pace
        assert one.breath_db != other.breath_db


def test_a_voice_is_asked_for_higher_and_calmer() -> None:
    timbre = next(choice.timbre for choice in CHOICES if choice.id == "emil")
    assert timbre is not None
    assert said_by(moved_voices(), "emil:+2:-1") == said_by(
        Voices(
            Saying(f"{timbre.tuned(2, -1).pitch:.3f} {timbre.tuned(2, -1).melody:.3f}"),
            dict,
            has_extra=lambda: False,
        ),
        "",
    )
    assert said_by(moved_voices(), "emil:+0:-0") == said_by(moved_voices(), "emil")


@pytest.mark.parametrize(
    "wish",
    [
        "emil:",
        "emil:2:1",
        "emil:+4:+0",
        "emil:+1",
        "emil:+1:+1:+1",
        "Emil:+1:+1",
        ":+1:+1",
        "emil:+1:+1 ",
        "emil:+٢:+1",
    ],
)
def test_steps_that_are_none_are_refused(wish: str) -> None:
    with pytest.raises(ValueError, match="two steps"):
        parse_voice(wish)


def test_loudness_finds_what_stands_out_and_gets_used_to_a_fan() -> None:
    detector = LoudnessVad()
    rng = np.random.default_rng(0)

    def noise(level: float) -> np.ndarray:
        return rng.normal(0, level, 512).astype(np.float32)

    assert [detector(noise(0.0005)) for _ in range(60)] == [0.0] * 60
    assert [detector(noise(0.05)) for _ in range(10)] == [1.0] * 10
    fan = [detector(noise(0.01)) for _ in range(2_000)]
    assert sum(fan[-100:]) == 0
    assert detector(noise(0.2)) == 1.0
