"""The scripted mode without a network: items, exact times, events of one's own, and what is no script."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kai.engine.script import Connect, Script
from kai.wire import realtime as wire
from tests.support.engine_talk import TYPED, talking

COUNT = [
    {"say": "One two", "at_ms": [[0, 400], [500, 1000]]},
    {"item": True},
    {"say": "three four", "at_ms": [[0, 500], [500, 2000]]},
]


async def test_two_items_have_a_ladder_each_and_share_one_response() -> None:
    async with talking(thinker=Script({"turns": [COUNT]})) as talk:
        talk.do(TYPED)
        talk.do(wire.ResponseCreate())
        done = await talk.transport.wait(wire.ResponseDone)
        added = [e for e in talk.transport.events if isinstance(e, wire.OutputItemAdded)]
        texts = [e for e in talk.transport.events if isinstance(e, wire.OutputTranscriptDone)]
    assert [e.output_index for e in added] == [0, 1]
    assert [(e.output_index, e.item_id, e.transcript) for e in texts] == [
        (0, added[0].item.id, "One two"),
        (1, added[1].item.id, "three four"),
    ]
    assert [item.id for item in done.response.output] == [e.item.id for e in added]
    # Eight and four of a token for 50 ms, and eight characters of either.
    assert done.response.usage.output_token_details.audio_tokens == 20 + 40


@pytest.mark.parametrize(
    ("played_ms", "cuts"),
    [(600, [(0, 600), (1, 0)]), (1_600, [(1, 600)])],
    ids=["in the first item", "in the second"],
)
async def test_an_interruption_truncates_what_was_not_heard_item_by_item(
    played_ms: int, cuts: list[tuple[int, int]]
) -> None:
    async with talking(thinker=Script({"turns": [COUNT]})) as talk:
        talk.do(TYPED)
        talk.do(wire.ResponseCreate())
        done = await talk.transport.wait(wire.ResponseDone)
        talk.transport.play_ms(played_ms)
        talk.do(wire.OutputAudioClear())
    ids = [item.id for item in done.response.output]
    truncated = [e for e in talk.transport.events if isinstance(e, wire.ItemTruncated)]
    assert [(ids.index(e.item_id), e.audio_end_ms) for e in truncated] == cuts
    assert talk.transport.types.count("output_audio_buffer.cleared") == 1


async def test_words_are_tones_at_exactly_their_times() -> None:
    async with talking(thinker=Script({"turns": [COUNT]})) as talk:
        talk.do(TYPED)
        talk.do(wire.ResponseCreate())
        await talk.transport.wait(wire.ResponseDone)
    first, second = talk.transport.clauses
    assert [(w.word, w.start_sample, w.end_sample) for w in first.words] == [
        ("One", 0, 9_600),
        ("two", 12_000, 24_000),
    ]
    assert np.abs(first.pcm[:9_600]).max() > 8_000
    assert not first.pcm[9_600:12_000].any()
    assert len(second.pcm) == 48_000


async def test_a_written_answer_has_the_words_alone() -> None:
    async with talking(thinker=Script({"turns": [COUNT]})) as talk:
        talk.do(TYPED)
        talk.do(wire.ResponseCreate(response=wire.ResponseParams(output_modalities=("text",))))
        done = await talk.transport.wait(wire.ResponseDone)
    assert [item.content[0].text for item in done.response.output] == ["One two", "three four"]
    assert talk.transport.clauses == []


async def test_an_event_of_ones_own_is_sent_as_it_is() -> None:
    event = {"type": "response.dream", "depth": [1, None, {"of": "sleep"}]}
    async with talking(thinker=Script({"turns": [[{"event": event}, {"say": "Hi."}]]})) as talk:
        talk.do(TYPED)
        talk.do(wire.ResponseCreate())
        await talk.transport.wait(wire.ResponseDone)
    (dream,) = (e for e in talk.transport.events if isinstance(e, wire.UnknownEvent))
    assert dream.payload["event_id"]
    assert {name: value for name, value in dream.payload.items() if name != "event_id"} == event


def test_connections_take_what_is_written_one_after_the_other() -> None:
    script = Script(
        {
            "connects": [
                {"status": 429, "code": "rate_limit_exceeded", "retry_after": "2"},
                {"longest_ms": 8_000},
                {},
            ]
        }
    )
    assert [script.next_connect() for _ in range(4)] == [
        Connect(status=429, code="rate_limit_exceeded", retry_after="2"),
        Connect(longest_s=8.0),
        Connect(),
        Connect(),
    ]


@pytest.mark.parametrize(
    "script",
    [
        {"turn": []},
        {"turns": [{}]},
        {"turns": [[{"say": 1}]]},
        {"turns": [[{"say": "One two", "at_ms": [[0, 400]]}]]},
        {"turns": [[{"say": "One two", "at_ms": [[0, 400], [300, 500]]}]]},
        {"turns": [[{"say": "One", "at_ms": [[0, 90_000]]}]]},
        {"turns": [[{"say": "", "at_ms": []}]]},
        {"turns": [[{"say": "One", "at": 3}]]},
        {"turns": [[{"item": False}]]},
        {"turns": [[{"event": {"no": "type"}}]]},
        {"turns": [[{"dance": True}]]},
        {"connects": [{"longest_ms": 0}]},
        {"connects": [{"status": 429}]},
        {"turns": [[{"say": "x"}] * 501]},
    ],
)
def test_what_is_no_script_is_refused(script: dict[str, Any]) -> None:
    with pytest.raises(wire.ClientMistake):
        Script(script)
