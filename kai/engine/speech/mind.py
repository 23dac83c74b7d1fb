"""The small mind: it answers questions about Kai, runs a few skills, and says plainly when it does not know.

A sentence is encoded as a vector (all-MiniLM-L6-v2, int8) and compared with ten or more examples of each intent; questions
about the world that the mind cannot answer are examples of an intent, too. ``python -m kai.engine.speech.mind`` computes the
vectors of the examples again after a change of ``data/mind.toml``.
"""

from __future__ import annotations

import hashlib
import io
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Final, Literal

import numpy as np
import onnxruntime
import tokenizers
from numpy.typing import NDArray

from kai.engine.speech import skills, weights
from kai.engine.speech.days import MONTHS, WEEKDAYS, say_time
from kai.engine.speech.orders import Effect, RunningTimer, is_courtesy, requests_of
from kai.engine.speech.persona import DescribedPersona, read_persona
from kai.engine.speech.recognition import sentences_of
from kai.engine.speech.sessions import make_session, run_session
from kai.errors import WeightsError

MIN_SCORE: Final = 0.5
"""The lowest cosine at which the mind claims to have understood."""
UNKNOWN: Final = "unknown"
DEFAULT_NAME: Final = "Kai"
_MAX_TOKENS: Final = 64
_MAX_CHARS: Final = 1_000
_QUESTION: Final = re.compile(
    r"\?\s*$|^(?:what|who|whom|whose|which|when|where|why|how|is|are|am|was|were|do|does|did|can|could|will|would|shall|"
    r"should|may|have|has|tell|explain|name|give|show|find|play|call|send|open|read|write|translate|set|turn|book|"
    r"order|remind|spell|sing|recommend|summari[sz]e)\b",
    re.IGNORECASE,
)
_OWN_INTENTS: Final = frozenset(
    """identity is_human maker other_assistants which_model help controls time date repeat stop key privacy where settings
    languages my_name eyes greeting thanks goodbye""".split()  # noqa: SIM905
)
"""The intents that the small mind answers better than a language model: it knows what Kai is, and it has the clock."""
_ABOUT_KAI: Final = frozenset(
    "identity is_human maker other_assistants which_model help controls key privacy where languages".split()  # noqa: SIM905
)
_GONE_ON_WITH: Final = _ABOUT_KAI | {"repeat", "settings", "eyes"}
"""Questions that people go on with after a comma: "Can you explain how you work, and what you could do for us?"."""
_OF_A_ROLE: Final = frozenset(("help", "where"))
"""The intents that a persona with a role answers in that role."""
_COURTESIES: Final = frozenset(("greeting", "thanks", "goodbye"))
_CLOCK_INTENTS: Final = frozenset(("time", "date"))
_SURE_SCORE: Final = 0.7
_JOINT: Final = re.compile(r",?\s+and\s+", re.IGNORECASE)
_FILLERS: Final = frozenset(
    """a an the please kai hey hi hello so well and but ok okay um uh can could would will tell me do know is are it that
    this to of in on at for now just then actually really right exactly here say what's sir""".split()  # noqa: SIM905
)
"""Words that do not change a sentence's meaning."""
_SMALL_TALK: Final = frozenset(
    {"greeting", "thanks", "how_are_you", "feeling_well", "stop", "assent", "refusal"}
)


@dataclass(frozen=True, slots=True)
class MindTurn:
    """One turn of the conversation so far."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer's text, the ``intent`` that was understood ("unknown" if none), its score (0 to 1), and what to do.

    ``is_sure``: the small mind understood every word and is the right one to answer, for a skill, a sum, an order to Kai,
    or a question about Kai itself. A language model answers anything else better.
    """

    text: str
    intent: str
    score: float
    effects: tuple[Effect, ...] = ()
    is_sure: bool = False

    @property
    def is_prompt(self) -> bool:
        """Whether the request is hardly ever gone on with after a pause: one for the clock, a sum, a timer, or a courtesy."""
        return self.is_sure and self.intent not in _GONE_ON_WITH


