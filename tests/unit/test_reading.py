"""Nothing is lost between text, chat and voice: what is written is spoken, named or announced, and stands in the chat."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncGenerator, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kai.engine.speech.clauses import Clause, WordSpan
from kai.engine.speech.reading import CODE_WORDS, is_heard, script_of, speak_token
from kai.engine.speech.spoken import ClauseCutter, Word, phrases, sentences, unread_script
from kai.engine.thinking import FixedThinker, Question, Said, Thought
from kai.wire import realtime as wire
from tests.support.engine_talk import TYPED, talking
from tests.support.speech_double import SpeechDouble


def spoken(text: str) -> str:
    return " | ".join(phrase.spoken for phrase in phrases(text))


# -- written English forms ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("3 × 4", "3 times 4"),
        ("10 ÷ 2", "10 divided by 2"),
        ("10 > 5", "10 is greater than 5"),
        ("3 ≠ 4", "3 is not equal to 4"),
        ("x ≥ 2 and y ≤ 3", "x is at least 2 and y is at most 3"),
        ("π ≈ 3.14", "pi is about 3.14"),
        ("5 ± 1", "5 plus or minus 1"),
        ("n → ∞", "n to infinity"),
        ("x^2 + y² = 2^10", "x squared plus y squared equals 2 to the power of 10"),
        ("2 * 3", "2 times 3"),
        ("-5 °C", "minus 5 degrees Celsius"),
        ("5 µm", "5 micrometers"),
        ("10 kΩ", "10 kiloohms"),
        ("5 m²", "5 square meters"),
        ("1 km²", "1 square kilometer"),
        ("20 ‰", "20 per mille"),
        ("50g", "50 grams"),
        ("about 30 km/h", "about 30 kilometers per hour"),
        ("16GB", "16 gigabytes"),
        ("5–10 km", "5 to 10 kilometers"),
        ("¥500", "500 yen"),
        ("₹500", "500 rupees"),
        ("₩1000", "1000 won"),
        ("₿2", "2 bitcoin"),
        ("20 %", "20 percent"),
        ("192.168.1.1", "192 dot 168 dot 1 dot 1"),
        ("v1.2", "version 1 point 2"),
        ("2.0.1", "2 point 0 point 1"),
        ("0170 1234567", "0 1 7 0, 1 2 3 4 5 6 7"),
        ("+49 30 123456", "plus 4 9, 3 0, 1 2 3 4 5 6"),
        ("agent 007", "agent 0 0 7"),
        ("C#", "C sharp"),
        ("C++", "C plus plus"),
        ("24/7", "twenty-four seven"),
        ("and/or", "and or"),
        ("AT&T", "AT and T"),
        ("#1", "number 1"),
        ("=====", ""),
        ("----------", ""),
        ("***", ""),
        ("one\n=====\ntwo", "one | two"),
        ("<b>x</b><br>", "x"),
        ('<a href="https://x.org/a b">the site</a>', "the site"),
        ("[the site](https://x.org/a)", "the site"),
        ("**bold** and `code`", "bold and code"),
        ("- milk\n- eggs", "milk | eggs"),
        ("| a | b |\n|---|---|", "a b"),
        ("Look:\n```python\nprint(1)\n```\nDone.", f"Look: | {CODE_WORDS} | Done."),
        ("*smiles* Hello.", "Hello."),
        ("Well (laughs) yes.", "Well yes."),
        ("[sighs softly] Fine.", "Fine."),
        (r"\frac{1}{2}", "1 over 2"),
        (r"\(\sqrt{2} \neq \alpha\)", "the square root of 2 is not equal to alpha"),
        (r"D:\Talks\Anna", "D colon backslash Talks backslash Anna"),
        ("example.com/pricing", "example dot com slash pricing"),
        ("anna@example.org", "anna at example dot org"),
        ("/srv/anna/notes.txt", "slash srv slash anna slash notes dot txt"),
        ("x != y", "x is not equal to y"),
        ("I ❤ tea", "I heart tea"),
        ("great 😀", "great"),
        ('The word is "спасибо", which means thanks.', "The word is a word in Cyrillic letters, which means thanks."),
        ("Say 你好 吗 to her.", "Say some words in Chinese characters to her."),
        ("你好。I can help.", "I can help."),
        ("Привет, как дела?", ""),
        ("The α-particle", "The alpha -particle"),
        ("H₂O", "H2O"),
        ("3 - 4 = -1", "3 minus 4 equals minus 1"),
        ("Chapter 3 - the end", "Chapter 3 — the end"),
        ("1½ cups", "1 and a half cups"),
        ("2 1/2 cups", "2 and a half cups"),
        ("(555) 123-4567", "5 5 5, 1 2 3, 4 5 6 7"),
        ("555-1234", "5 5 5, 1 2 3 4"),
        ("100-1000", "100 to 1000"),
        ("5' 11\" tall", "5 feet 11 inches tall"),
        ("3x faster", "3 times faster"),
        ("km²", "square kilometers"),
        ("50/50", "fifty-fifty"),
        ("$5 for 2 m", "$5 for 2 meters"),
        ("e.g. this", "for example this"),
        ("It is blue [1].", "It is blue"),
        ("It is blue [1][2] and wide [3,4].", "It is blue and wide"),
        ("It is blue【4:0†source】.", "It is blue."),
        ("see [the docs][guide] now", "see the docs now"),
        ("Tom &amp; Jerry", "Tom and Jerry"),
        ("a&nbsp;b &lt; c", "a b is less than c"),
        ("Nice :smile: work at 10:30", "Nice work at 10:30"),
        ("- [ ] buy milk\n- [x] call Bob", "buy milk | done: call Bob"),
        ("Paris¹ is big.", "Paris is big."),
        ("sin² x", "sin squared x"),
        (r"Hello.\nWorld", "Hello. World"),
        ("rated ★★★☆☆", "rated 3 of 5 stars"),
        ("rated ⭐⭐⭐", "rated 3 stars"),
        ("2h30m", "2 hours 30 minutes"),
        ("1h 30m", "1 hour 30 minutes"),
        ("5m30s", "5 minutes 30 seconds"),
        ("a 30m rope", "a 30 meters rope"),
        ("a 16:9 screen", "a 16 to 9 screen"),
        ("a 3:1 lead at 3:15", "a 3 to 1 lead at 3:15"),
        ("$x^2$ is", "x squared is"),
        ("$$E=mc^2$$", "E equals mc squared"),
        ("It costs $5 and $6.", "It costs $5 and $6."),
        ("1 000 000 people", "1,000,000 people"),
        ("12 000 of 45 123", "12,000 of 45 123"),
        ("03/05/2024", "03/05/2024"),
        ("31.12.2024", "2024-12-31"),
        ("32.12.2024", "32 point 12 point 2024"),
        ("DE89 3704 0044 0532 0130 00", "D E 8 9, 3 7 0 4, 0 0 4 4, 0 5 3 2, 0 1 3 0, 0 0"),
        ("ISBN 978-3-16-148410-0", "ISBN 9 7 8, 3, 1 6, 1 4 8 4 1 0, 0"),
        ("4111 1111 1111 1111", "4 1 1 1, 1 1 1 1, 1 1 1 1, 1 1 1 1"),
        ("1-800-555-0199", "1, 8 0 0, 5 5 5, 0 1 9 9"),
        ("about 5e-3", "about 5 times 10 to the power of minus 3"),
        ("1.5e9", "1.5 times 10 to the power of 9"),
        ("open Mon-Fri", "open Monday to Friday"),
        ("Jan–Mar", "January to March"),
        ("open 9am-5pm", "open 9am to 5pm"),
        ("9:00–17:00", "9:00 to 17:00"),
        ("a 50-50 chance", "a fifty-fifty chance"),
        ("2 tbsp oil, 1 tsp salt", "2 tablespoons oil, 1 teaspoon salt"),
        ("in km/h", "in kilometers per hour"),
        ("https://user:secret@host.example/x", "host dot example"),
        ("mailto:anna@example.org", "anna at example dot org"),
        ("550e8400-e29b-41d4-a716-446655440000", "an identifier"),
        ("if a<=b, b>=c and c==d", "if a is at most b, b is at least c and c equals d"),
        ("a->b", "a to b"),
        ("10^-3", "10 to the power of minus 3"),
        ("a 2.4 GHz and a 5GHz band", "a 2.4 gigahertz and a 5 gigahertz band"),
        ("192.168.0.1:8080", "192 dot 168 dot 0 dot 1 colon 8080"),
        ("5 USD or 4.50 EUR", "5 US dollars or 4.50 euros"),
    ],
)  # fmt: skip
def test_what_is_written_is_read_as_a_person_reads_it(written: str, said: str) -> None:
    assert spoken(written) == said


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("He lives in the U.S. He works.", ["He lives in the U.S.", "He works."]),
        ("The U.S. Government met.", ["The U.S. Government met."]),
        ("At 5 p.m. Eastern time we go.", ["At 5 p.m. Eastern time we go."]),
        ("We go at 5 p.m. Then we eat.", ["We go at 5 p.m.", "Then we eat."]),
        ("It is approx. 5 km.", ["It is approx. 5 km."]),
        ("No. 5 is alive. No. That is wrong.", ["No. 5 is alive.", "No.", "That is wrong."]),
        ("See fig. 3. It is red.", ["See fig. 3.", "It is red."]),
        ("Acme Inc. It sells bread.", ["Acme Inc.", "It sells bread."]),
        ("Milk, eggs, etc. We need more.", ["Milk, eggs, etc.", "We need more."]),
        ("Prof. Dr. Ada M. Smith vs. Mr. Li. Fine.", ["Prof. Dr. Ada M. Smith vs. Mr. Li.", "Fine."]),
        ("It was 1990. Then it rained.", ["It was 1990.", "Then it rained."]),
        ("1. Boil the water.", ["1. Boil the water."]),
        ("On Jan. 5 we met St. Nicholas.", ["On Jan. 5 we met St. Nicholas."]),
        ("J.R.R. Tolkien wrote it. Read it.", ["J.R.R. Tolkien wrote it.", "Read it."]),
        ("He works for the B.B.C. She does not.", ["He works for the B.B.C.", "She does not."]),
    ],
)
def test_an_abbreviation_ends_no_sentence(text: str, cut: list[str]) -> None:
    assert [" ".join(sentence) for sentence in sentences(text)] == cut
    assert [phrase.written for phrase in phrases(text)] == cut


# -- properties --------------------------------------------------------------------------------------------------------

FORMS = st.one_of(
    st.sampled_from(list("×÷≠≥≤≈±∞→−+=&@§‰%№™")),
    st.sampled_from(
        ["3,14", "1/2", "12:30", "$5", "€5", "a/b", "C#", "e.g.", "U.S.", "5kg", "O'Neil", "co-op"]
    ),
    st.from_regex(r"[A-Za-z]{1,8}[,.!?]?", fullmatch=True),
    st.from_regex(r"-?[0-9]{1,4}(\.[0-9]{1,2})?(km|g|°C|%| m²)?", fullmatch=True),
    st.sampled_from(
        ["привет", "你好", "مرحبا", "नमस्ते", "안녕", "ありがとう", "π", "Łódź", "naïve", "Ångström"]
    ),
    st.characters(categories=("L", "N", "Sm", "Sc"), exclude_characters="^<>|~+=", max_codepoint=0xFFFF),
)


def means_something(token: str) -> bool:
    """Whether a token has a letter, a digit, or a sign that a person would read."""
    return any(
        unicodedata.category(char)[0] in "LN" or unicodedata.category(char) in ("Sm", "Sc") for char in token
    )


@given(st.lists(FORMS, min_size=1, max_size=12))
@settings(max_examples=150, deadline=None)
def test_each_token_is_spoken_or_named_or_its_sentence_is_announced(tokens: Sequence[str]) -> None:
    text = " ".join(tokens)
    words = [word for phrase in phrases(text) for word in phrase.words]
    heard = " ".join(word.written for word in words)
    left_out = [sentence for sentence in sentences(text) if " ".join(sentence) not in heard]
    for sentence in left_out:
        if any(means_something(token) for token in sentence):
            assert unread_script(" ".join(sentence)), sentence
    for place, word in enumerate(words):
        if means_something(word.written):
            assert word.spoken or is_named_before(words, place), (text, words)


def is_named_before(words: Sequence[Word], place: int) -> bool:
    """Whether the word belongs to a run of foreign words, the first of which is named."""
    while place and script_of(words[place].written) and not words[place].spoken:
        place -= 1
    return " words in " in words[place].spoken or " word in " in words[place].spoken


@given(st.text(max_size=300))
@settings(max_examples=150, deadline=None)
def test_no_character_is_lost_when_text_is_cut(text: str) -> None:
    cutter = ClauseCutter()
    parts = [part for start in range(0, len(text), 7) for part in cutter.push(text[start : start + 7])]
    assert "".join([*parts, cutter.flush()]) == text
    tokens = [token for sentence in sentences(text) for token in sentence]
    assert "".join("".join(tokens).split()) == "".join(text.split())


@given(st.characters(categories=("Sm", "Sc", "Lu", "Ll", "Nd", "No")))
@settings(max_examples=200, deadline=None)
def test_a_letter_a_digit_and_a_sign_of_any_kind_is_spoken_or_its_script_is_known(char: str) -> None:
    if unicodedata.normalize("NFKC", char) in "|~^>":
        return  # markup where they stand alone
    assert is_heard(speak_token(char)) or script_of(char), unicodedata.name(char, "?")


def test_code_is_announced_once_and_never_cut_in_two() -> None:
    code = "Here it is:\n```python\nfor x in y:\n    print(x)\n\nprint('done')\n```\nThat is all of it."
    cutter = ClauseCutter()
    parts = [part for char in code for part in cutter.push(char)] + [cutter.flush()]
    said = [phrase.spoken for part in parts for phrase in phrases(part)]
    assert said == ["Here it is:", CODE_WORDS, "That is all of it."]
    unclosed = [phrase.spoken for phrase in phrases("See:\n```\nx = 1\ny = 2")]
    assert unclosed == ["See:", CODE_WORDS]


# -- the chat ----------------------------------------------------------------------------------------------------------


class ReadingVoice:
    """Beeps a word for each word that is read, as the real voices cut them."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def must_load(self, voice_id: str) -> bool:
        del voice_id
        return False

    def stream(self, text: str, speed: float = 1.0, voice_id: str = "") -> Iterator[Clause]:
        del speed, voice_id
        for phrase in phrases(text):
            self.said.append(phrase.spoken)
            written = [word.written for word in phrase.words]
            spans = tuple(WordSpan(word, n * 2_400, (n + 1) * 2_400) for n, word in enumerate(written))
            yield Clause(" ".join(written), np.ones(2_400 * len(written), np.int16), (), (), spans)


