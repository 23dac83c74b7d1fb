"""The one module that touches Streamlit's session state, query parameters and cookies: which talk is this tab's?

A talk is found again by the random id in the tab's query string and the HttpOnly cookie, both matching and the old tab
gone; else a new talk begins. So a refresh comes back to its talk, and a second tab has its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from kai.checks.run import Finding, Running
from kai.core.capabilities import engine_voice
from kai.core.config import FaceStyle, value_of, with_values
from kai.core.events import (
    FaceRecalled,
    LookChanged,
    MicrophoneChanged,
    ResetRequested,
    RetryRequested,
    StartRequested,
    StopRequested,
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
"""How long a refreshed page waits for its former self to go (its session ends 0.05 s after, its event stream as soon)."""

SETTLE_S: Final = 1.0
"""How long a press of Start waits for the talk to have begun, so that the same run draws it."""

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
    """The id in the cookie of this browser. Raises ``NoCookieError``."""
    value = st.context.cookies.get(COOKIE_NAME, "")
    if not value:
        raise NoCookieError
    return value


def time_zone() -> ZoneInfo | None:
    """The time zone of this page's browser; ``None`` where it is not told or not known here."""
    name = st.context.timezone
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def tell_time_zone(talk: Talk) -> None:
    """Let the talk know what the person's clock is, when it does not know already."""
    zone = time_zone()
    if zone is not None and talk.snapshot().time_zone != zone.key:
        talk.dispatch(TimeZoneTold(zone.key))


def current_talk(hub: SessionHub) -> Talk:
    """This tab's talk: the one of the last run, the one that its address names, or a new one.

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
    """The talk of this tab's address, once nobody else shows it."""
    talk = hub.find(st.query_params.get(QUERY_NAME, ""), browser)
    if talk is None:
        return None
    return talk if _wait_until(lambda: not talk.is_attended(), OLD_TAB_PATIENCE_S) else None


def _welcome_back(talk: Talk) -> None:
    """Another page has another permission and another connection: ask for the microphone again, and connect after that."""
    talk.dispatch(MicrophoneChanged(Microphone.UNKNOWN))
    if talk.snapshot().browser.status is LegStatus.FAILED:
        talk.dispatch(RetryRequested(LegName.BROWSER))
    _wait_until(lambda: not is_microphone_known(talk.snapshot()))


def _wait_until(is_so: Callable[[], bool], timeout_s: float = SETTLE_S) -> bool:
    """Wait on the script's own thread, in steps of 10 ms."""
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.01)
    return True


def look(talk: Talk) -> Look:
    """What the sidebar shows: the talk's own."""
    return talk.snapshot().look


def change_look(talk: Talk, **changes: Any) -> None:
    """Give settings, by their names, other values."""
    set_look(talk, with_values(look(talk), changes))


def set_look(talk: Talk, wanted: Look) -> None:
    """Give the talk that look and keep it for the next start. Returns once the talk has it."""
    if is_home():
        _keep(lambda: host.app().memory.keep_look(wanted))
    talk.dispatch(LookChanged(wanted))
    _wait_until(lambda: talk.snapshot().look == wanted)


def _recall_look(talk: Talk) -> None:
    """Give a new talk what the sidebar said last."""
    last = host.app().memory.preferences.value.last_look() if is_home() else None
    if last is not None:
        talk.dispatch(LookChanged(last))
        _wait_until(lambda: talk.snapshot().look == last)


def show(key: str, value: object) -> None:
    """Have the widget of that key, which is drawn next, show the value, whatever it held. Not where it shows it already: what
    somebody is just typing into it must stay."""
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value


def recall_face(talk: Talk) -> None:
    """Have the cloud's avatar again, after the face of this computer stood in for it."""
    if look(talk).face == Face.LOCAL:
        change_look(talk, face="")
    talk.dispatch(FaceRecalled())


def take_look(talk: Talk, name: str, widget_key: str) -> None:
    """Take what the widget of that key says for the setting of that name; a deselection of all changes nothing."""
    value = st.session_state[widget_key]
    if value is None:
        return
    # A widget holds plain values: words of an enum, lists.
    kind: Callable[[Any], Any] = tuple if isinstance(value, list) else type(value_of(look(talk), name))
    change_look(talk, **{name: kind(value)})


def local_voice(talk: Talk) -> str:
    """The id of the voice that our own engine speaks with."""
    return engine_voice(look(talk)).partition(":")[0]


def take_local_voice(talk: Talk, widget_key: str) -> None:
    """Take the engine's voice that the widget of that key names. One that is not the character's own is kept."""
    voice = str(st.session_state[widget_key])
    change_look(talk, voice=voice, keeps_voice=voice != look(talk).character)


