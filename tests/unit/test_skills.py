"""Small things that Kai does himself."""

from __future__ import annotations

from datetime import datetime

import pytest

from kai.engine.speech import skills
from kai.engine.speech.orders import CancelTimers, Manner, SetTimer, without_courtesy
from kai.engine.speech.skills import manner_of
from kai.engine.speech.timers import time_is_up

NOW = datetime(2026, 11, 22, 15, 5)  # noqa: DTZ001 - a Sunday, local time


def do(heard: str, *before: str) -> skills.Done | None:
    return skills.do(heard, before, NOW)


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        ("How many ounces are in a pound?", "1 pound is 16 ounces."),
        ("Convert five miles to kilometers.", "5 miles are about 8.047 kilometers."),
        ("What is 20 degrees Celsius in Fahrenheit?", "20 degrees Celsius are 68 degrees Fahrenheit."),
        (
            "What's a hundred degrees Fahrenheit in Celsius?",
            "100 degrees Fahrenheit are about 37.78 degrees Celsius.",
        ),
        ("how many minutes are in two hours", "2 hours are 120 minutes."),
        ("Convert 72 F to C.", "72 degrees Fahrenheit are about 22.22 degrees Celsius."),
        ("What's 20 C in F?", "20 degrees Celsius are 68 degrees Fahrenheit."),
        ("How many feet in a mile?", "1 mile is 5280 feet."),
        ("What is 3 feet in inches?", "3 feet are 36 inches."),
        ("How many liters in 2 kilograms?", "I cannot turn kilograms into liters."),
    ],
)
def test_units_are_converted(heard: str, said: str) -> None:
    done = do(heard)
    assert done is not None
    assert done.text == said


@pytest.mark.parametrize(
    ("heard", "timer"),
    [
        ("Set a timer for five minutes.", SetTimer(300)),
        ("Please set an alarm in half an hour", SetTimer(1_800)),
        ("Start a timer for one hour and 30 minutes", SetTimer(5_400)),
        ("Remind me in 10 minutes to call my mother.", SetTimer(600, "call my mother")),
        ("Remind me to drink water in 20 seconds", SetTimer(20, "drink water")),
    ],
)
def test_timers_are_set(heard: str, timer: SetTimer) -> None:
    done = do(heard)
    assert done is not None
    assert done.effects == (timer,)


def test_a_timer_says_what_it_was_for_and_all_are_cancelled_at_once() -> None:
    assert time_is_up(SetTimer(600, "call my mother")) == "Here is your reminder: call your mother."
    assert time_is_up(SetTimer(90)) == "Time's up."
    done = do("Cancel the timer, please.")
    assert done is not None
    assert done.effects == (CancelTimers(),)
    asks = do("Set a timer.")
    assert asks is not None
    assert (asks.text, asks.effects) == ("For how long? Say, for example: five minutes.", ())
    too_long = do("Set a timer for 90 hours")
    assert too_long is not None
    assert too_long.effects == ()


@pytest.mark.parametrize(
    ("heard", "skill", "manner"),
    [
        ("Can you speak slower?", "slower", Manner(pace=0.82)),
        ("You talk too fast.", "slower", Manner(pace=0.82)),
        ("A bit faster, please.", "faster", Manner(pace=1.22)),
        ("Louder!", "louder", Manner(gain_db=6.0)),
        ("You are too loud.", "softer", Manner(gain_db=-6.0)),
    ],
)
def test_pace_and_loudness_are_changed(heard: str, skill: str, manner: Manner) -> None:
    done = do(heard)
    assert done is not None
    assert done.skill == skill
    assert manner_of(["What time is it?", heard, "Thank you."]) == manner


def test_wishes_about_pace_and_loudness_add_up_within_bounds() -> None:
    assert manner_of(["Slower.", "Louder.", "Faster, please."]).pace == pytest.approx(0.82 * 1.22)
    assert manner_of(["Louder."] * 9) == Manner(gain_db=12.0)
    assert manner_of(["Slower."] * 9) == Manner(pace=0.5)
    assert (
        manner_of(["I read a long story of a hare that was so much faster than a slow turtle."]) == Manner()
    )


