"""Microphone and loudspeaker are pulled, plugged in, muted and forbidden in mid-talk, in a real browser.

The page's devices are Chromium's own fake ones; what is pulled leaves the list, and its track ends as far as the kind of
misfortune says so. Every test begins and ends in the same talk, whose picture must never begin anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kai.bench.driver import AppProcess, Visitor, visitor
from kai.ui import texts
from tests.browser.test_desk import ARTIFACTS, banner, begin
from tests.browser.test_presenter import key

SAID_WITHIN_S = 2.0

# `__devices.gone` holds ids of devices that are pulled out, `__devices.fails` the error of who asks for a microphone.
DEVICES_JS = """
(() => {
  if (window !== window.top || !navigator.mediaDevices) return;
  const real = navigator.mediaDevices;
  const list = real.enumerateDevices.bind(real), ask = real.getUserMedia.bind(real);
  const state = window.__devices = { gone: [], fails: "", asked: 0, groups: {} };
  real.enumerateDevices = async () => (await list())
    .filter((d) => !state.gone.includes(d.kind + d.deviceId) && !state.gone.includes(d.kind))
    .map(({ kind, deviceId, label, groupId }) => (
      { kind, deviceId, label, groupId: state.groups[kind + deviceId] ?? groupId }));
  real.getUserMedia = async (wanted) => {
    state.asked++;
    if (state.fails || state.gone.includes("audioinput")) throw new DOMException("", state.fails || "NotFoundError");
    return ask(wanted);
  };
  state.changed = () => real.dispatchEvent(new Event("devicechange"));
  state.track = () => {
    const inside = document.querySelector(".st-key-kai-stage iframe").contentWindow;
    return inside.__kaiConnections.filter((c) => c.connectionState === "connected").at(-1)
      .getTransceivers().find((way) => way.receiver.track.kind === "audio").sender.track;
  };
  state.pull = (how) => {
    const track = state.track();
    if (how !== "list") track.stop();
    if (how === "ended") track.dispatchEvent(new Event("ended"));
    if (how === "list") { state.gone.push("audioinput" + track.getSettings().deviceId); state.changed(); }
  };
})();
"""


@pytest.fixture(scope="module")
def talker(fake_app: AppProcess, chromium: Path) -> Iterator[Visitor]:
    with visitor(chromium) as somebody:
        somebody.context.add_init_script(DEVICES_JS)
        begin(somebody, fake_app)
        somebody.screenshot(
            ARTIFACTS / "devices.png"
        )  # Playwright makes a thread for it, which is nobody's leak
        yield somebody


@pytest.fixture
def person(talker: Visitor) -> Iterator[Visitor]:
    before = talker.wait_picture()
    url = talker.page.url
    dismiss = talker.page.locator(".banner .later")
    if dismiss.is_visible():
        dismiss.click()
    assert banner(talker) == ""
    yield talker
    talker.page.evaluate(
        "() => { __devices.gone = []; __devices.fails = ''; __devices.groups = {}; localStorage.clear(); }"
    )
    talker.page.evaluate("() => __devices.changed()")
    within(talker, lambda: is_open(talker), "an open microphone", 8)
    after = talker.wait_picture()
    assert after.current_time_s > before.current_time_s, "the picture began anew"
    assert talker.page.url == url


def within(person: Visitor, is_so: Callable[[], object], what: str, seconds: float = SAID_WITHIN_S) -> None:
    person.wait(is_so, seconds, what)


def microphone(person: Visitor) -> str:
    """What the page says of the microphone, in a word."""
    return person.page.locator(".legs li[data-name=microphone] .is").inner_text()


def is_open(person: Visitor) -> bool:
    return microphone(person) == texts.MICROPHONE_WORDS["open"] and person.state_word() == texts.LISTENING


def picture(person: Visitor, name: str) -> None:
    """A picture of the page, written by ourselves: Playwright would leave a thread behind in the shared browser."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    (ARTIFACTS / name).write_bytes(person.page.screenshot())


def is_heard(person: Visitor) -> bool:
    """Whether the server hears the microphone; Chromium's beeps each second."""
    return int(person.page.locator(".meter").get_attribute("aria-valuenow") or 0) > 0


def hears_again(person: Visitor) -> None:
    within(person, lambda: is_open(person), "an open microphone", 6)
    within(person, lambda: is_heard(person), "sound of the microphone", 6)
    assert person.page.evaluate("() => __devices.track().readyState") == "live"


