"""A talk on a computer without a way out. Run in a network namespace of its own: ``python -m tests.browser.offline_walk``.

``link-local``: one interface with a link-local address, no route, no DNS. Everything works, by voice.
``nothing``: no interface but the loopback. Browsers then start no WebRTC; the typed talk goes on, its answers sound in
the page.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from kai.bench.driver import AppProcess, Visitor, visitor, write_mic
from kai.ui import check_texts
from tests.support.chromium import find_chromium

SPEECH = Path(__file__).parents[1] / "support" / "speech" / "LJ001-0002.wav"
ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "screenshots"
ANSWER_S = 20.0

# Counts what the page's own WebAudio plays: there is no WebRTC to ask.
_COUNT_SOUND_JS = """
(() => {
  window.__kaiPlayed = 0;
  const start = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function (...a) {
    const x = this.buffer && this.buffer.getChannelData(0);
    if (x) { let m = 0; for (const v of x) m = Math.max(m, Math.abs(v)); if (m > 0.02) window.__kaiPlayed += x.length; }
    return start.apply(this, a);
  };
})();
"""


def run(*command: str) -> None:
    subprocess.run(command, check=True)


def set_up(kind: str) -> None:
    """The namespace's interfaces."""
    run("ip", "link", "set", "lo", "up")
    if kind == "link-local":
        run("ip", "link", "add", "kai0", "type", "veth", "peer", "name", "kai1")
        run("ip", "addr", "add", "169.254.7.1/16", "dev", "kai0")
        run("ip", "link", "set", "kai0", "up")
        run("ip", "link", "set", "kai1", "up")
    routes = subprocess.run(["ip", "route", "show", "default"], capture_output=True, text=True, check=True)
    assert routes.stdout == "", "there is a way out"


def talk_by_voice(person: Visitor) -> None:
    person.wait_picture(60)
    person.wait_state("Listening", 60)
    person.measure()
    person.wait(lambda: person.line_of("user", 1), 30, "the spoken line")
    person.wait_state("Speaking", ANSWER_S)
    person.wait(lambda: person.line_of("assistant", 1), ANSWER_S, "the answer")
    person.wait(lambda: any(kind == "on" for kind, _ in person.measured()["sound"]), ANSWER_S, "Kai's voice")
    person.wait_state("Listening", 30)
    type_a_line(person, 2)


def type_a_line(person: Visitor, count: int) -> None:
    person.say("What is your name?")
    person.wait(lambda: "kai" in person.line_of("assistant", count).lower(), ANSWER_S, "the answer")


def talk_by_typing(person: Visitor) -> None:
    banner = person.page.locator(".banner .message")
    person.wait(lambda: "Turn on Wi-Fi; no internet is needed" in banner.inner_text(), 40, "the advice")
    type_a_line(person, 1)
    person.wait(
        lambda: person.page.evaluate("() => window.__kaiPlayed") > 8000, ANSWER_S, "sound in the page"
    )
    person.screenshot(ARTIFACTS / "no-interface.png")


def check(person: Visitor, url: str) -> None:
    """The check works with no network at all, and says what that means."""
    person.open(f"{url}help")
    person.press(check_texts.CHECK_NOW)
    person.wait(lambda: person.page.locator(".kai-verdict").count(), 45, "a verdict")
    person.wait(lambda: person.page.locator(".kai-checks [data-check=secure]").count(), 10, "the list")
    for name, code in (("network", "gone"), ("udp", "no-interface"), ("webrtc", "no-interface")):
        row = person.page.locator(f"[data-check={name}]")
        says, fix = check_texts.check_words(name, code, {})
        assert row.get_attribute("data-level") == "amber", name
        assert says in row.inner_text(), name
        assert fix in row.inner_text(), name
    person.screenshot(ARTIFACTS / "check-no-network.png")


def main(kind: str) -> None:
    set_up(kind)
    chromium = find_chromium()
    assert chromium is not None
    with tempfile.TemporaryDirectory() as folder, AppProcess() as app:
        app.wait_ready()
        mic = write_mic(Path(folder) / "mic.wav", [8.0, SPEECH, 60.0])
        with visitor(chromium, mic=mic) as person:
            person.context.add_init_script(_COUNT_SOUND_JS)
            person.open(app.url)
            person.start()
            if kind == "link-local":
                talk_by_voice(person)
            else:
                talk_by_typing(person)
                check(person, app.url)
    print(f"{kind}: all of it works")


if __name__ == "__main__":
    main(sys.argv[1])
