"""Measures a change of look while Kai talks: from the change in the sidebar to the first picture that shows it, in a browser;
and how long any other setting's change holds the picture.

The sidebar is operated as by a person, and the time starts at the press that applies the change. The result is read from the
video's pixels: a change counts as shown when its part of the picture has gone a quarter of the way to the new look, which is
a tenth of a second into the cross-fade. The app starts as after its installation: the characters are baked, and no mixed
styles are.
"""

from __future__ import annotations

import secrets
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from kai.avatar.cache import baked_path, load_or_bake, shape_path
from kai.avatar.jit_cache import build_folder
from kai.avatar.ladder import STANDARD_PX, SUPERSAMPLES
from kai.avatar.style import CHARACTERS
from kai.bench.bars import Bar, at_least, at_most
from kai.bench.driver import AppProcess, Visitor, visitor
from kai.bench.talk import find_chromium
from kai.compat.files import cache_root
from kai.core import characters
from kai.ui import texts
from kai.ui.setting_words import SETTINGS as WORDS

QUESTION: Final = "Does my voice leave this computer?"
"""The local mind has one answer to this question, of about eleven seconds."""
BEFORE_S: Final = 1.0
SETTLED_S: Final = 1.0
"""The pictures of the last second that was watched count as the new look."""
SHOWN_SHARE: Final = 0.25
MOVES_SHARE: Final = 0.1
MOST_SHARE: Final = 0.75
SHOWN_FRAMES: Final = 5
"""The number of successive pictures that must show the change, because lips and lids move too."""
GRID: Final = 8

BAR_COLOUR_S: Final = 1.5
BAR_OTHER_S: Final = 5.0
BAR_FRAMES_PER_S: Final = 20.0
BAR_SETTING_GAP_MS: Final = 80.0
"""Two frames in a row may be missed."""
SETTING_ROUNDS: Final = 3
NOTHING: Final = "nothing"
"""What is measured beside the settings: a machine may be too busy for the bar with nothing changed."""

WATCHED_COLOUR_S: Final = 3.5
WATCHED_OTHER_S: Final = 7.5
WATCHED_SETTING_S: Final = 3.0

BAKED: Final = ("kai", "mara")
"""The characters that the bench shows."""

Box = tuple[float, float, float, float]
_WHOLE: Final[Box] = (0, 0, 512, 512)

COLOURS: Final[dict[str, tuple[str, Box]]] = {
    "cloth": ("#e8e8", (20, 480, 140, 510)),
    "iris": ("#20d0", (190, 232, 230, 256)),
    "lip": ("#3050", (222, 333, 288, 352)),
    "brow": ("#d030", (172, 203, 228, 228)),
    "hair": ("#d8c0", (180, 70, 330, 125)),
    "background": ("#6020", (0, 0, 70, 90)),
    "accent": ("#ff20", (200, 452, 330, 482)),
    "skin": ("#6fa8", (180, 255, 235, 300)),
}
"""For each colour the first four digits of a clearly different one, and where Kai's shows in a picture of 512x512. The last
two digits are chosen per run, so that nobody has baked the colour before."""

# In the media component's frame: of every picture a coarse look at one part of it, with its time.
_LOOK_JS = """
(grid) => {
  if (window.__kaiLooks) return;
  const L = window.__kaiLooks = { box: null, seen: [] };
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = grid;
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  pen.imageSmoothingQuality = 'medium';
  const look = (video, told) => {
    const at = performance.timeOrigin + performance.now();
    let cells = null;
    if (L.box) {
      const [x0, y0, x1, y1] = L.box.map((v) => v * video.videoWidth / 512);
      pen.drawImage(video, x0, y0, x1 - x0, y1 - y0, 0, 0, grid, grid);
      cells = Array.from(pen.getImageData(0, 0, grid, grid).data);
    }
    L.seen.push([at, cells, told.presentedFrames]);
    video.requestVideoFrameCallback((_now, next) => look(video, next));
  };
  const video = document.querySelector('video');
  video.requestVideoFrameCallback((_now, told) => look(video, told));
}
"""


@dataclass(frozen=True, slots=True)
class Change:
    """One change: ``prepare`` does everything except the press that applies it, which is ``take``."""

    name: str
    box: Box
    is_colour: bool
    prepare: Callable[[Visitor], None]
    take: Callable[[Visitor], None]


