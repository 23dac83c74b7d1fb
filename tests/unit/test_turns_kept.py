"""What is kept of a talk, and what comes out of it: lines, times, exports, figures."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import av
import pytest

from kai.core.events import (
    AssistantTranscriptChanged,
    AudioCleared,
    AudioStarted,
    BrainDescribed,
    CloudFailed,
    CloudLost,
    CreditsReported,
    InterruptRequested,
    LookChanged,
    PlayoutFinished,
    PlayoutInterrupted,
    PlayoutStarted,
    ResetRequested,
    ResponseCreated,
    ResponseDone,
    StopRequested,
    TextSubmitted,
    UsageReported,
    UserSpeechStarted,
    UserSpeechStopped,
    UserTranscriptChanged,
)
from kai.core.state import BrainFacts, Face, Faces, Look, Next, Tokens
from kai.engine.speech.days import say_date, say_time
from kai.ports import MediaReading
from kai.records.exports import (
    as_json,
    as_markdown,
    as_webvtt,
    costs_as_csv,
    read_json,
    talks_as_csv,
    turns_as_csv,
)
from kai.records.statistics import (
    LAST,
    MindCount,
    WaitStage,
    days,
    minds,
    parts,
    percentile,
    seen,
    spent_by_day,
    spent_by_talk,
    stages,
    waits,
)
from kai.records.turn_log import Summary
from kai.records.turns import Cost, Follower, Line, TalkRecord, Turn
from kai.ui import past_texts
from kai.ui.names import speaker
from tests.support.talk import START, WALL_S, Talk, show_avatar, talking


class Followed:
    """A talk that a follower watches after every event."""

    def __init__(self) -> None:
        self.talk: Talk = talking()
        self.follower = Follower()
        self.follower.note(self.talk.state, self.talk.at_s)

    def do(self, *events: object, after_s: float = 0.0) -> None:
        self.talk.wait(after_s)
        for event in events:
            self.talk.do(event)  # pyright: ignore[reportArgumentType]
            self.follower.note(self.talk.state, self.talk.at_s)

    def answer(self, response_id: str, text: str) -> None:
        """The brain begins after 0.3 s, its sound comes after 0.2 s, and is heard 0.1 s later, for 2 s."""
        self.do(ResponseCreated(response_id), after_s=0.29)
        self.do(AssistantTranscriptChanged(response_id, f"{response_id}-item", text, is_final=True))
        self.do(AudioStarted(response_id), after_s=0.18)
        self.do(PlayoutStarted(response_id), after_s=0.09)
        self.do(PlayoutFinished(response_id), after_s=1.99)

    @property
    def record(self) -> TalkRecord:
        record = self.follower.record()
        assert record is not None
        return record


def spoken_turn() -> Followed:
    followed = Followed()
    followed.do(UserSpeechStarted("i1"))
    followed.do(UserSpeechStopped("i1"), after_s=1.49)
    followed.do(UserTranscriptChanged("i1", "What time is it?", is_final=True))
    followed.answer("r1", "It is noon.")
    return followed


def test_the_parts_of_a_wait_follow_each_other_and_add_up() -> None:
    (turn,) = spoken_turn().record.turns
    assert (turn.think_ms, turn.voice_ms, turn.face_ms) == (310, 200, 100)
    assert turn.wait_ms == 610
    assert turn.spoken_ms == 2000
    assert not turn.is_typed
    assert not turn.is_interrupted


def test_a_wait_begins_at_the_persons_last_sound_and_not_when_kai_took_the_turn_to_be_over() -> None:
    followed = Followed()
    silent_at_s = [0.0]
    followed.follower = Follower(voiced_at_s=lambda: silent_at_s[0])
    followed.follower.note(followed.talk.state, followed.talk.at_s)
    followed.do(UserSpeechStarted("i1"))
    silent_at_s[0] = followed.talk.at_s + 1.0
    followed.do(UserSpeechStopped("i1"), after_s=1.49)
    followed.answer("r1", "It is noon.")
    (turn,) = followed.record.turns
    assert turn.end_ms == 500
    assert turn.wait_ms == 500 + 300 + 200 + 100
    followed.do(TextSubmitted("i2", "Hello"))
    followed.answer("r2", "Hi.")
    assert followed.record.turns[1].end_ms is None
    # The level alone did not tell the voice from the room: then the wait begins where Kai knows.
    followed.do(UserSpeechStarted("i3"), after_s=9)
    followed.do(UserSpeechStopped("i3"), after_s=0.99)
    followed.answer("r3", "Yes.")
    assert (followed.record.turns[2].end_ms, followed.record.turns[2].wait_ms) == (None, 600)


def test_a_talk_with_our_own_engine_knows_the_voice_that_came_with_the_face() -> None:
    followed = spoken_turn()
    followed.do(LookChanged(Look(character="emil", voice="marin")))
    assert followed.record.voice == "marin"
    followed.do(BrainDescribed(BrainFacts(model="kai-local")))
    assert followed.record.voice == "emil"


def test_lines_know_when_they_were_spoken() -> None:
    you, kai = spoken_turn().record.lines
    assert (you.text, you.role) == ("What time is it?", "user")
    assert you.end_ms - you.start_ms == 1500
    assert (kai.text, kai.role) == ("It is noon.", "assistant")
    assert kai.start_ms - you.end_ms == 610
    assert kai.end_ms - kai.start_ms == 2000


def test_a_typed_turn_waits_from_its_line_on() -> None:
    followed = Followed()
    followed.do(TextSubmitted("i1", "Hello"))
    followed.answer("r1", "Hi.")
    (turn,) = followed.record.turns
    assert turn.is_typed
    assert turn.wait_ms == 600


def test_what_nobody_asked_for_has_no_wait() -> None:
    followed = spoken_turn()
    followed.answer("r2", "By the way.")
    assert followed.record.turns[1].wait_ms is None


def test_an_answer_knows_which_mind_thought_of_it_also_when_it_was_cut() -> None:
    followed = spoken_turn()
    followed.do(ResponseDone("r1", "completed", "", "small mind"))
    followed.do(TextSubmitted("i2", "And tomorrow?"))
    followed.do(ResponseCreated("r2"))
    followed.do(ResponseDone("r2", "cancelled", "", "Qwen2.5 1.5B", 13.4))
    followed.do(TextSubmitted("i3", "Hello?"))
    followed.do(ResponseCreated("r3"), ResponseDone("r3", "completed"))
    told = [(turn.mind, turn.tokens_per_s) for turn in followed.record.turns]
    assert told == [("small mind", None), ("Qwen2.5 1.5B", 13.4), (None, None)]


def test_an_interrupted_answer_is_marked_and_ends_when_it_was_cut() -> None:
    followed = Followed()
    followed.do(TextSubmitted("i1", "Hello"))
    followed.do(ResponseCreated("r1"), AudioStarted("r1"), PlayoutStarted("r1"))
    followed.do(AssistantTranscriptChanged("r1", "a1", "One two three four.", is_final=True))
    followed.do(InterruptRequested(), after_s=0.98)
    followed.do(PlayoutInterrupted("r1", 900, "One two"))
    (turn,) = followed.record.turns
    assert turn.is_interrupted
    assert turn.spoken_ms == 1000
    assert followed.record.lines[-1].text == "One two"
    assert followed.record.lines[-1].is_interrupted


@pytest.mark.parametrize(("heard_s", "is_interrupted"), [(0.8, False), (1.2, True)])
def test_an_answer_into_whose_beginning_the_person_spoke_on_is_not_counted_as_interrupted(
    heard_s: float, is_interrupted: bool
) -> None:
    followed = spoken_turn()
    followed.do(ResponseCreated("r2"), AudioStarted("r2"), PlayoutStarted("r2"))
    followed.do(UserSpeechStarted("i2"), AudioCleared("r2"), after_s=heard_s)
    assert followed.record.turns[-1].is_interrupted is is_interrupted


def test_whoever_said_a_line_is_kept_with_it_when_the_character_changes() -> None:
    followed = spoken_turn()
    followed.do(LookChanged(Look(character="emil")))
    followed.do(ResponseCreated("r2"), AssistantTranscriptChanged("r2", "a2", "It is me.", is_final=True))
    record = followed.record
    told = {line.text: line.speaker for line in record.lines if line.role == "assistant"}
    assert list(told.values()) == ["Kai", "Emil"]
    assert "**Emil**" in as_markdown(
        record, title="", facts="", who=speaker, interrupted="", notes={}, zone=None
    )
    assert "<v Emil>It is me." in as_webvtt(record, who=speaker)
    assert read_json(as_json(record)).lines == record.lines


def test_a_talk_in_which_nothing_was_said_is_not_kept() -> None:
    assert Followed().follower.record() is None


def test_a_second_talk_of_a_session_is_another_record() -> None:
    followed = spoken_turn()
    first = followed.record
    followed.do(StopRequested())
    assert followed.record.is_over
    assert followed.record.id == first.id
    followed.do(ResetRequested())
    assert followed.follower.record() is None
    followed.do(type(START)(WALL_S + 100, START.look))
    followed.do(TextSubmitted("i9", "Again"))
    assert followed.record.id != first.id
    assert [line.text for line in followed.record.lines] == ["Again"]


def test_an_answer_knows_its_cost_where_it_is_billed() -> None:
    free, billed = Followed(), Followed()
    billed.do(BrainDescribed(BrainFacts(is_billed=True)))
    for followed in (free, billed):
        followed.do(TextSubmitted("i1", "Hello"), ResponseCreated("r1"), UsageReported(Tokens(), 0.02))
    assert free.record.turns[0].cost_usd is None
    assert billed.record.turns[0].cost_usd == 0.02


def test_a_talk_knows_what_it_has_cost_and_for_how_long_a_paid_face_was_on() -> None:
    followed = Followed()
    followed.do(BrainDescribed(BrainFacts(is_billed=True)))
    followed.do(TextSubmitted("i1", "Hello"), ResponseCreated("r1"))
    followed.do(UsageReported(Tokens(), 0.02), UsageReported(Tokens(), 0.001, is_turn=False))
    assert followed.record.cost_usd == pytest.approx(0.021)
    assert followed.record.is_cost_exact
    followed.do(UsageReported(Tokens(), None))
    assert not followed.record.is_cost_exact
    followed.talk.wait(10)
    show_avatar(followed.talk)
    followed.do(CloudLost("avatar-lost", "Lost.", is_retryable=False), after_s=30)
    followed.do(StopRequested(), after_s=100)
    assert followed.record.avatar_s == pytest.approx(30, abs=0.1)
    assert spoken_turn().record.cost_usd is None


def test_what_a_talk_has_cost_is_kept_by_leg_and_answer_with_what_it_was_for() -> None:
    followed = Followed()
    followed.do(BrainDescribed(BrainFacts(is_billed=True)))
    followed.do(TextSubmitted("i1", "Hello"), ResponseCreated("r1"), UsageReported(Tokens(), 0.02))
    followed.do(UsageReported(Tokens(), 0.001, is_turn=False))
    show_avatar(followed.talk)
    followed.do(CreditsReported("s1", 2, 98.0), CloudLost("avatar-lost", "Lost.", is_retryable=True))
    assert followed.record.costs == (
        Cost("brain", "answer", 0.02, response_id="r1"),
        Cost("brain", "listening", pytest.approx(0.001)),
        Cost("face", "avatar", pytest.approx(0.2), 2),
    )
    head, *rows, total = costs_as_csv(followed.record).splitlines()
    assert head == "leg,why,usd,credits,response_id"
    assert rows[0] == "brain,answer,0.020000,0,r1"
    assert total == "all,,0.221000,2,"


def test_a_start_that_failed_is_kept_even_if_nothing_was_said() -> None:
    followed = Followed()
    followed.talk.state = replace(
        followed.talk.state, cloud_limit_s=600.0, faces=Faces(True, next=Next.OPENING)
    )
    failed = CloudFailed("avatar-not-ready", "No.", is_retryable=True, is_billed=True)
    followed.do(failed, StopRequested())
    assert followed.record.costs == (Cost("face", "failed-start", pytest.approx(0.1), 1),)
    assert followed.record.avatar_credits == 1


def watched_turn(face: str, before: MediaReading, after: MediaReading) -> Turn:
    """A turn of 2 s whose page's counters were those at its begin and its end."""
    # One when it is made, one at the talk's beginning.
    first = MediaReading(dropped_mic_ms=40)
    readings = [first, first, before, after]
    followed = Followed()
    followed.follower = Follower(read_media=lambda: readings.pop(0))
    if face == Face.CLOUD:
        show_avatar(followed.talk)
    followed.do(TextSubmitted("i1", "Hello"))
    followed.answer("r1", "Hi.")
    return followed.record.turns[0]


