"""The one module that touches Streamlit's session state, query parameters and cookies: which talk is this tab's?

A talk is found again by the random id in the tab's query string and the HttpOnly cookie, both matching and the old tab
gone; else a new talk begins. So a refresh comes back to its talk, and a second tab has its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any, Final, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from kai.checks.run import Finding, Running
from kai.core.capabilities import engine_voice
from kai.core.config import AvatarConfig, BrainConfig, FaceStyle
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
from kai.records.preferences import preset_of, read_preset, with_preset, without_preset
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
_LOOK: Final = "kai.look"
_MOUNT: Final = "kai.mount"
_SERIAL: Final = "kai.mount_serial"
_SEARCH: Final = "kai.history_search"
_READING: Final = "kai.history_reading"
_CHECKUP: Final = "kai.checkup"
_LOOK_VERSION: Final = "kai.look_version"
_STYLE_VERSION: Final = "kai.style_version"
_PRESET: Final = "kai.preset"
_IS_PRESET: Final = "kai.preset_is_picked"
_PRESET_VERSION: Final = "kai.preset_version"
_UPLOAD_VERSION: Final = "kai.upload_version"
_PERSONA: Final = "kai.persona"
_PERSONA_VERSION: Final = "kai.persona_version"
_GALLERY: Final = "kai.gallery"
_SHOWN: Final = "kai.history_shown"


_OF_BRAIN: Final = frozenset(f.name for f in fields(BrainConfig))


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
        talk = _take_over(hub, browser) or hub.create(browser)
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


# ------------------------------------------------------------------ what a person chose in the sidebar


def look(talk: Talk) -> Look:
    """What the sidebar says, in this tab."""
    chosen = st.session_state.get(_LOOK)
    if isinstance(chosen, Look):
        return chosen
    state = talk.snapshot()
    last = host.app().memory.preferences.value.last_look() if is_home() else None
    return last if last is not None and state.phase is Phase.IDLE else state.look


def change_look(talk: Talk, **changes: str | float | AvatarConfig | BrainConfig | FaceStyle) -> None:
    """Keep a change of the sidebar and tell the talk."""
    changed = replace(look(talk), **changes)  # pyright: ignore[reportArgumentType]
    _set_look(talk, changed)
    if "instructions" in changes:
        st.session_state[_PERSONA_VERSION] = int(st.session_state.get(_PERSONA_VERSION, 0)) + 1
    if st.session_state.get(_IS_PRESET):
        # Changed by hand: it is that preset no more, and can be picked again.
        st.session_state[_IS_PRESET] = False
        st.session_state[_PRESET_VERSION] = int(st.session_state.get(_PRESET_VERSION, 0)) + 1


def recall_face(talk: Talk) -> None:
    """Have the cloud's avatar again, after the face of this computer stood in for it."""
    if look(talk).face == Face.LOCAL:
        change_look(talk, face="")
    talk.dispatch(FaceRecalled())


def _set_look(talk: Talk, changed: Look) -> None:
    _remember_look(changed)
    talk.dispatch(LookChanged(changed))


def _remember_look(changed: Look) -> None:
    st.session_state[_LOOK] = changed
    if is_home():
        _keep(lambda: host.app().memory.keep_look(changed))


def take_look(talk: Talk, name: str, widget_key: str) -> None:
    """Take what the widget of that key says for that field of the look or of its ``BrainConfig``; a deselection of all
    changes nothing."""
    value = st.session_state[widget_key]
    if value is None:
        return
    now = look(talk)
    if name not in _OF_BRAIN:
        change_look(talk, **{name: value})
        return
    # A widget holds plain values: words of an enum, lists.
    before = getattr(now.brain, name)
    kind = tuple if isinstance(value, list) else type(before)
    change_look(talk, brain=replace(now.brain, **{name: kind(cast("Any", value))}))


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


# ------------------------------------------------------------------ personas


def persona_suffix() -> str:
    """What the keys of the personas' widgets end with."""
    version = int(st.session_state.get(_PERSONA_VERSION, 0))
    return f"{look_suffix()}-p{version}" if version else look_suffix()


def named_persona() -> str:
    """The persona that was picked or saved last in this tab, or nothing."""
    return str(st.session_state.get(_PERSONA, ""))


def _show_persona(name: str) -> None:
    st.session_state[_PERSONA] = name
    st.session_state[_PERSONA_VERSION] = int(st.session_state.get(_PERSONA_VERSION, 0)) + 1


def pick_persona(talk: Talk, memory: Memory, widget_key: str) -> None:
    """Take the instructions of the persona that the widget names."""
    persona = memory.personas.value.named(str(st.session_state.get(widget_key) or ""))
    if persona is None:
        return
    change_look(talk, instructions=persona.instructions)
    # The field of the instructions shall show them instead of what it held.
    st.session_state[_LOOK_VERSION] = int(st.session_state.get(_LOOK_VERSION, 0)) + 1
    _show_persona(persona.name)


def save_persona(talk: Talk, memory: Memory, widget_key: str) -> None:
    """Keep the instructions under the name that the widget holds; a persona of that name is changed."""
    name = " ".join(str(st.session_state.get(widget_key) or "").split())
    _keep(lambda: memory.personas.write(memory.personas.value.with_one(name, look(talk).instructions)))
    _show_persona(name)


def duplicate_persona(talk: Talk, memory: Memory) -> None:
    """Keep the instructions once more, under a name of their own."""
    kept = memory.personas.value
    name = kept.free_name(named_persona())
    _keep(lambda: memory.personas.write(kept.with_one(name, look(talk).instructions)))
    _show_persona(name)