def run() -> dict[str, Any]:
    """Return for each change the seconds until it shows, and the pictures per second until a second after that."""
    figures: dict[str, Any] = {}
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="kai-bench-") as folder:
        as_installed(Path(folder))
        with AppProcess(env={"KAI_CACHE_DIR": folder}) as app, visitor(find_chromium()) as person:
            person.begin(app)
            person.in_media(_LOOK_JS, GRID)
            # The baker's process starts after ten seconds of pictures; a person needs as long to find the style.
            person.page.wait_for_timeout(15_000)
            for change in changes():
                found[change.name] = measured(person, change)
            gaps: dict[str, list[float]] = {name: [] for name in settings()}
            for _ in range(SETTING_ROUNDS):
                for name, steps in settings().items():
                    gaps[name].append(gap_of(person, *steps))
            # On a busy machine the face may have been given up, and a still picture shown instead.
            banner = person.page.locator(".banner .message")
            figures["told_by_the_page"] = banner.inner_text() if banner.is_visible() else ""
    for name, told in found.items():
        figures |= {f"{name}_{what}": value for what, value in told.items()}
    colours = [found[name]["shows_after_s"] for name in COLOURS]
    others = [told["shows_after_s"] for name, told in found.items() if name not in COLOURS]
    rates = [told["frames_per_s"] for told in found.values()]
    figures["worst_colour_s"] = worst(colours)
    figures["worst_other_s"] = worst(others)
    figures["fewest_frames_per_s"] = min(rates)
    figures["longest_gap_of_a_setting_ms"] = {name: statistics.median(each) for name, each in gaps.items()}
    return figures


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Return the bars of a change of look; a change that never showed counts as not measured."""
    gaps_ms = figures["longest_gap_of_a_setting_ms"]
    return [
        at_most("slowest colour", figures["worst_colour_s"], BAR_COLOUR_S, "s"),
        at_most("slowest haircut or character", figures["worst_other_s"], BAR_OTHER_S, "s"),
        at_least("pictures a second meanwhile", figures["fewest_frames_per_s"], BAR_FRAMES_PER_S),
        *(
            at_most(f"longest gap between pictures, {name}", gap_ms, BAR_SETTING_GAP_MS, "ms")
            for name, gap_ms in gaps_ms.items()
            if name != NOTHING
        ),
    ]


def worst(times_s: list[float | None]) -> float | None:
    """Return the longest time; ``None`` if one is missing."""
    known = [time_s for time_s in times_s if time_s is not None]
    return max(known) if len(known) == len(times_s) else None


def as_installed(folder: Path) -> None:
    """Fill a cache folder as it is where Kai has run: with compiled kernels, baked characters, and the rules as read."""
    rules = cache_root() / "rules"
    if rules.exists():
        shutil.copytree(rules, folder / "rules")
    kernels = build_folder()
    if kernels.exists():
        (folder / "kernels").mkdir()
        shutil.copytree(kernels, folder / kernels.relative_to(cache_root()), dirs_exist_ok=True)
    (folder / "faces").mkdir()
    size_px = STANDARD_PX, STANDARD_PX
    for own in (CHARACTERS[name] for name in BAKED):
        for supersample in SUPERSAMPLES:
            load_or_bake(own, *size_px, supersample)
            for kept in (
                baked_path(own, *size_px, supersample),
                shape_path(own.mesh, own.hairstyle, *size_px, supersample),
            ):
                if kept.exists():
                    (folder / "faces" / kept.name).symlink_to(kept)


def changes() -> list[Change]:
    """Return the changes: each colour once, two haircuts, and another character."""
    of_this_run = secrets.token_hex(1)
    return [
        *(a_colour(name, start + of_this_run, box) for name, (start, box) in COLOURS.items()),
        *(a_haircut(name) for name in ("long", "bob")),
        a_character("mara"),
    ]


def a_colour(name: str, colour: str, box: Box) -> Change:
    """Return a change of colour, which is typed into its picker and applied when the picker closes."""

    def prepare(person: Visitor) -> None:
        open_style(person)
        picker = person.page.get_by_test_id("stColorPicker").filter(has_text=texts.STYLE_COLOURS[name])
        picker.get_by_test_id("stColorPickerBlock").click()
        field = person.page.get_by_test_id("stColorPickerPopover").locator("input").first
        field.fill(colour)
        field.press("Enter")

    def take(person: Visitor) -> None:
        person.page.get_by_test_id("stPopoverBody").click(position={"x": 5, "y": 5})

    return Change(name, box, True, prepare, take)


def a_haircut(hairstyle: str) -> Change:
    """Return a change of haircut, chosen from the style's list."""

    def prepare(person: Visitor) -> None:
        open_style(person)
        person.page.get_by_role("combobox", name=texts.STYLE_HAIR).click()

    def take(person: Visitor) -> None:
        person.page.get_by_role("option", name=texts.HAIRSTYLE_NAMES[hairstyle], exact=True).click()

    return Change(f"haircut_{hairstyle}", _WHOLE, False, prepare, take)


def a_character(name: str) -> Change:
    """Return a change of character, by its button."""

    def take(person: Visitor) -> None:
        person.page.get_by_role("radio", name=characters.NAMES[name], exact=True).click()

    return Change(f"character_{name}", _WHOLE, False, close_style, take)


def settings() -> dict[str, tuple[Callable[[Visitor], None], Callable[[Visitor], None]]]:
    """Return settings that change no look, and none, each with what brings a person to it and the press that applies it."""
    instructions = "[data-testid=stSidebar] .st-key-look-instructions textarea"
    return {
        NOTHING: (lambda _person: None, lambda _person: None),
        "speed": (
            lambda person: person.page.get_by_role("slider", name=WORDS["speed"].label).focus(),
            lambda person: person.page.keyboard.press("ArrowRight"),
        ),
        "instructions": (
            lambda person: person.page.locator(instructions).fill("Be brief."),
            lambda person: person.page.locator(instructions).press("Control+Enter"),
        ),
        "the voice that stays": (
            lambda _person: None,
            lambda person: person.page.locator(".st-key-look-keeps_voice label").click(),
        ),
    }