def test_a_turn_knows_what_was_seen_of_it() -> None:
    before = MediaReading(1000, 9000.0, 5, 40.0, 900, 7, 40)
    after = MediaReading(1050, 9200.0, 6, 42.0, 949, 8, 100)
    turn = watched_turn("local", before, after)
    assert (turn.sent_fps, turn.shown_fps, turn.dropped_pictures, turn.picture_late_ms) == (25.0, 24.5, 2, 4)
    assert turn.dropped_sound_ms == 60
    cloud = watched_turn("liveavatar", before, after)
    assert (cloud.sent_fps, cloud.picture_late_ms) == (25.0, None)


def test_what_nobody_watched_has_no_pictures_a_second() -> None:
    reading = MediaReading(1000, 9000.0, 5, 40.0, 900, 7)
    assert watched_turn("local", reading, reading).sent_fps is None
    assert watched_turn("local", reading, replace(reading, pictures=1050)).shown_fps is None


# ------------------------------------------------------------------ exports

RECORD = TalkRecord(
    "t1",
    "whose",
    WALL_S,
    12.5,
    True,
    "kai",
    "marin",
    (
        Line("u1", "user", "Is 1 < 2 & *true*?", WALL_S + 1, 1000, 2500, False, ""),
        Line("a1", "assistant", "Yes --> it is", WALL_S + 3, 3_723_004, 3_725_000, True, "r1"),
    ),
    (Turn("r1", WALL_S + 3, False, 300, 200, 100, 600, 2000, True, None, 25.0, 24.5, 1, 4),),
    0.0125,
    False,
    61.5,
    2,
    (Cost("brain", "answer", 0.0125, response_id="r1"), Cost("face", "avatar", 0.2, 2)),
)


