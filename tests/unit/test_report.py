"""A talk's report: every event there and back, words hidden, nothing secret; and what is printed of it."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given

import kai
from kai import replay
from kai.core import events as ev
from kai.core import journal
from kai.core.config import BrainConfig
from kai.core.state import Card, LegName, Look, Message, Role, SessionState
from kai.errors import ProtocolError
from kai.records import report
from kai.wire import recorded
from tests.support import strategies as kai_st
from tests.support.talk import START, talking

Journal = list[tuple[float, ev.Event]]
KAI = {"Kai": "1"}
SECRET = "hunter2-rosebud"
LOOK = Look(
    instructions=f"Speak of {SECRET}.",
    brain=BrainConfig(greeting=f"Say {SECRET}", transcription_prompt=SECRET),
)
TOLD: tuple[ev.Event, ...] = (
    ev.StartRequested(1.0, LOOK),
    *(ev.LegConnected(leg) for leg in LegName),
    ev.LookChanged(replace(LOOK, instructions=f"Never speak of {SECRET}.")),
    ev.TextSubmitted("t1", f"my word is {SECRET}"),
    ev.ResponseCreated("r1"),
    ev.AssistantTranscriptChanged("r1", "i1", f"So it is {SECRET}", is_final=True),
    ev.UserTranscriptChanged("u1", f"yes {SECRET}", is_final=True),
    ev.ToolRequested("c1", "search_files", json.dumps({"query": SECRET})),
    ev.ToolFinished("c1", json.dumps({"found": SECRET}), problem=f"No file is called {SECRET}."),
    ev.CardShown(Card(SECRET, f"It says {SECRET}")),
    ev.BrainComplained("odd", f"The input {SECRET} is odd."),
    ev.CloudFailed("avatar-server", "No.", is_retryable=True, detail=f"body: {SECRET}"),
    ev.PlayoutInterrupted("r1", 700, f"So it is {SECRET}"),
)


def journal_of(*events: ev.Event) -> Journal:
    return [(100.0 + 0.25 * n, event) for n, event in enumerate(events)]


@given(kai_st.journals(kai_st.endings))
def test_every_journal_comes_back_from_its_file_as_it_was(kept: Journal) -> None:
    told = report.read(report.write(SessionState(), kept, KAI, has_words=True))
    assert list(told.journal) == kept
    assert told.state == SessionState()
    assert told.has_words


@given(kai_st.journals(kai_st.endings))
def test_a_report_without_words_replays_as_the_talk_went(kept: Journal) -> None:
    told = report.read(report.write(SessionState(), kept, KAI))
    live, hidden = (list(journal.steps(events, SessionState())) for events in (kept, told.journal))
    for (_, _, state, commands), (_, _, veiled, asked) in zip(live, hidden, strict=True):
        assert [type(command) for command in commands] == [type(command) for command in asked]
        assert (state.phase, state.agent, state.faces, state.cancelled) == (
            veiled.phase,
            veiled.agent,
            veiled.faces,
            veiled.cancelled,
        )
        assert [len(m.text.split()) for m in state.messages] == [len(m.text.split()) for m in veiled.messages]


def test_a_state_in_the_middle_of_a_talk_comes_back_as_it_was() -> None:
    talk = talking()
    talk.do(ev.TextSubmitted("t1", "hello"), ev.LegFailed(LegName.BRAIN, "lost", "Lost."))
    talk.do(ev.TextSubmitted("t2", "are you there"), ev.CreditsReported("s1", 2, 10.0))
    for has_words in (True, False):
        told = report.read(report.write(talk.state, (), KAI, has_words=has_words))
        assert [item_id for item_id, _ in told.state.pending_text] == ["t1", "t2"]
        assert told.state.credits == talk.state.credits
        assert (told.state == talk.state) is has_words


def test_no_word_of_a_talk_and_no_secret_stands_in_a_report_unless_it_is_wished() -> None:
    hidden = report.write(SessionState(), journal_of(*TOLD), KAI)
    assert SECRET not in hidden
    kept = report.write(SessionState(), journal_of(*TOLD), KAI, has_words=True)
    assert f"my word is {SECRET}" in kept
    assert "11434" not in kept + hidden


def test_equal_texts_are_hidden_alike_and_others_otherwise() -> None:
    told = report.read(report.write(SessionState(), journal_of(*TOLD), KAI))
    texts = [
        event.look.instructions
        for _, event in told.journal
        if isinstance(event, ev.StartRequested | ev.LookChanged)
    ]
    assert texts == ["x x x", "x x x x"]
    (asked,) = [event for _, event in told.journal if isinstance(event, ev.TextSubmitted)]
    assert re.fullmatch(r"x\d* x x x", asked.text)
    assert asked.text != texts[1]


def strings_in(hint: object, name: str = "") -> set[str]:
    """Names of all fields of texts that a value of that kind can hold."""
    if is_dataclass(hint) and isinstance(hint, type):
        hints = journal._hints(hint)
        return {found for f in fields(hint) for found in strings_in(hints[f.name], f.name)}
    if hint is str:
        return {name}
    return {found for part in get_args(hint) for found in strings_in(part, name)}


def test_what_is_written_as_it_is_is_a_field_that_there_is() -> None:
    there = strings_in(ev.Event) | strings_in(SessionState) | {"sessions.0", "pending_text.0"}
    assert there >= report.PLAIN
    assert {
        "text",
        "heard_text",
        "instructions",
        "greeting",
        "arguments",
        "output",
        "detail",
    } <= there - report.PLAIN


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no file of JSON lines"),
        ("hello", "no file of JSON lines"),
        ("[1]", "no file of JSON lines"),
        ('{"format": "other", "version": 1}', "no recording"),
        ('{"format": "kai-recording", "version": 2, "kind": "talk"}', "newer Kai"),
        ('{"format": "kai-recording", "version": 1}', "not of a talk"),
        ('{"format": "kai-recording", "version": 1, "kind": "talk"}\n{"where": "moon"}', "no event"),
        (
            '{"format": "kai-recording", "version": 1, "kind": "talk"}\n'
            '{"where": "event", "what": {"at_s": 1, "event": {"is": "TeaServed"}}}',
            "cannot read TeaServed",
        ),
        (
            '{"format": "kai-recording", "version": 1, "kind": "talk"}\n'
            '{"where": "event", "what": {"at_s": 1, "event": {"is": "MuteToggled", "is_muted": "yes"}}}',
            "cannot read MuteToggled",
        ),
    ],
)
def test_what_is_no_report_is_refused_in_plain_words(
    text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ProtocolError) as refused:
        report.read(text)
    assert says in refused.value.message
    path = tmp_path / "report.jsonl"
    path.write_text(text, "utf-8")
    assert replay.main([str(path)]) == 2
    assert capsys.readouterr().err.strip() == refused.value.message


def test_what_a_later_version_adds_to_an_event_is_passed_over() -> None:
    event = {"is": "MuteToggled", "is_muted": True, "why": "noise"}
    assert journal.to_event(event) == ev.MuteToggled(True)


def test_the_replay_prints_each_event_with_its_time_and_what_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.jsonl"
    failed = ev.LegFailed(LegName.BRAIN, "quota", "No credit.", is_retryable=False)
    path.write_text(
        report.write(SessionState(), journal_of(START, *TOLD[1:], failed), {"Kai": "0.1.0"}), "utf-8"
    )
    assert replay.main([str(path)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("Kai 0.1.0 · Python ")
    assert out[1].startswith(f"{len(TOLD) + 1} events")
    assert out[2] == "  0:00.000  Start was pressed"
    assert any(re.match(r" +0:00\.500  connected \(face\)", line) for line in out)
    assert any(line.strip() == "face: connecting -> connected" for line in out)
    assert any(line.strip() == "problem: quota" for line in out)
    assert any(line.strip().startswith("-> SendText") for line in out)


def test_every_kind_of_event_has_its_words() -> None:
    assert set(replay.SAYS) == set(get_args(ev.Event))


def test_kai_says_the_version_that_it_is_built_as() -> None:
    root = Path(__file__).resolve().parents[2]
    assert (
        tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"] == kai.__version__
    )


def test_a_text_keeps_its_length_where_it_is_hidden_in_a_recording() -> None:
    assert recorded.hidden_length(recorded.hide("a b c")) == 5
    assert recorded.hidden_length("a b c") is None
    line = Message("m", Role.USER, "a b", 1.0)
    assert journal.to_plain(line) == {
        "is": "Message",
        "id": "m",
        "role": "user",
        "text": "a b",
        "at_wall_s": 1.0,
    }
