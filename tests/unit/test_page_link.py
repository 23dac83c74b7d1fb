"""The browser leg's end in Python: what crosses between two threads, and what stops when a page is gone."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import av
import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from kai.adapters.browser import PageLink
from kai.compat import rtc
from kai.compat.format import BLOCK_SAMPLES
from kai.core.events import BrowserLeft, Event, LegConnected
from kai.core.state import LegName
from kai.errors import BrowserError
from kai.ports import MediaReading, Pcm

PICTURE = np.full((96, 64), 128, np.uint8)


def frame(level: int = 3000, channels: int = 2) -> av.AudioFrame:
    """20 ms of the browser's microphone."""
    pcm = np.full((1, BLOCK_SAMPLES * channels), level, np.int16)
    made = av.AudioFrame.from_ndarray(pcm, format="s16", layout="stereo" if channels == 2 else "mono")
    made.sample_rate = 48_000
    return made


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not is_so():
            await asyncio.sleep(0.005)


class Talk:
    """What a session would hear of its page."""

    def __init__(self) -> None:
        self.link = PageLink()
        self.events: list[Event] = []
        self.mic: list[Pcm] = []
        self.threads: set[int] = set()
        self.link.connect(self.emit, self.hear)

    def emit(self, event: Event) -> None:
        self.threads.add(threading.get_ident())
        self.events.append(event)

    def hear(self, pcm: Pcm) -> None:
        self.threads.add(threading.get_ident())
        self.mic.append(pcm)

    def count_pulls(self) -> list[int]:
        """Silence to play from now on; one entry for each block of it that was pulled."""
        pulls: list[int] = []

        def pull() -> Pcm:
            pulls.append(1)
            return np.zeros(BLOCK_SAMPLES, np.int16)

        self.link.play_from(pull)
        return pulls


async def test_the_microphone_crosses_to_the_talks_own_thread_as_mono() -> None:
    talk = Talk()
    page = threading.Thread(target=lambda: [talk.link.on_mic_frame(frame()) for _ in range(5)])
    page.start()
    page.join()
    await until(lambda: len(talk.mic) == 5)
    assert {pcm.shape for pcm in talk.mic} == {(BLOCK_SAMPLES,)}
    assert talk.threads == {threading.get_ident()}
    assert talk.link.mic_level() > 0.1
    await talk.link.aclose()


async def test_a_first_pull_says_that_the_page_is_connected() -> None:
    talk = Talk()
    _, audio = talk.link.tracks()
    await audio.recv()
    await until(lambda: LegConnected(LegName.BROWSER) in talk.events)
    await talk.link.aclose()


async def test_tracks_stay_the_same_while_they_live_and_are_new_after_an_end() -> None:
    talk = Talk()
    first = talk.link.tracks()
    assert talk.link.tracks() == first
    talk.link.connection_changed("closed")
    await until(lambda: BrowserLeft() in talk.events)
    second = talk.link.tracks()
    assert set(second).isdisjoint(first)
    with pytest.raises(MediaStreamError):
        await first[1].recv()
    with pytest.raises(MediaStreamError):
        await first[0].recv()
    await talk.link.aclose()


async def test_the_newest_picture_is_sent_and_a_still_one_again_with_later_timestamps() -> None:
    talk = Talk()
    video, _ = talk.link.tracks()
    talk.link.show(PICTURE, asyncio.get_running_loop().time())
    pts = [(await video.recv()).pts for _ in range(3)]
    assert pts == sorted(set(pts))
    await talk.link.aclose()


async def test_without_a_listener_the_playout_goes_on() -> None:
    talk = Talk()
    pulls = talk.count_pulls()
    await until(lambda: len(pulls) > 5)
    await talk.link.aclose()
    count = len(pulls)
    await asyncio.sleep(0.1)
    assert len(pulls) == count