def test_json_reads_back_to_the_same_talk_without_its_owner() -> None:
    text = as_json(RECORD)
    assert "whose" not in text
    read = read_json(text)
    assert read == replace(RECORD, owner="")


def test_json_of_an_older_kai_is_read_too() -> None:
    value = json.loads(as_json(RECORD))
    value["kai_talk"] = 1
    for line in value["lines"]:
        del line["speaker"]
    for name in ("cost_usd", "is_cost_exact", "avatar_s", "costs"):
        del value[name]
    for name in ("sent_fps", "shown_fps", "dropped_pictures", "picture_late_ms"):
        del value["turns"][0][name]
    read = read_json(json.dumps(value))
    assert read.lines == RECORD.lines
    assert (read.cost_usd, read.turns[0].sent_fps, read.turns[0].wait_ms) == (None, None, 600)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kai_talk": 5}', '{"kai_talk": 1, "lines": [{}]}', '"x"'])
def test_what_is_no_talk_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_json(text)


def test_webvtt_has_its_head_its_times_and_no_mark_of_its_own_in_the_words() -> None:
    text = as_webvtt(RECORD, who=speaker)
    assert text.startswith("WEBVTT\n\n")
    assert "00:00:01.000 --> 00:00:02.500\n<v You>Is 1 &lt; 2 &amp; *true*?\n" in text
    assert "01:02:03.004 --> 01:02:05.000\n<v Kai>Yes --&gt; it is\n" in text