class Encoder:
    """Encodes sentences as vectors; `encode` may be called from any thread."""

    def __init__(self, session: onnxruntime.InferenceSession, tokenizer: tokenizers.Tokenizer) -> None:
        self._session = session
        self._tokenizer = tokenizer
        # The end of a turn is encoded twice in short succession: is it a request, and what is the answer?
        self._encode = lru_cache(maxsize=32)(self._encode_anew)

    @classmethod
    def load(cls) -> Encoder:
        """Load and check the model. Raises `WeightsError`."""
        model = weights.load_weights(weights.MINILM_MODEL)
        pieces = weights.load_weights(weights.MINILM_VOCABULARY).decode().split("\n")
        vocabulary = {piece: index for index, piece in enumerate(pieces) if piece}
        tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
        tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
        tokenizer.post_processor = tokenizers.processors.BertProcessing(
            ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"])
        )
        tokenizer.enable_truncation(_MAX_TOKENS)
        return cls(make_session(model, name=weights.MINILM_MODEL.name), tokenizer)

    def encode(self, sentence: str) -> NDArray[np.float32]:
        """Return ``sentence`` as a unit vector, ``(384,)`` float32, read only. Takes about 5 ms of a core unless cached."""
        return self._encode(sentence)

    def _encode_anew(self, sentence: str) -> NDArray[np.float32]:
        encoding = self._tokenizer.encode(sentence)
        hidden = run_session(
            self._session,
            {
                "input_ids": np.asarray([encoding.ids], np.int64),
                "attention_mask": np.asarray([encoding.attention_mask], np.int64),
                "token_type_ids": np.asarray([encoding.type_ids], np.int64),
            },
        )[0]
        vector = hidden[0].mean(axis=0)
        return vector / np.linalg.norm(vector)


@dataclass(frozen=True, slots=True)
class _Intent:
    examples: tuple[str, ...]
    replies: tuple[str, ...]
    remarks: tuple[str, ...] = ()