def keep_local_voice(talk: Talk, widget_key: str) -> None:
    """Keep the voice that the engine speaks with now, or have the character's again, as the widget of that key says."""
    change_look(talk, voice=local_voice(talk), keeps_voice=bool(st.session_state[widget_key]))


def take_avatar(talk: Talk, name: str, widget_key: str) -> None:
    """Take what the widget of that key says for that field of the look's ``AvatarConfig``; a deselection changes nothing."""
    value = st.session_state[widget_key]
    if value is not None:
        change_look(talk, avatar=replace(look(talk).avatar, **{name: value}))


def choose_avatar(talk: Talk, avatar_id: str) -> None:
    """Take that avatar of the gallery."""
    change_look(talk, avatar=replace(look(talk).avatar, avatar_id=avatar_id))


def request_gallery() -> None:
    """Have this run show the gallery of avatars."""
    st.session_state[_GALLERY] = True


def take_gallery_request() -> bool:
    """Return whether the gallery was requested, and clear the request."""
    return bool(st.session_state.pop(_GALLERY, False))


def record_voice(look: Look) -> bytes:
    """A sentence in that look's voice, recorded now (a wav file). Waits for it. Raises ``KaiError``."""
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
    """Have the field of that key, which is drawn next, show the value when it is another than at the last drawing; what
    somebody types meanwhile stays."""
    seen = f"{key}.seen"
    if key not in st.session_state or st.session_state.get(seen) != value:
        st.session_state[key] = st.session_state[seen] = value


@dataclass(frozen=True, slots=True)
class Shelf:
    """One list of named things as the sidebar offers it. ``present`` is what is set now, ``take`` sets what was picked."""

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
    """The names on the shelf; the one whose value is set now, or nothing; and the one that was picked or saved last in this
    tab, or else that one."""
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
    """Set what stands under the name that was picked."""
    one = shelf.file.value.named(str(st.session_state.get(shelf.pick_key) or ""))
    if one is not None:
        _keep(lambda: shelf.take(one.value))
        _call(shelf, one.name)


def save_named(shelf: Shelf) -> None:
    """Keep what is set now under the name that was typed; a name that is there already is changed."""
    save_as(shelf, str(st.session_state.get(shelf.name_key) or ""), shelf.present())


def save_as(shelf: Shelf, name: str, value: object) -> None:
    """Keep a value under a name; what cannot be kept is told."""

    def save() -> None:
        shelf.file.write(shelf.file.value.with_one(name, value))
        _call(shelf, " ".join(name.split()))

    _keep(save)


def duplicate_named(shelf: Shelf, name: str) -> None:
    """Keep what is set now once more, under a name of its own."""
    save_as(shelf, shelf.file.value.free_name(name), shelf.present())


def delete_named(shelf: Shelf, name: str) -> None:
    """Forget the one of that name; what is set stays as it is."""
    _keep(lambda: shelf.file.write(shelf.file.value.without(name)))
    _call(shelf, "")


def _call(shelf: Shelf, name: str) -> None:
    st.session_state[shelf.named_key] = name


def import_preset(shelf: Shelf, widget_key: str) -> None:
    """Keep and take the preset of the file that was given."""
    given = st.session_state.get(widget_key)
    if given is None:
        return

    def take() -> None:
        preset = read_preset(given.getvalue())
        save_as(shelf, preset.name, preset.value)
        shelf.take(preset.value)

    _keep(take)
    renew_upload()


def style(talk: Talk) -> FaceStyle:
    """What was changed about the chosen character."""
    chosen = look(talk)
    return chosen.style if chosen.style.character == chosen.character else FaceStyle(chosen.character)


def take_style(talk: Talk, name: str, widget_key: str) -> None:
    """Take what the widget of that key says for that field of the style."""
    value = st.session_state[widget_key]
    if value is not None:
        change_look(talk, style=replace(style(talk), **{name: value}))


def show_style(talk: Talk, wanted: FaceStyle) -> None:
    """Take a whole style."""
    change_look(talk, character=wanted.character or look(talk).character, style=wanted)


def is_home() -> bool:
    """Whether everybody who sees this page sits at this computer, so that its preferences and presets are theirs."""
    return compat.is_bound_to_loopback()


def upload_suffix() -> str:
    """What the key of the uploader ends with: it keeps what it was given, and a new one is empty."""
    return f"-{int(st.session_state.get(_UPLOAD_VERSION, 0))}"