def test_a_player_reads_the_captions_as_they_were_meant(tmp_path: Path) -> None:
    path = tmp_path / "talk.vtt"
    path.write_text(as_webvtt(RECORD, who=speaker), encoding="utf-8")
    with av.open(str(path)) as container:
        cues = [
            (packet.pts, packet.duration, bytes(packet).decode())
            for packet in container.demux()
            if packet.size
        ]
    assert cues == [
        (1000, 1500, "<v You>Is 1 &lt; 2 &amp; *true*?"),
        (3_723_004, 1996, "<v Kai>Yes --&gt; it is"),
    ]


def test_markdown_marks_what_was_cut_and_keeps_a_persons_stars() -> None:
    text = as_markdown(
        RECORD,
        title="Talk",
        facts="2 lines, cost $0.02",
        who=speaker,
        interrupted="interrupted",
        notes={"r1": "answered after 0.6 s"},
    )
    assert text.startswith("# Talk\n\n2 lines, cost $0.02\n")
    assert text.count("> answered after 0.6 s") == 1
    assert "\\*true\\*" in text
    assert "Yes --> it is *(interrupted)*" in text


def test_csv_has_a_row_a_turn() -> None:
    head, row = turns_as_csv([("t1", RECORD.turns[0])]).splitlines()
    assert head.split(",")[:3] == ["talk_id", "at_utc", "response_id"]
    assert row.split(",")[0] == "t1"
    assert dict(zip(head.split(","), row.split(","), strict=True))["wait_ms"] == "600"
    assert dict(zip(head.split(","), row.split(","), strict=True))["cost_usd"] == ""