class Chunks(FixedThinker):
    """Gives an answer in pieces of a few characters, as a model does."""

    def __init__(self, text: str, size: int) -> None:
        super().__init__(text)
        self._size = size

    async def think(self, question: Question) -> AsyncGenerator[Thought]:
        del question
        for start in range(0, len(self._text), self._size):
            yield Said(self._text[start : start + self._size])


async def answered(text: str, size: int = 5) -> tuple[str, list[str]]:
    """What stands in the chat and what was said, when an answer is ``text``."""
    speech, voice = SpeechDouble(), ReadingVoice()
    speech.voice = voice  # type: ignore[assignment]
    async with talking(speech, thinker=Chunks(text, size)) as talk:
        talk.do(TYPED)
        talk.do(wire.ResponseCreate())
        done = await talk.transport.wait(wire.ResponseDone)
        deltas = "".join(event.delta for event in talk.transport.of(wire.OutputTranscriptDelta))
    (item,) = done.response.output
    assert deltas == item.content[0].transcript
    return deltas, voice.said


ANSWERS = [
    "Привет! Как дела? Я могу помочь.",
    "今日は。元気ですか。",
    "مرحبا كيف حالك",
    "नमस्ते, आप कैसे हैं?",
    "안녕하세요. 반갑습니다.",
    "😀",
    "你好。I can help.",
    'The word is "спасибо", which means thanks.',
    "Steps:\n\n1. Boil  the water.\n2. Add salt.\n\n```\nx = 1\n```\nDone 😀",
    "3 ≠ 4 → ∞ *smiles* <b>x</b> =====",
    "Plain words, no more.",
]


