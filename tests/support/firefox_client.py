"""Run by a Python that has ``marionette_driver``, Mozilla's own client: a person's talk with Kai in Firefox.

``firefox_client.py FIREFOX URL FOLDER``: starts that Firefox, with profile, log and screenshots in the folder and a tone as
microphone, walks through the page at the URL, and prints one JSON object of what was seen.
"""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from marionette_driver.keys import Keys
from marionette_driver.marionette import Marionette

WITHIN_S = 40.0
WATCHED_S = 5.0

FIND = """
const all = (selector) => {
  const found = [];
  const walk = (root) => {
    found.push(...root.querySelectorAll(selector));
    root.querySelectorAll('*').forEach((each) => each.shadowRoot && walk(each.shadowRoot));
  };
  walk(document);
  return found;
};
const button = (words) => all('button').find((each) => each.checkVisibility() && each.innerText.includes(words));
const frame = () => [...document.querySelectorAll('iframe')].find((each) => each.src.includes('webrtc'))?.contentWindow;
"""
STATE = "return all('.state .word')[0]?.innerText ?? ''"
LINES = "return all('.lines > li').map((each) => [each.dataset.role, each.innerText])"
STATS = """
const done = arguments[arguments.length - 1];
frame()?.kaiConnection?.getStats().then((stats) => {
  const of = (kind) => [...stats.values()].find((each) => each.type === 'inbound-rtp' && each.kind === kind) ?? {};
  done({ pictures: of('video').framesDecoded ?? 0, energy: of('audio').totalAudioEnergy ?? 0 });
}) ?? done({ pictures: 0, energy: 0 });
"""


class Person:
    """Somebody in front of that Firefox."""

    def __init__(self, marionette: Marionette, folder: Path) -> None:
        self._marionette = marionette
        self._folder = folder

    def ask(self, script: str) -> Any:
        return self._marionette.execute_script(FIND + script, sandbox=None)

    def stats(self) -> dict[str, float]:
        return self._marionette.execute_async_script(FIND + STATS, sandbox=None)

    def wait(self, is_so: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline:
            if found := is_so():
                return found
            time.sleep(0.1)
        self.look("missed")
        raise TimeoutError(
            f"{what} did not come; the page says: {self.ask('return document.body.innerText')[-600:]}"
        )

    def wait_state(self, word: str) -> None:
        self.wait(lambda: self.ask(STATE) == word, f"the state {word}")

    def press(self, words: str) -> None:
        self.wait(lambda: self.ask(f"return button({words!r})"), f"the button {words}").click()

    def type(self, words: str) -> None:
        box = self.wait(
            lambda: self.ask("return all('textarea, input').find((e) => /Type to Kai/.test(e.placeholder))"),
            "box",
        )
        box.send_keys(words + Keys.ENTER)

    def lines(self, role: str) -> list[str]:
        return [said for who, said in self.ask(LINES) if who == role]

    def go_to(self, words: str) -> None:
        self.ask(
            f"[...document.querySelectorAll('a')].find((each) => each.innerText.includes({words!r})).click()"
        )

    def look(self, name: str) -> None:
        (self._folder / f"{name}.png").write_bytes(base64.b64decode(self._marionette.screenshot(full=False)))


def walk(person: Person, reload: Callable[[], None]) -> dict[str, Any]:
    """The talk, from the first press to the last."""
    seen: dict[str, Any] = {}
    person.press("Start chat with Kai")
    person.wait_state("Listening")
    person.wait(lambda: person.stats()["pictures"], "a picture")
    before = person.stats()["pictures"]
    time.sleep(WATCHED_S)
    seen["pictures_a_second"] = (person.stats()["pictures"] - before) / WATCHED_S

    quiet = person.stats()["energy"]
    person.type("What time is it?")
    person.wait_state("Speaking")
    person.wait_state("Listening")
    seen["time_told"] = person.lines("assistant")[-1]
    seen["energy_of_speech"] = person.stats()["energy"] - quiet

    person.type("What can you do?")
    person.wait_state("Speaking")
    time.sleep(1.5)
    person.look("speaking")
    person.press("Interrupt")
    person.wait_state("Listening")
    seen["interrupted"] = person.wait(
        lambda: "interrupted" in person.lines("assistant")[-1], "the mark of an interruption"
    )

    person.go_to("History")
    time.sleep(2.0)
    elsewhere = person.stats()["pictures"]
    time.sleep(1.0)
    seen["pictures_on_another_page"] = person.stats()["pictures"] - elsewhere
    person.go_to("Talk")
    person.wait(lambda: person.ask("return button('Mute')"), "the controls")

    reload()
    person.wait_state("Listening")
    seen["lines_after_reload"] = len(person.ask(LINES))
    person.wait(lambda: person.stats()["pictures"], "a picture after the reload")
    person.press("Stop")
    person.wait(lambda: person.ask("return button('Start again')"), "the offer to start again")
    person.look("stopped")
    return seen


def main() -> None:
    firefox, url, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    prefs = {
        "marionette.port": port,
        "media.navigator.permission.disabled": True,
        "media.navigator.streams.fake": True,
        "devtools.console.stdout.content": True,
        "browser.shell.checkDefaultBrowser": False,
        "datareporting.policy.dataSubmissionEnabled": False,
        "app.update.enabled": False,
    }
    profile = folder / "profile"
    profile.mkdir()
    (profile / "user.js").write_text(
        "\n".join(f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in prefs.items())
    )
    log = folder / "firefox.log"
    with log.open("w") as out:
        command = [firefox, "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
        browser = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            marionette = Marionette(host="127.0.0.1", port=port)
            marionette.start_session(timeout=60)
            marionette.timeout.script = 20
            marionette.set_window_rect(width=1280, height=860)
            marionette.navigate(url)
            seen = walk(Person(marionette, folder), marionette.refresh)
        finally:
            browser.terminate()
            browser.wait(20)
    seen["script_errors"] = [
        line for line in log.read_text(errors="replace").splitlines() if f"error: {url}" in line
    ]
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
