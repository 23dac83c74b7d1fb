"""A change of settings is the difference of two sessions: merged into the one before, it gives the one after."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kai.adapters.openai_realtime import Endpoint
from kai.adapters.openai_realtime.config import _running_session, session_change
from kai.core.capabilities import CLOUD_VOICES, MODELS, as_far_as_running
from kai.core.config import (
    SETTINGS,
    BrainConfig,
    Effort,
    Look,
    TurnTaking,
    value_of,
    with_values,
    within_bounds,
)
from kai.runtime.tools import first_tools
from kai.wire.session_object import (
    UNSET,
    AudioConfig,
    AudioInputConfig,
    AudioOutputConfig,
    NoiseReductionConfig,
    SessionConfig,
    TranscriptionConfig,
    TurnDetection,
    diff_session,
    merge_session,
)

TOOLS = first_tools()


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """One of the values, or a field that is absent."""
    return st.just(UNSET) | values


def records(cls: type[Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(cls, **{name: maybe(values) for name, values in fields.items()})


WORDS = st.sampled_from(["", "one", "two"])
OBJECTS = st.fixed_dictionaries({"name": WORDS})
DETECTIONS = st.builds(
    TurnDetection,
    type=st.sampled_from(["server_vad", "semantic_vad"]),
    threshold=maybe(st.sampled_from([0.2, 0.5])),
    silence_duration_ms=maybe(st.integers(200, 205)),
    idle_timeout_ms=maybe(st.none() | st.integers(5000, 5005)),
    eagerness=maybe(WORDS),
    interrupt_response=maybe(st.booleans()),
)
TRANSCRIPTIONS = records(TranscriptionConfig, model=WORDS, language=WORDS, keywords=st.tuples(WORDS))
HEARD = records(
    AudioInputConfig,
    noise_reduction=st.none() | st.builds(NoiseReductionConfig, type=WORDS),
    transcription=st.none() | TRANSCRIPTIONS,
    turn_detection=st.none() | DETECTIONS,
)
SPOKEN = records(AudioOutputConfig, voice=WORDS | OBJECTS, speed=st.sampled_from([0.5, 1.0]), kai_voice=WORDS)
SESSIONS = st.builds(
    SessionConfig,
    type=st.just("realtime"),
    instructions=maybe(WORDS),
    audio=maybe(records(AudioConfig, input=HEARD, output=SPOKEN)),
    tools=maybe(st.lists(OBJECTS, max_size=2).map(tuple)),
    reasoning=maybe(st.none() | OBJECTS),
    max_output_tokens=maybe(st.integers(1, 3) | st.just("inf")),
    tracing=maybe(st.none() | WORDS),
    include=maybe(st.none() | st.tuples(WORDS)),
)


@given(SESSIONS, SESSIONS)
def test_what_is_merged_into_a_session_is_found_again_as_the_difference(
    base: SessionConfig, update: SessionConfig
) -> None:
    wanted = merge_session(base, update)
    assert merge_session(base, diff_session(base, wanted)) == wanted


@given(SESSIONS)
def test_a_session_does_not_differ_from_itself(session: SessionConfig) -> None:
    assert diff_session(session, session) == SessionConfig(type="realtime")


def values(name: str) -> st.SearchStrategy[Any]:
    """Values of a setting: a few of all that its row allows, and of numbers some beyond."""
    usual, bounds = value_of(Look(), name), SETTINGS[name].bounds
    if bounds is not None:
        return st.sampled_from([type(usual)(n) for n in (bounds.least, usual, bounds.most, bounds.most + 9)])
    if name == "voice":
        return st.sampled_from([*CLOUD_VOICES[:3], "emil", "voice_1"])
    if name == "tools":
        return st.none() | st.lists(st.sampled_from(TOOLS.names()), unique=True).map(tuple)
    if isinstance(usual, bool):
        return st.booleans()
    if name in ("avatar", "style"):
        return st.just(usual)
    if type(usual) is str:
        return st.sampled_from(["", "one", "two"])
    return st.sampled_from(list(type(usual)))


HINTS = ("transcription_model", "transcription_language", "transcription_prompt")
"""A transcription is told whole, so that what it leaves out is taken away by those servers alone that replace it."""
CHOICES = st.fixed_dictionaries({name: values(name) for name in SETTINGS if name not in HINTS})
LOOKS = CHOICES.map(lambda chosen: with_values(Look(), chosen))
MODELS_THERE_ARE = st.sampled_from([*MODELS, "kai-local", "another"])


@given(LOOKS, LOOKS, MODELS_THERE_ARE)
def test_a_running_call_comes_to_be_as_the_new_settings_have_it(
    before: Look, after: Look, model: str
) -> None:
    endpoint = Endpoint("k", model, tools=TOOLS.schemas())
    before, after = (replace(look, brain=replace(look.brain, model=model)) for look in (before, after))
    told = _running_session(before, model, endpoint, frozenset())
    reached = _running_session(as_far_as_running(model, before, after), model, endpoint, frozenset())
    change = session_change(before, after, endpoint)
    assert (told if change is None else merge_session(told, change)) == reached
    assert change is not None or told == reached


@given(LOOKS)
def test_what_comes_from_a_file_is_held_to_the_bounds_of_the_table(look: Look) -> None:
    held = within_bounds(look)
    assert within_bounds(held) == held
    for name, setting in SETTINGS.items():
        value = value_of(held, name)
        if setting.bounds is not None:
            assert setting.bounds.least <= value <= setting.bounds.most
            assert type(value) is type(value_of(Look(), name))


def test_the_table_has_every_field_once_with_its_default() -> None:
    assert value_of(Look(), "effort") is Effort.LOW
    assert with_values(Look(), {"speed": 1.2, "turn_taking": TurnTaking.SERVER_VAD}) == Look(
        speed=1.2, brain=BrainConfig(turn_taking=TurnTaking.SERVER_VAD)
    )
    assert len(SETTINGS) == len({*SETTINGS})
