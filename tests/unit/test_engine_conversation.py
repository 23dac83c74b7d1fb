"""The protocol of one conversation, without models or a network: what comes in, what goes out."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from kai.engine import session
from kai.engine.answer import Place
from kai.engine.conversation import ARE_YOU_THERE
from kai.engine.listening import PersonTurn, agreed_words
from kai.engine.playout import CallPlayout
from kai.engine.script import Script
from kai.engine.socket import Outbox, SocketTransport
from kai.engine.speech.clauses import Clause
from kai.engine.speech.recognition import Transcript
from kai.wire import realtime as wire
from kai.wire.session_object import AudioConfig, AudioOutputConfig, SessionConfig
from tests.support.engine_talk import TYPED, Talk, talking
from tests.support.speech_double import SpeechDouble, silence_ms, voice_ms

INVENTED = Transcript("you", -1.4, False)


async def test_what_was_recognised_during_the_pause_is_not_recognised_again() -> None:
    async with talking() as talk:
        talk.say()
        completed = await talk.transport.wait(wire.TranscriptionCompleted)
        await talk.transport.wait(wire.ResponseDone)
    assert completed.transcript == "hello kai"
    assert talk.speech.recogniser.beams.count(5) == 1


async def test_a_pause_that_was_not_the_end_is_recognised_anew_with_all_that_was_said() -> None:
    lines = [Transcript("hello", -0.2, True), Transcript("hello kai", -0.2, True)]
    speech = SpeechDouble()
    speech.recogniser.lines = lines
    async with talking(speech) as talk:
        talk.say(then_silence_ms=300)
        await asyncio.sleep(0.05)
        talk.say()
        await talk.transport.wait(wire.ResponseDone)
    assert talk.transport.types.count("input_audio_buffer.speech_started") == 1
    assert speech.mind.asked[0][0][-1].text == "hello kai"


@pytest.mark.parametrize("speech_ms", [100, 600])
async def test_what_is_no_speech_leaves_an_empty_item_and_no_answer(speech_ms: int) -> None:
    speech = SpeechDouble()
    speech.recogniser.lines = [INVENTED]
    async with talking(speech) as talk:
        talk.say(speech_ms=speech_ms)
        completed = await talk.transport.wait(wire.TranscriptionCompleted)
        talk.do(wire.ItemRetrieve(item_id=completed.item_id))
        await asyncio.sleep(0.05)
    assert completed.transcript == ""
    assert talk.transport.types == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.completed",
        "conversation.item.retrieved",
    ]


async def test_the_person_speaks_while_kai_does_and_he_keeps_what_was_heard_of_him() -> None:
    async with talking() as talk:
        talk.do(TYPED)
        talk.do(wire.ResponseCreate())
        done = await talk.transport.wait(wire.ResponseDone)
        talk.transport.play_ms(1_200)
        before = len(talk.transport.events)
        talk.speak_ms(700)
        item = done.response.output[0]
        talk.do(wire.ItemRetrieve(item_id=item.id))
    assert talk.transport.types[before:] == [
        "input_audio_buffer.speech_started",
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
        "conversation.item.retrieved",
    ]
    truncated, retrieved = talk.transport.events[-2:]
    assert isinstance(truncated, wire.ItemTruncated)
    assert isinstance(retrieved, wire.ItemRetrieved)
    assert truncated.audio_end_ms == 1_200
    assert item.content[0].transcript == "You said Hi. That is all I know about it."
    assert retrieved.item.content == (wire.ContentPart(type="output_audio", transcript="You said"),)


async def test_an_answer_in_the_making_is_cut_and_closed_when_the_person_speaks() -> None:
    async with talking() as talk:
        talk.do(TYPED)
        talk.do(wire.ResponseCreate())
        before = len(talk.transport.events)
        talk.conversation.push_audio(voice_ms(200))
        done = await talk.transport.wait(wire.ResponseDone)
        await asyncio.sleep(0.05)
    assert talk.transport.types[before:] == [
        "input_audio_buffer.speech_started",
        "response.done",
        "rate_limits.updated",
    ]
    assert done.response.status == "cancelled"
    assert done.response.status_details == wire.StatusDetails(type="cancelled", reason="turn_detected")


async def test_without_interrupt_response_kai_goes_on_and_answers_afterwards() -> None:
    async with talking(turn_detection={"interrupt_response": False}) as talk:
        talk.do(TYPED)
        talk.do(wire.ResponseCreate())
        talk.say()
        await talk.transport.wait(wire.ResponseDone, count=2)
    statuses = [e.response.status for e in talk.transport.events if isinstance(e, wire.ResponseDone)]
    assert statuses == ["completed", "completed"]
    assert "output_audio_buffer.cleared" not in talk.transport.types


async def test_without_create_response_nothing_is_answered_by_itself() -> None:
    async with talking(turn_detection={"create_response": False}) as talk:
        talk.say()
        await talk.transport.wait(wire.TranscriptionCompleted)
        await asyncio.sleep(0.05)
        assert "response.created" not in talk.transport.types
        talk.do(wire.ResponseCreate())
        await talk.transport.wait(wire.ResponseDone)
    assert talk.speech.mind.asked[0][0][-1].text == "hello kai"


async def test_transcripts_are_not_told_to_a_client_that_did_not_ask_but_it_is_answered() -> None:
    async with talking(input={"transcription": None}) as talk:
        talk.say(speech_ms=3_000)
        await talk.transport.wait(wire.ResponseDone)
    assert not [kind for kind in talk.transport.types if "transcription" in kind]
    assert talk.speech.recogniser.beams == [5]


async def test_a_sound_is_played_out_before_it_has_stopped_and_then_only_once() -> None:
    async with talking() as talk:
        talk.do(TYPED)
        talk.do(wire.ResponseCreate())
        done = await talk.transport.wait(wire.ResponseDone)
        assert "output_audio_buffer.stopped" not in talk.transport.types
        talk.transport.play_ms(10 * 500 + 100)
        stopped = await talk.transport.wait(wire.OutputAudioStopped)
        talk.do(wire.OutputAudioClear())
    assert stopped.response_id == done.response.id
    assert talk.transport.types[-1] == "output_audio_buffer.stopped"


async def test_the_clients_cancel_leaves_what_is_queued_and_its_clear_drops_it() -> None:
    async with talking() as talk:
        talk.do(TYPED)
        talk.do(wire.ResponseCreate())
        await talk.transport.wait(wire.ResponseDone)
        talk.do(wire.ResponseCancel(event_id="mine"))
        error = talk.transport.events[-1]
        assert isinstance(error, wire.ErrorOccurred)
        assert (error.error.code, error.error.event_id) == ("response_cancel_not_active", "mine")
        talk.transport.play_ms(600)
        talk.do(wire.OutputAudioClear())
        assert talk.transport.types[-2:] == ["output_audio_buffer.cleared", "conversation.item.truncated"]
        talk.do(wire.OutputAudioClear())
        assert talk.transport.types[-1] == "conversation.item.truncated"


async def test_an_answer_may_be_truncated_while_it_is_still_made_and_stays_so() -> None:
    script = Script({"turns": [[{"say": "One two. Three four. Five"}, {"wait_ms": 200}, {"say": "six."}]]})
    async with talking(plays_sound=False, thinker=script) as talk:
        talk.do(TYPED)
        talk.do(wire.ResponseCreate())
        item_id = (await talk.transport.wait(wire.OutputTranscriptDelta)).item_id
        talk.do(wire.ItemTruncate(item_id=item_id, content_index=0, audio_end_ms=500))
        await talk.transport.wait(wire.ItemTruncated)
        await talk.transport.wait(wire.ResponseDone)
        talk.do(wire.ItemRetrieve(item_id=item_id))
        kept = (await talk.transport.wait(wire.ItemRetrieved)).item
    assert "error" not in talk.transport.types
    assert (kept.status, kept.content[0].transcript) == ("incomplete", "One")


async def test_an_answer_beside_the_conversation_is_not_remembered() -> None:
    async with talking() as talk:
        talk.do(TYPED)
        params = wire.ResponseParams(
            conversation="none",
            output_modalities=("text",),
            instructions="Be brief.",
            metadata={"topic": "a"},
            input=(
                wire.Item(
                    type="message", role="user", content=(wire.ContentPart(type="input_text", text="Bye"),)
                ),
            ),
        )
        talk.do(wire.ResponseCreate(response=params))
        done = await talk.transport.wait(wire.ResponseDone)
        talk.do(wire.ItemRetrieve(item_id=done.response.output[0].id))
    assert (done.response.conversation_id, done.response.metadata) == (None, {"topic": "a"})
    assert [turn.text for turn in talk.speech.mind.asked[0][0]] == ["Bye"]
    assert talk.speech.mind.asked[0][1].startswith("Be brief.")
    assert talk.transport.types.count("conversation.item.added") == 1
    assert talk.transport.types[-1] == "error"


async def test_cleared_input_is_forgotten() -> None:
    async with talking() as talk:
        talk.say(then_silence_ms=0)
        talk.do(wire.InputAudioClear())
        talk.conversation.push_audio(silence_ms(1_000))
        talk.say()
        await talk.transport.wait(wire.ResponseDone)
    assert talk.transport.types[:3] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.cleared",
        "input_audio_buffer.speech_started",
    ]
    assert talk.transport.types.count("input_audio_buffer.committed") == 1


async def test_usage_adds_up_and_what_was_input_before_counts_as_cached() -> None:
    async with talking() as talk:
        talk.say()
        first = (await talk.transport.wait(wire.ResponseDone)).response.usage
        talk.transport.play_ms(20_000)
        talk.say()
        second = (await talk.transport.wait(wire.ResponseDone, count=2)).response.usage
    for usage in (first, second):
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens
        details = usage.input_token_details
        assert usage.input_tokens == details.text_tokens + details.audio_tokens
    assert first.input_token_details.cached_tokens == 0
    # Ten words of half a second at a token for 50 ms.
    assert first.output_token_details.audio_tokens == 5_500 // 50
    assert second.input_tokens > first.total_tokens
    assert second.input_token_details.cached_tokens == first.total_tokens


@pytest.mark.parametrize(
    ("shown", "before", "text", "delta"),
    [
        ([], "", "Hello", ""),
        ([], "Hello", "Hello Kai", "Hello"),
        (["Hello"], "Hello, Kai", "Hello, Kai how", " Kai"),
        (["Hello"], "Hello, Kai who", "Hello, Kai how", " Kai"),
        (["Hello"], "Yellow Kai", "Yellow Kai how", ""),
        (["Hello", "Kai"], "Hello Kai", "Hello", ""),
    ],
)
def test_shown_words_only_ever_grow_by_what_two_decodes_agree_on(
    shown: list[str], before: str, text: str, delta: str
) -> None:
    last = before.split()
    assert agreed_words(shown, last, text) == delta
    assert "".join(shown[-1:]).strip() == (delta.split() or shown[-1:] or [""])[-1]
    assert last == text.split()


def test_the_playout_joins_clauses_and_says_where_each_begins() -> None:
    told: list[str] = []
    playout = CallPlayout(lambda r: told.append(f"started {r}"), lambda r: told.append(f"stopped {r}"))
    assert np.count_nonzero(playout.pull()) == 0
    ramp = np.full(24_000, 1_000, np.int16)
    assert playout.push("a", "ia", ramp[:12_000]) == 960
    assert told == ["started a"]
    second = playout.push("a", "ia", ramp[12_000:])
    assert second is not None
    assert abs(second - (960 + 24_000)) < 64
    playout.end("a")
    playout.push("b", "ib", ramp)
    sound = np.concatenate([playout.pull() for _ in range(60)])
    assert told == ["started a", "stopped a", "started b"]
    assert np.all(np.abs(sound[200:47_000].astype(int) - 1_000) < 20)
    assert [(d.response_id, d.heard_ms) for d in playout.drop()] == [("b", 200)]
    assert playout.push("b", "ib", ramp) is None
    assert np.count_nonzero(playout.pull()) == 0


# -- a voice over Kai's own --------------------------------------------------------------------------------------------


async def answering(talk: Talk, played_ms: int = 2_000) -> None:
    """Kai is in the middle of an answer."""
    talk.do(TYPED)
    talk.do(wire.ResponseCreate())
    await talk.transport.wait(wire.ResponseDone)
    talk.transport.play_ms(played_ms)


def heard(text: str) -> SpeechDouble:
    speech = SpeechDouble()
    speech.recogniser.lines = [Transcript(text, -0.2, True)]
    return speech


@pytest.mark.parametrize("text", ["Mm-hm.", "Yeah, right.", "I see."])
async def test_a_nod_loses_none_of_kais_words(text: str) -> None:
    async with talking(heard(text)) as talk:
        await answering(talk)
        before = len(talk.transport.events)
        talk.speak_ms(360)
        talk.speak_ms(0, then_silence_ms=700)
        await asyncio.sleep(0.05)
        talk.transport.play_ms(5_000)
    assert talk.transport.types[before:] == ["output_audio_buffer.stopped"]


async def test_a_short_word_that_is_no_nod_ends_the_answer_once_it_is_read() -> None:
    async with talking(heard("Stop.")) as talk:
        await answering(talk)
        talk.speak_ms(300, then_silence_ms=160)
        await talk.transport.wait(wire.OutputAudioCleared)
        talk.speak_ms(0, then_silence_ms=700)
        completed = await talk.transport.wait(wire.TranscriptionCompleted)
    assert completed.transcript == "Stop."


async def speak_slowly(talk: Talk, speech_ms: int) -> None:
    """The person speaks, and what is read of it comes between two packets."""
    for _ in range(speech_ms // 20):
        talk.speak_ms(20)
        await asyncio.sleep(0.01)


async def test_a_word_that_has_just_begun_is_read_again_when_there_is_more_of_it() -> None:
    speech = SpeechDouble()
    speech.recogniser.lines = [Transcript("", -3.0, False), Transcript("Never mind.", -0.2, True)]
    async with talking(speech) as talk:
        await answering(talk)
        await speak_slowly(talk, 520)
        talk.speak_ms(0, then_silence_ms=20)
        assert "output_audio_buffer.cleared" in talk.transport.types


@pytest.mark.parametrize(
    ("text", "is_speech", "for_ms", "does_end"),
    [
        ("", False, 480, False),
        ("", False, 760, True),
        ("Yeah.", True, 760, False),
        ("Yeah.", True, 1_400, True),
    ],
    ids=["a hum", "a long hum", "a nod", "a long nod"],
)
async def test_a_voice_over_kais_is_no_turn_for_as_long_as_a_hum_or_a_nod_may_last(
    text: str, is_speech: bool, for_ms: int, does_end: bool
) -> None:
    speech = SpeechDouble()
    speech.recogniser.lines = [Transcript(text, -0.2 if is_speech else -3.0, is_speech)]
    async with talking(speech) as talk:
        await answering(talk)
        await speak_slowly(talk, for_ms)
        assert ("output_audio_buffer.cleared" in talk.transport.types) is does_end


async def test_kais_own_sound_fed_back_does_not_end_his_answer() -> None:
    async with talking() as talk:
        await answering(talk, played_ms=200)
        before = len(talk.transport.events)
        talk.transport.foreign = 0.4
        for _ in range(20):
            talk.speak_ms(100)
            talk.transport.play_ms(100)
        await asyncio.sleep(0.05)
    assert talk.transport.types[before:] == []


async def test_a_person_is_heard_out_of_kais_own_sound_and_what_was_before_is_cut_off() -> None:
    async with talking() as talk:
        await answering(talk, played_ms=200)
        talk.transport.foreign = 0.4
        talk.speak_ms(2_000)
        talk.transport.foreign = 0.9
        talk.speak_ms(700)
        started = await talk.transport.wait(wire.SpeechStarted)
    assert 1_500 <= started.audio_start_ms <= 2_000


async def test_a_yes_right_after_kais_question_is_a_turn() -> None:
    async with talking(heard("Yes.")) as talk:
        await answering(talk, played_ms=5_300)
        assert talk.transport.is_sounding
        talk.speak_ms(320, then_silence_ms=700)
        completed = await talk.transport.wait(wire.TranscriptionCompleted)
        await talk.transport.wait(wire.ResponseDone, count=2)
    assert completed.transcript == "Yes."


# -- the end of a turn -------------------------------------------------------------------------------------------------


async def test_who_goes_on_after_a_false_end_gets_one_answer_to_all_of_it() -> None:
    speech = SpeechDouble()
    speech.recogniser.lines = [
        Transcript("What time is it.", -0.2, True),
        Transcript("What time is it.", -0.2, True),
        Transcript("in Tokyo?", -0.2, True),
    ]
    async with talking(speech) as talk:
        talk.say()
        await talk.transport.wait(wire.OutputAudioStarted)
        talk.transport.play_ms(300)
        talk.speak_ms(700)
        await talk.transport.wait(wire.OutputAudioCleared)
        talk.speak_ms(0, then_silence_ms=700)
        await talk.transport.wait(wire.ResponseDone, count=2)
    turns, _ = speech.mind.asked[-1]
    assert [(turn.role, turn.text) for turn in turns] == [("user", "What time is it in Tokyo?")]


async def test_kai_does_not_speak_into_a_comma_and_answers_both_halves_of_the_request_at_once() -> None:
    speech = SpeechDouble()
    speech.recogniser.lines = [
        Transcript("Can you explain how you work?", -0.2, True),
        Transcript("Can you explain how you work?", -0.2, True),
        Transcript("and what you could do for us?", -0.2, True),
    ]
    async with talking(speech) as talk:
        talk.say(then_silence_ms=480)
        await talk.transport.wait(wire.ResponseCreated)
        talk.speak_ms(700, then_silence_ms=900)
        await talk.transport.wait(wire.OutputAudioStarted)
    statuses = [e.response.status for e in talk.transport.events if isinstance(e, wire.ResponseDone)]
    assert statuses[0] == "cancelled"
    assert talk.transport.types.count("output_audio_buffer.started") == 1
    turns, _ = speech.mind.asked[-1]
    assert [turn.text for turn in turns] == ["Can you explain how you work? and what you could do for us?"]


async def test_a_new_question_after_kai_was_heard_is_its_own_turn() -> None:
    async with talking() as talk:
        talk.say()
        await talk.transport.wait(wire.OutputAudioStarted)
        talk.transport.play_ms(2_500)
        talk.conversation.push_audio(silence_ms(2_000))
        talk.speak_ms(700, then_silence_ms=700)
        await talk.transport.wait(wire.ResponseDone, count=2)
    turns, _ = talk.speech.mind.asked[-1]
    assert [turn.role for turn in turns] == ["user", "assistant", "user"]


@pytest.mark.parametrize(
    ("eagerness", "text", "ending", "ends_within_ms"),
    [
        ("auto", "What time is it?", 0.5, range(340, 470)),
        ("auto", "What time is it?", 0.1, range(830, 940)),
        ("auto", "He was tall.", 0.5, range(830, 940)),
        ("auto", "He was tall.", 0.95, range(340, 470)),
        ("auto", "I would like to", 0.95, range(1_080, 1_200)),
        ("low", "What time is it?", 0.5, range(940, 1_060)),
        ("high", "What time is it?", 0.5, range(330, 460)),
    ],
)
async def test_semantic_turn_detection_waits_for_words_that_are_missing_or_a_voice_that_hangs(
    eagerness: str, text: str, ending: float, ends_within_ms: range
) -> None:
    detection = {"type": "semantic_vad", "eagerness": eagerness}
    speech = heard(text)
    speech.judge_ending = lambda audio: ending
    async with talking(speech, turn_detection=detection) as talk:
        talk.conversation.push_audio(voice_ms(800))
        for _ in range(100):
            talk.conversation.push_audio(silence_ms(20))
            await asyncio.sleep(0.002)
        stopped = await talk.transport.wait(wire.SpeechStopped)
    assert stopped.audio_end_ms - 800 in ends_within_ms


def heard_as(text: str, score: float) -> Transcript:
    return Transcript(text, score, score > -1.1)


def test_words_are_shown_when_two_decodes_agree_and_only_grow() -> None:
    hearing = PersonTurn("item")
    decodes = [
        "In being come",
        "in being compared to",
        "in being comparatively",
        "In being comparatively modern.",
    ]
    shown = [hearing.agree(heard_as(text, -0.3)) for text in decodes]
    assert shown == ["", "in being", "", " comparatively"]
    assert "".join(shown) == "in being comparatively"


def test_a_doubtful_decode_counts_beside_a_sure_one_and_two_doubtful_ones_show_nothing() -> None:
    hearing = PersonTurn("item")
    assert hearing.agree(heard_as("you", -1.3)) == ""
    assert hearing.agree(heard_as("you", -1.4)) == ""
    assert hearing.agree(heard_as("And it is", -0.4)) == ""
    assert hearing.agree(heard_as("And it was", -1.3)) == "And it"
    assert hearing.agree(heard_as("nonsense", -2.2)) == ""


def test_a_sure_decode_confirms_what_a_hopeless_one_before_it_said_too() -> None:
    hearing = PersonTurn("item")
    assert hearing.agree(heard_as("And", -2.2)) == ""
    assert hearing.agree(heard_as("And it is", -0.9)) == "And"


async def test_the_session_s_voice_is_the_one_that_speaks() -> None:
    double = SpeechDouble()
    spoken = AudioConfig(output=AudioOutputConfig(voice="emma"))
    async with talking(double) as talk:
        talk.do(wire.SessionUpdate(session=SessionConfig(type="realtime", audio=spoken)))
        talk.do(TYPED)
        talk.do(wire.ResponseCreate())
        await talk.transport.wait(wire.ResponseDone)
    assert set(double.voice.asked) == {"emma"}


async def test_our_own_app_may_give_another_voice_after_kai_has_spoken_and_others_may_not() -> None:
    double = SpeechDouble()

    def ask(talk: Talk, **output: str) -> None:
        spoken = AudioConfig(output=AudioOutputConfig(**output))
        talk.do(wire.SessionUpdate(session=SessionConfig(type="realtime", audio=spoken)))

    async with talking(double) as talk:
        for number, output in enumerate(
            ({"voice": "emil"}, {"kai_voice": "ines:+1:-2"}, {"voice": "mara"}), 1
        ):
            ask(talk, **output)
            talk.do(TYPED)
            talk.do(wire.ResponseCreate())
            await talk.transport.wait(wire.ResponseDone, number)
            double.voice.asked.append("|")
        (refused,) = talk.transport.of(wire.ErrorOccurred)
    assert "".join(dict.fromkeys(double.voice.asked)) == "emil|ines:+1:-2"
    assert double.voice.asked[-2] == "ines:+1:-2"
    assert refused.error.code == "cannot_update_voice"


@pytest.mark.parametrize("name", ["voice", "kai_voice"])
async def test_a_voice_with_steps_that_are_none_is_refused_by_the_field_s_name(name: str) -> None:
    with pytest.raises(wire.ClientMistake) as refused:
        session.started(wanted_output(**{name: "emil:+9:+0"}), model=None, session_id="sess", expires_at=0)
    assert (refused.value.code, refused.value.param) == ("invalid_value", f"session.audio.output.{name}")


def wanted_output(**output: str) -> SessionConfig:
    return wire.decode_session({"type": "realtime", "audio": {"output": output}})


async def test_an_engine_without_a_voice_answers_in_writing() -> None:
    async with talking(SpeechDouble(can_speak=False)) as talk:
        talk.do(TYPED)
        talk.do(wire.ResponseCreate())
        done = await talk.transport.wait(wire.ResponseDone)
    (message,) = done.response.output
    assert [part.type for part in message.content or ()] == ["output_text"]
    assert not [event for event in talk.transport.events if isinstance(event, wire.OutputAudioDone)]


# -- somebody who says nothing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("plays_sound", [True, False], ids=["played here", "played by the client"])
async def test_kai_speaks_up_when_nobody_said_anything_for_as_long_as_is_set_after_his_last_sound(
    plays_sound: bool,
) -> None:
    async with talking(plays_sound=plays_sound, turn_detection={"idle_timeout_ms": 5_000}) as talk:
        talk.speak_ms(0, then_silence_ms=9_000)
        assert not talk.transport.of(wire.TimeoutTriggered), "he never spoke"
        talk.do(TYPED)
        talk.do(wire.ResponseCreate())
        await talk.transport.wait(wire.ResponseDone)
        sound_ms = sum(len(clause.pcm) for clause in talk.transport.clauses) // 24
        if plays_sound:
            talk.speak_ms(0, then_silence_ms=9_000)
            assert not talk.transport.of(wire.TimeoutTriggered), "he is still speaking"
            talk.transport.play_ms(sound_ms + 1_000)
            sound_ms = 0
        talk.speak_ms(0, then_silence_ms=sound_ms + 4_900)
        assert not talk.transport.of(wire.TimeoutTriggered)
        talk.speak_ms(0, then_silence_ms=200)
        (silence,) = talk.transport.of(wire.TimeoutTriggered)
        assert 4_900 <= silence.audio_end_ms - silence.audio_start_ms <= 5_100
        done = await talk.transport.wait(wire.ResponseDone, 2)
    (message,) = done.response.output
    (said,) = [part.transcript for part in message.content or ()]
    assert (said or "").startswith(ARE_YOU_THERE[0].partition("?")[0])
    kinds = talk.transport.types
    at = kinds.index("input_audio_buffer.timeout_triggered")
    assert kinds[at + 1] == "input_audio_buffer.committed"
    assert "response.created" in kinds[at:]
    assert talk.transport.of(wire.InputAudioCommitted)[0].item_id == silence.item_id


async def test_who_speaks_or_is_being_answered_is_not_asked_whether_he_is_there() -> None:
    async with talking(turn_detection={"idle_timeout_ms": 5_000}) as talk:
        talk.do(TYPED)
        talk.do(wire.ResponseCreate())
        await talk.transport.wait(wire.ResponseDone)
        talk.transport.play_ms(20_000)
        talk.speak_ms(0, then_silence_ms=4_000)
        talk.speak_ms(600, then_silence_ms=600)
        await talk.transport.wait(wire.ResponseDone, 2)
        talk.speak_ms(0, then_silence_ms=4_000)
        assert not talk.transport.of(wire.TimeoutTriggered)


@pytest.mark.parametrize(
    "detection",
    [
        {"idle_timeout_ms": 4_999},
        {"idle_timeout_ms": 30_001},
        {"type": "semantic_vad", "idle_timeout_ms": 9_000},
    ],
)
async def test_a_silence_that_cannot_be_waited_for_is_refused(detection: dict[str, Any]) -> None:
    with pytest.raises(wire.ClientMistake) as refused:
        async with talking(turn_detection=detection):
            pass
    assert refused.value.param == "session.audio.input.turn_detection.idle_timeout_ms"


def test_a_websocket_counts_kai_as_sounding_while_a_client_would_play_him_until_he_is_cut() -> None:
    now_s = 100.0
    transport = SocketTransport(Outbox(), lambda: now_s)
    clause = Clause("Hello.", np.zeros(24_000, np.int16), (), (), ())
    assert not transport.is_sounding
    for _ in range(2):
        transport.speak(Place("r", "i", 0), clause)
    now_s = 101.9
    assert transport.is_playing
    now_s = 102.1
    assert not transport.is_playing
    assert transport.is_sounding
    now_s = 103.0
    assert not transport.is_sounding
    transport.speak(Place("r", "i", 0), clause)
    transport.drop_speech()
    assert not transport.is_sounding
