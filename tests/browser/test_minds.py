"""Another mind in a real talk: found in the list, chosen by a press and by keys, killed, given back, and by address."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Locator, expect

from kai.bench.driver import AppProcess, Visitor, visitor
from kai.ui.mind_texts import MINDS
from tests.support.chat_server import CUT
from tests.support.model_servers import KINDS, ModelServer, serving_kind

pytestmark = pytest.mark.long

ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "screenshots"
OLLAMA, LM_STUDIO = KINDS[:2]
SIZES = {"wide": (1280, 800), "phone": (390, 844)}
ANSWER_S = 30

T = TypeVar("T")


class Servers:
    """Model servers in a loop of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="model-servers")
        self._thread.start()
        self._stops: list[Callable[[], None]] = []

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def start(self, serving: AbstractAsyncContextManager[ModelServer]) -> ModelServer:
        server = self.submit(serving.__aenter__()).result(10)
        self._stops.append(lambda: self.submit(serving.__aexit__(None, None, None)).result(10))
        return server

    def close(self) -> None:
        for stop in self._stops:
            stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@contextmanager
def running() -> Iterator[Servers]:
    servers = Servers()
    try:
        yield servers
    finally:
        servers.close()


def ask(person: Visitor, text: str, part: str, within_s: float = ANSWER_S) -> str:
    """A typed question; the line of Kai's that has ``part`` in it."""
    count = len([who for who, _ in person.lines() if who == "assistant"]) + 1
    person.say(text)
    try:
        person.wait(lambda: part in person.line_of("assistant", count), within_s, f"an answer with: {part}")
    except TimeoutError as late:
        raise AssertionError(f"no answer to {text!r} with {part!r}, but {person.lines()}") from late
    person.wait_state("Listening", within_s)
    return person.line_of("assistant", count)


@contextmanager
def talking_beside(chromium: Path, data: Path, *ports: int) -> Iterator[Visitor]:
    """A person in a talk, on a computer that has model servers at these ports, and no model of Kai's own."""
    env = {"KAI_MIND": "none", "KAI_DATA_DIR": str(data), "KAI_MIND_PORTS": str(list(ports))}
    with AppProcess(env=env) as app, visitor(chromium, size=SIZES["wide"]) as person:
        app.wait_ready()
        person.open(app.url)
        person.start()
        person.wait_picture()
        yield person


def open_list(person: Visitor) -> Locator:
    minds = person.page.get_by_test_id("stSidebar").locator(".minds")
    minds.scroll_into_view_if_needed()
    minds.locator("summary").first.click()
    return minds


def wait_picks(minds: Locator, count: int) -> None:
    """Wait until an open list has so many models; it is opened anew meanwhile, since a busy computer's servers may not all
    answer within 300 ms."""
    for _ in range(5):
        try:
            expect(minds.locator(".pick")).to_have_count(count, timeout=8_000)
        except AssertionError:
            minds.locator("summary").first.click()
            minds.locator("summary").first.click()
        else:
            return
    expect(minds.locator(".pick")).to_have_count(count)