async def test_what_a_late_track_misses_is_still_there_and_what_a_gone_page_misses_is_not() -> None:
    talk = Talk()
    pulls = talk.count_pulls()
    _, audio = talk.link.tracks()
    await audio.recv()
    count = len(pulls)
    await asyncio.sleep(0.25)
    assert len(pulls) == count, "nobody hears what the link pulls"
    talk.link.connection_changed("closed")
    await until(lambda: len(pulls) > count + 5)
    await talk.link.aclose()


async def test_a_page_without_webrtc_gets_what_sounds() -> None:
    talk = Talk()
    queue = talk.link.listen()
    talk.link.play_from(lambda: np.full(BLOCK_SAMPLES, 500, np.int16))
    async with asyncio.timeout(5):
        assert (await queue.get())[0] == 500
    talk.link.unlisten(queue)
    await talk.link.aclose()


async def test_on_a_computer_without_an_interface_no_page_can_connect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rtc, "host_addresses", list)
    with pytest.raises(BrowserError) as caught:
        PageLink().expect_page()
    assert caught.value.code == "no-network"
    assert "Wi-Fi" in caught.value.message


async def test_pictures_are_counted_as_they_leave_and_those_that_were_replaced() -> None:
    talk = Talk()
    link = talk.link
    link.show(PICTURE, time.monotonic())
    link.show(PICTURE, time.monotonic())
    assert link.media() == MediaReading(), "nobody watches yet"
    video, _ = link.tracks()
    await video.recv()
    link.show(PICTURE, time.monotonic() - 0.05)
    await video.recv()
    link.show(PICTURE, time.monotonic())
    link.show(PICTURE, time.monotonic())
    link.show(PICTURE, time.monotonic())
    await video.recv()
    reading = link.media()
    assert (reading.pictures, reading.dropped_pictures) == (3, 2)
    assert reading.late_ms >= 50
    # A still one that is sent again is no new picture.
    await video.recv()
    assert link.media().pictures == 3
    await link.aclose()


async def test_pictures_wait_for_a_page_s_sound_that_is_behind_them() -> None:
    talk = Talk()
    video, _ = talk.link.tracks()

    async def waited_ms() -> float:
        """By how much the picture's timestamp is later than the picture."""
        at_s = time.monotonic()
        talk.link.show(PICTURE, at_s)
        before = talk.link.media().pictures
        pts = 0
        while talk.link.media().pictures == before:
            pts = (await video.recv()).pts
        assert video.began_s is not None
        return (video.began_s + pts / 90_000 - at_s) * 1000

    await waited_ms()  # the first is waited for in another way
    assert await waited_ms() == pytest.approx(0, abs=1)
    for _ in range(4):
        talk.link.page_plays(-30)  # and the loudspeaker's 15
    assert await waited_ms() == pytest.approx(45, abs=1)
    for _ in range(9):
        talk.link.page_plays(-5_000)
    assert await waited_ms() == pytest.approx(80, abs=1)
    for _ in range(6):
        talk.link.page_plays(30)
    assert await waited_ms() == pytest.approx(0, abs=1)
    await talk.link.aclose()


async def test_the_pages_own_count_is_taken_from_report_to_report(monkeypatch: pytest.MonkeyPatch) -> None:
    link = PageLink()
    now_s = [100.0]
    monkeypatch.setattr("kai.adapters.browser.time.monotonic", lambda: now_s[0])

    def tell(after_s: float, shown: int, dropped: int) -> None:
        now_s[0] += after_s
        link.page_saw(shown, dropped)

    tell(0, 500, 3)
    tell(2, 550, 4)
    assert link.media() == MediaReading(page_s=2.0, page_pictures=50, page_dropped=1)
    tell(60, 900, 9)  # hidden for a minute: nobody knows
    tell(2, 10, 0)  # another video
    tell(2, 60, 0)
    assert link.media() == MediaReading(page_s=4.0, page_pictures=100, page_dropped=1)