@pytest.mark.parametrize(
    "how", ["ended", pytest.param("silently", marks=pytest.mark.long), pytest.param("list")]
)
def test_another_microphone_takes_the_place_of_one_that_is_pulled(person: Visitor, how: str) -> None:
    person.page.evaluate("() => { window.__before = __devices.track(); }")
    person.page.evaluate("how => __devices.pull(how)", how)
    within(person, lambda: "disconnected" in banner(person), "a word about it")
    within(person, lambda: "Kai now hears you through “Fake" in banner(person), "which one is on")
    assert person.page.evaluate("() => __devices.track() !== window.__before")
    hears_again(person)
    assert person.page.evaluate("() => window.__before.readyState") == "ended"
    picture(person, "microphone-pulled.png")


@pytest.mark.parametrize(
    ("fails", "word"),
    [
        ("NotFoundError", "missing"),
        pytest.param("NotReadableError", "missing", marks=pytest.mark.long),
        pytest.param("AbortError", "missing", marks=pytest.mark.long),
        pytest.param("OverconstrainedError", "missing", marks=pytest.mark.long),
        ("NotAllowedError", "refused"),
    ],
)
@pytest.mark.parametrize("how", ["ended", pytest.param("silently", marks=pytest.mark.long)])
def test_with_no_other_microphone_the_page_says_so_until_one_is_plugged_in(
    person: Visitor, how: str, fails: str, word: str
) -> None:
    person.page.evaluate("fails => { __devices.fails = fails; __devices.gone = ['audioinput']; }", fails)
    person.page.evaluate("how => __devices.pull(how)", how)
    within(person, lambda: microphone(person) == texts.MICROPHONE_WORDS[word], "the truth")
    within(person, lambda: person.state_word() == texts.TYPING_ONLY, "the state")
    told = {"missing": texts.MICROPHONE_MISSING, "refused": texts.MICROPHONE_REFUSED}[word]
    within(person, lambda: banner(person) == told, "advice")
    assert person.page.locator(".mute").get_attribute("aria-disabled") == "true"
    picture(person, f"microphone-gone-{word}.png")
    person.page.evaluate("() => { __devices.fails = ''; __devices.gone = []; __devices.changed(); }")
    hears_again(person)


@pytest.mark.long
def test_a_microphone_that_another_program_holds_is_tried_again_by_itself(person: Visitor) -> None:
    person.page.evaluate("() => { __devices.fails = 'NotReadableError'; __devices.pull('ended'); }")
    within(person, lambda: microphone(person) == texts.MICROPHONE_WORDS["missing"], "the truth")
    person.page.evaluate("() => { __devices.fails = ''; }")  # and no event says so
    hears_again(person)


def test_what_the_system_mutes_is_said_and_unsaid(person: Visitor) -> None:
    tell = "name => __devices.track().dispatchEvent(new Event(name))"
    asked = person.page.evaluate("() => __devices.asked")
    person.page.evaluate(tell, "mute")
    within(person, lambda: person.state_word() == texts.SILENCED, "the state")
    within(person, lambda: banner(person) == texts.MICROPHONE_SILENCED, "advice")
    assert microphone(person) == texts.MICROPHONE_WORDS["silenced"]
    assert person.page.locator(".desk.is-deaf").count() == 1
    person.page.evaluate(tell, "unmute")
    within(person, lambda: is_open(person), "an open microphone")
    assert banner(person) == ""
    assert person.page.evaluate("() => __devices.asked") == asked


def test_a_permission_taken_back_stops_the_sound_and_one_given_again_brings_it_back(
    person: Visitor, fake_app: AppProcess
) -> None:
    cdp = person.context.new_cdp_session(person.page)

    def permit(setting: str) -> None:
        wanted = {
            "permission": {"name": "microphone"},
            "setting": setting,
            "origin": fake_app.url.rstrip("/"),
        }
        cdp.send("Browser.setPermission", wanted)

    permit("denied")
    try:
        within(person, lambda: microphone(person) == texts.MICROPHONE_WORDS["refused"], "the truth")
        within(person, lambda: banner(person) == texts.MICROPHONE_REFUSED, "advice")
        assert person.page.evaluate("() => __devices.track().readyState") == "ended"
    finally:
        permit("granted")
    hears_again(person)


