"""What a person may change about the face, from the sidebar's choice to the style that is drawn."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from kai.avatar.style import CHANGEABLE, CHARACTERS, HAIRSTYLES, restyled
from kai.core import characters
from kai.core.capabilities import Applies, applies
from kai.core.config import FACE_COLOURS, FaceStyle
from kai.core.state import Look
from kai.errors import ConfigError
from kai.records.memory import Memory
from kai.records.named import MOST, NamedError
from kai.records.preferences import SavedStyle, Styles, look_from
from kai.ui import texts


def test_everything_that_can_be_chosen_can_be_drawn_and_has_a_word() -> None:
    chosen = {f.name for f in fields(FaceStyle)} - {"character", "voice_higher", "voice_livelier"}
    assert chosen == set(CHANGEABLE) == {*FACE_COLOURS, "hairstyle"}
    assert set(texts.STYLE_COLOURS) == set(FACE_COLOURS)
    assert set(texts.HAIRSTYLE_NAMES) == set(HAIRSTYLES)
    assert set(characters.NAMES) == set(CHARACTERS)


def test_what_was_not_changed_stays_as_the_character_is() -> None:
    kai = CHARACTERS["kai"]
    assert restyled(kai, asdict(FaceStyle()) | {"character": ""}) == kai
    assert restyled(kai, {"skin": "#102030"}) == replace(kai, skin="#102030")


def test_hair_and_background_bring_the_shades_that_belong_to_them() -> None:
    changed = restyled(CHARACTERS["ade"], {"hair": "#404040", "background": "#204060"})
    assert changed.hair == "#404040"
    assert changed.hair_tip == "#757575"
    assert changed.background_edge == "#204060"
    assert int(changed.background_centre[1:3], 16) > 0x20


@pytest.mark.parametrize(
    ("changes", "words"), [({"nose": "#102030"}, "nose"), ({"hairstyle": "mohawk"}, "mohawk")]
)
def test_what_a_face_does_not_have_is_named(changes: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        restyled(CHARACTERS["kai"], changes)


def test_a_colour_that_is_none_is_refused_before_it_gets_anywhere() -> None:
    with pytest.raises(ValueError, match="iris is no colour"):
        FaceStyle(iris="sky")
    with pytest.raises(NamedError):
        look_from({"style": {"character": "kai", "iris": "sky"}})


def test_a_step_of_the_voice_that_is_none_is_refused_likewise() -> None:
    for name in ("voice_higher", "voice_livelier"):
        with pytest.raises(ValueError, match=f"{name} is not between"):
            FaceStyle("kai", **{name: 4})
        with pytest.raises(NamedError):
            look_from({"style": {"character": "kai", name: -4}})


def test_a_style_holds_at_once_and_needs_no_new_connection() -> None:
    assert applies("kai-local", "style") is Applies.NOW
    assert applies("gpt-realtime-2.1", "style") is Applies.NOW


def test_a_look_with_a_style_survives_the_disk() -> None:
    look = Look(character="mara", style=FaceStyle("mara", hair="#112233", hairstyle="long"))
    assert look_from(asdict(look)) == look


def of(styles: Styles, character: str) -> tuple[SavedStyle, ...]:
    return tuple(one for one in styles.entries if one.value.character == character)


def test_styles_are_kept_by_name_for_their_character(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    evening, day = FaceStyle("kai", cloth="#111111"), FaceStyle("emil", cloth="#eeeeee")
    memory.styles.write(memory.styles.value.with_one("  evening ", evening).with_one("day", day))
    memory.close()
    again = Memory(tmp_path).styles.value
    assert of(again, "kai") == (SavedStyle(name="evening", style=evening),)
    assert of(again, "emil") == (SavedStyle(name="day", style=day),)
    changed = again.with_one("evening", replace(evening, lip="#aa0000"))
    assert [s.style.lip for s in of(changed, "kai")] == ["#aa0000"]
    assert of(changed.without("evening"), "kai") == ()


def test_a_style_without_a_name_or_one_too_many_is_refused() -> None:
    with pytest.raises(NamedError, match="needs a name"):
        Styles().with_one(" ", FaceStyle("kai"))
    full = Styles()
    for i in range(MOST):
        full = full.with_one(f"style {i}", FaceStyle("kai"))
    with pytest.raises(NamedError, match="too many"):
        full.with_one("one more", FaceStyle("kai"))