def gap_of(person: Visitor, prepare: Callable[[Visitor], None], take: Callable[[Visitor], None]) -> float:
    """Change the setting while Kai speaks; return the longest time between two pictures from then on, in ms."""
    person.say(QUESTION)
    person.wait_state("Speaking", 20)
    close_style(person)
    prepare(person)
    person.page.wait_for_timeout(BEFORE_S * 1000)
    person.in_media("() => { const L = window.__kaiLooks; L.box = null; L.seen.length = 0; }")
    take(person)
    person.page.wait_for_timeout(WATCHED_SETTING_S * 1000)
    return longest_gap_ms(person.in_media("() => window.__kaiLooks.seen.splice(0)"))


def longest_gap_ms(seen: Sequence[tuple[float, list[int] | None, int]]) -> float:
    """Return the longest time between two pictures in ms. A busy script is called once for two, although both were shown."""
    at_ms, count = np.array([(at, n) for at, _, n in seen]).T
    return round(float((np.diff(at_ms) / np.diff(count)).max()))


def open_style(person: Visitor) -> None:
    """Open the style's controls."""
    if not person.page.get_by_test_id("stColorPicker").first.is_visible():
        person.page.get_by_role("button", name=texts.STYLE).click()
        person.page.get_by_test_id("stColorPicker").first.wait_for(timeout=5000)


def close_style(person: Visitor) -> None:
    """Close the style's controls."""
    if person.page.get_by_test_id("stColorPicker").first.is_visible():
        person.page.keyboard.press("Escape")


def measured(person: Visitor, change: Change) -> dict[str, Any]:
    """Make the change while Kai speaks, and find in the pictures when it showed."""
    person.say(QUESTION)
    person.wait_state("Speaking", 20)
    change.prepare(person)
    person.in_media(
        "(box) => { const L = window.__kaiLooks; L.box = box; L.seen.length = 0; }", list(change.box)
    )
    person.page.wait_for_timeout(BEFORE_S * 1000)
    taken_ms = time.time() * 1000
    change.take(person)
    watched_s = WATCHED_COLOUR_S if change.is_colour else WATCHED_OTHER_S
    spoke_s = 0.0
    while (now_s := time.time() - taken_ms / 1000) < watched_s:
        if "speaking" in person.state_word().lower():
            spoke_s = now_s
        person.page.wait_for_timeout(250)
    seen = person.in_media("() => window.__kaiLooks.seen.splice(0)")
    shown_s = shows_after_s(seen, taken_ms, change.is_colour)
    until_ms = taken_ms + 1000 * min(watched_s, (shown_s or watched_s) + 1.0)
    watched = [each for each in seen if taken_ms - 100 < each[0] < until_ms]
    at_ms, count = np.array([(at, n) for at, _, n in watched]).T
    return {
        "shows_after_s": shown_s,
        "frames_per_s": round(float((count[-1] - count[0]) / (at_ms[-1] - at_ms[0]) * 1000), 1),
        "longest_gap_ms": longest_gap_ms(watched),
        "kai_spoke_for_s": round(spoke_s, 1),
    }


def shows_after_s(
    seen: Sequence[tuple[float, list[int] | None, int]], taken_ms: float, is_colour: bool
) -> float | None:
    """Return the seconds from the change to the first picture that shows it; ``None`` if the pictures do not tell."""
    looks = [(at, cells) for at, cells, _ in seen if cells is not None]
    at_ms = np.array([at for at, _ in looks])
    cells = np.array([cells for _, cells in looks], float).reshape(len(looks), -1, 4)[..., :3]
    if is_colour:
        # Compare red and blue with green, because an open mouth or a shadow is darker but of nearly the same colour.
        cells = cells[..., [0, 2]] - cells[..., 1:2]
    cells = cells.reshape(len(looks), -1)
    before, after = cells[at_ms < taken_ms], cells[at_ms > at_ms[-1] - SETTLED_S * 1000]
    way = np.median(after, 0) - np.median(before, 0)
    share = (cells - np.median(before, 0)) @ way / max(float(way @ way), 1e-9)
    # A moving mouth changes its part of the picture anyway, so the new look has to go beyond that.
    needed = max(SHOWN_SHARE, float(np.percentile(share[at_ms < taken_ms], 90)) + MOVES_SHARE)
    if needed > MOST_SHARE:
        return None
    is_shown = (share > needed) & (at_ms > taken_ms)
    for i in range(len(is_shown) - SHOWN_FRAMES + 1):
        if is_shown[i : i + SHOWN_FRAMES].all():
            return round((float(at_ms[i]) - taken_ms) / 1000, 2)
    return None