# ------------------------------------------------------------------ figures


def turn_of(wait_ms: int | None, at_wall_s: float = WALL_S, *, is_interrupted: bool = False) -> Turn:
    half = None if wait_ms is None else wait_ms // 2
    return Turn("r", at_wall_s, False, half, half, 0, wait_ms, 1000, is_interrupted, None)


def test_who_answered_is_counted_the_most_frequent_first() -> None:
    def by(mind: str | None, rate: float | None = None) -> Turn:
        return replace(turn_of(600), mind=mind, tokens_per_s=rate)

    turns = [by("small mind"), by(None), by("Qwen", 12.0), by("Qwen", 14.0), by("Qwen")]
    assert minds(turns) == [MindCount("Qwen", 3, 13.0), MindCount("small mind", 1, None)]
    assert minds([by(None)]) == []


def test_percentiles_lie_between_neighbours() -> None:
    assert percentile([], 0.5) is None
    assert percentile([7], 0.95) == 7
    assert percentile([4, 1, 3, 2], 0.5) == 2.5
    assert percentile(list(range(101)), 0.95) == 95


def test_the_band_is_made_of_the_last_twenty_answers() -> None:
    points = waits([turn_of(10_000), *[turn_of(100)] * 20, turn_of(None)])
    assert len(points) == 21
    assert (points[3].p50_ms, points[4].p50_ms) == (None, 100)
    assert (points[18].p95_ms, points[19].p95_ms is not None) == (None, True)
    assert (points[-1].p50_ms, points[-1].p95_ms) == (100, 100)


def test_parts_and_days_are_counted() -> None:
    turns = [turn_of(400), turn_of(800, is_interrupted=True), turn_of(None, WALL_S + 86_400 * 2)]
    assert stages(turns) == []
    assert [(s.name, s.p50_ms, s.p95_ms) for s in stages(turns * 3)] == [
        ("think_ms", 300, None),
        ("voice_ms", 300, None),
        ("face_ms", 0, None),
    ]
    spoken = [replace(turn, end_ms=450) for turn in turns * 10]
    assert stages(spoken)[0] == WaitStage("end_ms", 450, 450)
    assert [(d.answers, d.interrupted) for d in days(turns)] == [(2, 1), (1, 0)]
    assert json.dumps([d.date for d in days(turns)])


def test_parts_are_those_of_the_last_answers_somebody_waited_for() -> None:
    found = parts([turn_of(None), *[turn_of(400)] * (LAST + 3)])
    assert {p.number for p in found} == set(range(4, LAST + 4))
    assert [(p.name, p.took_ms) for p in found[:3]] == [("think_ms", 200), ("voice_ms", 200), ("face_ms", 0)]


def test_what_was_seen_goes_by_the_pages_own_count_where_there_is_one() -> None:
    told = replace(turn_of(400), sent_fps=25.0, shown_fps=23.5, dropped_pictures=3, picture_late_ms=-4)
    untold = replace(turn_of(400), sent_fps=24.0)
    points = seen([turn_of(400), told, untold])
    assert [(p.number, p.fps, p.is_pages_count, p.dropped, p.late_ms) for p in points] == [
        (1, 23.5, True, 3, -4),
        (2, 24.0, False, 0, None),
    ]


