"""Sound and marks to mouths."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from kai.avatar.hearing import Hearing, VisemeNet, load_net
from kai.avatar.lipsync import MOUTH_SHAPES, VISEMES, mouth_row, mouth_rows, shares_from_marks
from kai.avatar.visemes import INDEX
from kai.bench.face_lips import best_lag, score, true_opening
from kai.bench.face_takes import recording_takes, spans_from_phones

RATE_HZ = 24_000
JAW, PRESS = MOUTH_SHAPES.index("jawOpen"), MOUTH_SHAPES.index("mouthPressLeft")


@pytest.fixture(scope="module")
def net() -> VisemeNet:
    return load_net()


def make_vowel(seconds: float, formants_hz: tuple[float, float]) -> NDArray[np.int16]:
    """A voiced sound of 120 Hz with two formants, (samples,) int16, 24 000 Hz."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    sound = np.zeros_like(t)
    for harmonic in range(1, 40):
        hz = 120.0 * harmonic
        gain = sum(1 / (1 + ((hz - f) / 90) ** 2) for f in formants_hz) + 0.01
        sound += gain * np.sin(2 * np.pi * hz * t)
    return (sound / np.abs(sound).max() * 12_000).astype(np.int16)


def hear_all(
    net: VisemeNet, pcm: NDArray[np.int16], chunk: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    hearing = Hearing(net)
    parts = [hearing.push(pcm[i : i + chunk]) for i in range(0, len(pcm), chunk)] + [hearing.finish()]
    return np.vstack([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def marks(*visemes: tuple[str, int]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Shares of visemes that last so many rows each."""
    rows, timed = 0, []
    for label, count in visemes:
        timed.append((label, rows * 240, (rows + count) * 240))
        rows += count
    return shares_from_marks(timed, 0, rows)


def test_marks_fill_their_rows_and_no_others() -> None:
    shares, known = shares_from_marks([("aa", 480, 960), ("PP", 960, 1440)], 0, 8)
    assert known.tolist() == [False, False, True, True, True, True, False, False]
    assert shares[2, INDEX["aa"]] == 1
    assert shares[5, INDEX["PP"]] == 1
    assert shares[0].sum() == 0


def test_lips_close_for_a_short_p_between_open_vowels() -> None:
    shares, _ = marks(("aa", 12), ("PP", 6), ("aa", 12))
    mouth = mouth_rows(shares, np.ones(30, np.float32))
    assert mouth[3, JAW] > 0.4
    assert mouth[15, JAW] < 0.06
    assert mouth[15, PRESS] > 0.3
    assert mouth[26, JAW] > 0.4


def test_a_mouth_moves_without_jumps() -> None:
    shares, _ = marks(("sil", 10), ("aa", 10), ("I", 8), ("U", 8), ("sil", 10))
    mouth = mouth_rows(shares, np.ones(46, np.float32))
    assert np.abs(np.diff(mouth, axis=0)).max() < 0.2


def test_one_row_of_a_growing_track_is_that_row_of_the_whole() -> None:
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.ones(15), 40).astype(np.float32)
    loudness = rng.random(40).astype(np.float32)
    whole = mouth_rows(shares, loudness)
    for row in (0, 1, 17, 38, 39):
        assert np.allclose(mouth_row(shares, loudness, row), whole[row], atol=1e-5)
    assert np.allclose(mouth_row(shares, loudness, 20.5), (whole[20] + whole[21]) / 2, atol=1e-5)


def test_the_lips_hear_the_same_in_pieces_of_any_length(net: VisemeNet) -> None:
    pcm = np.concatenate(
        [make_vowel(0.3, (700, 1200)), np.zeros(2400, np.int16), make_vowel(0.3, (300, 2300))]
    )
    whole, _ = hear_all(net, pcm, len(pcm))
    for chunk in (480, 777):
        pieces, _ = hear_all(net, pcm, chunk)
        assert np.allclose(whole[: len(pieces)], pieces[: len(whole)], atol=1e-3)


def test_rows_are_known_within_the_look_ahead(net: VisemeNet) -> None:
    hearing = Hearing(net)
    rows = 0
    for pushed_ms in range(20, 1000, 20):
        shares, _ = hearing.push(make_vowel(0.02, (700, 1200)))
        rows += len(shares)
        assert rows * 10 >= pushed_ms - 52.5


def test_a_vowel_opens_the_mouth_and_silence_rests(net: VisemeNet) -> None:
    quiet = np.zeros(RATE_HZ // 2, np.int16)
    pcm = np.concatenate([quiet, make_vowel(0.5, (750, 1250)), quiet])
    shares, loudness = hear_all(net, pcm, 480)
    mouth = mouth_rows(shares, loudness)
    assert mouth[60:90, JAW].mean() > 0.2
    assert mouth[5:40].max() < 0.02
    assert mouth[-25:].max() < 0.02
    assert loudness[60:90].min() > 0.8
    assert loudness[5:40].max() == 0


def test_shares_are_shares(net: VisemeNet) -> None:
    noise = (np.random.default_rng(3).standard_normal(RATE_HZ) * 3000).astype(np.int16)
    shares, loudness = hear_all(net, noise, 960)
    assert shares.shape[1] == len(VISEMES)
    assert shares.min() >= 0
    assert np.allclose(shares.sum(1), 1, atol=1e-4)
    assert loudness.min() >= 0
    assert loudness.max() <= 1


def test_lips_follow_people_who_were_never_heard_before(net: VisemeNet) -> None:
    """Their true mouths are known by alignment only, which is right about five times in six; so the floors are low."""
    found = score(list(recording_takes()), net)
    assert found.agreement > 0.45
    assert found.correlation > 0.60
    assert abs(found.lag_ms) <= 20
    assert found.closed_share > 0.75


def test_a_score_knows_a_deaf_ear_and_a_late_one() -> None:
    (take, *_) = recording_takes()
    rows = len(take.pcm) // 240
    truth = true_opening(take, rows)
    assert best_lag(truth, np.roll(truth, 4), range(-8, 9)) == (pytest.approx(1.0), 4)
    noise = np.random.default_rng(2).random(rows)
    assert best_lag(truth, noise, range(-8, 9))[0] < 0.4


def test_phones_become_mouths_and_a_diphthong_two() -> None:
    spans = spans_from_phones([("P", 0.0, 0.1), ("ay", 0.1, 0.2), ("SIL", 0.2, 0.3)])
    assert spans == (("PP", 0, 2400), ("aa", 2400, 3600), ("I", 3600, 4800), ("sil", 4800, 7200))
