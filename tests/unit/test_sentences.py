"""The small mind acts on whole sentences only: what it is ordered it does, and of anything else nothing follows."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kai.bench import sentences
from kai.bench.sentences import NOW, is_done, is_routed_right, is_taken, talk
from kai.engine.speech import skills
from kai.engine.speech.days import read_day, say_date, say_time
from kai.engine.speech.mind import Mind
from kai.engine.speech.names import told_name
from kai.engine.speech.orders import CancelTimers, Manner, SetTimer
from kai.engine.speech.persona import read_persona
from kai.engine.speech.skills import manner_of
from kai.engine.speech.spans import next_clock, read_span, say_span
from kai.engine.speech.zones import find_place, zones_by_name


@pytest.fixture(scope="module")
def mind() -> Mind:
    return Mind.load()


# -- the corpora -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("half", ["", "_held_back"])
def test_commands_are_done_and_other_sentences_are_left_alone(mind: Mind, half: str) -> None:
    commands, others = sentences.commands(f"commands{half}"), sentences.others(f"not_commands{half}")
    assert len(commands) >= 75
    assert len(others) >= 75
    # Only the numbers are shown: who saw the held-back sentences could tune to them.
    assert sum(is_done(mind, command) for command in commands) >= 0.97 * len(commands)
    assert sum(is_taken(mind, sentence) for sentence in others) <= len(others) // 75


@pytest.mark.parametrize("prompt", sentences.prompts(), ids=lambda prompt: prompt["id"])
def test_the_small_mind_is_sure_of_skills_and_of_itself_and_passes_all_else_on(
    mind: Mind, prompt: dict[str, Any]
) -> None:
    reply = talk(mind, prompt["turns"], prompt["instructions"])
    assert is_routed_right(mind, prompt), reply
    if reply.is_sure:
        said = reply.text.lower().replace(",", "")
        assert not prompt["any"] or any(re.search(wanted, said) for wanted in prompt["any"])
        assert not any(re.search(wrong, said) for wrong in prompt["none"])


@pytest.mark.parametrize(
    "said",
    """I'm nervous about giving a talk tomorrow.|Tell me about the time you were the happiest.|Goodbye is a sad word.
    Thank you for the music is a song by Abba.|Hello, my cat died.|Hi, can you tell me a story?|How do I mute my television?
    Who are you going to invite?|What are you most afraid of?|Is this mushroom safe to eat?|Are you a fan of Alexa?
    Who made the first telephone?|Where are you when I need you?|Help me write a letter.|Can you help me?|Stop the war.
    Are you ready for Christmas?|Repeat after me: hello.|Who can hear a dog whistle?|What can you do about stress?
    Tell me a joke.|How are you?|I love you.|What is the meaning of life?|Do you like music?|That's great.|Yes.|No.
    What is your favourite time of the day?|What do you think of privacy?|Does my voice sound hoarse to you?""".replace(
        "\n    ", "|"
    ).split("|"),
)
def test_a_word_too_many_is_a_question_for_a_larger_mind(mind: Mind, said: str) -> None:
    assert not talk(mind, [said]).is_sure


@pytest.mark.parametrize(
    ("said", "intent"),
    [
        ("Hello.", "greeting"),
        ("Hi Kai!", "greeting"),
        ("Thank you very much.", "thanks"),
        ("Goodbye.", "goodbye"),
        ("Are you a person?", "is_human"),
        ("Are you ChatGPT?", "other_assistants"),
        ("Did OpenAI make you?", "other_assistants"),
        ("What model are you?", "which_model"),
        ("Who made you?", "maker"),
        ("Can you explain how you work?", "maker"),
        ("Where do you run?", "where"),
        ("Is this private?", "privacy"),
        ("Is this secure?", "privacy"),
        ("How do I mute you?", "controls"),
        ("Do you speak German?", "languages"),
        ("What can you do?", "help"),
        ("Stop.", "stop"),
        ("Say that again.", "repeat"),
    ],
)
def test_it_is_sure_of_what_only_it_knows(mind: Mind, said: str, intent: str) -> None:
    reply = talk(mind, [said])
    assert (reply.intent, reply.is_sure) == (intent, True)


def test_with_a_part_to_play_it_tells_the_part_and_leaves_the_rest_of_it_to_a_larger_mind(mind: Mind) -> None:
    guide = "You are a museum guide called Nora. You show visitors round the clocks."
    who = talk(mind, ["Who are you?"], guide)
    assert who.is_sure
    assert "Nora" in who.text
    assert "museum guide" in who.text
    assert not talk(mind, ["What can you do?"], guide).is_sure


# -- spans and timers --------------------------------------------------------------------------------------------------

FRACTIONS = {"a quarter": 0.25, "half": 0.5, "three quarters": 0.75}
UNITS = {"second": 1, "minute": 60, "hour": 3600}


@pytest.mark.parametrize("unit", ["minute", "hour"])
@pytest.mark.parametrize("part", FRACTIONS)
def test_fractions_of_a_unit_are_read_however_they_are_said(unit: str, part: str) -> None:
    article = "an" if unit == "hour" else "a"
    a_part = "a half" if part == "half" else part
    size, seconds = UNITS[unit], FRACTIONS[part] * UNITS[unit]
    of = "" if part == "half" else "of "
    assert read_span(f"{part} {of}{article} {unit}") == seconds
    assert read_span(f"{article} {unit} and {a_part}") == size + seconds
    assert read_span(f"two and {a_part} {unit}s") == 2 * size + seconds
    assert read_span(f"three {unit}s and {a_part}") == 3 * size + seconds
    digits = {0.25: "1/4", 0.5: "1/2", 0.75: "3/4"}[FRACTIONS[part]]
    assert read_span(f"1 {digits} {unit}s") == size + seconds
    assert read_span(f"{1 + FRACTIONS[part]} {unit}s") == size + seconds


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_a_span_is_read_as_it_is_said(hours: int, minutes: int, seconds: int) -> None:
    total = hours * 3600 + minutes * 60 + seconds
    assert read_span(say_span(total)) == (total or None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("a couple of minutes", 120),
        ("couple of hours", 7200),
        ("1h30m", 5400),
        ("90 secs", 90),
        ("an hour twenty", 4800),
        ("1½ hours", 5400),
        ("twenty-five minutes", 1500),
        ("one minute and fifteen seconds", 75),
        ("1:30", None),
        ("five", None),
        ("twenty to thirty minutes", None),
        ("five minutes or so", None),
        ("minutes", None),
        ("five minutes and an hour", None),
        ("five minutes of fame", None),
        ("", None),
    ],
)
def test_a_span_is_read_whole_or_not_at_all(text: str, seconds: int | None) -> None:
    assert read_span(text) == seconds


@given(st.text(max_size=60))
@settings(max_examples=40)
def test_no_text_breaks_the_readers(text: str) -> None:
    read_span(text)
    next_clock(text, NOW)
    read_day(text, NOW.date())
    told_name(text)
    read_persona(text)
    skills.do(text, (text,), NOW)


FORMS = (
    "Set a timer for {}.",
    "Please start a timer for {}.",
    "Hey Kai, could you set a timer for {}, please?",
    "Timer for {}.",
    "Remind me in {}.",
    "Wake me in {}.",
    "Let me know when {} are over.",
    "I need a timer for {}.",
)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("span", "seconds"),
    [("three quarters of an hour", 2700), ("one and a half hours", 5400), ("ninety seconds", 90)],
)
def test_timers_are_set_in_many_words_and_never_when_they_are_denied_or_told_of(
    form: str, span: str, seconds: int
) -> None:
    order = form.format(span)
    done = skills.do(order, (), NOW)
    assert done is not None
    assert done.effects == (SetTimer(seconds),)
    bare = order.rstrip(".?")
    for twisted in (
        f"Don't {bare[0].lower()}{bare[1:]}.",
        f"Why did you {bare[0].lower()}{bare[1:]}?",
        f"She said: {bare}, but I forgot.",
        f"{bare} every single day of my life.",
    ):
        told = skills.do(twisted, (), NOW)
        assert told is None or not told.effects, twisted


@pytest.mark.parametrize(
    ("said", "effects"),
    [
        ("Cancel the five minute timer and set one for ten minutes.", (CancelTimers(), SetTimer(600))),
        ("Set a timer for five minutes and one for ten minutes.", (SetTimer(300), SetTimer(600))),
        ("Set a five and a ten minute timer.", (SetTimer(300), SetTimer(600))),
        ("Set three timers for one, two and three minutes.", (SetTimer(60), SetTimer(120), SetTimer(180))),
        ("Set two timers for five minutes.", (SetTimer(300), SetTimer(300))),
        (
            "Set two timers: one for an hour and thirty minutes, and another for ten minutes.",
            (SetTimer(5400), SetTimer(600)),
        ),
        ("Set two alarms, one for seven and one for eight.", (SetTimer(14_100), SetTimer(17_700))),
        ("Set three timers for five and ten minutes.", ()),
        ("Set two timers.", ()),
        ("She set two timers for five minutes.", ()),
        ("Do not set two timers for five minutes.", ()),
        ("I want some reminders of our holiday.", ()),
        ("Set a timer for an hour and twenty.", (SetTimer(4800),)),
        ("Set a timer until half past four.", (SetTimer(5100),)),
        (
            "Set a timer for five minutes and remind me in an hour to eat.",
            (SetTimer(300), SetTimer(3600, "eat")),
        ),
        ("Set a timer for ten minutes. I'm making pasta.", (SetTimer(600),)),
        ("Set a timer for ten minutes. What shall I cook?", ()),
        ("Remind me to call my mother in a quarter of an hour.", (SetTimer(900, "call my mother"),)),
        ("In ten minutes, remind me to eat.", (SetTimer(600, "eat"),)),
        ("Set a timer for five minutes for the eggs.", (SetTimer(300, "the eggs"),)),
        ("Set an alarm for half past four.", (SetTimer(85 * 60),)),
        ("Wake me at 7 in the morning.", (SetTimer(15 * 3600 + 55 * 60),)),
        ("Set a timer for 1:30.", ()),
        ("The alarm went off for 5 minutes this morning.", ()),
        ("Do not set a timer for five minutes.", ()),
        ("I have an alarm clock in my room.", ()),
        ("Never cancel the timer.", ()),
        ("Cancel my five minute timer then set a ten minute timer.", (CancelTimers(), SetTimer(600))),
        ("Can I have a timer for six minutes?", (SetTimer(360),)),
        ("Set a timer for five.", ()),
        ("Alarm at 16:00.", (SetTimer(55 * 60),)),
        ("Set an alarm for tomorrow at seven.", (SetTimer(15 * 3600 + 55 * 60),)),
        ("Remind me tomorrow at nine to call Bob.", (SetTimer(64_500, "call Bob"),)),
        ("Remind me tonight at eight to take my pills.", (SetTimer(17_700, "take my pills"),)),
        ("Remind me tomorrow morning at nine about the rent.", (SetTimer(64_500, "the rent"),)),
        ("Set a timer for five minutes, no, ten minutes.", (SetTimer(600),)),
        ("Set a timer for five, I mean ten minutes.", (SetTimer(600),)),
        ("Set a timer for five minutes, actually make it ten.", (SetTimer(600),)),
        ("Set a timer for five minutes, sorry, for an hour.", (SetTimer(3600),)),
        ("Wake me at six, no wait, seven in the morning.", (SetTimer(57_300),)),
        ("I was wondering if you could set a timer for ten minutes.", (SetTimer(600),)),
        ("Do you think you could set a timer for ten minutes?", (SetTimer(600),)),
        ("Set a timer for 5 mins pls.", (SetTimer(300),)),
        ("Set a timer for zero minutes.", ()),
        ("Set a timer for minus five minutes.", ()),
        ("Set a timer for five minutes ago.", ()),
        ("I was wondering if you set a timer for ten minutes.", ()),
        ("I had a timer for five minutes, no, ten minutes.", ()),
    ],
)
def test_what_is_set_and_cancelled_is_what_was_said(said: str, effects: tuple[object, ...]) -> None:
    done = skills.do(said, (), NOW)
    assert (() if done is None else done.effects) == effects


BERLIN = ZoneInfo("Europe/Berlin")
BACK, FORWARD = datetime(2026, 10, 24, 23, tzinfo=BERLIN), datetime(2027, 3, 27, 23, tzinfo=BERLIN)
"""The evenings before clocks are set back and forward."""


@pytest.mark.parametrize(("now", "hours"), [(BACK, 9), (FORWARD, 7), (NOW.replace(hour=23, minute=0), 8)])
def test_an_alarm_rings_at_its_time_also_when_clocks_change_in_the_night(now: datetime, hours: int) -> None:
    done = skills.do("Wake me at seven in the morning.", (), now)
    assert done is not None
    assert done.effects == (SetTimer(hours * 3600),)


@pytest.mark.parametrize(
    ("now", "asked", "told"),
    [
        (BACK, "What time will it be in four hours?", "It will be 2:00 am on Sunday, October 25, 2026 then."),
        (BACK, "What time will it be in six hours?", "It will be 4:00 am on Sunday, October 25, 2026 then."),
        (
            FORWARD,
            "What time will it be in four hours?",
            "It will be 4:00 am on Sunday, March 28, 2027 then.",
        ),
        (BACK, "What time was it two hours ago?", "It was 9:00 pm then."),
    ],
)
def test_the_time_to_come_is_told_also_when_clocks_change_before_it(
    now: datetime, asked: str, told: str
) -> None:
    done = skills.do(asked, (), now)
    assert done is not None
    assert done.text == told


@pytest.mark.parametrize(
    "typed",
    [
        "Set a timer for five minutes 😊",
        "Set a timer for five minutes…",
        "“Set a timer for five minutes.”",
        "@Kai set a timer for five minutes",
        "Set a timer for five\u200bminutes",
        "Set a ti\u00admer for \u200efive minutes",
        "set  a   timer\nfor five\u00a0minutes",
        "SET A TIMER FOR ５ MINUTES!!!",
        "Set a timer for 0:05:00",
    ],
)
def test_how_a_line_is_typed_does_not_matter(typed: str) -> None:
    done = skills.do(typed, (), NOW)
    assert done is not None
    assert done.effects == (SetTimer(300),)


def test_a_length_that_can_be_read_in_two_ways_is_asked_for() -> None:
    asked = skills.do("Set a timer for 1:30.", (), NOW)
    assert asked is not None
    assert asked.text == "Do you mean 1 minute and 30 seconds, or 1 hour and 30 minutes?"
    answered = skills.do("One hour and thirty minutes.", ["Set a timer for 1:30."], NOW)
    assert answered is not None
    assert answered.effects == (SetTimer(5400),)
    assert skills.do("One hour and thirty minutes.", ["How long is that film?"], NOW) is None


# -- pace and loudness -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "subject",
    [
        "Time goes by",
        "My internet is",
        "The concert was",
        "My neighbours are",
        "He speaks",
        "It is",
        "Traffic moves",
    ],
)
@pytest.mark.parametrize(
    "manner", ["too fast", "too slow", "too loud", "too quiet", "faster than before", "so loud"]
)
def test_a_remark_about_anything_else_changes_no_voice(subject: str, manner: str) -> None:
    assert manner_of([f"{subject} {manner}."]) == Manner()


@pytest.mark.parametrize(
    "form",
    [
        "{}.",
        "{}, please.",
        "Kai, {}.",
        "Could you speak {}?",
        "Talk a bit {}, please.",
        "Can you be a little {}?",
    ],
)
@pytest.mark.parametrize(
    ("word", "manner"),
    [
        ("slower", Manner(pace=0.82)),
        ("faster", Manner(pace=1.22)),
        ("louder", Manner(gain_db=6.0)),
        ("quieter", Manner(gain_db=-6.0)),
    ],
)
def test_an_order_to_kai_changes_its_voice_and_is_undone_by_asking(
    form: str, word: str, manner: Manner
) -> None:
    order = form.format(word)
    assert manner_of([order]) == manner
    assert manner_of([order, "Speak normally again."]) == Manner()
    assert manner_of([f"Don't {order[0].lower()}{order[1:]}"]) == Manner()


# -- days and zones ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "zone"),
    [
        ("Berlin", "Europe/Berlin"),
        ("India", "Asia/Kolkata"),
        ("New York", "America/New_York"),
        ("São Paulo", "America/Sao_Paulo"),
        ("the UK", "Europe/London"),
        ("Japan", "Asia/Tokyo"),
        ("Munich", "Europe/Berlin"),
        ("Zürich", "Europe/Zurich"),
        ("Kathmandu", "Asia/Kathmandu"),
        ("Nepal", "Asia/Kathmandu"),
        ("San Francisco", "America/Los_Angeles"),
        ("the Netherlands", "Europe/Amsterdam"),
        ("St. John's", "America/St_Johns"),
        ("München", "Europe/Berlin"),
    ],
)
def test_the_time_elsewhere_is_the_zone_s(place: str, zone: str) -> None:
    there = NOW.astimezone(ZoneInfo(zone))
    for form in (
        "What time is it in {}?",
        "What's the time in {} right now?",
        "Tell me the time in {}, please.",
    ):
        done = skills.do(form.format(place), (), NOW)
        assert done is not None
        assert say_time(there) in done.text


@pytest.mark.parametrize("asked", ["What time is it there?", "What's the time over there right now?"])
def test_there_is_another_place_than_here(mind: Mind, asked: str) -> None:
    assert not talk(mind, [asked]).is_sure


def test_the_week_of_the_year_is_told() -> None:
    for asked in ("What week is it?", "Which calendar week are we in?", "What week number is it?"):
        told = skills.do(asked, (), NOW)
        assert told is not None
        assert told.text == "It is week 47 of 2026."


def test_every_zone_of_a_place_is_one_that_there_is() -> None:
    assert {zone for zones in zones_by_name().values() for zone in zones} <= available_timezones()
    assert find_place("Narnia") is None
    many = skills.do("What time is it in the United States?", (), NOW)
    assert many is not None
    assert "several time zones" in many.text


@pytest.mark.parametrize(
    "what",
    [
        "my flight",
        "dinner",
        "the concert",
        "school",
        "the meeting",
        "your train",
        "bedtime in Spain",
        "the show tonight",
    ],
)
@pytest.mark.parametrize(
    "form",
    ["What time is {}?", "What day is {}?", "When is {}?", "What date is {}?", "How many days until {}?"],
)
def test_the_time_of_something_that_nobody_told_is_not_known(form: str, what: str) -> None:
    assert skills.do(form.format(what), (), NOW) is None


@given(st.dates(datetime(1950, 1, 1).date(), datetime(2090, 1, 1).date()), st.integers(-400, 400))  # noqa: DTZ001
@settings(max_examples=50)
def test_a_date_is_read_back_as_it_is_said(day: object, off: int) -> None:
    today = NOW.date()
    then = today + timedelta(days=off)
    assert read_day(say_date(then).lower().partition(", ")[2], today) == then
    assert read_day(f"in {off} days" if off > 0 else f"{-off} days ago", today) == then


@pytest.mark.parametrize("weekday", range(7))
def test_weekdays_are_those_around_today(weekday: int) -> None:
    today = NOW.date()
    name = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")[weekday]
    following, last = read_day(f"next {name}", today), read_day(f"last {name}", today)
    assert following is not None
    assert last is not None
    assert following.weekday() == last.weekday() == weekday
    assert 1 <= (following - today).days <= 7
    assert 1 <= (today - last).days <= 7
    assert read_day(f"a week from {name}", today) == following + timedelta(days=7)


@pytest.mark.parametrize(
    ("feast", "said"),
    [
        ("Christmas", "Friday, December 25, 2026"),
        ("last Christmas", "Thursday, December 25, 2025"),
        ("New Year's Eve", "Thursday, December 31, 2026"),
        ("Easter", "Sunday, March 28, 2027"),
        ("Good Friday", "Friday, March 26, 2027"),
        ("Thanksgiving", "Thursday, November 26, 2026"),
        ("Halloween", "Sunday, October 31, 2027"),
        ("Valentine's Day", "Sunday, February 14, 2027"),
        ("Easter 2030", "Sunday, April 21, 2030"),
    ],
)
def test_feasts_have_their_days(feast: str, said: str) -> None:
    for form in ("When is {}?", "What day is {}?", "What date is {}?"):
        done = skills.do(form.format(feast), (), NOW)
        assert done is not None
        assert said in done.text


# -- names -------------------------------------------------------------------------------------------------------------

NAMES = [
    "Élodie",
    "Øyvind",
    "Łukasz",
    "Мария",
    "Anna",
    "Van der Berg",
    "Mary Jane",
    "O'Neil",
    "Jean-Luc",
    "José María",
]
NAMES += ["नेहा", "明", "Dr. Smith", "J. K. Rowling"]
NAME_FORMS = [
    "My name is {}.",
    "Hi, I'm {}.",
    "Call me {}.",
    "You can call me {}, please.",
    "Hello Kai, my name is {}.",
]
NAME_FORMS += ["It's not Bob, it's {}."]
NOTE_FORMS = [
    "Remember that {}.",
    "Please remember {}.",
    "Note that {}.",
    "Make a note: {}.",
    "Don't forget that {}.",
]
NOTE_FORMS += ["Can you remember that {}?", "{}, remember that.", "Add a note that {}."]
NOTE_FORMS += ["Kai, keep in mind that {}, please."]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", NAME_FORMS)
def test_names_of_any_script_are_kept_as_they_are_said(form: str, name: str) -> None:
    assert skills.name_of(["My name is Zoe.", form.format(name), "What time is it?"]) == name


@pytest.mark.parametrize(
    "said",
    """Call me Monday at nine.|Call me Monday.|Call me later.|Call me when you can.|I'm tired.|I'm German.|I'm on my way.
    My name is on the list.|My name is hard to pronounce.|My name is not important.|Her name is Anna.|It's Anna.
    They call me every day.|I'm not Anna's sister.|This is Berlin.|I'm Anna's brother.|My name day is in June.""".replace(
        "\n    ", "|"
    ).split("|"),
)
def test_what_is_no_name_is_not_taken_for_one(said: str) -> None:
    assert skills.name_of([said]) == ""


def test_a_name_is_forgotten_when_asked() -> None:
    assert skills.name_of(["My name is Anna.", "Forget my name."]) == ""


@pytest.mark.parametrize(
    ("instructions", "name"),
    [
        ("Your name is Nora.", "Nora"),
        ("You are a museum guide called Nora.", "Nora"),
        ("You are Nora, a museum guide.", "Nora"),
        ("You're a friendly robot named Élodie. Be brief.", "Élodie"),
        ("Act as a butler called James.", "James"),
        ("You are a teacher whose name is Ada Lovelace.", "Ada Lovelace"),
        ("You are Мария.", "Мария"),
        ("Name: Nova", "Nova"),
        ("Introduce yourself as Nova.", "Nova"),
        ("You are a guide. The museum is called Orsay.", ""),
        ("You are German.", ""),
        ("You are a patient teacher.", ""),
        ("You are the receptionist of the Harbour Hotel.", ""),
    ],
)
def test_kai_s_name_comes_from_the_instructions(instructions: str, name: str) -> None:
    assert read_persona(instructions).name == name


# -- notes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    """I can't remember the name of that film.|I remember when we went to Paris.|He left me a note about the meeting.
    Remember when we met?|Do you remember my birthday?|Remember the Titans is a great film.|I will always remember that day.
    You should remember that.|Remember to be kind is good advice.
    Remember that old song from the eighties.|Nobody remembers that.|Don't remember that my car is red.""".replace(
        "\n    ", "|"
    ).split("|"),
)
def test_what_is_told_of_remembering_is_no_note(said: str) -> None:
    listed = skills.do("What are my notes?", [said], NOW)
    assert listed is not None
    assert "not asked me" in listed.text


