"""Hypothesis strategies: sequences of events as a hurried world would send them, with few ids, so that they meet.

Runs are the same every time (``derandomize``), here and in CI. ``HYPOTHESIS_PROFILE=search`` looks for new examples.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from kai.core import events as ev
from kai.core.config import BrainConfig, TurnTaking
from kai.core.state import BrainFacts, LegName, Look, Microphone, RateLimit, Tokens
from kai.core.timers import (
    AnswerOverdue,
    FaceTimer,
    HandOverDue,
    PageOverdue,
    PlayoutOverdue,
    RetryDue,
    TranscriptOverdue,
    UndoOver,
)
from tests.support.talk import START

settings.register_profile(
    "kai", max_examples=150, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", settings.get_profile("kai"), max_examples=3000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "kai"))

legs = st.sampled_from(LegName)
responses = st.sampled_from([f"r{n}" for n in range(1, 5)])
answer_items = responses.flatmap(lambda r: st.sampled_from([(r, f"{r}-a"), (r, f"{r}-b")]))
spoken_items = st.sampled_from(["u1", "u2", "u3"])
texts = st.sampled_from(["", " ", "yes", "what time is it", "one two three"])
brains = st.sampled_from(
    [BrainConfig(), BrainConfig(turn_taking=TurnTaking.PUSH_TO_TALK), BrainConfig(greeting="Greet.")]
)
looks = st.builds(
    Look, character=st.sampled_from(["kai", "mara"]), voice=st.sampled_from(["marin", "cedar"]), brain=brains
)
timers = st.sampled_from(
    [
        *(RetryDue(leg) for leg in LegName),
        PageOverdue(),
        AnswerOverdue(),
        *(TranscriptOverdue(f"u{n}") for n in range(1, 4)),
        *(PlayoutOverdue(f"r{n}") for n in range(1, 5)),
        HandOverDue(),
        UndoOver(),
        *FaceTimer,
    ]
)

wishes = st.one_of(
    st.just(START),
    st.builds(ev.MuteToggled, st.booleans()),
    st.just(ev.InterruptRequested()),
    st.builds(ev.TextSubmitted, st.sampled_from(["t1", "t2", "t3"]), texts),
    st.just(ev.MessagesCleared()),
    st.just(ev.ClearUndone()),
    st.builds(ev.LookChanged, looks),
    st.builds(ev.RetryRequested, legs),
    st.just(ev.ProblemDismissed()),
    st.sampled_from([ev.TurnKeyPressed(), ev.TurnKeyReleased(), ev.HandOverRequested(), ev.CardDismissed()]),
)
calls = st.sampled_from(["c1", "c2"])
leg_reports = st.one_of(
    st.builds(ev.LegConnected, legs),
    st.builds(
        ev.LegFailed,
        legs,
        st.just("lost"),
        st.sampled_from(["Lost.", "Refused."]),
        st.sampled_from([True, True, False]),
    ),
    st.just(ev.BrowserLeft()),
    st.builds(ev.Awoke, st.sampled_from([2.0, 30.0, 3600.0])),
    st.builds(ev.TimeZoneTold, st.sampled_from(("", "Asia/Tokyo"))),
    st.builds(ev.MicrophoneChanged, st.sampled_from(Microphone)),
    st.builds(ev.TimerFired, timers),
)
user_reports = st.one_of(
    st.builds(ev.UserSpeechStarted, spoken_items),
    st.builds(ev.UserSpeechStopped, spoken_items),
    st.builds(ev.UserTranscriptChanged, spoken_items, texts, st.booleans()),
    st.builds(ev.BrainComplained, st.just("busy"), st.just("Kai is busy.")),
    st.sampled_from(
        [
            ev.BrainDescribed(BrainFacts("webrtc", "m", 3600.0)),
            ev.UsageReported(Tokens(text_in=1), 0.01),
            ev.BrainRemarked("new"),
            ev.SpareBrainReady(),
            ev.SpareBrainFailed("timeout", message="Too long."),
            ev.CloudOpened(60.0),
            ev.CloudOpened(600.0),
            ev.CloudFailed("avatar-server", "No.", is_retryable=True, is_billed=True),
            ev.CloudLost("avatar-lost", "Lost.", is_retryable=True),
            ev.FaceRecalled(),
            ev.CreditsReported("s1", 1, 0.0),
            ev.RateLimitsReported((RateLimit("requests", 10, 0, 20.0),)),
        ]
    ),
    st.builds(ev.ToolRequested, calls, st.just("current_time"), st.just("{}")),
    st.builds(ev.ToolFinished, calls, st.just("{}"), st.sampled_from(["", "It failed."])),
)


def answer_reports(ids: st.SearchStrategy[str] = responses) -> st.SearchStrategy[ev.Event]:
    """Everything that is said of an answer."""
    return st.one_of(
        st.builds(ev.ResponseCreated, ids),
        st.builds(ev.ResponseDone, ids, st.sampled_from(["completed", "cancelled", "incomplete", "failed"])),
        st.builds(ev.AudioStarted, ids),
        st.builds(ev.AudioStopped, ids),
        st.builds(ev.AudioCleared, ids),
        st.builds(ev.PlayoutStarted, ids),
        st.builds(ev.PlayoutFinished, ids),
        st.builds(
            ev.PlayoutInterrupted, ids, st.sampled_from([0, 500]), st.sampled_from([None, "", "one two"])
        ),
        st.builds(
            lambda pair, text, is_final: ev.AssistantTranscriptChanged(pair[0], pair[1], text, is_final),
            ids.flatmap(lambda r: st.sampled_from([(r, f"{r}-a"), (r, f"{r}-b")])),
            texts,
            st.booleans(),
        ),
    )


endings = st.one_of(
    st.builds(ev.StopRequested, st.sampled_from(["stopped", "Nobody is here."])), st.just(ev.ResetRequested())
)
events = st.one_of(answer_reports(), answer_reports(), user_reports, leg_reports, wishes)
pauses_s = st.sampled_from([0.0, 0.02, 1.0, 30.0])

up = tuple(ev.LegConnected(leg) for leg in LegName)
openings = st.sampled_from([(), (START,), (START, *up), (START, *up), (START, *up)])


def journals(
    more: st.SearchStrategy[ev.Event] | None = None, max_events: int = 60
) -> st.SearchStrategy[list[tuple[float, ev.Event]]]:
    """``[(at_s, event), ...]`` in the order of time; most begin with a talk that is up. ``more`` adds kinds of events."""
    one = events if more is None else st.one_of(events, events, events, more)

    def timed(
        opening: tuple[ev.Event, ...], rest: list[tuple[float, ev.Event]]
    ) -> list[tuple[float, ev.Event]]:
        at_s, journal = 100.0, [(100.0, event) for event in opening]
        for pause_s, event in rest:
            at_s += pause_s
            journal.append((at_s, event))
        return journal

    return st.builds(timed, openings, st.lists(st.tuples(pauses_s, one), max_size=max_events))