@pytest.mark.parametrize("size", [1, 5, 400])
@pytest.mark.parametrize("text", ANSWERS)
async def test_the_chat_holds_all_of_the_answer(text: str, size: int) -> None:
    chat, said = await answered(text, size)
    assert chat == text
    assert said


@pytest.mark.parametrize("text", ANSWERS[:5])
async def test_that_the_voice_cannot_read_something_is_said_once(text: str) -> None:
    _, said = await answered(text)
    notes = [line for line in said if "this voice cannot read" in line]
    assert len(notes) == 1
    assert "You see it in the chat." in " ".join(said)


async def test_an_answer_of_one_picture_is_named() -> None:
    assert await answered("😀") == ("😀", ["grinning face"])


@pytest.mark.parametrize("seed", range(12))
async def test_the_chat_holds_any_mixture_of_what_can_be_written(seed: int) -> None:
    draw = np.random.default_rng(seed)
    pieces = [
        *ANSWERS,
        "$5 & 20 %.",
        "`a b`",
        "(laughs)",
        "—",
        "\n",
        "• one",
        "C:\\x",
        "http://a.org/b c",
        "...",
        "❤",
    ]
    text = " ".join(pieces[i] for i in draw.integers(0, len(pieces), 6)).strip()
    assert (await answered(text, int(draw.integers(1, 30))))[0] == text
