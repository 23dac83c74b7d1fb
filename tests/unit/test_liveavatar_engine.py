"""The local LiveAvatar's parts without a network: bill, switches, scripts, tokens, utterances."""

from __future__ import annotations

import numpy as np
import pytest
from starlette.testclient import TestClient

from kai.avatar.animate import Mood
from kai.avatar.hearing import VisemeNet, load_net
from kai.avatar.style import CHARACTERS
from kai.compat.format import BLOCK_SAMPLES
from kai.engine.liveavatar.account import AVATARS, SESSIONS_KEPT, AccountBook
from kai.engine.liveavatar.faults import ACTS, Faults, Step, drawn, script_of
from kai.engine.liveavatar.painter import PlainPainter
from kai.engine.liveavatar.server import LiveAvatarServer
from kai.engine.liveavatar.tokens import TokenSigner
from kai.engine.liveavatar.voice import STARVING_BLOCKS, AvatarVoice
from kai.errors import ConfigError
from kai.wire import liveavatar as wire
from tests.support.fakes import tone

AVATAR_ID = next(iter(AVATARS))


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


# -- the bill ----------------------------------------------------------------------------------------------------------


def test_every_minute_that_was_begun_costs_a_credit_the_first_at_the_start() -> None:
    clock = Clock()
    account = AccountBook(10, clock)
    paid = account.mint(wire.TokenRequest(avatar_id=AVATAR_ID), longest_s=600)
    assert account.used == 0
    account.start(paid)
    assert (account.used, account.left) == (1, 9)
    clock.now_s += 61
    assert account.used == 2
    account.end(paid, "USER_CLOSED")
    clock.now_s += 600
    assert account.used == 2
    account.end(paid, "UNKNOWN")
    assert paid.end_reason == "USER_CLOSED"


def test_the_sandbox_is_free_and_a_minute_long() -> None:
    account = AccountBook(10, Clock())
    paid = account.mint(wire.TokenRequest(avatar_id=AVATAR_ID, is_sandbox=True), longest_s=600)
    account.start(paid)
    assert (account.used, paid.longest_s) == (0, 60)


def test_a_session_is_as_long_as_the_wish_and_a_wish_beyond_the_plan_is_refused_in_the_services_words() -> (
    None
):
    account = AccountBook(10, Clock())
    for wanted_s, longest_s in ((None, 600), (300, 300), (600, 600)):
        request = wire.TokenRequest(avatar_id=AVATAR_ID, max_session_duration=wanted_s)
        assert account.mint(request, longest_s=600).longest_s == longest_s
    for is_sandbox, most_s in ((False, 600), (True, 60)):
        request = wire.TokenRequest(avatar_id=AVATAR_ID, max_session_duration=601, is_sandbox=is_sandbox)
        with pytest.raises(ValueError, match=rf"\(601s\) exceeds the maximum allowed \({most_s}s\)"):
            account.mint(request, longest_s=600)


def test_every_character_can_be_had() -> None:
    assert {character for _, character in AVATARS.values()} == set(CHARACTERS)


def test_forgotten_sessions_stay_on_the_bill() -> None:
    account = AccountBook(1_000, Clock())
    for _ in range(SESSIONS_KEPT + 20):
        paid = account.mint(wire.TokenRequest(avatar_id=AVATAR_ID), longest_s=600)
        account.start(paid)
        account.end(paid, "USER_CLOSED")
    assert account.used == SESSIONS_KEPT + 20
    assert len(account.all()) <= SESSIONS_KEPT + 1


# -- faults ------------------------------------------------------------------------------------------------------------


def test_switches_are_changed_by_name_and_kind() -> None:
    assert Faults().with_changes({"picture_delay_s": 2, "has_no_v1": True}).picture_delay_s == 2
    for wrong in ({"no_such": 1}, {"has_no_v1": 1}, {"max_session_s": "x"}, {"refuse": 3}):
        with pytest.raises(ConfigError):
            Faults().with_changes(wrong)


def test_a_seed_draws_the_same_script_every_time() -> None:
    assert drawn(7, 5, 20) == drawn(7, 5, 20) != drawn(8, 5, 20)
    assert {step.act for seed in range(100) for step in drawn(seed, 5, 20)} == set(ACTS)
    assert script_of({"seed": 7, "count": 5, "within_s": 20}) == drawn(7, 5, 20)


def test_a_script_is_read_strictly() -> None:
    assert script_of({"steps": [{"act": "vanish", "after_s": 1}]}) == (Step("vanish", 1.0),)
    for wrong in ({}, {"steps": [{"act": "x", "after_s": 1}]}, {"steps": [{"act": "vanish"}]}, []):
        with pytest.raises(ConfigError):
            script_of(wrong)