def test_a_chosen_microphone_is_taken_at_once_and_taken_again_when_it_is_back(person: Visitor) -> None:
    chosen = person.page.locator(".choose-mic option").nth(2).get_attribute("value")
    label = person.page.locator(".choose-mic option").nth(2).inner_text()
    person.page.locator(".choose-mic").select_option(chosen)
    now = "() => __devices.track().getSettings().deviceId"
    within(person, lambda: person.page.evaluate(now) == chosen, "the chosen microphone")
    assert person.state_word() == texts.LISTENING
    person.page.evaluate("() => __devices.pull('list')")
    within(person, lambda: person.page.evaluate(now) != chosen, "another microphone")
    hears_again(person)
    person.page.evaluate("() => { __devices.gone = []; __devices.changed(); }")
    within(person, lambda: person.page.evaluate(now) == chosen, "the chosen microphone again")
    assert banner(person) == texts.MICROPHONE_NOW.format(name=label)
    assert person.page.locator(".choose-mic").input_value() == chosen


def test_the_systems_new_default_microphone_is_taken(person: Visitor) -> None:
    person.page.evaluate("() => { window.__before = __devices.track(); __devices.changed(); }")
    person.page.wait_for_timeout(300)  # nothing has changed yet: the same track
    assert person.page.evaluate("() => __devices.track() === window.__before")
    person.page.evaluate(
        "() => { __devices.groups = { audioinputdefault: 'another' }; __devices.changed(); }"
    )
    within(
        person, lambda: person.page.evaluate("() => __devices.track() !== window.__before"), "the new default"
    )
    within(person, lambda: "Kai now hears you through" in banner(person), "a word about it")
    hears_again(person)


def sink(person: Visitor) -> str:
    return str(person.in_media("() => document.querySelector('video').sinkId"))


def test_a_pulled_loudspeaker_is_replaced_and_taken_again_when_it_is_back(person: Visitor) -> None:
    option = person.page.locator(".choose-speaker option").nth(2)
    chosen, label = str(option.get_attribute("value")), option.inner_text()
    person.page.locator(".choose-speaker").select_option(chosen)
    within(person, lambda: sink(person) == chosen, "the chosen loudspeaker")
    person.page.evaluate("id => { __devices.gone = ['audiooutput' + id]; __devices.changed(); }", chosen)
    within(person, lambda: banner(person) == texts.LOUDSPEAKER_LOST, "a word about it")
    within(person, lambda: sink(person) == "", "the system's loudspeaker")
    picture(person, "loudspeaker-pulled.png")
    person.page.evaluate("() => { __devices.gone = []; __devices.changed(); }")
    within(person, lambda: banner(person) == texts.LOUDSPEAKER_BACK.format(name=label), "a word about it")
    within(person, lambda: sink(person) == chosen, "the chosen loudspeaker again")


def test_no_loudspeaker_at_all_and_another_default_are_said(person: Visitor) -> None:
    person.page.evaluate("() => { __devices.gone = ['audiooutput']; __devices.changed(); }")
    within(person, lambda: banner(person) == texts.LOUDSPEAKER_MISSING, "a word about it")
    person.page.evaluate("() => { __devices.gone = []; __devices.changed(); }")
    back = texts.LOUDSPEAKER_BACK.format(name="Fake Default Audio Output")
    within(person, lambda: banner(person) == back, "a word about it")
    person.page.evaluate(
        "() => { __devices.groups = { audiooutputdefault: 'another' }; __devices.changed(); }"
    )
    now = texts.LOUDSPEAKER_NOW.format(name="Fake Default Audio Output")
    within(person, lambda: banner(person) == now, "a word about it")


def test_presenter_view_always_says_what_kai_does(person: Visitor) -> None:
    key(person, "p")
    person.page.locator(".desk.is-presenting").wait_for()
    caption = person.page.locator(".caption")
    assert caption.inner_text() == texts.CAPTION_HINT_PRESENTING
    picture(person, "presenter-listening.png")
    key(person, "m")
    person.wait_state(texts.MUTED)
    assert (
        caption.evaluate("node => getComputedStyle(node).visibility") == "hidden"
    )  # nothing invites to speak
    picture(person, "presenter-muted.png")
    key(person, "m")
    person.page.evaluate("() => { __devices.fails = 'NotAllowedError'; __devices.pull('ended'); }")
    person.wait_state(texts.MICROPHONE_IS_BLOCKED)
    picture(person, "presenter-blocked.png")
    pill, words = person.page.locator(".state").bounding_box(), caption.bounding_box()
    assert pill is not None
    assert words is not None
    assert pill["y"] >= words["y"] + words["height"] - 1, "it lies over the words"
    assert pill["x"] > 640
    assert pill["y"] + pill["height"] <= 720
    key(person, "Escape")
    person.page.locator(".desk:not(.is-presenting)").wait_for()
    person.wait_state(texts.TYPING_ONLY)