def test_a_talk_changes_its_mind_and_keeps_the_one_that_works(chromium: Path, tmp_path: Path) -> None:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    with running() as servers:
        ollama = servers.start(serving_kind(OLLAMA, pieces=["Leaves have ", "other colours too."]))
        studio = servers.start(serving_kind(LM_STUDIO, pieces=["Because autumn ", "is cold."]))
        neighbour = servers.start(serving_kind(OLLAMA))
        with talking_beside(chromium, tmp_path, ollama.port, studio.port, neighbour.port) as person:
            ask(person, "What is two plus two?", "is 4")
            assert ollama.got == studio.got == neighbour.got == []

            for server in (ollama, studio, neighbour):
                server.is_frozen = True
            minds = open_list(person)
            picks = minds.locator(".pick")
            expect(minds.get_by_text(MINDS["nothing"])).to_be_visible(timeout=10_000)
            # An open list shows servers that answer later.
            for server in (ollama, studio, neighbour):
                server.is_frozen = False
            wait_picks(minds, 5)
            first, second = (f"Ollama, 127.0.0.1:{each.port}" for each in (ollama, neighbour))
            expect(minds.locator("h3")).to_have_text([first, "LM Studio", second])
            assert min(box["height"] for box in [picks.nth(i).bounding_box() for i in range(5)] if box) >= 44
            person.page.screenshot(path=ARTIFACTS / "minds-found.png")
            # Who opens the list again sees it again.
            minds.locator("summary").first.click()
            expect(picks.first).not_to_be_visible()
            minds.locator("summary").first.click()
            wait_picks(minds, 5)
            picks.filter(has_text="llama3.2:3b").first.click()
            expect(minds.locator("summary").first).to_have_text(
                MINDS["title_other"].format(model="llama3.2:3b")
            )
            expect(minds.locator(".told").first).to_contain_text("llama3.2:3b answers", timeout=15_000)
            # Its neighbour has a model of the same name, which is another one.
            expect(minds.locator(".pick[aria-pressed=true]")).to_have_count(1)
            assert neighbour.chat.asked == []
            ask(person, "Why do leaves turn red in autumn?", "other colours too")
            ask(person, "What is three plus three?", "is 6")

            # Killed in the middle of an answer: what was said stands, and Kai's own mind goes on.
            ollama.chat.pieces = ["Leaves have ", "many ", CUT]
            said = ask(person, "And why do they fall?", "with my own mind instead")
            assert "Leaves have many" in said
            expect(minds.locator(".told").first).to_contain_text("cannot be reached now", timeout=10_000)
            person.page.screenshot(path=ARTIFACTS / "minds-down.png")
            ask(person, "What is five plus five?", "is 10")

            # By the keyboard alone.
            pick = picks.filter(has_text="qwen/qwen3-4b-2507")
            minds.get_by_role("button", name=MINDS["back"]).focus()
            for _ in range(3):
                person.page.keyboard.press("Tab")
            expect(pick).to_be_focused()
            person.page.keyboard.press("Enter")
            expect(pick).to_have_attribute("aria-pressed", "true", timeout=15_000)
            expect(minds.locator(".told").first).to_contain_text("qwen/qwen3-4b-2507 answers", timeout=15_000)
            expect(pick).to_be_focused()
            ask(person, "Why is autumn red?", "Because autumn is cold")
            for name, (width, height) in SIZES.items():
                person.page.set_viewport_size({"width": width, "height": height})
                person.page.wait_for_timeout(500)
                if name == "phone":
                    person.page.get_by_test_id("stExpandSidebarButton").click()
                minds.locator("h3").first.scroll_into_view_if_needed()
                person.page.wait_for_timeout(500)
                boxes = [box for each in picks.all() if (box := each.bounding_box())]
                assert len(boxes) == 5
                assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
                person.page.screenshot(path=ARTIFACTS / f"minds-{name}.png")
            person.page.set_viewport_size({"width": 1280, "height": 800})
            try_by_hand(person, minds, studio)
            minds.get_by_role("button", name=MINDS["back"]).click()
            expect(minds.locator("summary").first).to_have_text(MINDS["title"])
            asked = len(studio.chat.asked)
            ask(person, "What is six plus six?", "is 12")
            assert len(studio.chat.asked) == asked


def try_by_hand(person: Visitor, minds: Locator, studio: ModelServer) -> None:
    """An address that is wrong stays to be mended, and the talk keeps its mind; a right one can be used."""
    minds.locator("summary", has_text=MINDS["hand"]).click()
    verdict = minds.locator("form .told")
    minds.get_by_label(MINDS["url"], exact=True).fill("http://127.0.0.1:9/v1")
    minds.get_by_label(MINDS["model"]).fill("small")
    minds.get_by_role("button", name=MINDS["try"]).click()
    expect(verdict).to_have_attribute("data-level", "bad", timeout=20_000)
    expect(minds.get_by_role("button", name=MINDS["use"])).to_have_count(0)
    expect(minds.get_by_label(MINDS["url"], exact=True)).to_have_value("http://127.0.0.1:9/v1")
    person.page.screenshot(path=ARTIFACTS / "minds-wrong.png")
    expect(minds.locator("summary").first).to_contain_text("qwen/qwen3-4b-2507")
    minds.get_by_label(MINDS["url"], exact=True).fill(studio.chat.base_url)
    minds.get_by_role("button", name=MINDS["try"]).click()
    expect(verdict).to_have_attribute("data-level", "good", timeout=20_000)
    person.page.screenshot(path=ARTIFACTS / "minds-right.png")
    minds.get_by_role("button", name=MINDS["use"]).click()
    expect(minds.locator("summary").first).to_have_text(MINDS["title_other"].format(model="small"))
