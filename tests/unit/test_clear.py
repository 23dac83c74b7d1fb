"""Clearing the chat, and putting the lines back."""

from __future__ import annotations

from kai.core.events import ArmTimer, CancelTimer, ClearUndone, MessagesCleared, StopRequested, TimerFired
from kai.core.policy.lines import UNDO_S
from kai.core.timers import UndoOver
from tests.support.talk import talking
from tests.unit.test_reducer import whole_answer


def test_clear_offers_an_undo_only_where_a_line_went() -> None:
    talk = talking()
    assert talk.do(MessagesCleared()) == ()
    talk.do(*whole_answer("r1", "Old."))
    assert talk.do(MessagesCleared()) == (ArmTimer(UndoOver(), UNDO_S),)


def test_cleared_lines_come_back_before_those_since_for_as_long_as_the_undo_is_offered() -> None:
    talk = talking()
    talk.do(*whole_answer("r1", "Old."), MessagesCleared(), *whole_answer("r2", "New."))
    assert talk.do(ClearUndone()) == (CancelTimer(UndoOver()),)
    assert talk.lines == ["Old.", "New."]
    talk.do(MessagesCleared(), TimerFired(UndoOver()))
    assert talk.do(ClearUndone()) == ()
    assert talk.lines == []


def test_a_talk_that_ends_keeps_no_cleared_line() -> None:
    talk = talking()
    talk.do(*whole_answer("r1", "Old."), MessagesCleared(), StopRequested())
    assert talk.state.cleared == ()