@pytest.mark.parametrize(
    ("before", "heard", "said"),
    [
        ((), "What day is tomorrow?", "Tomorrow is Monday, November 23, 2026."),
        (("What day is it today?",), "And tomorrow?", "Tomorrow is Monday, November 23, 2026."),
        (
            ("What's the date?", "And tomorrow?"),
            "And yesterday?",
            "Yesterday was Saturday, November 21, 2026.",
        ),
        ((), "What date will it be in two weeks?", "In 14 days it will be Sunday, December 6, 2026."),
        ((), "What day was it 3 days ago?", "3 days ago it was Thursday, November 19, 2026."),
        ((), "What time will it be in two hours?", "It will be 5:05 pm then."),
    ],
)
def test_days_to_come_are_told_and_followed_up(before: tuple[str, ...], heard: str, said: str) -> None:
    done = do(heard, *before)
    assert done is not None
    assert done.text == said


@pytest.mark.parametrize(
    "heard",
    [
        "And tomorrow?",
        "Is it going to rain tomorrow?",
        "What is the weather tomorrow?",
        "I saw her yesterday.",
    ],
)
def test_tomorrow_alone_asks_for_no_date(heard: str) -> None:
    assert do(heard, "Who wrote Hamlet?") is None


def test_notes_are_kept_within_the_talk() -> None:
    noted = do("Remember that my car is in lot five.")
    assert noted is not None
    assert noted.text == "I will remember for this talk: your car is in lot five."
    asked = do("Where is my car?", "Remember that my car is in lot five.")
    assert asked is not None
    assert asked.text == "You told me: your car is in lot five."
    listed = do(
        "What did I ask you to remember?", "Note that I like tea.", "Please remember that my cat is Tom."
    )
    assert listed is not None
    assert listed.text == "You asked me to remember: you like tea; your cat is Tom."
    assert do("Where is my wallet?", "Remember that my car is in lot five.") is None
    nothing = do("What did I ask you to remember?")
    assert nothing is not None
    assert "not asked me to remember anything" in nothing.text


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        ("Note to self: call mum.", "I will remember for this talk: call mum."),
        ("Make a note to myself, buy milk.", "I will remember for this talk: buy milk."),
        ("Make it louder.", "Okay, I'm louder now."),
        ("How many ounces in a cup?", "1 cup is 8 fluid ounces."),
        ("How many ounces are in a pound?", "1 pound is 16 ounces."),
        ("Multiply 6 by 9.", "6 times 9 is 54."),
        ("Subtract five from twelve.", "12 minus 5 is 7."),
    ],
)
def test_an_order_is_understood_in_more_than_one_form(heard: str, said: str) -> None:
    done = do(heard)
    assert done is not None
    assert done.text == said


@pytest.mark.parametrize(
    "heard", ["Take note of that.", "Make it snappy.", "Stop everything.", "Take this from me."]
)
def test_what_only_looks_like_an_order_is_none(heard: str) -> None:
    assert do(heard) is None


@pytest.mark.parametrize(
    "heard", ["What time is dinner?", "Do you remember my name?", "Hello.", "How far away is the moon?", ""]
)
def test_what_is_no_skill_is_left_to_the_mind(heard: str) -> None:
    assert do(heard) is None


@pytest.mark.parametrize(
    ("heard", "bare"),
    [
        ("Thanks, what time is it?", "what time is it?"),
        ("Thank you Kai, set a timer.", "set a timer."),
        ("Good morning, tell me a joke.", "tell me a joke."),
        ("Thanks for all your help.", "Thanks for all your help."),
        ("Thank you so much indeed.", "Thank you so much indeed."),
        ("Thanks to you it worked.", "Thanks to you it worked."),
        ("Good morning to all of you.", "Good morning to all of you."),
        ("Don't forget to set a timer.", "set a timer."),
        ("Don't forget to eat.", "Don't forget to eat."),
    ],
)
def test_a_courtesy_that_is_a_part_of_its_sentence_stays_in_it(heard: str, bare: str) -> None:
    assert without_courtesy(heard) == bare
