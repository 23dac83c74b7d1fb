"""What a person can set about the brain, what each model takes of it, and what the wire says then."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from openai.types.realtime import RealtimeSessionCreateRequest
from pydantic import TypeAdapter

from kai.adapters.openai_realtime import Endpoint, optional
from kai.adapters.openai_realtime.config import session_change, session_for
from kai.core import capabilities as cap
from kai.core.capabilities import Applies
from kai.core.config import BrainConfig, Eagerness, Effort, FaceStyle, NoiseReduction, Truncation, TurnTaking
from kai.core.state import Look
from kai.engine.speech.persona import DescribedPersona, read_persona
from kai.runtime.tools import first_tools
from kai.wire import realtime as wire

STRICT = TypeAdapter(RealtimeSessionCreateRequest)
WHO = "You are Kai, a warm and helpful AI with a voice and a face, in a spoken conversation."
UNLESS = "If what follows gives you another name or role, take that."
CLOUD = Endpoint(api_key="k", model="gpt-realtime-2.1", tools=first_tools().schemas())


def sent(look: Look, endpoint: Endpoint = CLOUD) -> dict[str, Any]:
    session = dict(wire.encode_session(session_for(look, endpoint)))
    STRICT.validate_python(session, strict=True)
    return session


def with_brain(**settings: Any) -> Look:
    return Look(brain=BrainConfig(**settings))


def test_a_session_by_default_is_what_the_reference_takes() -> None:
    assert sent(Look(instructions="Be brief.")) == {
        "type": "realtime",
        "model": "gpt-realtime-2.1",
        "instructions": f"{WHO} {UNLESS}\n\nBe brief.",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "noise_reduction": {"type": "near_field"},
                "transcription": {"model": "gpt-transcribe"},
                "turn_detection": {
                    "type": "semantic_vad",
                    "eagerness": "auto",
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
            "output": {"voice": "marin", "speed": 1.0},
        },
        "tools": list(first_tools().schemas()),
        "tool_choice": "auto",
        "reasoning": {"effort": "low"},
        "truncation": "auto",
    }


@pytest.mark.parametrize("model", ["gpt-realtime-1.5", "gpt-realtime-2025-08-28", "new-one"])
def test_reasoning_is_never_sent_to_a_model_that_may_refuse_it(model: str) -> None:
    look = with_brain(effort=Effort.HIGH)
    assert "reasoning" not in sent(look, replace(CLOUD, model=model))
    assert cap.applies(model, "effort") is None
    change = session_change(Look(), look, replace(CLOUD, model=model))
    assert change is None


@pytest.mark.parametrize("model", ["gpt-realtime-2.1", "gpt-realtime-2.1-mini", "gpt-realtime-2"])
def test_reasoning_is_sent_to_every_model_that_has_it_until_it_was_refused(model: str) -> None:
    look, endpoint = with_brain(effort=Effort.HIGH), replace(CLOUD, model=model)
    assert sent(look, endpoint)["reasoning"] == {"effort": "high"}
    refused = frozenset({optional.REASONING})
    assert "reasoning" not in wire.encode_session(session_for(look, endpoint, refused))
    assert session_change(Look(), look, endpoint, refused) is None


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("", {"model": "gpt-transcribe", "keywords": ["Aylesbury", "Kokoro"], "languages": ["de"]}),
        (
            "gpt-live-transcribe",
            {"model": "gpt-live-transcribe", "keywords": ["Aylesbury", "Kokoro"], "languages": ["de"]},
        ),
        ("whisper-1", {"model": "whisper-1", "prompt": "Aylesbury, Kokoro", "language": "de"}),
        (
            "gpt-4o-transcribe",
            {"model": "gpt-4o-transcribe", "prompt": "Aylesbury, Kokoro", "language": "de"},
        ),
        ("gpt-realtime-whisper", {"model": "gpt-realtime-whisper", "language": "de"}),
    ],
)
def test_rare_words_and_language_go_where_the_transcriber_wants_them(
    model: str, told: dict[str, Any]
) -> None:
    look = with_brain(
        transcription_model=model,
        transcription_prompt="Aylesbury, Kokoro",
        transcription_language="de",
    )
    assert sent(look)["audio"]["input"]["transcription"] == told


def test_what_was_refused_of_transcription_is_left_out_step_by_step() -> None:
    look = with_brain(transcription_model="whisper-1", transcription_prompt="Kokoro")
    config, without = look.brain, frozenset[str]()
    steps: list[Any] = []
    for _ in range(4):
        session = wire.encode_session(session_for(look, CLOUD, without))
        steps.append(session["audio"]["input"]["transcription"])  # type: ignore[index]
        said = "session.audio.input.transcription.prompt is not supported"
        part = optional.refused_part(400, said, config, CLOUD, without)
        without |= {part} if part else set()
    assert steps == [
        {"model": "whisper-1", "prompt": "Kokoro"},
        {"model": "whisper-1"},
        {"model": "gpt-transcribe"},
        None,
    ]
    assert optional.refused_part(400, said, config, CLOUD, without) is None


@pytest.mark.parametrize(
    ("status", "said", "part"),
    [
        (400, "Model gpt-live-transcribe is not supported in realtime sessions", optional.TRANSCRIPTION),
        (404, "The model `gpt-realtime-whisper` does not exist", optional.TRANSCRIPTION),
        (400, "session.reasoning Unknown parameter", optional.REASONING),
        (400, "session.audio.output.voice Invalid value", None),
        (401, "transcription", None),
        (500, "transcription", None),
    ],
)
def test_only_a_refusal_that_names_a_part_leaves_one_out(status: int, said: str, part: str | None) -> None:
    assert optional.refused_part(status, said, BrainConfig(), CLOUD, frozenset()) == part


def test_files_can_be_looked_into_whichever_tools_a_person_chose() -> None:
    search = {"type": "function", "name": "search_files", "parameters": {}}
    endpoint = replace(CLOUD, tools=(*CLOUD.tools, search), needed_tools=("search_files",))
    told = session_for(with_brain(tools=("current_time",)), endpoint).tools
    assert [tool["name"] for tool in told] == ["current_time", "search_files"]  # type: ignore[union-attr]


def test_one_language_binds_the_transcription_and_the_voice() -> None:
    look = replace(with_brain(transcription_language="de"), instructions="Be brief.")
    told = sent(look)
    assert told["audio"]["input"]["transcription"]["languages"] == ["de"]
    assert told["instructions"].startswith(f"{WHO} {UNLESS}\n\nBe brief.\n\nSpeak and answer in German")
    change = session_change(look, replace(look, brain=BrainConfig(transcription_language="fr")), CLOUD)
    assert change is not None
    assert "French" in str(change.instructions)
    local = Endpoint(api_key="k", model="kai-local")
    assert session_for(look, local).instructions == "Be brief."


def test_every_way_of_taking_turns_is_said_with_its_own_numbers() -> None:
    semantic = sent(with_brain(turn_taking=TurnTaking.SEMANTIC_VAD, eagerness=Eagerness.HIGH))
    assert semantic["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "high",
        "create_response": True,
        "interrupt_response": True,
    }
    assert sent(with_brain(turn_taking=TurnTaking.PUSH_TO_TALK))["audio"]["input"]["turn_detection"] is None
    by_silence = with_brain(
        turn_taking=TurnTaking.SERVER_VAD,
        silence_duration_ms=900,
        idle_timeout_ms=20_000,
        can_interrupt=False,
    )
    patient = sent(by_silence)
    detection = patient["audio"]["input"]["turn_detection"]
    assert (detection["silence_duration_ms"], detection["idle_timeout_ms"]) == (900, 20_000)
    assert detection["interrupt_response"] is False
    for wished_ms, told_ms in ((0, None), (1_000, 5_000), (90_000, 30_000)):
        brief = with_brain(turn_taking=TurnTaking.SERVER_VAD, idle_timeout_ms=wished_ms)
        assert sent(brief)["audio"]["input"]["turn_detection"]["idle_timeout_ms"] == told_ms


def test_the_other_settings_stand_where_the_protocol_has_them() -> None:
    session = sent(
        with_brain(
            model="gpt-realtime-1.5",
            noise_reduction=NoiseReduction.OFF,
            transcription_model="gpt-realtime-whisper",
            transcription_language="de",
            transcription_prompt="left out for this model",
            max_output_tokens=800,
            truncation=Truncation.RETENTION_RATIO,
            retention_ratio=0.7,
            tools=("current_time",),
        )
    )
    assert session["model"] == "gpt-realtime-1.5"
    assert session["audio"]["input"]["noise_reduction"] is None
    assert session["audio"]["input"]["transcription"] == {"model": "gpt-realtime-whisper", "language": "de"}
    assert session["max_output_tokens"] == 800
    assert session["truncation"] == {"type": "retention_ratio", "retention_ratio": 0.7}
    assert [tool["name"] for tool in session["tools"]] == ["current_time"]
    assert sent(with_brain(max_output_tokens=32_000))["max_output_tokens"] == "inf"


def test_confidence_and_a_trace_are_asked_for_only_where_they_are_wanted() -> None:
    plain = sent(Look())
    assert not {"include", "tracing"} & set(plain)
    asked = sent(with_brain(wants_confidence=True, is_traced=True))
    assert asked["include"] == ["item.input_audio_transcription.logprobs"]
    assert asked["tracing"] == {"workflow_name": "Kai"}
    assert cap.applies("gpt-realtime-2.1", "is_traced") is Applies.RESTART
    on = session_change(Look(), with_brain(wants_confidence=True, is_traced=True), CLOUD)
    off = session_change(with_brain(wants_confidence=True), Look(), CLOUD)
    assert on is not None
    assert off is not None
    # A trace is for the next connection: one field that cannot be would void the whole update.
    assert wire.encode_session(on) == {
        "type": "realtime",
        "include": ["item.input_audio_transcription.logprobs"],
    }
    assert wire.encode_session(off) == {"type": "realtime", "include": []}
    local = Endpoint(api_key="k", model="kai-local")
    wanted = dict(wire.encode_session(session_for(with_brain(wants_confidence=True, is_traced=True), local)))
    assert not {"include", "tracing"} & set(wanted)


def test_a_voice_that_somebody_made_goes_by_its_id() -> None:
    assert sent(Look(voice="cedar"))["audio"]["output"]["voice"] == "cedar"
    session = wire.encode_session(session_for(Look(voice="voice_123"), CLOUD))
    assert session["audio"]["output"]["voice"] == {"id": "voice_123"}  # type: ignore[index]


def test_a_change_says_only_what_changed_and_always_its_type() -> None:
    change = session_change(Look(), Look(speed=1.2), CLOUD)
    assert change is not None
    assert wire.encode_session(change) == {"type": "realtime", "audio": {"output": {"speed": 1.2}}}
    hushed = session_change(
        Look(), with_brain(turn_taking=TurnTaking.PUSH_TO_TALK, effort=Effort.HIGH), CLOUD
    )
    assert hushed is not None
    assert wire.encode_session(hushed) == {
        "type": "realtime",
        "audio": {"input": {"turn_detection": None}},
        "reasoning": {"effort": "high"},
    }


def test_a_change_never_carries_a_voice_or_a_model_which_would_void_it() -> None:
    after = Look(voice="cedar", brain=BrainConfig(model="gpt-realtime-2.1-mini"))
    assert session_change(Look(), after, CLOUD) is None
    assert cap.needs_restart("gpt-realtime-2.1", Look(), after)
    assert not cap.needs_restart("gpt-realtime-2.1", Look(), Look(speed=1.3, character="mara"))


LOCAL = Endpoint(api_key="k", model="kai-local")


def test_the_engine_s_voice_comes_with_the_face_unless_it_is_kept() -> None:
    assert cap.engine_voice(Look()) == "kai"
    assert cap.engine_voice(Look(character="emil", voice="mara")) == "emil"
    assert cap.engine_voice(Look(character="emil", voice="mara", keeps_voice=True)) == "mara"
    for cloud in ("marin", "voice_123"):
        assert cap.engine_voice(Look(character="emil", voice=cloud, keeps_voice=True)) == "emil"


def test_the_style_moves_the_voice_of_its_own_character_alone() -> None:
    style = FaceStyle("emil", voice_higher=2, voice_livelier=-1)
    assert cap.engine_voice(Look(character="emil", style=style)) == "emil:+2:-1"
    assert cap.engine_voice(Look(character="ines", style=style)) == "ines"
    assert cap.engine_voice(
        Look(character="no/character", style=replace(style, character="no/character"))
    ) == ("no/character"), "a voice of no sensible name is not moved, and so not refused"


def test_a_call_of_the_engine_is_opened_with_the_face_s_voice_and_told_of_another() -> None:
    opened = dict(wire.encode_session(session_for(Look(character="emil"), LOCAL)))
    assert opened["audio"]["output"]["voice"] == "emil"  # type: ignore[index]
    change = session_change(Look(character="emil"), Look(character="ines"), LOCAL)
    assert change is not None
    assert wire.encode_session(change) == {
        "type": "realtime",
        "audio": {"output": {"kai_voice": "ines"}},
        "kai_name": "Ines",
    }
    assert not cap.needs_restart("kai-local", Look(), Look(character="ines", voice="ines", keeps_voice=True))
    assert session_change(Look(), Look(keeps_voice=True, voice="kai"), LOCAL) is None
    renamed = session_change(Look(), Look(character="ines"), CLOUD)
    assert renamed is not None
    assert wire.encode_session(renamed) == {"type": "realtime", "instructions": WHO.replace("Kai", "Ines")}


def test_the_table_knows_every_setting_there_is() -> None:
    names = {f.name for f in fields(Look)} - {"brain"} | {f.name for f in fields(BrainConfig)}
    assert set(cap.REASONING.settings) | {"keeps_voice"} == names
    assert set(cap.REASONING.settings) | set(cap.LOCAL.settings) == names
    for family in (*cap.MODELS.values(), cap.LOCAL, cap.OTHER):
        assert set(family.settings) <= names
    assert cap.changed_settings(Look(), Look(voice="x", brain=BrainConfig(threshold=0.6))) == {
        "voice",
        "threshold",
    }


def test_the_table_tells_the_page_what_to_offer() -> None:
    assert cap.applies("gpt-realtime-2.1", "voice") is Applies.RESTART
    assert cap.applies("gpt-realtime-2.1", "speed") is Applies.NEXT_TURN
    assert cap.applies("kai-local", "noise_reduction") is None
    assert cap.family_of("gpt-realtime-mini-2025-12-15").is_retiring
    offered = cap.relevant_settings("gpt-realtime-2.1", BrainConfig(turn_taking=TurnTaking.SEMANTIC_VAD))
    assert "eagerness" in offered
    assert "threshold" not in offered


def test_the_local_engine_keeps_its_own_model() -> None:
    local = Endpoint(api_key="k", model="kai-local")
    session = dict(wire.encode_session(session_for(with_brain(model="gpt-realtime-2.1"), local)))
    assert session["model"] == "kai-local"
    assert "reasoning" not in session


@pytest.mark.parametrize("endpoint", [CLOUD, LOCAL])
def test_the_persons_name_is_told_to_every_mind_and_a_running_call_learns_it(endpoint: Endpoint) -> None:
    named = Look(instructions="Be brief.", person_name="  Ann  Marie ")
    told = session_for(named, endpoint).instructions
    own = "Be brief.\n\nThe user's name is Ann Marie."
    assert told == (f"{WHO} {UNLESS}\n\n{own}" if endpoint is CLOUD else own)
    assert read_persona(own) == DescribedPersona(their_name="Ann Marie", is_brief=True)
    change = session_change(replace(named, person_name=""), named, endpoint)
    assert change is not None
    assert wire.encode_session(change) == {"type": "realtime", "instructions": told}