def test_tokens_are_read_by_who_signed_them_only() -> None:
    tokens = TokenSigner()
    token = tokens.sign({"sub": "x"})
    claims = tokens.read(token)
    assert claims is not None
    assert claims["sub"] == "x"
    assert token.count(".") == 2
    for wrong in ("", "a.b.c", token[:-2] + "xx", TokenSigner().sign({"sub": "x"})):
        assert tokens.read(wrong) is None


# -- the voice ---------------------------------------------------------------------------------------------------------


class Said:
    def __init__(self) -> None:
        self.events: list[tuple[str, str | None]] = []

    def started(self, utterance_id: str | None) -> None:
        self.events.append(("started", utterance_id))

    def ended(self, utterance_id: str | None) -> None:
        self.events.append(("ended", utterance_id))

    def starving(self, utterance_id: str | None) -> None:
        self.events.append(("starving", utterance_id))


@pytest.fixture(scope="module")
def net() -> VisemeNet:
    return load_net()


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def voice(said: Said, net: VisemeNet, clock: Clock) -> AvatarVoice:
    return AvatarVoice(said, net, clock)


def pulled(voice: AvatarVoice, blocks: int) -> list[int]:
    """Peaks of that many blocks."""
    return [int(np.abs(voice.pull().pcm.astype(int)).max()) for _ in range(blocks)]


def test_chunks_are_one_utterance_until_it_is_ended_whatever_ids_they_carry(
    voice: AvatarVoice, said: Said
) -> None:
    for utterance_id in ("a", "b"):
        voice.add(utterance_id, tone(100).tobytes(), after_s=0)
    voice.end()
    voice.add("c", tone(100).tobytes(), after_s=0)
    voice.end()
    peaks = pulled(voice, 20)
    assert said.events == [("started", "a"), ("ended", "a"), ("started", "c"), ("ended", "c")]
    assert sum(peak > 1000 for peak in peaks) == 15


def test_an_utterance_begins_when_it_was_rendered(voice: AvatarVoice, said: Said, clock: Clock) -> None:
    voice.add("a", tone(100).tobytes(), after_s=0.5)
    assert pulled(voice, 3) == [0, 0, 0]
    clock.now_s += 0.6
    assert pulled(voice, 1)[0] > 1000
    assert said.events == [("started", "a")]


def test_what_is_missing_is_silence_and_a_complaint_and_then_goes_on(voice: AvatarVoice, said: Said) -> None:
    voice.add("a", tone(100).tobytes(), after_s=0)
    pulled(voice, 6 + STARVING_BLOCKS)
    assert said.events == [("started", "a"), ("starving", "a")]
    voice.add("a", tone(100).tobytes(), after_s=0)
    voice.end()
    assert max(pulled(voice, 8)) > 1000
    assert said.events[-1] == ("ended", "a")


def test_dropping_tells_what_sounded(voice: AvatarVoice) -> None:
    assert voice.drop() == (False, None)
    voice.add("a", tone(500).tobytes(), after_s=0)
    voice.pull()
    assert voice.drop() == (True, "a")
    assert pulled(voice, 2) == [0, 0]


def test_half_a_sample_is_dropped_and_a_mute_voice_still_moves_its_mouth(voice: AvatarVoice) -> None:
    voice.add("a", tone(500).tobytes() + b"\x01", after_s=0)
    voice.is_mute = True
    moment = [voice.pull() for _ in range(10)][-1]
    assert not moment.pcm.any()
    assert moment.pcm.shape == (BLOCK_SAMPLES,)
    assert moment.mouth is not None


def test_the_plain_picture_opens_its_mouth_with_the_sound() -> None:
    painter = PlainPainter(360)
    shut = painter.paint(0.0, Mood.IDLE, None, 0.0)
    opened = painter.paint(0.0, Mood.SPEAKING, np.ones(4), 1.0)
    assert shut.shape == (540, 360)
    assert opened[230:250, 160:200].mean() < shut[230:250, 160:200].mean() - 20


def test_a_page_of_this_computer_may_send_its_cookies_along() -> None:
    """HeyGen's web SDK does, with every request; without the permission a browser refuses the answer."""
    client = TestClient(LiveAvatarServer().application(), base_url="http://127.0.0.1")
    origin = "http://localhost:3000"
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    answer = client.options("/v1/sessions/start", headers={"Origin": origin, **asked})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "authorization" in answer.headers["access-control-allow-headers"]
