"""The language model's strip in a real browser: offered, fetched, stopped, come, and never in the way of a talk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from kai.bench.driver import AppProcess, visitor
from kai.ui import model_texts, texts
from tests.support.fake_app import app_of_fakes

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "artifacts" / "screenshots"


@pytest.fixture(scope="module")
def app() -> Iterator[AppProcess]:
    with app_of_fakes(KAI_FAKE_MODEL="none", KAI_FAKE_RATE="2e7") as process:
        yield process


def test_the_model_is_offered_stopped_gone_on_with_and_comes_beside_a_talk(
    app: AppProcess, chromium: Path
) -> None:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    with visitor(chromium) as person:
        page = person.page
        page.set_viewport_size({"width": 1280, "height": 720})
        person.open(app.url)
        strip = page.locator(".model")
        expect(strip).to_contain_text("1,117 MB")
        expect(strip).to_contain_text("Apache-2.0")
        # With the strip there, the whole landing page still fits.
        ai_line = page.get_by_text(texts.AI_LINE).bounding_box()
        assert ai_line is not None
        assert ai_line["y"] + ai_line["height"] <= 720
        page.screenshot(path=ARTIFACTS / "model-offer.png")
        button = strip.get_by_role("button", name=model_texts.MODEL_FETCH).bounding_box()
        assert button is not None
        assert button["height"] >= 44
        strip.get_by_role("button", name=model_texts.MODEL_FETCH).click()
        expect(strip).to_contain_text(" %, ")
        strip.get_by_role("button", name=model_texts.MODEL_CANCEL).click()
        expect(strip.get_by_role("button", name=model_texts.MODEL_GO_ON)).to_be_visible()
        expect(strip).to_contain_text("of it are already here")

        person.start()
        person.wait_picture()
        expect(strip).to_have_text(
            f"{model_texts.MODEL_OFFER_SHORT.format(size='1,117 MB')}{model_texts.MODEL_GO_ON}{model_texts.MODEL_LATER}"
        )
        before = page.locator(".controls, .bar").first.bounding_box()
        picture = page.locator(".st-key-kai-stage").bounding_box()
        strip.get_by_role("button", name=model_texts.MODEL_GO_ON).click()
        expect(strip).to_contain_text("Language model: ")
        page.screenshot(path=ARTIFACTS / "model-coming.png")
        expect(strip).to_have_text(model_texts.MODEL_READY, timeout=30_000)
        # What a person looks at has not moved.
        assert page.locator(".st-key-kai-stage").bounding_box() == picture
        assert page.locator(".controls, .bar").first.bounding_box() == before
