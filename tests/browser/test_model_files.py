"""The models to fetch, pressed in a real page: one is fetched, paused, gone on with, refused for its bytes, and deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from kai.bench.driver import AppProcess, visitor
from kai.engine.models.catalogue import OTHERS
from kai.engine.models.places import GGUF_MAGIC
from kai.ui.mind_texts import MINDS
from tests.browser.test_minds import ARTIFACTS, SIZES, open_list
from tests.support.model_maker import making

SMALLEST = min(OTHERS, key=lambda model: model.bytes)


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_model_is_fetched_paused_gone_on_with_and_refused_for_its_bytes(
    chromium: Path, tmp_path: Path
) -> None:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    content = GGUF_MAGIC + bytes(SMALLEST.bytes - len(GGUF_MAGIC))
    with making(SMALLEST, content) as maker:
        maker.days = ["stall"] * 8
        env = {"KAI_MIND": "none", "KAI_MODELS_DIR": str(tmp_path / "models"), "HF_ENDPOINT": maker.url}
        with AppProcess(env=env) as app, visitor(chromium) as person:
            app.wait_ready()
            person.page.set_viewport_size({"width": 1280, "height": 800})
            person.open(app.url)
            minds = open_list(person)
            minds.locator("summary", has_text=MINDS["files"]).click()
            row = minds.locator("li.file").filter(has_text=SMALLEST.name)
            expect(row).to_be_visible(timeout=10_000)
            assert maker.asked == []
            row.scroll_into_view_if_needed()
            person.page.screenshot(path=ARTIFACTS / "models-to-fetch.png")
            row.get_by_role("button", name=MINDS["fetch"]).click()
            pause = row.get_by_role("button", name="Pause")
            expect(pause).to_contain_text("50%", timeout=20_000)
            person.page.screenshot(path=ARTIFACTS / "models-on-its-way.png")
            pause.click()
            go_on = row.get_by_role("button", name="Resume")
            expect(go_on).to_be_visible(timeout=10_000)
            for name, (width, height) in SIZES.items():
                person.page.set_viewport_size({"width": width, "height": height})
                person.page.wait_for_timeout(500)
                if name == "phone":
                    person.page.get_by_test_id("stExpandSidebarButton").click()
                row.scroll_into_view_if_needed()
                person.page.wait_for_timeout(500)
                person.page.screenshot(path=ARTIFACTS / f"models-paused-{name}.png")
            person.page.set_viewport_size({"width": 1280, "height": 800})
            maker.days = []
            go_on.click()
            again = row.get_by_role("button", name=MINDS["again"])
            expect(again).to_be_visible(timeout=60_000)
            expect(row).to_contain_text("SHA-256 is another one", timeout=5_000)
            person.page.screenshot(path=ARTIFACTS / "models-refused.png")
            row.get_by_role("button", name=MINDS["delete"]).click()
            expect(row.get_by_role("button", name=MINDS["fetch"])).to_be_visible(timeout=10_000)
            assert not list((tmp_path / "models").rglob("*.gguf"))
