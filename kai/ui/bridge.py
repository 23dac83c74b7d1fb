"""The one module that touches Streamlit's session state, query parameters and cookies, and that finds a tab's talk.

A talk is found again by the random id in the tab's query string together with the HttpOnly cookie, once the old tab is gone;
otherwise a new talk begins. So a refreshed page returns to its talk, and a second tab has its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from kai.checks.run import Finding, Running
from kai.core.capabilities import engine_voice
from kai.core.config import FaceStyle, value_of, with_values
from kai.core.events import (
    BrainRecalled,
    FaceRecalled,
    LookChanged,
    MicrophoneChanged,
    ResetRequested,
    RetryRequested,
    StartRequested,
    TimeZoneTold,
)
from kai.core.state import Face, LegName, LegStatus, Look, Microphone, Phase, SessionState
from kai.errors import KaiError
from kai.records.memory import Memory, owner_of
from kai.records.named import Named
from kai.records.preferences import JsonFile, read_preset
from kai.runtime.hub import SessionHub, Talk
from kai.ui import compat, host, texts
from kai.ui.host import COOKIE_NAME
from kai.ui.view import Mount, has_media, is_microphone_known, next_mount

QUERY_NAME: Final = "talk"

OLD_TAB_PATIENCE_S: Final = 1.5
"""How long a refreshed page waits for its predecessor to close, whose session and event stream end about 0.05 s later."""

SETTLE_S: Final = 1.0
"""How long a press of Start waits for the talk to begin, so that the same run can draw it."""

CHANGE_VOICE_S: Final = 10.0
RECORD_S: Final = 60.0
"""The local engine may have to start first."""

_TALK: Final = "kai.talk"
_MOUNT: Final = "kai.mount"
_SERIAL: Final = "kai.mount_serial"
_SEARCH: Final = "kai.history_search"
_READING: Final = "kai.history_reading"
_CHECKUP: Final = "kai.checkup"
_UPLOAD_VERSION: Final = "kai.upload_version"
_GALLERY: Final = "kai.gallery"
_SHOWN: Final = "kai.history_shown"


class NoCookieError(Exception):
    """The browser sent no cookie of ours, so a talk could not be found again."""


def browser_id() -> str:
    """Return the id in this browser's cookie. Raises ``NoCookieError``."""
    value = st.context.cookies.get(COOKIE_NAME, "")
    if not value:
        raise NoCookieError
    return value


def time_zone() -> ZoneInfo | None:
    """Return the time zone of this page's browser; ``None`` if the browser does not report one that we know."""
    name = st.context.timezone
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def tell_time_zone(talk: Talk) -> None:
    """Tell the talk the person's time zone, unless it has it already."""
    zone = time_zone()
    if zone is not None and talk.snapshot().time_zone != zone.key:
        talk.dispatch(TimeZoneTold(zone.key))


def current_talk(hub: SessionHub) -> Talk:
    """Return this tab's talk: that of the last run, else the one that its address names, else a new one.

    Raises ``NoCookieError``, and ``KaiError`` when there are too many talks.
    """
    browser = browser_id()
    session = compat.session_id()
    known = st.session_state.get(_TALK)
    talk = hub.find(known, browser) if known else None
    if talk is None:
        talk = _take_over(hub, browser)
        if talk is None:
            talk = hub.create(browser)
            _recall_look(talk)
        st.session_state[_TALK] = talk.id
        talk.attach_tab(session, compat.session_activity(session))
        if talk.snapshot().is_active:
            _welcome_back(talk)
    if st.query_params.get(QUERY_NAME) != talk.id:
        st.query_params[QUERY_NAME] = talk.id
    return talk


def _take_over(hub: SessionHub, browser: str) -> Talk | None:
    """Return the talk that this tab's address names, once no other page shows it; else ``None``."""
    talk = hub.find(st.query_params.get(QUERY_NAME, ""), browser)
    if talk is None:
        return None
    return talk if _wait_until(lambda: not talk.is_attended(), OLD_TAB_PATIENCE_S) else None


def _welcome_back(talk: Talk) -> None:
    """Ask for the microphone again, then connect: a new page has its own permission and its own connection."""
    talk.dispatch(MicrophoneChanged(Microphone.UNKNOWN))
    if talk.snapshot().browser.status is LegStatus.FAILED:
        talk.dispatch(RetryRequested(LegName.BROWSER))
    _wait_until(lambda: not is_microphone_known(talk.snapshot()))


def _wait_until(is_so: Callable[[], bool], timeout_s: float = SETTLE_S) -> bool:
    """Wait until ``is_so``, on the script's own thread in steps of 10 ms; return whether it became true in time."""
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.01)
    return True


