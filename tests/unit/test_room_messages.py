"""What the room's process and the app say to each other: whole, bounded, and never waiting for the other."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import numpy as np
import pytest

from kai.adapters.liveavatar.room_messages import HEAD_BYTES, MOST_BYTES, Head, Kind, decode
from kai.adapters.liveavatar.room_process import MOST_WAITING, RoomReporter, RoomWriter
from kai.adapters.liveavatar.troubles import trouble


def test_a_head_comes_back_as_it_went() -> None:
    head = Head(Kind.PICTURE, 720 * 480, 720, 480, (12.5, 0.0, -3.25))
    assert len(head.encode()) == HEAD_BYTES
    assert decode(head.encode()) == head


@pytest.mark.parametrize(
    "head",
    [Head(Kind.SOUND, MOST_BYTES + 1), Head(Kind.PICTURE, 100, 9, 9)],
    ids=["too long", "not its size"],
)
def test_a_broken_stream_is_refused(head: Head) -> None:
    with pytest.raises(ValueError, match="wrong length"):
        decode(head.encode())


def test_a_kind_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="99"):
        decode(bytes([99]) + Head(Kind.FRESH).encode()[1:])


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    yield ours, theirs
    ours.close()
    theirs.close()


def read(connection: socket.socket) -> tuple[Head, bytes]:
    head = decode(connection.recv(HEAD_BYTES, socket.MSG_WAITALL))
    return head, connection.recv(head.length, socket.MSG_WAITALL) if head.length else b""


def test_of_pictures_that_wait_the_newest_goes_and_sound_goes_before_it(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    outbox = RoomWriter(theirs)
    speaker = RoomReporter(outbox)
    for n in range(5):
        speaker.picture(np.full((6, 4), n, np.uint8), float(n))
        speaker.sound(np.full(480, n, np.int16), float(n))
    speaker.plays(9.0, 8.0, 7.0)
    outbox.start()
    sounds = [read(ours) for _ in range(5)]
    assert [(head.kind, head.times_s[0], sound[0]) for head, sound in sounds] == [
        (Kind.SOUND, float(n), n) for n in range(5)
    ]
    assert read(ours)[0] == Head(Kind.PLAYS, times_s=(9.0, 8.0, 7.0))
    head, picture = read(ours)
    assert (head.kind, head.rows, head.width, set(picture)) == (Kind.PICTURE, 6, 4, {4})
    assert outbox.dropped_pictures == 4
    speaker.gone(trouble("avatar-ended"))
    assert read(ours)[1] == b"avatar-ended"
    outbox.end()
    outbox.join(5)
    assert not outbox.is_alive()


def test_an_app_that_does_not_read_costs_a_bounded_memory_and_its_end_ends_the_outbox(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    outbox = RoomWriter(theirs)
    speaker = RoomReporter(outbox)
    for n in range(3 * MOST_WAITING):
        speaker.sound(np.zeros(480, np.int16), float(n))
    outbox.start()
    assert read(ours)[0].times_s[0] >= 2 * MOST_WAITING
    ours.close()
    for n in range(MOST_WAITING):
        speaker.sound(np.zeros(48_000, np.int16), float(n))
    outbox.join(5)
    assert not outbox.is_alive()
