"""Of several timers the one that a person names is cancelled, moved or told of; where it could be any, Kai asks."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from kai.engine.speech import skills
from kai.engine.speech.mind import Mind
from kai.engine.speech.orders import MAX_TIMERS, CancelTimers, Done, Effect, MoveTimer, RunningTimer, SetTimer
from kai.engine.timers import Timers
from kai.wire import realtime as wire
from tests.support.engine_talk import talking
from tests.support.speech_double import SpeechDouble

NOW = datetime(2026, 11, 22, 15, 5)  # noqa: DTZ001 - a Sunday, local time

TEA = RunningTimer("tea", 300, "tea", "timer", 200)
RICE = RunningTimer("rice", 600, "rice", "timer", 400)
HOUR = RunningTimer("hour", 3600, "", "timer", 3000)
ALARM = RunningTimer("alarm", 57_300, "", "alarm", 57_300)  # 7:00 am
MOTHER = RunningTimer("mother", 1800, "call my mother", "reminder", 1700)
ALL = (TEA, RICE, HOUR, ALARM, MOTHER)


def do(line: str, timers: tuple[RunningTimer, ...] = ALL) -> Done | None:
    """What is done for the last of the lines, which " // " parts."""
    *before, heard = line.split(" // ")
    return skills.do(heard, before, NOW, "", timers)


def cancelled(line: str, timers: tuple[RunningTimer, ...] = ALL) -> str:
    """The names of the timers that the line cancels; "all", or "none"."""
    done = do(line, timers)
    effects = () if done is None else done.effects
    for effect in effects:
        assert isinstance(effect, CancelTimers)
        return "all" if effect.timer_ids is None else " ".join(effect.timer_ids)
    return "none"


@pytest.mark.parametrize(
    ("line", "ids"),
    [
        ("Cancel the five minute timer.", "tea"),
        ("Cancel the 5-minute timer, please.", "tea"),
        ("Stop my tea timer.", "tea"),
        ("Turn the tea timer off.", "tea"),
        ("Delete the timer for the rice.", "rice"),
        ("Cancel the timer I set for ten minutes.", "rice"),
        ("Cancel the one for ten minutes.", "rice"),
        ("Stop the hour timer.", "hour"),
        ("Cancel the one hour timer.", "hour"),
        ("Could you cancel the timer for one hour?", "hour"),
        ("Delete the alarm.", "alarm"),
        ("Cancel my 7 am alarm.", "alarm"),
        ("Cancel the alarm for seven in the morning.", "alarm"),
        ("Switch off the seven o'clock alarm.", "alarm"),
        ("Forget about the reminder to call my mother.", "mother"),
        ("Don't remind me to call my mother any more.", "mother"),
        ("Cancel the reminder.", "mother"),
        ("I don't need the tea timer any more.", "tea"),
        ("Never mind the rice timer.", "rice"),
        ("Cancel the tea and the rice timer.", "tea rice"),
        ("Cancel the five and ten minute timers.", "tea rice"),
        ("Cancel the timer for the tea and the alarm.", "tea alarm"),
        ("Cancel all timers.", "tea rice hour"),
        ("Cancel the timers.", "tea rice hour"),
        ("Delete all alarms.", "alarm"),
        ("Cancel everything.", "all"),
        ("Cancel all timers except the tea one.", "rice hour"),
        ("Cancel everything but the alarm.", "tea rice hour mother"),
        ("Cancel the first timer.", "tea"),
        ("Cancel the last timer.", "hour"),
        ("Cancel the shortest timer.", "tea"),
        ("Cancel the longest timer.", "hour"),
        ("Cancel the twenty minute timer.", "none"),
        ("Cancel the pizza timer.", "none"),
        ("Cancel my subscription.", "none"),
        ("Cancel the oven timer.", "none"),
        ("Do not cancel the tea timer.", "none"),
        ("Never cancel the tea timer.", "none"),
        ("Why did you cancel the tea timer?", "none"),
        ("She said: cancel the tea timer.", "none"),
        ("I forgot the tea timer.", "none"),
        ("Cancel the timer.", "none"),
        ("Cancel the timer. // The tea one.", "tea"),
        ("Cancel the timer. // Tea.", "tea"),
        ("Cancel the timer. // The ten minute one.", "rice"),
        ("Cancel the timer. // Ten minutes.", "rice"),
        ("Cancel the timer. // The first one.", "tea"),
        ("Cancel the timer. // The tea one and the rice one.", "tea rice"),
        ("Cancel the timer. // All of them.", "tea rice hour"),
        ("Cancel the timer. // The pizza one.", "none"),
        ("Cancel the timer. // What is the weather like?", "none"),
        ("What time is it? // The tea one.", "none"),
        ("Set a timer for half an hour to call my mother. // Cancel that.", "mother"),
        ("What time is it? // Cancel that.", "none"),
    ],
)
def test_the_timer_that_is_named_is_the_one_cancelled(line: str, ids: str) -> None:
    assert cancelled(line) == ids


@pytest.mark.parametrize("line", ["Cancel the timer.", "Cancel the alarm.", "Stop it. // Cancel my timer."])
def test_of_one_timer_it_needs_no_name(line: str) -> None:
    assert cancelled(line, (HOUR,)) == "all"


def test_which_one_is_asked_with_names_that_can_be_told_apart() -> None:
    asked = do("Cancel the timer.")
    assert asked is not None
    assert asked.text == "Which one: the timer for tea, or the timer for rice, or the timer for 1 hour?"
    twins = (RunningTimer("a", 300, "", "timer", 60), RunningTimer("b", 300, "", "timer", 120))
    asked = do("Cancel the five minute timer.", twins)
    assert asked is not None
    assert asked.effects == ()
    assert asked.text == (
        "Which one: the timer for 5 minutes with 1 minute left, or the timer for 5 minutes with 2 minutes left?"
    )
    assert cancelled("Cancel the five minute timer. // The second one.", twins) == "b"
    assert cancelled("Cancel the five minute timer. // Both.", twins) == "all"


@pytest.mark.parametrize(
    ("line", "effects"),
    [
        ("Add five minutes to the tea timer.", (MoveTimer("tea", 300),)),
        ("Put another minute on the rice timer.", (MoveTimer("rice", 60),)),
        ("Extend the ten minute timer by a minute and a half.", (MoveTimer("rice", 90),)),
        ("Make the tea timer two minutes longer.", (MoveTimer("tea", 120),)),
        ("Delay the alarm by ten minutes.", (MoveTimer("alarm", 600),)),
        ("Add a minute to all timers.", (MoveTimer("tea", 60), MoveTimer("rice", 60), MoveTimer("hour", 60))),
        ("Five more minutes, please.", ()),
        ("Five more minutes, please. // The tea one.", (MoveTimer("tea", 300),)),
        ("Take a minute off the tea timer.", (MoveTimer("tea", -60),)),
        ("Shorten the rice timer by two minutes.", (MoveTimer("rice", -120),)),
        ("Make the hour timer half an hour shorter.", (MoveTimer("hour", -1800),)),
        ("Take ten minutes off the tea timer.", ()),
        ("Change the tea timer to seven minutes.", (CancelTimers(("tea",)), SetTimer(420, "tea"))),
        ("Change the five minute timer to ten.", (CancelTimers(("tea",)), SetTimer(600, "tea"))),
        ("Make the rice timer twelve minutes.", (CancelTimers(("rice",)), SetTimer(720, "rice"))),
        ("Change the timer from one hour to two hours.", (CancelTimers(("hour",)), SetTimer(7200))),
        ("Move my alarm to half past seven in the morning.", (CancelTimers(("alarm",)), SetTimer(59_100))),
        (
            "Set a timer for half an hour to call my mother. // Make it forty minutes instead.",
            (CancelTimers(("mother",)), SetTimer(2400, "call my mother")),
        ),
        ("Restart the tea timer.", (CancelTimers(("tea",)), SetTimer(300, "tea"))),
        ("Start the rice timer again.", (CancelTimers(("rice",)), SetTimer(600, "rice"))),
        ("Cancel the tea timer and set one for ten minutes.", (CancelTimers(("tea",)), SetTimer(600))),
        ("Cancel the tea timer and add a minute to the rice one.", (CancelTimers(("tea",)), MoveTimer("rice", 60))),
        ("Add salt to the rice.", ()),
        ("Extend my visa by a month.", ()),
        ("Make the text two lines longer.", ()),
        ("I need more time.", ()),
        ("Two more beers, please.", ()),
        ("Do not add five minutes to the tea timer.", ()),
        ("Change the subject.", ()),
        ("Restart the computer.", ()),
    ],
)  # fmt: skip
def test_a_running_timer_is_moved_changed_and_restarted(line: str, effects: tuple[Effect, ...]) -> None:
    done = do(line)
    assert (() if done is None else done.effects) == effects


TEA_LEFT = "The timer for tea has 3 minutes and 20 seconds left."
ALARM_LEFT = "The alarm at 7:00 am rings in 15 hours and 55 minutes."
TIMERS_LEFT = f"{TEA_LEFT} The timer for rice has 6 minutes and 40 seconds left. The timer for 1 hour has 50 minutes left."


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("How long is left on the tea timer?", TEA_LEFT),
        ("How much time is left on the five minute timer?", TEA_LEFT),
        ("How many minutes are left on the tea timer?", TEA_LEFT),
        ("How much longer for the tea timer?", TEA_LEFT),
        ("How long does the tea timer have left?", TEA_LEFT),
        ("What's left on the tea timer?", TEA_LEFT),
        ("When does the tea timer end?", TEA_LEFT),
        ("How is my tea timer doing?", TEA_LEFT),
        ("Check the tea timer.", TEA_LEFT),
        ("How long until my alarm goes off?", ALARM_LEFT),
        ("When will the alarm ring?", ALARM_LEFT),
        ("What time is my alarm?", ALARM_LEFT),
        ("What is my alarm set for?", ALARM_LEFT),
        ("Do I have any alarms?", ALARM_LEFT),
        ("Is my alarm set?", ALARM_LEFT),
        ("Do I have any reminders?", 'The reminder "call your mother" rings in 28 minutes and 20 seconds.'),
        ("What timers do I have?", TIMERS_LEFT),
        ("Which timers are running?", TIMERS_LEFT),
        ("List my timers.", TIMERS_LEFT),
        ("How many timers are running?", TIMERS_LEFT),
        ("Is there a timer running?", TIMERS_LEFT),
        ("Pause the tea timer.", "I cannot pause a timer. I can cancel it, or add time to it."),
        ("How long is left on the pizza timer?", None),
        ("How long is the film?", None),
        ("How long is it until Christmas?", "It is 33 days until Christmas."),
        ("How much time do I have before my flight?", None),
        ("When is the meeting?", None),
        ("When does the shop open?", None),
        ("Check the oven timer.", None),
        ("Is the timer on the bomb in the film a joke?", None),
    ],
)
def test_what_is_left_of_a_timer_is_told(asked: str, said: str | None) -> None:
    done = do(asked)
    if said is None:
        assert done is None or done.text.startswith("There is no such timer.")
    else:
        assert done is not None
        assert (done.text, done.effects, done.is_whole) == (said, (), True)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Cancel the five minute timer.", "No timer is running."),
        ("Delete my alarm.", "No alarm is set."),
        ("What timers do I have?", "No timer is running."),
        ("How long is left on the timer?", "No timer is running."),
        ("When does my alarm go off?", "No alarm is set."),
        ("Add five minutes to the timer.", "No timer is running."),
        ("How much longer?", None),
        ("Five more minutes, please.", None),
        ("Make it ten.", None),
        ("Both.", None),
    ],
)
def test_without_a_timer_kai_says_so_and_takes_nothing_else_for_an_order(line: str, said: str | None) -> None:
    done = do(line, ())
    assert (None if done is None else done.text) == said


@pytest.mark.parametrize(
    ("order", "left"),
    [
        ("Delete the note about the door code.", "your car is in lot five"),
        ("Remove my note on the car.", "the door code is 4711"),
        ("Erase the note with the door code.", "your car is in lot five"),
        ("Delete the car note.", "the door code is 4711"),
        ("Delete the note that says my car is in lot five.", "the door code is 4711"),
        ("Forget my door code.", "your car is in lot five"),
        ("Forget where my car is.", "the door code is 4711"),
        ("Forget what I said about the car.", "the door code is 4711"),
        ("You can forget the door code now.", "your car is in lot five"),
        ("Delete the first note.", "the door code is 4711"),
        ("Delete note number two.", "your car is in lot five"),
        ("Delete the last note.", "your car is in lot five"),
        ("Delete all notes except the one about the car.", "your car is in lot five"),
        ("Delete the note about the weather.", "your car is in lot five; the door code is 4711"),
        ("Don't forget the door code.", "your car is in lot five; the door code is 4711"),
        ("I will never forget the car.", "your car is in lot five; the door code is 4711"),
        ("Delete the file about the car park in Rome.", "your car is in lot five; the door code is 4711"),
    ],
)
def test_the_note_that_is_named_is_the_one_forgotten(order: str, left: str) -> None:
    told = ("Remember that my car is in lot five.", "Note that the door code is 4711.", order)
    listed = skills.do("What are my notes?", told, NOW)
    assert listed is not None
    assert listed.text == f"You asked me to remember: {left}."


def test_no_more_timers_are_promised_than_can_run() -> None:
    many = tuple(RunningTimer(str(place), 60, "", "timer", 60) for place in range(MAX_TIMERS))
    refused = do("Set a timer for five minutes.", many)
    assert refused is not None
    assert refused.effects == ()
    assert str(MAX_TIMERS) in refused.text


async def test_timers_ring_in_the_order_of_their_times_and_not_when_they_are_cancelled() -> None:
    rung: list[str] = []
    done = asyncio.Event()

    def ring(timer: SetTimer) -> None:
        rung.append(timer.about)
        if timer.about == "last":
            done.set()

    async with asyncio.TaskGroup() as tasks:
        timers = Timers(tasks, ring)
        for seconds, about in ((3600, "last"), (0, "now"), (3600, "never"), (3600, "earlier")):
            timers.take(SetTimer(seconds, about, "reminder"))
        last, _, never, earlier = (each.timer_id for each in timers.running)
        assert [(each.seconds, each.kind) for each in timers.running][0] == (3600, "reminder")
        timers.take(MoveTimer(earlier, -3600))
        timers.take(CancelTimers((never,)))
        assert [each.about for each in timers.running] == ["last", "now", "earlier"]
        while len(rung) < 2:
            await asyncio.sleep(0)
        timers.take(MoveTimer(last, -3600))
        async with asyncio.timeout(5):
            await done.wait()
        assert timers.running == ()
        timers.take(MoveTimer(last, 5))  # it has rung: nothing is left to be moved
    assert rung == ["now", "earlier", "last"]


async def test_in_a_talk_the_timer_that_is_named_goes_and_the_others_stay() -> None:
    speech = SpeechDouble()
    speech.mind = Mind.load_plain()  # type: ignore[assignment]
    said: list[str] = []
    async with talking(speech) as talk:
        for count, line in enumerate(
            (
                "Set a timer for five minutes.",
                "Set a timer for ten minutes.",
                "Cancel the timer.",
                "The five minute one.",
                "What timers do I have?",
            ),
            start=1,
        ):
            content = (wire.ContentPart(type="input_text", text=line),)
            talk.do(wire.ItemCreate(item=wire.Item(type="message", role="user", content=content)))
            talk.do(wire.ResponseCreate())
            await talk.transport.wait(wire.ResponseDone, count=count)
            said.append(talk.transport.of(wire.OutputTranscriptDone)[-1].transcript)
        names = [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("timer-")]
    assert said[2] == "Which one: the timer for 5 minutes, or the timer for 10 minutes?"
    assert said[3] == "Okay, the timer for 5 minutes is cancelled."
    assert said[4].startswith("The timer for 10 minutes has ")
    assert len(names) == 1
