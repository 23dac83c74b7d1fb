"""Answers from the person's own files, with the real sentence encoder."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from kai.adapters.engine_minds import read_documents
from kai.engine.minds import Minds
from kai.engine.speech.library import Document, Library, passages
from kai.engine.speech.mind import Mind
from kai.engine.thinking import Question, Said
from kai.engine.workers import Workers
from kai.wire.realtime import ContentPart, Item

HOUSE = """# Summer house

The key lies under the blue flower pot. The neighbour has a second one.

## Heating
Turn the red valve to the left, then wait for ten minutes. The boiler is in the cellar.

- The internet password is written on the **router**.
- Waste is collected on [Tuesdays](https://example.org).
"""
TEAM = "Our release is planned for the third of March. Anna leads the design, Ben the tests.\n\nLunch is at noon."


@pytest.fixture(scope="module")
def mind() -> Mind:
    return Mind.load()


@pytest.fixture(scope="module")
def library(mind: Mind) -> Library:
    return Library([Document("house.md", HOUSE), Document("team.txt", TEAM)], mind.encoder.encode)


def test_a_document_is_cut_under_its_headings_and_freed_of_its_marks() -> None:
    found = list(passages(Document("house.md", HOUSE)))
    assert [passage.heading for passage in found] == ["Summer house", *["Summer house. Heating"] * 3]
    assert found[-1].text == "Waste is collected on Tuesdays."
    assert found[-2].text == "The internet password is written on the router."


@pytest.mark.parametrize(
    ("question", "source", "words"),
    [
        ("Where is the key of the summer house?", "house.md", "blue flower pot"),
        ("How do I turn on the heating?", "house.md", "red valve"),
        ("When is the waste collected?", "house.md", "Tuesdays"),
        ("When is the release?", "team.txt", "third of March"),
        ("Who leads the tests?", "team.txt", "Ben"),
    ],
)
def test_a_question_finds_its_passage_and_its_file(
    library: Library, question: str, source: str, words: str
) -> None:
    (found,) = library.find(question)
    assert found.passage.source == source
    assert words in found.answer


@pytest.mark.parametrize(
    "question", ["Who was Napoleon?", "What is the capital of France?", "How do cats purr?"]
)
def test_what_the_files_do_not_say_is_not_answered_from_them(library: Library, question: str) -> None:
    assert library.find(question) == []


def test_an_empty_library_finds_nothing(mind: Mind) -> None:
    assert Library([Document("a.md", " \n# \n")], mind.encoder.encode).find("What?") == []


async def answer(mind: Mind, asked: str, documents: list[dict[str, str]], instructions: str = "") -> str:
    """What a mind with these documents and instructions says."""
    workers = Workers()
    minds = Minds(mind, workers)
    try:
        await minds.put("mine", {"documents": documents})
        item = Item(type="message", role="user", content=(ContentPart(type="input_text", text=asked),))
        question = Question((item,), instructions, datetime(2026, 1, 2, 15, 5))  # noqa: DTZ001
        thoughts = [thought async for thought in minds.thinker_of("kai-mine").think(question)]
    finally:
        await minds.aclose()
        workers.close()
    return "".join(thought.text for thought in thoughts if isinstance(thought, Said))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("When is the release?", "Your file team.txt says: Our release is planned for the third of March."),
        ("What time is it?", "3:05 pm"),
        ("Who was Napoleon?", "can't answer that offline"),
    ],
)
async def test_the_small_mind_answers_from_the_files_names_them_and_says_what_it_does_not_know(
    mind: Mind, asked: str, words: str
) -> None:
    assert words in await answer(mind, asked, [{"name": "team.txt", "text": TEAM}])


MUSEUM = (Path(__file__).parents[2] / "docs" / "samples" / "museum.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("Can I bring my dog?", "Dogs are not allowed in the museum"),
        ("How old is the oldest lamp?", "one thousand nine hundred years"),
        ("How much is a ticket?", "nine euros"),
        ("When is the museum open?", "from ten in the morning"),
    ],
)
async def test_the_file_of_the_readme_s_demo_is_answered_from_and_named(
    mind: Mind, asked: str, words: str
) -> None:
    said = await answer(mind, asked, [{"name": "museum.md", "text": MUSEUM}])
    assert said.startswith("Your file museum.md says: ")
    assert words in said


HOTEL = """Your name is Ada. Be warm.
You work at the front desk of the Miramar.
Breakfast is from seven to ten. The pool opens at nine and closes at six."""


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("When is breakfast?", "Breakfast is from seven to ten."),
        ("When does the pool open?", "The pool opens at nine and closes at six."),
        ("Where do you work?", "I work at the front desk of the Miramar."),
        ("What is your name?", "Ada"),
        ("When is the release?", "Your file team.txt says"),
        ("What time is it?", "3:05 pm"),
        ("Who was Napoleon?", "can't answer that offline"),
    ],
)
async def test_the_small_mind_knows_what_the_instructions_tell(mind: Mind, asked: str, words: str) -> None:
    assert words in await answer(mind, asked, [{"name": "team.txt", "text": TEAM}], HOTEL)


def test_a_folder_is_read_without_what_is_no_text_or_leads_out_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.md").write_text("One.", encoding="utf-8")
    (folder / "b.TXT").write_text("Two.", encoding="utf-8")
    (folder / "c.pdf").write_bytes(b"%PDF")
    (folder / "d.txt").write_bytes(b"\xff\xfe\x00\xd8\x00\xd8")
    (tmp_path / "secret.txt").write_text("No.", encoding="utf-8")
    (folder / "e.txt").symlink_to(tmp_path / "secret.txt")
    assert read_documents(folder) == (("b.TXT", "Two."), ("deep/a.md", "One."))
