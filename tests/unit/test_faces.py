"""Which face is on: the policy rule by rule, then whole talks with scripted faults in virtual time."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field, replace

import pytest

from kai.core.events import (
    ArmTimer,
    CancelTimer,
    CloudFailed,
    CloudLost,
    CloudOpened,
    DropFace,
    LegConnected,
    LegFailed,
    PrepareFace,
    ShowFace,
)
from kai.core.policy.face_facts import (
    LAST_MINUTE_S,
    ROTATE_BEFORE_S,
    SANDBOX_LEAVES_BEFORE_S,
    Began,
    ChoiceChanged,
    CloudWished,
    FaceReport,
    FacesEvent,
    LastCredit,
    OpenLocal,
    Order,
    Slept,
    SpeakingChanged,
    Stirred,
)
from kai.core.policy.faces import (
    AGAIN_AFTER_S,
    COVER_AFTER_S,
    SILENCE_S,
    WARN_BEFORE_S,
    step,
)
from kai.core.state import LIMIT_S, Face, Faces, LegName, Next, Standby, Why
from kai.core.timers import FaceTimer

LOCAL_OPENED = LegConnected(LegName.FACE)
LOST = CloudLost("avatar-stalled", "It stopped.", is_retryable=True)


@dataclass
class Story:
    """``do`` feeds events and returns the orders that they brought."""

    state: Faces = field(default_factory=Faces)
    at_s: float = 100.0

    def do(self, *events: FacesEvent) -> tuple[Order, ...]:
        orders: tuple[Order, ...] = ()
        for event in events:
            self.at_s += 0.01
            self.state, more = step(self.state, event, self.at_s)
            orders += more
        return orders


def on_cloud(longest_s: float | None = 600.0, **facts: bool) -> Story:
    story = Story()
    story.do(Began(), LOCAL_OPENED, CloudOpened(longest_s, **facts))
    assert story.state.on is Face.CLOUD
    return story


def reports(orders: tuple[Order, ...]) -> list[tuple[Face, str]]:
    return [(order.face, order.code) for order in orders if isinstance(order, FaceReport)]


def delays(orders: tuple[Order, ...]) -> dict[str, float]:
    return {str(order.timer): order.delay_s for order in orders if isinstance(order, ArmTimer)}


# -- start -------------------------------------------------------------------------------------------------------------


def test_a_talk_prepares_both_faces_and_shows_the_cloud_face_when_it_comes() -> None:
    story = Story()
    orders = story.do(Began())
    assert {OpenLocal(), PrepareFace()} <= set(orders)
    assert story.do(LOCAL_OPENED) == ()
    assert ShowFace(Face.CLOUD) in story.do(CloudOpened(600.0))


def test_a_slow_cloud_face_is_covered_by_the_local_one() -> None:
    story = Story()
    assert delays(story.do(Began()))["cover"] == COVER_AFTER_S
    story.do(LOCAL_OPENED)
    orders = story.do(FaceTimer.COVER)
    assert ShowFace(Face.LOCAL) in orders
    assert reports(orders) == [(Face.LOCAL, "avatar-coming")]
    assert reports(story.do(CloudOpened(600.0))) == [(Face.CLOUD, "")]


@pytest.mark.parametrize("is_local_first", [True, False])
def test_a_refused_cloud_face_means_the_local_one_and_says_why(is_local_first: bool) -> None:
    story = Story()
    refused = CloudFailed("avatar-wrong-key", "No.", is_retryable=False)
    events = (LOCAL_OPENED, refused) if is_local_first else (refused, LOCAL_OPENED)
    orders = story.do(Began(), *events)
    assert story.state.on is Face.LOCAL
    assert (Face.LOCAL, "avatar-wrong-key") in reports(orders)
    assert "again" not in delays(orders)


def test_without_any_face_the_leg_fails() -> None:
    story = Story()
    orders = story.do(
        Began(),
        CloudFailed("avatar-server", "Oops.", is_retryable=True),
        LegFailed(LegName.FACE, "face-start", "No."),
    )
    assert [order for order in orders if isinstance(order, LegFailed)] == [
        LegFailed(LegName.FACE, "face-start", "No.")
    ]


# -- loss and return ---------------------------------------------------------------------------------------------------


def test_a_lost_face_is_replaced_in_mid_sentence() -> None:
    story = on_cloud()
    story.do(SpeakingChanged(True))
    orders = story.do(LOST)
    assert orders[0] == ShowFace(Face.LOCAL)
    assert reports(orders) == [(Face.LOCAL, "avatar-stalled")]
    assert delays(orders)["again"] == AGAIN_AFTER_S[0]


def test_the_cloud_face_comes_back_between_turns() -> None:
    story = on_cloud()
    story.do(SpeakingChanged(True), LOST)
    assert PrepareFace() in story.do(FaceTimer.AGAIN)
    assert ShowFace(Face.CLOUD) not in story.do(CloudOpened(600.0))
    assert ShowFace(Face.CLOUD) in story.do(SpeakingChanged(False))
    assert story.state.on is Face.CLOUD


def test_each_loss_of_what_costs_nothing_waits_longer_before_the_next_try() -> None:
    story = on_cloud()
    waits: list[float] = []
    for _ in range(5):
        waits.append(delays(story.do(replace(LOST, is_billed=False)))["again"])
        story.do(FaceTimer.AGAIN, CloudOpened(600.0))
    assert waits == [*AGAIN_AFTER_S, AGAIN_AFTER_S[-1]]


@pytest.mark.parametrize(
    "failures",
    [
        ("fail", "fail"),
        ("fail", "lose"),
        ("lose", "lose"),
        ("lose", "free", "fail"),
        ("fail", "free", "free", "lose"),
    ],
)
def test_after_two_paid_starts_in_a_row_that_failed_a_person_is_asked(failures: tuple[str, ...]) -> None:
    failed = CloudFailed("avatar-no-picture", "No.", is_retryable=True, is_billed=True)
    story = Story()
    story.do(Began(), LOCAL_OPENED)
    orders: tuple[Order, ...] = ()
    for n, what in enumerate(failures):
        if n:
            assert PrepareFace() in story.do(FaceTimer.AGAIN)
        is_lost = what == "lose"
        now = (CloudOpened(600.0), LOST) if is_lost else (replace(failed, is_billed=what == "fail"),)
        orders = story.do(*now)
    assert reports(orders)[-1] == (Face.LOCAL, "avatar-failed-starts")
    assert "again" not in delays(orders)
    assert PrepareFace() not in story.do(FaceTimer.AGAIN, Stirred(), FaceTimer.ROTATE)
    assert PrepareFace() in story.do(CloudWished(True))
    assert delays(story.do(failed))["again"] == AGAIN_AFTER_S[0]


def test_a_session_that_was_steady_and_an_exchange_are_no_failed_starts() -> None:
    failed = CloudFailed("avatar-no-picture", "No.", is_retryable=True, is_billed=True)
    story = Story()
    assert "steady" in delays(story.do(Began(), LOCAL_OPENED, failed, FaceTimer.AGAIN, CloudOpened(90.0)))
    story.do(FaceTimer.STEADY)
    assert story.state.failed_starts == 0
    for _ in range(5):
        assert PrepareFace() in story.do(FaceTimer.ROTATE)
        assert ShowFace(Face.CLOUD) in story.do(CloudOpened(90.0))
    assert story.state.failed_starts == 0


def test_an_exchange_that_fails_twice_ends_on_the_local_face_at_the_deadline_and_asks() -> None:
    failed = CloudFailed("avatar-no-picture", "No.", is_retryable=True, is_billed=True)
    story = on_cloud(90.0)
    assert delays(story.do(FaceTimer.ROTATE, failed)) == {"rotate": AGAIN_AFTER_S[0]}
    assert delays(story.do(FaceTimer.ROTATE, failed)) == {}
    orders = story.do(FaceTimer.DEADLINE)
    assert reports(orders) == [(Face.LOCAL, "avatar-failed-starts")]
    assert PrepareFace() not in orders


def test_an_avatar_that_never_spoke_twice_is_not_fetched_again_however_long_it_was_there() -> None:
    never = CloudLost("avatar-never-spoke", "It said nothing.", is_retryable=True)
    story = on_cloud()
    story.do(FaceTimer.STEADY)
    story.at_s += 100
    assert "again" in delays(story.do(never))
    story.do(FaceTimer.AGAIN, CloudOpened(600.0), FaceTimer.STEADY)
    story.at_s += 100
    orders = story.do(never)
    assert reports(orders) == [(Face.LOCAL, "avatar-mute")]
    assert PrepareFace() not in story.do(FaceTimer.AGAIN)
    assert PrepareFace() in story.do(ChoiceChanged())


def test_the_length_of_a_short_plans_sessions_is_told_once() -> None:
    story = Story()
    orders = story.do(Began(), LOCAL_OPENED, CloudOpened(120.0))
    (told,) = [order for order in orders if isinstance(order, FaceReport) and order.code]
    assert told.code == "avatar-plan"
    assert "last 2 minutes" in told.message
    assert "every 90 seconds" in told.message
    assert reports(story.do(FaceTimer.ROTATE, CloudOpened(120.0))) == [(Face.CLOUD, "")]
    assert reports(Story().do(Began(), LOCAL_OPENED, CloudOpened(60.0, is_sandbox=True)))[-1] == (
        Face.CLOUD,
        "",
    )


def test_what_trying_again_cannot_mend_waits_for_a_person() -> None:
    story = on_cloud()
    orders = story.do(replace(LOST, code="avatar-no-credits", is_retryable=False))
    assert "again" not in delays(orders)
    assert PrepareFace() in story.do(CloudWished(True))


def test_late_news_of_what_was_given_up_changes_nothing() -> None:
    story = on_cloud()
    story.do(CloudWished(False))
    before = story.state
    assert story.do(LOST, CloudOpened(600.0), CloudFailed("x", "y", is_retryable=True), FaceTimer.AGAIN) == ()
    assert story.state == before


# -- a person's wish ---------------------------------------------------------------------------------------------------


def test_a_person_may_choose_the_local_face_and_go_back() -> None:
    story = on_cloud()
    orders = story.do(CloudWished(False))
    assert ShowFace(Face.LOCAL) in orders
    assert reports(orders) == [(Face.LOCAL, "")]
    assert PrepareFace() in story.do(CloudWished(True))
    assert ShowFace(Face.CLOUD) in story.do(CloudOpened(600.0))


def test_a_wish_for_the_local_face_stops_what_is_being_prepared() -> None:
    story = Story()
    story.do(Began(), LOCAL_OPENED)
    orders = story.do(CloudWished(False))
    assert DropFace() in orders
    assert ShowFace(Face.LOCAL) in orders


# -- time --------------------------------------------------------------------------------------------------------------


def test_a_session_is_exchanged_before_its_end_between_turns() -> None:
    story = Story()
    orders = story.do(Began(), LOCAL_OPENED, CloudOpened(600.0))
    assert delays(orders)["rotate"] == 600.0 - ROTATE_BEFORE_S
    story.do(SpeakingChanged(True))
    assert PrepareFace() in story.do(FaceTimer.ROTATE)
    assert ShowFace(Face.CLOUD) not in story.do(CloudOpened(600.0))
    assert ShowFace(Face.CLOUD) in story.do(SpeakingChanged(False))
    assert ShowFace(Face.LOCAL) not in story.do(FaceTimer.DEADLINE, SpeakingChanged(False))[:0]


def test_where_one_session_is_allowed_the_local_face_covers_the_exchange() -> None:
    story = on_cloud()
    story.do(SpeakingChanged(True), FaceTimer.ROTATE)
    assert ShowFace(Face.LOCAL) not in story.do(CloudFailed("avatar-concurrency", "Full.", is_retryable=True))
    orders = story.do(SpeakingChanged(False))
    assert orders.index(ShowFace(Face.LOCAL)) < orders.index(PrepareFace())
    assert ShowFace(Face.CLOUD) in story.do(CloudOpened(600.0))


def test_a_session_is_left_before_it_falls_silent_even_in_mid_sentence() -> None:
    story = on_cloud()
    story.do(SpeakingChanged(True), FaceTimer.ROTATE, CloudOpened(600.0))
    assert ShowFace(Face.CLOUD) in story.do(FaceTimer.DEADLINE)
    story.do(FaceTimer.ROTATE)
    orders = story.do(FaceTimer.DEADLINE)
    assert ShowFace(Face.LOCAL) in orders
    assert story.state.next is Next.OPENING


def test_the_sandbox_minute_ends_on_the_local_face_without_another() -> None:
    story = on_cloud(60.0, is_sandbox=True)
    orders = story.do(FaceTimer.ROTATE)
    assert reports(orders) == [(Face.LOCAL, "avatar-sandbox-over")]
    assert PrepareFace() not in orders
    assert story.do(FaceTimer.DEADLINE, FaceTimer.AGAIN) in ((), (PrepareFace(),))


def test_silence_is_warned_of_then_the_avatar_rests_until_somebody_speaks() -> None:
    story = Story()
    orders = story.do(Began(), LOCAL_OPENED, CloudOpened(600.0))
    assert delays(orders)["silence-soon"] == SILENCE_S - WARN_BEFORE_S
    orders = story.do(FaceTimer.SILENCE_SOON)
    assert reports(orders) == [(Face.CLOUD, "avatar-silence-soon")]
    assert delays(orders) == {"silence": WARN_BEFORE_S}
    orders = story.do(FaceTimer.SILENCE)
    assert ShowFace(Face.LOCAL) in orders
    assert reports(orders) == [(Face.LOCAL, "avatar-resting")]
    assert PrepareFace() in story.do(Stirred())


def test_the_warning_of_silence_is_taken_back_once_when_somebody_stirs() -> None:
    story = on_cloud()
    story.do(FaceTimer.SILENCE_SOON)
    assert reports(story.do(Stirred())) == [(Face.CLOUD, "")]
    assert reports(story.do(Stirred())) == []


def test_the_sandbox_minute_is_used_to_its_last_seconds() -> None:
    story = Story()
    orders = story.do(Began(), LOCAL_OPENED, CloudOpened(60.0, is_sandbox=True))
    assert delays(orders)["rotate"] == 60.0 - SANDBOX_LEAVES_BEFORE_S


def test_another_choice_brings_a_fresh_session_unless_none_is_wanted() -> None:
    story = on_cloud()
    assert PrepareFace() in story.do(ChoiceChanged())
    orders = story.do(ChoiceChanged())
    assert (DropFace() in orders, PrepareFace() in orders) == (True, True)
    assert ShowFace(Face.CLOUD) in story.do(CloudOpened(600.0))
    story.do(FaceTimer.SILENCE)
    assert story.do(ChoiceChanged()) == ()
    story.do(CloudWished(False))
    assert story.do(ChoiceChanged()) == ()


def test_a_pause_that_the_provider_asks_for_is_given() -> None:
    busy = CloudFailed("avatar-rate-limit", "Too many.", is_retryable=True, retry_after_s=33.0)
    story = Story()
    story.do(Began(), LOCAL_OPENED)
    assert delays(story.do(busy))["again"] == 33.0
    story = on_cloud()
    story.do(FaceTimer.ROTATE)
    assert delays(story.do(busy))["rotate"] == 33.0
    story = Story()
    story.do(Began(), LOCAL_OPENED)
    assert delays(story.do(replace(busy, retry_after_s=1.0)))["again"] == AGAIN_AFTER_S[0]


def test_a_stir_puts_silence_off() -> None:
    orders = on_cloud().do(Stirred())
    assert delays(orders)["silence-soon"] == SILENCE_S - WARN_BEFORE_S
    assert CancelTimer(FaceTimer.SILENCE) in orders


def test_at_its_limit_the_avatar_goes_between_turns_until_a_person_asks() -> None:
    story = Story()
    assert delays(story.do(Began()))["limit"] == LIMIT_S
    story.do(LOCAL_OPENED, CloudOpened(None), SpeakingChanged(True))
    assert ShowFace(Face.LOCAL) not in story.do(FaceTimer.LIMIT)
    assert reports(story.do(SpeakingChanged(False))) == [(Face.LOCAL, "avatar-limit")]
    assert story.do(FaceTimer.AGAIN) == ()
    assert PrepareFace() in story.do(CloudWished(True))


def test_a_face_that_this_machine_cannot_draw_is_not_tried_again_by_itself_nor_is_the_paid_one() -> None:
    story = Story()
    story.do(Began(), LOCAL_OPENED, CloudFailed("avatar-no-credits", "None left.", is_retryable=False))
    assert story.state.on is Face.LOCAL
    orders = story.do(LegFailed(LegName.FACE, "face-slow", "Too busy.", is_retryable=False))
    assert orders == (LegFailed(LegName.FACE, "face-slow", "Too busy.", is_retryable=False),)


def test_a_lost_standby_is_opened_again() -> None:
    story = on_cloud()
    assert delays(story.do(LegFailed(LegName.FACE, "face-lost", "Gone."))) == {"local": AGAIN_AFTER_S[0]}
    assert story.do(FaceTimer.LOCAL) == (OpenLocal(),)
    assert story.state.local is Standby.OPENING


# -- whole talks -------------------------------------------------------------------------------------------------------


@dataclass
class World:
    """A talk in virtual time: a provider that opens, refuses, loses and bills; a local face; somebody who talks."""

    seed: int
    one_only: bool = False
    state: Faces = field(default_factory=Faces)
    now_s: float = 0.0
    running: int = 0
    most_running: int = 0
    shown: str = ""
    faceless_s: float = 0.0
    _queue: list[tuple[float, int, FacesEvent | str]] = field(default_factory=list)
    _count: itertools.count[int] = field(default_factory=itertools.count)
    _armed: dict[str, int] = field(default_factory=dict)
    _next: int = 0
    _next_opened: bool = False
    _has_cloud: bool = False

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def later(self, delay_s: float, what: FacesEvent | str) -> int:
        number = next(self._count)
        heapq.heappush(self._queue, (self.now_s + delay_s, number, what))
        return number

    def take(self, event: FacesEvent) -> None:
        self.state, orders = step(self.state, event, self.now_s)
        for order in orders:
            self.obey(order)
        self.most_running = max(self.most_running, self.running)
        assert self.running <= 2
        if self.state.is_paused or not self.state.wants_cloud:
            assert self.running <= (1 if self.state.leaves else 0), (self.state, event)

    def obey(self, order: Order) -> None:
        match order:
            case PrepareFace():
                assert not self._next
                is_full = self.one_only and self.running >= 1
                roll = self.chance.random()
                self._next_opened = False
                if is_full or roll < 0.15:
                    code = "avatar-concurrency" if is_full else "avatar-server"
                    self._next = self.later(0.5, CloudFailed(code, "No.", is_retryable=True))
                else:
                    self.running += 1
                    longest_s = self.chance.choice([45.0, 120.0, 600.0, None])
                    self._next = self.later(self.chance.uniform(0.5, 12.0), CloudOpened(longest_s))
            case DropFace():
                self.drop_next()
            case ShowFace(Face.CLOUD):
                assert self._next_opened
                self.running -= self._has_cloud
                self._has_cloud, self._next, self._next_opened = True, 0, False
                self.shown = "cloud"
            case ShowFace():
                assert self.state.local is Standby.READY
                self.running -= self._has_cloud
                self._has_cloud = False
                self.shown = "local"
            case OpenLocal():
                self.later(self.chance.uniform(0.2, 2.0), LOCAL_OPENED)
            case ArmTimer(FaceTimer() as timer, delay_s):
                self._armed[timer] = self.later(delay_s, timer)
            case CancelTimer(timer):
                self._armed.pop(str(timer), None)
            case ArmTimer():
                raise AssertionError(order)
            case LegFailed():
                self.shown = ""
            case FaceReport():
                pass

    def drop_next(self) -> None:
        was_opening = self._next and any(
            number == self._next and isinstance(what, CloudOpened) for _, number, what in self._queue
        )
        if was_opening or self._next_opened:
            self.running -= 1
        self._queue = [entry for entry in self._queue if entry[1] != self._next]
        heapq.heapify(self._queue)
        self._next, self._next_opened = 0, False

    def run(self, for_s: float) -> None:
        """Talk and let things go wrong."""
        self.take(Began())
        for _ in range(int(for_s / 20)):
            begin_s = self.chance.uniform(0, for_s)
            self.later(begin_s, SpeakingChanged(True))
            self.later(begin_s + self.chance.uniform(1, 15), SpeakingChanged(False))
        for _ in range(3):
            self.later(self.chance.uniform(0, for_s), "lose the cloud face")
            self.later(self.chance.uniform(0, for_s), self.chance.choice([Stirred(), CloudWished(True)]))
        self.later(self.chance.uniform(0, for_s), CloudWished(False))
        while self._queue and self._queue[0][0] <= for_s:
            at_s, number, what = heapq.heappop(self._queue)
            if not self.shown and at_s > 15.0:
                self.faceless_s += at_s - self.now_s
            self.now_s = at_s
            if isinstance(what, FaceTimer) and self._armed.get(what) != number:
                continue
            if isinstance(what, CloudOpened) and number == self._next:
                self._next_opened = True
            elif isinstance(what, CloudFailed) and number == self._next:
                self._next = 0
            if what == "lose the cloud face":
                if not self._has_cloud:
                    continue
                self.running -= 1
                self._has_cloud = False
                self.take(LOST)
            elif not isinstance(what, str) or isinstance(what, FaceTimer):
                self.take(what)


@pytest.mark.parametrize("one_only", [False, True], ids=["two-sessions", "one-session"])
@pytest.mark.parametrize("seed", range(90))
def test_a_scripted_talk_always_has_a_face_and_never_pays_for_nothing(seed: int, one_only: bool) -> None:
    world = World(seed, one_only)
    world.run(1500.0)
    assert world.shown
    assert world.faceless_s == 0.0
    assert world.most_running <= (1 if one_only else 2)
    world.take(CloudWished(False))
    assert world.running == 0
    assert world.shown == "local"


def test_with_its_last_credit_the_avatar_leaves_in_a_pause_and_comes_back_only_when_asked() -> None:
    story = on_cloud()
    story.do(SpeakingChanged(True))
    assert delays(story.do(LastCredit())) == {"deadline": LAST_MINUTE_S}
    assert story.state.on is Face.CLOUD
    orders = story.do(SpeakingChanged(False))
    assert reports(orders) == [(Face.LOCAL, Why.CREDITS)]
    assert story.do(FaceTimer.AGAIN) == ()
    assert PrepareFace() in story.do(CloudWished(True))


def test_an_avatar_that_speaks_on_leaves_before_its_last_minute_is_over() -> None:
    story = on_cloud()
    story.do(SpeakingChanged(True), LastCredit())
    assert reports(story.do(FaceTimer.DEADLINE)) == [(Face.LOCAL, Why.CREDITS)]
    assert story.state.next is Next.NONE


def test_a_session_that_ends_sooner_than_its_last_credit_keeps_its_deadline() -> None:
    story = on_cloud(40.0)
    story.do(SpeakingChanged(True))
    assert "deadline" not in delays(story.do(LastCredit()))


def test_after_a_sleep_a_fresh_avatar_comes_at_no_risk_of_being_taken_for_a_failed_start() -> None:
    story = on_cloud()
    orders = story.do(Slept(60.0))
    assert ShowFace(Face.LOCAL) in orders
    assert story.state.failed_starts == 0
    assert PrepareFace() in story.do(FaceTimer.AGAIN)


def test_after_a_long_sleep_no_avatar_is_paid_until_somebody_speaks() -> None:
    story = on_cloud()
    assert reports(story.do(Slept(SILENCE_S))) == [(Face.LOCAL, Why.RESTING)]
    assert story.do(FaceTimer.AGAIN) == ()
    assert PrepareFace() in story.do(Stirred())


def test_a_session_that_was_being_prepared_in_a_sleep_is_made_anew() -> None:
    story = on_cloud()
    story.do(FaceTimer.ROTATE)
    orders = story.do(Slept(60.0))
    assert DropFace() in orders
    assert ShowFace(Face.LOCAL) in orders
    assert story.state.next is Next.NONE