class Mind:
    """Answers one turn at a time, without any memory but the turns that it is given."""

    def __init__(
        self, encoder: Encoder | None, intents: Mapping[str, _Intent], vectors: NDArray[np.float32]
    ) -> None:
        self.encoder = encoder
        """The sentence encoder, for a library; ``None`` where its model could not be loaded."""
        self._intents = intents
        self._vectors = vectors
        self._owners = tuple(name for name, intent in intents.items() for _ in intent.examples)
        examples = [_plain(example) for intent in intents.values() for example in intent.examples]
        self._exact = {example: place for place, example in enumerate(examples)}
        words = tuple(set(example.split()) for example in examples)
        of_intent = {
            name: set[str]().union(
                *(each for each, owner in zip(words, self._owners, strict=True) if owner == name)
            )
            for name in intents
        }
        # A question about Kai may mix the words of all its examples; elsewhere "am I" and "are you" differ in meaning.
        self._known_words = tuple(
            _FILLERS | (of_intent[owner] if owner in _ABOUT_KAI else each)
            for each, owner in zip(words, self._owners, strict=True)
        )

    @classmethod
    def load(cls) -> Mind:
        """Load the mind with its examples' vectors from ``data/mind.npz``, or compute them if the examples have changed.

        Raises `WeightsError`.
        """
        encoder = Encoder.load()
        intents, digest = _load_intents()
        vectors = _load_vectors(digest)
        return cls(encoder, intents, _encode_examples(encoder, intents) if vectors is None else vectors)

    @classmethod
    def load_plain(cls) -> Mind:
        """Load the mind without its sentence encoder: it has skills and sums, and understands its examples word for word."""
        intents, _ = _load_intents()
        return cls(None, intents, np.zeros((0, 384), np.float32))

    def reply(
        self,
        turns: Sequence[MindTurn],
        instructions: str,
        now: datetime,
        timers: Sequence[RunningTimer] = (),
        name: str = "",
    ) -> Reply:
        """Return the answer to the last user turn of ``turns``.

        ``now`` is the local time, and ``timers`` are the running timers in the order in which they were set. The mind
        follows the part of ``instructions`` that `read_persona` understands; ``name`` is Kai's name if they give none.
        """
        persona = read_persona(instructions, name)
        reply = self._reply(turns, persona, now, timers)
        is_first = all(turn.role != "assistant" for turn in turns)
        return replace(reply, text=persona.shape(reply.text, is_first=is_first))

    def _reply(
        self,
        turns: Sequence[MindTurn],
        persona: DescribedPersona,
        now: datetime,
        timers: Sequence[RunningTimer],
    ) -> Reply:
        heard = next((turn.text for turn in reversed(turns) if turn.role == "user"), "").strip()[:_MAX_CHARS]
        said = [turn.text for turn in turns if turn.role == "assistant" and turn.text.strip()]
        if not _plain(heard):
            return Reply("I did not catch that. Please say it again.", "unheard", 1.0, is_sure=True)
        earlier = [turn.text for turn in turns if turn.role == "user"][:-1]
        if (done := skills.do(heard, earlier, now, persona.name, timers)) is not None:
            return Reply(done.text, done.skill, 1.0, done.effects, is_sure=done.is_whole)
        if (several := self._several(heard, turns, said, persona, now)) is not None:
            return several
        intent, score = self.understand(heard)
        if intent in _CLOCK_INTENTS and not self._is_sure(heard, intent, persona):
            # "What time is my flight?" is near to "what time is it", but needs another answer.
            intent = UNKNOWN
        if intent == UNKNOWN and not is_question(heard):
            remarks = self._intents[intent].remarks
            return Reply(remarks[len(said) % len(remarks)], intent, score)
        is_sure = self._is_sure(heard, intent, persona)
        return Reply(self._answer(intent, turns, said, persona, now), intent, score, is_sure=is_sure)

    def _several(
        self,
        heard: str,
        turns: Sequence[MindTurn],
        said: Sequence[str],
        persona: DescribedPersona,
        now: datetime,
    ) -> Reply | None:
        """Return the answers to several questions about Kai ("What is your name and who made you?") if all are about Kai."""
        parts = [part for request in requests_of(heard, persona.name) for part in _JOINT.split(request)]
        intents = [self.understand(part)[0] for part in parts]
        if len(set(intents)) < 2 or not all(
            intent in _ABOUT_KAI and self._is_sure(part, intent, persona)
            for part, intent in zip(parts, intents, strict=True)
        ):
            return None
        answers = [self._answer(intent, turns, said, persona, now) for intent in dict.fromkeys(intents)]
        return Reply(" ".join(answers), intents[0], 1.0, is_sure=True)

    def _is_sure(self, heard: str, intent: str, persona: DescribedPersona) -> bool:
        """Return whether the mind is the right one to answer ``heard``, and understood every word of it.

        The intent must be one of its own, and each sentence a courtesy or near to an example of it, without further words:
        "What time is my flight?" has too many words for the time.
        """
        if intent not in _OWN_INTENTS or (persona.role and intent in _OF_A_ROLE):
            return False
        names = set(_plain(persona.name).split())
        for part in _parts(heard, persona.name):
            words = set(_plain(part).split()) - names
            if intent in _COURTESIES and is_courtesy(part):
                continue
            if not any(
                self._owners[place] in {intent, *_COURTESIES} and words <= self._known_words[place]
                for place in self._near(part)
            ):
                return False
        return True

    def _near(self, sentence: str) -> list[int]:
        """Return the examples that are near enough to ``sentence`` to be sure."""
        exact = self._exact.get(_plain(sentence))
        if exact is not None or self.encoder is None:
            return [] if exact is None else [exact]
        likeness = self._vectors @ self.encoder.encode(sentence.lower())
        return np.flatnonzero(likeness >= _SURE_SCORE).tolist()

    def is_request(self, heard: str) -> bool:
        """Return whether ``heard`` seems to be a complete question or request, which can be answered without waiting."""
        if heard.rstrip().endswith("?") and len(heard.split()) >= 3:
            return True
        if skills.do(heard, (), datetime(2000, 1, 1)) is not None:  # noqa: DTZ001
            return True
        return self.understand(heard)[0] != UNKNOWN

    def understand(self, heard: str) -> tuple[str, float]:
        """Return the intent of ``heard`` and its score.

        If it has several sentences, one that asks for something wins over a greeting or thanks.
        """
        found = [self._classify(part) for part in _parts(heard)]
        asking = [
            (intent, score) for intent, score in found if intent not in _SMALL_TALK and intent != UNKNOWN
        ]
        if asking:
            return max(asking, key=lambda item: item[1])
        # A question that was not understood is not answered with a greeting.
        if len(found) > 1 and found[-1][0] == UNKNOWN and len(_parts(heard)[-1].split()) > 3:
            return found[-1]
        polite = [(intent, score) for intent, score in found if intent != UNKNOWN]
        return max(polite or found, key=lambda item: item[1])

    def _classify(self, sentence: str) -> tuple[str, float]:
        exact = self._exact.get(_plain(sentence))
        if exact is not None:
            return self._owners[exact], 1.0
        if self.encoder is None:
            return UNKNOWN, 0.0
        likeness = self._vectors @ self.encoder.encode(sentence.lower())
        best = int(np.argmax(likeness))
        score = float(likeness[best])
        return (self._owners[best] if score >= MIN_SCORE else UNKNOWN), score

    def _answer(
        self,
        intent: str,
        turns: Sequence[MindTurn],
        said: Sequence[str],
        persona: DescribedPersona,
        now: datetime,
    ) -> str:
        if intent == "repeat" and said:
            return said[-1]
        if intent == "my_name":
            name = skills.name_of(turn.text for turn in turns if turn.role == "user") or persona.their_name
            if name:
                return f"Your name is {name}."
        replies = self._intents[intent].replies
        return replies[len(said) % len(replies)].format(
            name=persona.name or DEFAULT_NAME,
            role=f"{persona.role} " if persona.role else "",
            time=say_time(now),
            weekday=WEEKDAYS[now.weekday()],
            date=f"{MONTHS[now.month - 1]} {now.day}, {now.year}",
        )