def delete_persona(memory: Memory) -> None:
    """Forget the persona that was picked; the instructions stay as they are."""
    _keep(lambda: memory.personas.write(memory.personas.value.without(named_persona())))
    _show_persona("")


# ------------------------------------------------------------------ the style of the face


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
    """Take a whole style; the widgets show it."""
    change_look(talk, character=wanted.character or look(talk).character, style=wanted)
    _forget_style_widgets()


def pick_style(talk: Talk, memory: Memory, widget_key: str) -> None:
    """Take the saved style that the widget names."""
    name = st.session_state.get(widget_key)
    saved = next((s for s in memory.styles.value.styles if s.name == name), None)
    if saved is not None:
        show_style(talk, saved.style)


def save_style(talk: Talk, memory: Memory, widget_key: str) -> None:
    """Keep the style under the name that the widget holds; a name that is there already is changed."""

    def save() -> None:
        name = str(st.session_state.get(widget_key) or "")
        memory.styles.write(memory.styles.value.with_style(name, style(talk)))
        _forget_style_widgets()

    _keep(save)


def delete_style(memory: Memory, name: str) -> None:
    """Forget that saved style; the face stays as it is."""
    _keep(lambda: memory.styles.write(memory.styles.value.without_style(name)))
    _forget_style_widgets()


def style_suffix() -> str:
    """What the keys of the style's widgets end with, so that they show a style that was picked."""
    return f"{look_suffix()}-{int(st.session_state.get(_STYLE_VERSION, 0))}"


def _forget_style_widgets() -> None:
    st.session_state[_STYLE_VERSION] = int(st.session_state.get(_STYLE_VERSION, 0)) + 1


# ------------------------------------------------------------------ presets


def is_home() -> bool:
    """Whether everybody who sees this page sits at this computer, so that its preferences and presets are theirs."""
    return compat.is_bound_to_loopback()


def look_suffix() -> str:
    """What the sidebar's keys end with. Another one makes fresh widgets, which show the look instead of what they held."""
    version = int(st.session_state.get(_LOOK_VERSION, 0))
    return f"-{version}" if version else ""


def preset_suffix() -> str:
    """What the keys of the presets' widgets end with, for the same reason."""
    version = int(st.session_state.get(_PRESET_VERSION, 0))
    return f"-{version}" if version else ""


def upload_suffix() -> str:
    """What the key of the uploader ends with: it keeps what it was given, and a new one is empty."""
    return f"-{int(st.session_state.get(_UPLOAD_VERSION, 0))}"


def renew_upload() -> None:
    """Show an empty uploader from the next run on."""
    st.session_state[_UPLOAD_VERSION] = int(st.session_state.get(_UPLOAD_VERSION, 0)) + 1


def named_preset() -> str:
    """The preset that was picked or saved last in this tab, or nothing."""
    return str(st.session_state.get(_PRESET, ""))


def picked_preset() -> str:
    """The preset whose settings the sidebar still shows unchanged, or nothing."""
    return named_preset() if st.session_state.get(_IS_PRESET) else ""


def _show_preset(name: str) -> None:
    st.session_state[_PRESET], st.session_state[_IS_PRESET] = name, bool(name)
    st.session_state[_PRESET_VERSION] = int(st.session_state.get(_PRESET_VERSION, 0)) + 1
    st.session_state[_LOOK_VERSION] = int(st.session_state.get(_LOOK_VERSION, 0)) + 1


def pick_preset(talk: Talk, memory: Memory, widget_key: str) -> None:
    """Take every setting of the preset that the widget names."""
    name = st.session_state.get(widget_key)
    preset = next((p for p in memory.presets.value.presets if p.name == name), None)
    if preset is not None:
        _keep(lambda: _set_look(talk, preset.to_look()))
        _show_preset(preset.name)


def save_preset(talk: Talk, memory: Memory, widget_key: str) -> None:
    """Keep the sidebar's settings under the name that the widget holds; a name that is there already is changed."""

    def save() -> None:
        preset = preset_of(str(st.session_state.get(widget_key) or ""), look(talk))
        memory.presets.write(with_preset(memory.presets.value, preset))
        _show_preset(preset.name)

    _keep(save)


def delete_preset(memory: Memory) -> None:
    """Forget the picked preset; the settings stay as they are."""
    _keep(lambda: memory.presets.write(without_preset(memory.presets.value, named_preset())))
    _show_preset("")


def import_preset(talk: Talk, memory: Memory, widget_key: str) -> None:
    """Keep and take the preset of the file that was given."""
    given = st.session_state.get(widget_key)
    if given is None:
        return

    def take() -> None:
        preset = read_preset(given.getvalue())
        memory.presets.write(with_preset(memory.presets.value, preset))
        _set_look(talk, preset.to_look())
        _show_preset(preset.name)

    _keep(take)


# ------------------------------------------------------------------ start and stop


def start(talk: Talk) -> None:
    """Begin the talk (again). Returns once its state says so."""
    if talk.snapshot().phase is Phase.CLOSED:
        talk.dispatch(ResetRequested())
    talk.dispatch(StartRequested(wall_s=time.time(), look=look(talk)))
    _wait_until(lambda: talk.snapshot().is_active)


def stop(talk: Talk) -> None:
    """End the talk. Returns once its state says so."""
    talk.dispatch(StopRequested())
    _wait_until(lambda: not talk.snapshot().is_active)


# ------------------------------------------------------------------ the media component


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


# ------------------------------------------------------------------ past talks


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


# ------------------------------------------------------------------ checks


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
