"""Draws ``docs/captions.png``: the captions of presenter view while a person speaks, while Kai speaks, after an interruption,
and after Kai has listened for six seconds.

Developers run it after a change of the captions and inspect the picture: ``python tools/picture_captions.py [PATH]``. The app
is the real one, with the small mind, which answers each time with the same words.
"""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from PIL import Image, ImageDraw, ImageFont

from kai.bench.asked import TALK, asked
from kai.bench.driver import AppProcess, Visitor, visitor
from kai.ui import texts
from tests.browser.test_presenter import key, say_unseen
from tests.support.chromium import find_chromium

ROOT = Path(__file__).parents[1]
SIZE = (1280, 800)
SCALE = 0.375
LINE_PX = 26
COLOURS = 160
TYPED = texts.STARTERS_SMALL_MIND[0]
GROUND, INK = "#0a0f16", "#e7edf4"


def caption(person: Visitor, part: str) -> list[str]:
    """The words in that part of the caption: ``said`` or ``ahead``."""
    return str(person.page.locator(f".caption .{part}").text_content() or "").split()


def cell(person: Visitor) -> Image.Image:
    """The page as it is now."""
    return Image.open(io.BytesIO(person.page.screenshot())).convert("RGB")


def pictures(person: Visitor) -> dict[str, Image.Image]:
    """Hold the talk in presenter view, where the captions are large, and return the cells by what is seen in them."""
    key(person, "p")
    person.page.locator(".desk.is-presenting:not(.is-bar-shown)").wait_for()
    role = person.page.locator(".caption")
    found: dict[str, Image.Image] = {}
    frame = person.media_frame()
    assert frame is not None
    said = base64.b64encode(asked(TALK)[0].path.read_bytes()).decode()
    # It is not waited for: the picture is of the middle of the sentence.
    frame.evaluate("said => { window.__kaiSay(said); }", said)
    person.wait(
        lambda: role.get_attribute("data-role") == "user" and len(caption(person, "said")) >= 3, 20, "words"
    )
    found["A person speaks"] = cell(person)
    person.wait_state(texts.SPEAKING)
    person.wait_state(texts.LISTENING)
    say_unseen(person, TYPED)
    person.wait(
        lambda: len(caption(person, "said")) >= 5 and len(caption(person, "ahead")) >= 2, 20, "lit words"
    )
    found["Kai speaks"] = cell(person)
    key(person, "i")
    person.wait_state(texts.LISTENING)
    person.page.wait_for_timeout(1000)
    found["Kai was interrupted"] = cell(person)
    person.wait(lambda: role.get_attribute("data-role") == "hint", 12, "the hint")
    found["Kai has listened for six seconds"] = cell(person)
    return found


def sheet(cells: dict[str, Image.Image]) -> Image.Image:
    """All cells, two in a row, each with its name."""
    width, height = (round(side * SCALE) for side in SIZE)
    drawn = Image.new("RGB", (2 * width, 2 * (height + LINE_PX)), GROUND)
    pen = ImageDraw.Draw(drawn)
    for i, (name, picture) in enumerate(cells.items()):
        x, y = i % 2 * width, i // 2 * (height + LINE_PX)
        pen.text((x + width / 2, y + LINE_PX / 2), name, INK, ImageFont.load_default(15), anchor="mm")
        drawn.paste(picture.resize((width, height), Image.Resampling.LANCZOS), (x, y + LINE_PX))
    return drawn


def main() -> None:
    """Draw the picture and print its size."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "captions.png"
    chromium = find_chromium()
    assert chromium is not None, "the picture needs a Chromium"
    with (
        AppProcess(env={"KAI_MIND": "none"}) as app,
        visitor(chromium, speaks=True, size=SIZE) as person,
    ):
        person.page.emulate_media(color_scheme="dark")
        person.begin(app)
        drawn = sheet(pictures(person))
    drawn.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