def is_question(heard: str) -> bool:
    """Return whether the last sentence of ``heard`` asks for something, by its question mark or its first word."""
    return _QUESTION.search(_parts(heard)[-1]) is not None


def _plain(text: str) -> str:
    return re.sub(r"[^\w' ]", "", re.sub(r"[\s-]+", " ", text.replace("’", "'"))).strip().lower()


def _parts(heard: str, name: str = "") -> list[str]:
    """Return the sentences of ``heard``, without a call such as "Hey Kai," before them."""
    parts: list[str] = []
    for sentence in sentences_of(heard.strip()):
        rest = skills.without_courtesy(sentence, name)
        kept = rest if len(rest.split()) >= 2 else sentence
        if _plain(kept):
            parts.append(kept)
    return parts or [heard]


def _data_file(name: str) -> Path:
    return Path(str(resources.files("kai.engine.speech"))) / "data" / name


def _load_intents() -> tuple[dict[str, _Intent], str]:
    """Return the intents, and a digest of their examples and the model that encodes them. Raises `WeightsError`."""
    try:
        table = tomllib.loads(_data_file("mind.toml").read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(
            "The mind's data file mind.toml is missing. Restore it: git checkout -- kai/engine/speech/data",
            code="weights_missing",
        ) from error
    intents = {
        name: _Intent(tuple(entry["examples"]), tuple(entry["replies"]), tuple(entry.get("remarks", ())))
        for name, entry in table.items()
    }
    examples = "\n".join(
        f"{name}: {example}" for name, intent in intents.items() for example in intent.examples
    )
    digest = hashlib.sha256(f"{weights.MINILM_MODEL.sha256}\n{examples}".encode()).hexdigest()
    return intents, digest


def examples() -> tuple[str, ...]:
    """Return all examples of sentences that the mind understands. Raises `WeightsError`."""
    intents, _ = _load_intents()
    return tuple(example for intent in intents.values() for example in intent.examples)


def _load_vectors(digest: str) -> NDArray[np.float32] | None:
    """Return the stored vectors of the examples, or ``None`` when they are missing or belong to other examples."""
    path = _data_file("mind.npz")
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as stored:
        if str(stored["digest"]) != digest:
            return None
        return stored["vectors"].astype(np.float32)


def _encode_examples(encoder: Encoder, intents: Mapping[str, _Intent]) -> NDArray[np.float32]:
    return np.stack([encoder.encode(example) for intent in intents.values() for example in intent.examples])


def main() -> None:
    """Write ``data/mind.npz`` for the current examples."""
    intents, digest = _load_intents()
    vectors = _encode_examples(Encoder.load(), intents)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, digest=np.array(digest), vectors=vectors.astype(np.float16))
    _data_file("mind.npz").write_bytes(buffer.getvalue())
    print(f"{len(vectors)} examples of {len(intents)} intents, {len(buffer.getvalue())} bytes")


if __name__ == "__main__":
    main()