@pytest.mark.parametrize("order", NOTE_FORMS)
def test_the_newest_note_wins_and_is_forgotten_when_asked(order: str) -> None:
    said = [order.format("my car is in lot five"), order.format("my car is in lot seven")]
    found = skills.do("Where is my car?", said, NOW)
    assert found is not None
    assert found.text == "You told me: your car is in lot seven."
    for forget, left in (
        ("Forget that.", "five"),
        ("Forget about my car.", ""),
        ("Delete all my notes.", ""),
    ):
        listed = skills.do("What are my notes?", [*said, forget], NOW)
        assert listed is not None
        assert "seven" not in listed.text
        assert ("five" in listed.text) == bool(left)


# -- sums and units ----------------------------------------------------------------------------------------------------


@given(st.integers(-999, 999), st.integers(-999, 999), st.sampled_from([("plus", 1), ("minus", -1)]))
@settings(max_examples=60)
def test_signs_are_heard_in_words_and_digits(first: int, second: int, operation: tuple[str, int]) -> None:
    word, sign = operation
    value = first + sign * second
    wanted = f"is {'minus ' if value < 0 else ''}{abs(value):,}."
    for number in (str, lambda n: f"minus {-n}" if n < 0 else str(n)):
        done = skills.do(f"What is {number(first)} {word} {number(second)}?", (), NOW)
        assert done is not None
        assert done.text.endswith(wanted)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (
            "What's minus ten degrees Celsius in Fahrenheit?",
            "Minus 10 degrees Celsius are 14 degrees Fahrenheit.",
        ),
        ("How many minutes are in two and a half hours?", "2.5 hours are 150 minutes."),
        ("Five foot eleven in centimeters.", "5.917 feet are about 180.3 centimeters."),
        ("What is half a mile in meters?", "0.5 miles are about 804.7 meters."),
        ("What is the square root of two?", "The square root of 2 is about 1.414."),
        ("What is minus three squared?", "Minus 3 squared is 9."),
        ("I ran five miles to the lake.", None),
        ("My dog weighs twenty pounds in stones of gold.", None),
        ("24/7", None),
        ("What is 9/11?", None),
    ],
)
def test_amounts_and_units_are_read_whole(said: str, answer: str | None) -> None:
    done = skills.do(said, (), NOW)
    assert (None if done is None else done.text) == answer
