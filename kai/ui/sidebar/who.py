"""The sidebar's group for the face: drawn on this computer or a cloud avatar, chosen by picture."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import streamlit as st

from kai.core import characters
from kai.runtime.hub import Talk
from kai.ui import address, bridge, host, texts
from kai.ui.sidebar import style
from kai.ui.sidebar.panel import Panel, explain

if TYPE_CHECKING:
    from kai.adapters.liveavatar.gallery import GalleryAvatar

SHOWN: int = 24
"""How many avatars are shown at once; the search finds the others."""


def draw(panel: Panel) -> None:
    """Draw the characters and, with a key, the cloud avatars."""
    panel.head(texts.SIDEBAR_WHO, "character")
    if panel.offer.has_cloud_face:
        is_local = panel.offer.is_face_local(panel.look)
        panel.pick("face", "local" if is_local else "liveavatar")
        if not is_local:
            _draw_avatar(panel)
    _draw_characters(panel)


def _draw_characters(panel: Panel) -> None:
    # Each button of the choice is the portrait, with its name in it; only its background is not to be had from Python.
    faces = " ".join(
        f'.st-key-look-character button:nth-of-type({i}) {{ --portrait: url("{address.at(f"/api/pictures/{name}.jpg")}"); }}'
        for i, name in enumerate(characters.NAMES, 1)
    )
    st.html(f"<style>{faces}</style>")
    is_standing_by = panel.offer.has_cloud_face and not panel.offer.is_face_local(panel.look)
    panel.pick_alone("character")
    if is_standing_by:
        explain(texts.CHARACTER_HELP_STANDBY, "")
    style.draw(panel.talk)


def _draw_avatar(panel: Panel) -> None:
    gallery = host.app().gallery
    if gallery is None:
        return
    shelf = gallery.shelf()
    chosen = panel.look.avatar.avatar_id or gallery.defaults.avatar_id
    avatar = next((a for a in shelf.avatars if a.id == chosen), shelf.avatars[0] if shelf.avatars else None)
    if avatar is not None:
        st.html(f'<div class="kai-avatar">{_picture(avatar)}<b>{html.escape(avatar.name)}</b></div>')
    st.button(
        texts.AVATAR_CHOOSE,
        key="avatar-choose",
        icon=":material/gallery_thumbnail:",
        width="stretch",
        disabled=not shelf.avatars,
        on_click=bridge.request_gallery,
    )
    if shelf.problem or not shelf.avatars:
        waiting = texts.AVATAR_LOADING if shelf.is_loading else texts.AVATAR_NONE
        explain(shelf.problem or waiting, "")
    else:
        panel.explain("avatar", texts.AVATAR_HELP)
    if bridge.take_gallery_request():
        _draw_gallery(panel.talk, chosen)


def _picture(avatar: GalleryAvatar) -> str:
    own = f"/api/avatar/previews/{html.escape(avatar.id)}.jpg"
    source = own if avatar.has_preview else "/api/pictures/kai.jpg"
    return f'<img src="{address.at(source)}" alt="" loading="lazy">'


@st.dialog(texts.AVATAR_CHOOSE, width="large")
def _draw_gallery(talk: Talk, chosen: str) -> None:
    gallery = host.app().gallery
    if gallery is None:
        return
    wanted = st.text_input(
        texts.AVATAR_SEARCH, placeholder=texts.AVATAR_SEARCH, label_visibility="collapsed"
    ).casefold()
    found = [a for a in gallery.shelf().avatars if wanted in a.name.casefold()]
    if not found:
        st.caption(texts.AVATAR_NOT_FOUND)
    for row in range(0, min(SHOWN, len(found)), 4):
        for column, avatar in zip(st.columns(4), found[row : row + 4], strict=False):
            with column:
                own = f" · {texts.AVATAR_OWN}" if avatar.is_own else ""
                st.html(f'<div class="kai-avatar is-tile">{_picture(avatar)}</div>')
                is_chosen = avatar.id == chosen
                if st.button(
                    f"{avatar.name}{own}",
                    key=f"avatar-{avatar.id}",
                    type="primary" if is_chosen else "secondary",
                    width="stretch",
                    on_click=bridge.choose_avatar,
                    args=(talk, avatar.id),
                ):
                    # Rerun the whole page, which closes the gallery.
                    st.rerun()
    if len(found) > SHOWN:
        st.caption(texts.AVATAR_MORE.format(count=len(found) - SHOWN))