def look(talk: Talk) -> Look:
    """Return the talk's look, which the sidebar shows."""
    return talk.snapshot().look


def change_look(talk: Talk, **changes: Any) -> None:
    """Change settings, given by their names."""
    set_look(talk, with_values(look(talk), changes))


def set_look(talk: Talk, wanted: Look) -> None:
    """Set the talk's look and keep it for the next start. Returns once the talk has it."""
    if is_home():
        _keep(lambda: host.app().memory.keep_look(wanted))
    talk.dispatch(LookChanged(wanted))
    _wait_until(lambda: talk.snapshot().look == wanted)


def _recall_look(talk: Talk) -> None:
    """Give a new talk the last look that was kept, or the first one."""
    app = host.app()
    last = app.memory.preferences.value.last_look() if is_home() else None
    wanted = last or app.first_look
    if wanted != talk.snapshot().look:
        talk.dispatch(LookChanged(wanted))
        _wait_until(lambda: talk.snapshot().look == wanted)


def show(key: str, value: object) -> None:
    """Make the widget of that key, which is drawn next, show the value. A widget that shows it already is left alone, so that
    text which somebody is typing stays."""
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value


def recall_face(talk: Talk) -> None:
    """Switch back to the cloud's brain or avatar after this computer's replaced it."""
    if talk.snapshot().ladder.is_standing_in:
        talk.dispatch(BrainRecalled())
        return
    if look(talk).face == Face.LOCAL:
        change_look(talk, face="")
    talk.dispatch(FaceRecalled())


def take_look(talk: Talk, name: str, widget_key: str) -> None:
    """Set the setting of that name to the widget's value; a deselection changes nothing."""
    value = st.session_state[widget_key]
    if value is None:
        return
    # A widget holds plain values: strings for an enum, lists for a tuple.
    kind: Callable[[Any], Any] = tuple if isinstance(value, list) else type(value_of(look(talk), name))
    change_look(talk, **{name: kind(value)})


def local_voice(talk: Talk) -> str:
    """Return the id of the voice that our own engine speaks with."""
    return engine_voice(look(talk)).partition(":")[0]


def take_local_voice(talk: Talk, widget_key: str) -> None:
    """Set the engine's voice to the widget's value. A voice other than the character's own is kept when that changes."""
    voice = str(st.session_state[widget_key])
    change_look(talk, voice=voice, keeps_voice=voice != look(talk).character)


def keep_local_voice(talk: Talk, widget_key: str) -> None:
    """Keep the engine's present voice, or go back to the character's own, as the widget of that key says."""
    change_look(talk, voice=local_voice(talk), keeps_voice=bool(st.session_state[widget_key]))


def change_voices(file_ids: Sequence[str], wish: str) -> None:
    """Have the local engine ``fetch``, ``pause`` or ``delete`` these files of voices; an error is shown on the page."""
    app = host.app()

    def change() -> None:
        for file_id in file_ids:
            app.hub.submit(app.change_voice(file_id, wish)).result(CHANGE_VOICE_S)

    _keep(change)


def take_avatar(talk: Talk, name: str, widget_key: str) -> None:
    """Set that field of the look's ``AvatarConfig`` to the widget's value; a deselection changes nothing."""
    value = st.session_state[widget_key]
    if value is not None:
        change_look(talk, avatar=replace(look(talk).avatar, **{name: value}))


def choose_avatar(talk: Talk, avatar_id: str) -> None:
    """Choose that avatar of the gallery."""
    change_look(talk, avatar=replace(look(talk).avatar, avatar_id=avatar_id))


def request_gallery() -> None:
    """Request that this run shows the gallery of avatars."""
    st.session_state[_GALLERY] = True


def take_gallery_request() -> bool:
    """Return whether the gallery was requested, and clear the request."""
    return bool(st.session_state.pop(_GALLERY, False))


def record_voice(look: Look) -> bytes:
    """Record a sentence in that look's voice, wait for it and return it as a wav file. Raises ``KaiError``."""
    app = host.app()
    if app.previews is None:
        raise KaiError(texts.NOT_STARTED)
    work = app.hub.submit(app.previews.wav(look))
    try:
        return work.result(RECORD_S)
    except TimeoutError:
        work.cancel()
        raise KaiError(texts.VOICE_TOO_SLOW) from None


def follow(key: str, value: str) -> None:
    """Make the field of that key, which is drawn next, show the value if it has changed since the last drawing; otherwise
    text which somebody is typing stays."""
    seen = f"{key}.seen"
    if key not in st.session_state or st.session_state.get(seen) != value:
        st.session_state[key] = st.session_state[seen] = value