def renew_upload() -> None:
    """Show an empty uploader from the next run on."""
    st.session_state[_UPLOAD_VERSION] = int(st.session_state.get(_UPLOAD_VERSION, 0)) + 1


def start(talk: Talk) -> None:
    """Begin the talk (again). Returns once its state says so."""
    wanted = look(talk)
    if talk.snapshot().phase is Phase.CLOSED:
        talk.dispatch(ResetRequested())
    talk.dispatch(StartRequested(wall_s=time.time(), look=wanted))
    _wait_until(lambda: talk.snapshot().is_active)


def stop(talk: Talk) -> None:
    """End the talk. Returns once its state says so."""
    talk.dispatch(StopRequested())
    _wait_until(lambda: not talk.snapshot().is_active)


def current_mount(state: SessionState) -> Mount | None:
    """The media component to draw in this run."""
    before = cast("Mount | None", st.session_state.get(_MOUNT))
    serial = int(st.session_state.get(_SERIAL, 0)) + 1
    mount = next_mount(state, before, serial)
    if mount is not None and (before is None or mount.serial != before.serial):
        st.session_state[_SERIAL] = mount.serial
    st.session_state[_MOUNT] = mount
    return mount


def may_play(state: SessionState, key: str) -> bool:
    """Whether the component of that key shall connect: it is there, and the microphone's question is answered."""
    return (
        has_media(state) and is_microphone_known(state) and compat.is_component_ready(st.session_state, key)
    )


def history_owner() -> str | None:
    """Whose past talks this page may show: everybody's on this computer alone (``None``), else those of this browser.

    Raises ``NoCookieError``.
    """
    return None if compat.is_bound_to_loopback() else owner_of(browser_id())


def history_self() -> str:
    """Whose talks that go on this page may show: this browser's. Raises ``NoCookieError``."""
    return owner_of(browser_id())


def history_search() -> str:
    """What is searched for in past talks."""
    return str(st.session_state.get(_SEARCH, ""))


def draw_history_search(label: str) -> None:
    """The search field of past talks."""
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
    """No past talk is chosen any more: the newest is shown, and on a phone the list."""
    st.session_state.pop(_READING, None)
    st.session_state.pop(_SHOWN, None)


def history_choice() -> str:
    """The past talk that is being read; empty for the newest."""
    return str(st.session_state.get(_READING, ""))


def choose_history(talk_id: str) -> None:
    """Read that talk."""
    st.session_state[_READING] = talk_id


def history_shown(at_first: int) -> int:
    """How many past talks stand in the list."""
    return int(st.session_state.get(_SHOWN, at_first))


def show_more_history(more: int) -> None:
    """Let that many more stand in the list."""
    st.session_state[_SHOWN] = history_shown(more) + more


def delete_history(memory: Memory, talk_id: str | None, owner: str | None) -> None:
    """Forget that past talk, or all (``None``)."""
    try:
        if talk_id is None:
            memory.delete_all(owner)
        else:
            memory.delete(talk_id, owner)
    except KaiError as error:
        st.toast(error.message, icon=":material/warning:")
    forget_history_choice()


def change_history_keeping(memory: Memory) -> None:
    """Keep talks or not, as the switch of the page says."""
    _keep(lambda: memory.keep_talks(bool(st.session_state["history-keep"])))


def change_history_days(memory: Memory) -> None:
    """Keep talks for as many days as the page says."""
    _keep(lambda: memory.keep_days(int(st.session_state["history-days"])))


def _keep(change: Callable[[], None]) -> None:
    try:
        change()
    except KaiError as error:
        st.toast(error.message, icon=":material/warning:")


def begin_checkup() -> None:
    """The button was pressed: look at everything (again), from now on."""
    st.session_state[_CHECKUP] = (checkup_run() + 1, Running(host.app().checks), None)


def checkup_run() -> int:
    """Which checkup is shown; 0 is none."""
    return st.session_state.get(_CHECKUP, (0, None, None))[0]


def keep_page_findings(told: object) -> None:
    """What the page found out about itself; of an older checkup it is not taken."""
    run, running, _ = st.session_state.get(_CHECKUP, (0, None, None))
    if isinstance(told, Mapping) and cast("Mapping[str, object]", told).get("run") == run:
        st.session_state[_CHECKUP] = (run, running, dict(cast("Mapping[str, object]", told)))


def findings() -> tuple[list[Finding], dict[str, object] | None]:
    """What was found on the server (waits for it), and what the page told, once it has."""
    _, running, page = st.session_state.get(_CHECKUP, (0, None, None))
    return ([] if running is None else cast("Running", running).findings()), page