def summary(name: str, started_wall_s: float, cost_usd: float | None, avatar_s: float = 0.0) -> Summary:
    return Summary(name, started_wall_s, 60.0, True, "kai", "marin", 2, "Hi", cost_usd, True, avatar_s, 0)


BEFORE_MIDNIGHT_UTC_S = 1_767_222_000.0  # 2025-12-31 23:00 UTC
CLOCKS = [
    ("UTC", "2025-12-31", "23:00"),
    ("Asia/Tokyo", "2026-01-01", "08:00"),
    ("Asia/Kathmandu", "2026-01-01", "04:45"),
    ("America/St_Johns", "2025-12-31", "19:30"),
    ("Pacific/Kiritimati", "2026-01-01", "13:00"),
    ("Pacific/Pago_Pago", "2025-12-31", "12:00"),
]


@pytest.mark.parametrize(("name", "date", "clock"), CLOCKS)
def test_days_and_clock_times_are_those_of_the_persons_zone(name: str, date: str, clock: str) -> None:
    zone = ZoneInfo(name)
    talk = summary("a", BEFORE_MIDNIGHT_UTC_S, 0.02)
    assert [day.name for day in spent_by_day([talk], zone)] == [date]
    assert [one.name for one in spent_by_talk([talk], zone=zone)] == [f"{date} {clock}"]
    turn = replace(RECORD.turns[0], at_wall_s=BEFORE_MIDNIGHT_UTC_S)
    assert [day.date for day in days([turn], zone)] == [date]
    line = replace(RECORD.lines[0], at_wall_s=BEFORE_MIDNIGHT_UTC_S)
    record = replace(RECORD, lines=(line,), turns=())
    text = as_markdown(record, title="", facts="", who=speaker, interrupted="", notes={}, zone=zone)
    at = datetime.fromisoformat(f"{date} {clock}")
    assert f"({at.hour % 12 or 12}:{clock[3:]}:00 {'pm' if at.hour > 11 else 'am'})" in text
    assert past_texts.clock(BEFORE_MIDNIGHT_UTC_S, zone) == say_time(at).replace("noon", "12:00 pm")
    assert past_texts.day(BEFORE_MIDNIGHT_UTC_S, 0, zone) == say_date(at.date()).partition(", ")[2]
    assert past_texts.day(BEFORE_MIDNIGHT_UTC_S, BEFORE_MIDNIGHT_UTC_S + 60, zone) == past_texts.TODAY
    midnight_s = datetime.fromisoformat(date).replace(tzinfo=zone).timestamp()
    assert past_texts.day(BEFORE_MIDNIGHT_UTC_S, midnight_s + 86_399, zone) == past_texts.TODAY
    assert past_texts.day(BEFORE_MIDNIGHT_UTC_S, midnight_s + 86_400, zone) == past_texts.YESTERDAY
    assert past_texts.day(BEFORE_MIDNIGHT_UTC_S, midnight_s + 2 * 86_400, zone) not in (
        past_texts.TODAY,
        past_texts.YESTERDAY,
    )


def test_money_is_counted_by_day_and_by_talk() -> None:
    talks = [
        summary("a", WALL_S, 0.02),
        summary("b", WALL_S + 60, 0.03, 90.0),
        summary("c", WALL_S + 86_400 * 2, None, 30.0),
        summary("d", WALL_S + 86_400 * 2, None),
    ]
    one, two = spent_by_day(talks)
    assert (one.cost_usd, one.avatar_min) == (pytest.approx(0.05), 1.5)
    assert (two.cost_usd, two.avatar_min) == (0.0, 0.5)
    assert [s.cost_usd for s in spent_by_talk(talks)] == [0.02, 0.03, 0.0]
    assert spent_by_day([summary("d", WALL_S, None)]) == []
    head, *rows = talks_as_csv(talks).splitlines()
    assert len(rows) == 4
    row = dict(zip(head.split(","), rows[1].split(","), strict=True))
    assert (row["talk_id"], row["cost_usd"], row["avatar_s"]) == ("b", "0.03", "90.0")
    assert "first_words" not in head