@dataclass(frozen=True, slots=True)
class Shelf:
    """One list of named values in the sidebar. ``present`` returns the value that is set now; ``take`` sets a picked one."""

    key: str
    file: JsonFile[Any]
    present: Callable[[], Any]
    take: Callable[[Any], None]

    @property
    def named_key(self) -> str:
        return f"kai.named-{self.key}"

    @property
    def pick_key(self) -> str:
        return f"{self.key}-saved"

    @property
    def name_key(self) -> str:
        return f"{self.key}-name"


def names_on(
    shelf: Shelf, belongs: Callable[[Named], bool] = lambda _one: True
) -> tuple[list[str], str, str]:
    """Return the names on the shelf, the name whose value is set now (or ""), and the name that was picked or saved last in
    this tab, or else the second."""
    entries = [one for one in shelf.file.value.entries if belongs(one)]
    last, present = str(st.session_state.get(shelf.named_key, "")), shelf.present()
    set_now = [one.name for one in entries if _is_value(one, present)]
    picked = last if last in set_now else next(iter(set_now), "")
    names = [one.name for one in entries]
    return names, picked, last if last in names else picked


def _is_value(one: Named, present: object) -> bool:
    try:
        return bool(one.value == present)
    except KaiError:
        return False


def pick_named(shelf: Shelf) -> None:
    """Set the value of the name that was picked."""
    one = shelf.file.value.named(str(st.session_state.get(shelf.pick_key) or ""))
    if one is not None:
        _keep(lambda: shelf.take(one.value))
        _call(shelf, one.name)


def save_named(shelf: Shelf) -> None:
    """Save the present value under the name that was typed; an existing name is overwritten."""
    save_as(shelf, str(st.session_state.get(shelf.name_key) or ""), shelf.present())


def save_as(shelf: Shelf, name: str, value: object) -> None:
    """Save a value under a name; an error is shown on the page."""

    def save() -> None:
        shelf.file.write(shelf.file.value.with_one(name, value))
        _call(shelf, " ".join(name.split()))

    _keep(save)


def duplicate_named(shelf: Shelf, name: str) -> None:
    """Save the present value again under a new name derived from ``name``."""
    save_as(shelf, shelf.file.value.free_name(name), shelf.present())


def delete_named(shelf: Shelf, name: str) -> None:
    """Delete the entry of that name; the present setting does not change."""
    _keep(lambda: shelf.file.write(shelf.file.value.without(name)))
    _call(shelf, "")


def _call(shelf: Shelf, name: str) -> None:
    st.session_state[shelf.named_key] = name


def start_fresh(talk: Talk) -> None:
    """Put every setting back as Kai brings it. What was saved under a name stays."""
    set_look(talk, host.app().first_look)
    st.toast(texts.STARTED_FRESH, icon=":material/restart_alt:")


def import_preset(shelf: Shelf, widget_key: str, words: Callable[[str, Look], str]) -> None:
    """Save and set the preset in the uploaded file, and say by ``words`` (of its name and its look) what came."""
    given = st.session_state.get(widget_key)
    if given is None:
        return

    def take() -> None:
        preset = read_preset(given.getvalue())
        save_as(shelf, preset.name, preset.value)
        shelf.take(preset.value)
        st.toast(words(preset.name, preset.value), icon=":material/check:", duration="long")

    _keep(take)
    renew_upload()


def style(talk: Talk) -> FaceStyle:
    """Return the changes that were made to the chosen character's looks."""
    chosen = look(talk)
    return chosen.style if chosen.style.character == chosen.character else FaceStyle(chosen.character)


def take_style(talk: Talk, name: str, widget_key: str) -> None:
    """Set that field of the style to the widget's value."""
    value = st.session_state[widget_key]
    if value is not None:
        change_look(talk, style=replace(style(talk), **{name: value}))


def show_style(talk: Talk, wanted: FaceStyle) -> None:
    """Set a whole style, with its character."""
    change_look(talk, character=wanted.character or look(talk).character, style=wanted)


def is_home() -> bool:
    """Return whether this page is reachable from this computer only, so that its preferences and presets are its user's."""
    return compat.is_bound_to_loopback()


def upload_suffix() -> str:
    """Return the suffix of the uploader's key: an uploader keeps its file, and only one with a new key is empty."""
    return f"-{int(st.session_state.get(_UPLOAD_VERSION, 0))}"


def renew_upload() -> None:
    """Show an empty uploader from the next run on."""
    st.session_state[_UPLOAD_VERSION] = int(st.session_state.get(_UPLOAD_VERSION, 0)) + 1


def _midnight_s() -> float:
    """Return when this day began, by this computer's clock."""
    return datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def start(talk: Talk) -> None:
    """Start or restart the talk. Returns once its state is active."""
    wanted = look(talk)
    if talk.snapshot().phase is Phase.CLOSED:
        talk.dispatch(ResetRequested())
    # A budget may be set in mid-talk, so what was spent before is always needed.
    spent_usd = host.app().memory.spent_since(_midnight_s())
    talk.dispatch(StartRequested(wall_s=time.time(), look=wanted, spent_today_usd=spent_usd))
    _wait_until(lambda: talk.snapshot().is_active)


def current_mount(state: SessionState) -> Mount | None:
    """Return the media component to draw in this run, if any."""
    before = cast("Mount | None", st.session_state.get(_MOUNT))
    serial = int(st.session_state.get(_SERIAL, 0)) + 1
    mount = next_mount(state, before, serial)
    if mount is not None and (before is None or mount.serial != before.serial):
        st.session_state[_SERIAL] = mount.serial
    st.session_state[_MOUNT] = mount
    return mount


def may_play(state: SessionState, key: str) -> bool:
    """Return whether the component of that key may connect: it is mounted, and the microphone's state is known."""
    return (
        has_media(state) and is_microphone_known(state) and compat.is_component_ready(st.session_state, key)
    )


def history_owner() -> str | None:
    """Return the owner whose past talks this page may show: ``None`` (everybody's) when Kai serves this computer only, else
    this browser's. Raises ``NoCookieError``.
    """
    return None if compat.is_bound_to_loopback() else owner_of(browser_id())


def history_self() -> str:
    """Return the owner whose running talks this page may show: this browser's. Raises ``NoCookieError``."""
    return owner_of(browser_id())


def history_search() -> str:
    """Return the search text for past talks."""
    return str(st.session_state.get(_SEARCH, ""))


def draw_history_search(label: str) -> None:
    """Draw the search field of past talks."""
    st.text_input(
        label,
        key=_SEARCH,
        placeholder=label,
        label_visibility="collapsed",
        icon=":material/search:",
        max_chars=100,
        on_change=forget_history_choice,
    )


def forget_history_choice() -> None:
    """Clear the choice of a past talk: the newest is shown, and on a phone the list."""
    st.session_state.pop(_READING, None)
    st.session_state.pop(_SHOWN, None)


def history_choice() -> str:
    """Return the id of the past talk that is being read; empty for the newest."""
    return str(st.session_state.get(_READING, ""))


def choose_history(talk_id: str) -> None:
    """Show that past talk."""
    st.session_state[_READING] = talk_id


def history_shown(at_first: int) -> int:
    """Return how many past talks the list shows."""
    return int(st.session_state.get(_SHOWN, at_first))


def show_more_history(more: int) -> None:
    """Show that many more past talks in the list."""
    st.session_state[_SHOWN] = history_shown(more) + more


def delete_history(memory: Memory, talk_id: str | None, owner: str | None) -> None:
    """Delete that past talk, or all (``None``)."""
    try:
        if talk_id is None:
            memory.delete_all(owner)
        else:
            memory.delete(talk_id, owner)
    except KaiError as error:
        st.toast(error.message, icon=":material/warning:")
    forget_history_choice()


def change_history_keeping(memory: Memory) -> None:
    """Turn the keeping of talks on or off, as the page's switch says."""
    _keep(lambda: memory.keep_talks(bool(st.session_state["history-keep"])))


def change_history_days(memory: Memory) -> None:
    """Keep talks for the number of days that the page's field says."""
    _keep(lambda: memory.keep_days(int(st.session_state["history-days"])))


def _keep(change: Callable[[], None]) -> None:
    try:
        change()
    except KaiError as error:
        st.toast(error.message, icon=":material/warning:")


def begin_checkup() -> None:
    """Start a new checkup, when the button was pressed."""
    st.session_state[_CHECKUP] = (checkup_run() + 1, Running(host.app().checks), None)


def checkup_run() -> int:
    """Return the number of the checkup that is shown; 0 is none."""
    return st.session_state.get(_CHECKUP, (0, None, None))[0]


def keep_page_findings(told: object) -> None:
    """Keep what the page found out about itself, unless it belongs to an older checkup."""
    run, running, _ = st.session_state.get(_CHECKUP, (0, None, None))
    if isinstance(told, Mapping) and cast("Mapping[str, object]", told).get("run") == run:
        st.session_state[_CHECKUP] = (run, running, dict(cast("Mapping[str, object]", told)))


def has_page_findings() -> bool:
    """Return whether the page has told what it found out about itself in the checkup that is shown."""
    return st.session_state.get(_CHECKUP, (0, None, None))[2] is not None


def findings() -> tuple[list[Finding], dict[str, object] | None]:
    """Return the server's findings, for which it waits, and the page's report, or ``None`` until it has arrived."""
    _, running, page = st.session_state.get(_CHECKUP, (0, None, None))
    return ([] if running is None else cast("Running", running).findings()), page
