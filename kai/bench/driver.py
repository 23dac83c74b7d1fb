"""A person at a laptop, played by Chromium: starts the app from its command line, opens the page, speaks into a fake
microphone and measures picture and sound. Shared by the bench and the browser tests.

Needs Playwright's Python package and a Chromium (``requirements-dev.txt``; ``make test`` brings the browser).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from playwright.sync_api import BrowserContext, Frame, Page, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from kai.engine.models.places import models_folder
from kai.media import pcm

ROOT = Path(__file__).resolve().parents[2]
MIC_HZ = 48_000
MIND_MODULE = "kai.engine.llm"
"""A part of the command line of the large mind's process."""

CHROMIUM_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
)

# Runs in every frame before the page's own scripts: keeps the peer connections and the microphone within reach.
_WATCH_JS = """
(() => {
  document.addEventListener('pointerdown', () => { window.__kaiPressedAt = Date.now(); }, true);
  const Socket = window.WebSocket;
  window.__kaiSockets = [];
  window.WebSocket = class extends Socket { constructor(...a) { super(...a); window.__kaiSockets.push(this); } };
  window.__kaiConnections = [];
  const Native = window.RTCPeerConnection;
  if (Native) {
    window.RTCPeerConnection = function (...a) { const c = new Native(...a); window.__kaiConnections.push(c); return c; };
    window.RTCPeerConnection.prototype = Native.prototype;
    Object.setPrototypeOf(window.RTCPeerConnection, Native);
  }
  const devices = navigator.mediaDevices;
  if (devices) {
    const get = devices.getUserMedia.bind(devices);
    devices.getUserMedia = async (c) => {
      const real = await get(c);
      const s = window.__kaiSpeaks && real.getAudioTracks().length ? await mouth(real) : real;
      window.__kaiMic = s;
      return s;
    };
    // In place of the device's sound: a quiet room, and whatever the person is told to say.
    const mouth = async (real) => {
      const context = new AudioContext({ sampleRate: 48000 });
      const out = context.createMediaStreamDestination();
      const room = context.createBuffer(1, 96000, 48000), noise = room.getChannelData(0);
      for (let i = 0; i < noise.length; i++) noise[i] = (Math.random() - 0.5) * 3e-4;
      const hum = context.createBufferSource();
      hum.buffer = room; hum.loop = true; hum.connect(out); hum.start();
      window.__kaiSay = async (base64) => {
        const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
        const said = context.createBufferSource();
        said.buffer = await context.decodeAudioData(bytes.buffer);
        said.connect(out);
        await context.resume();
        const over = new Promise((done) => { said.onended = () => done(Date.now()); });
        said.start();
        return over;
      };
      window.__kaiDevice = real;
      return new MediaStream([...out.stream.getAudioTracks(), ...real.getVideoTracks()]);
    };
  }
})();
"""

# In the media component's frame: onsets and ends of sound (page and microphone), a level, each shown picture's time, marks
# (see ``kai.media.stamp``).
_MEASURE_JS = """
async () => {
  if (window.__kaiMeasured) return;
  const M = window.__kaiMeasured = { sound: [], muted: [], mic: [], frames: [], marks: [], level: 0 };
  const context = new AudioContext({ latencyHint: 'interactive' });
  const code = `class Onsets extends AudioWorkletProcessor {
    constructor(o) { super(); this.threshold = o.processorOptions.threshold; this.hold = o.processorOptions.hold;
      this.on = false; this.last = 0; }
    process(inputs) { const x = inputs[0][0]; if (x) { let m = 0, at = 0;
      for (let i = 0; i < x.length; i++) { const a = Math.abs(x[i]); if (a > m) { m = a; at = i; } }
      const now = Date.now(); this.port.postMessage(['level', m]);
      if (m > this.threshold) { if (!this.on) { this.on = true; this.port.postMessage(['on', now]); } this.last = now; }
      else if (this.on && now - this.last > this.hold) { this.on = false; this.port.postMessage(['off', this.last]); }
      }
      return true; } };
    registerProcessor('onsets', Onsets)`;
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
  const tap = (stream, list, threshold, hold, isPage) => {
    if (!stream || !stream.getAudioTracks().length) return;
    const node = new AudioWorkletNode(context, 'onsets', { processorOptions: { threshold, hold } });
    context.createMediaStreamSource(stream).connect(node);
    const mute = context.createGain(); mute.gain.value = 0; node.connect(mute); mute.connect(context.destination);
    node.port.onmessage = (e) => {
      const [kind, value] = e.data;
      if (kind === 'level') { if (isPage) M.level = Math.max(value, M.level * 0.9); }
      else list.push([kind, value]);
    };
  };
  tap(window.__kaiMic, M.mic, 0.01, 700, false);
  const canvas = document.createElement('canvas');
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  let looks = 0, presented = null;
  const look = (video, told) => {
    if (video !== shown) return;
    const at = performance.timeOrigin + performance.now();
    // A busy script is called once for two pictures; both were on the screen.
    const missed = presented === null ? 0 : told.presentedFrames - presented - 1, before = M.frames.at(-1);
    for (let i = 1; i <= missed; i++) M.frames.push(before + (at - before) * i / (missed + 1));
    presented = told.presentedFrames;
    M.frames.push(at);
    const w = video.videoWidth, h = video.videoHeight;
    if (w && ++looks % 5 === 0) {
      canvas.width = w; canvas.height = 16;
      pen.drawImage(video, 0, h - 16, w, 16, 0, 0, w, 16);
      const px = pen.getImageData(0, 0, w, 16).data, cell = Math.floor(w / 40);
      let bits = [];
      for (let i = 0; i < 40; i++) bits.push(px[((8 * w) + Math.floor(i * cell + cell / 2)) * 4] > 128 ? 1 : 0);
      let value = 0; for (let i = 0; i < 32; i++) value = value * 2 + bits[i];
      let check = 0; for (let i = 0; i < 4; i++) check ^= Math.floor(value / 2 ** (8 * i)) % 256;
      let told = 0; for (let i = 32; i < 40; i++) told = told * 2 + bits[i];
      if (told === check) M.marks.push([at, value]);
    }
    video.requestVideoFrameCallback((_now, next) => look(video, next));
  };
  // A page that connects again has another video, and another stream in it.
  let shown = null, heard = null;
  const follow = () => {
    const video = document.querySelector('video');
    if (video && video !== shown) {
      shown = video; presented = null;
      video.addEventListener('volumechange', () => { if (video.muted) M.muted.push(Date.now()); });
      video.requestVideoFrameCallback((_now, told) => look(video, told));
    }
    const stream = video && video.srcObject;
    if (!stream || stream === heard || !stream.getAudioTracks().length) return;
    heard = stream;
    tap(stream, M.sound, 0.01, 900, true);
  };
  follow();
  setInterval(follow, 250);
}
"""

_STATS_JS = """
async () => {
  const connection = window.__kaiConnections[window.__kaiConnections.length - 1];
  const out = {};
  if (connection) (await connection.getStats()).forEach((s) => { if (s.type === 'inbound-rtp') out[s.kind] = s; });
  return out;
}
"""


def write_mic(path: Path, parts: Sequence[Path | float]) -> Path:
    """Write a microphone's file, 48 000 Hz, from recordings and from seconds of a quiet room's noise."""
    rng = np.random.default_rng(1)
    sound: list[np.ndarray] = []
    for part in parts:
        if isinstance(part, Path):
            said = pcm.read_wav(part, MIC_HZ).astype(np.float64)
            sound.append((said / max(1.0, np.abs(said).max()) * 16_000).astype(np.int16))
        else:
            sound.append(rng.normal(0, 3, int(part * MIC_HZ)).astype(np.int16))
    path.write_bytes(pcm.to_wav(np.concatenate(sound), MIC_HZ))
    return path


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class AppProcess:
    """``streamlit run streamlit_app.py`` (or another launcher) as a child process.

    Use it in a ``with`` statement, whose end also ends the app and its children.
    """

    def __init__(
        self,
        *,
        env: Mapping[str, str] | None = None,
        log_path: Path | None = None,
        launcher: str = "streamlit_app.py",
    ) -> None:
        self._launcher = launcher
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self._folder = tempfile.TemporaryDirectory(prefix="kai-app-")
        # These talks must not enter the user's history; the language model is the one on this computer.
        own = {
            "KAI_DATA_DIR": str(Path(self._folder.name) / "data"),
            "KAI_MODELS_DIR": str(models_folder()),
            "KAI_GREETING": "none",  # a talk that is measured begins with the person
        }
        self._env = {**os.environ, **own, **(env or {})}
        self._log_path = log_path or Path(self._folder.name) / "app.log"
        self.started_at_s = 0.0

    def __enter__(self) -> AppProcess:
        self.started_at_s = time.monotonic()
        with self._log_path.open("wb") as log:
            command = [sys.executable, "-m", "streamlit", "run", self._launcher]
            self._process = subprocess.Popen(
                [*command, "--server.port", str(self.port), "--server.headless", "true"],
                cwd=ROOT,
                env=self._env,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        self.process = psutil.Process(self._process.pid)
        try:
            self.wait_health(lambda health: True, 30)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """Return the app's output so far."""
        return self._log_path.read_text(errors="replace")

    def health(self) -> dict[str, Any] | None:
        """Return the answer of ``GET /api/health``, or ``None`` without one."""
        try:
            with urllib.request.urlopen(f"{self.url}api/health", timeout=2) as answer:
                return json.loads(answer.read())
        except (OSError, ValueError):
            return None

    def wait_health(self, is_so: Callable[[dict[str, Any]], bool], timeout_s: float) -> dict[str, Any]:
        """Wait for the first health answer for which ``is_so`` holds, and return it."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            health = self.health()
            if health is not None and is_so(health):
                return health
            if self._process.poll() is not None:
                raise RuntimeError(f"the app ended with {self._process.returncode}:\n{self.log[-2000:]}")
            time.sleep(0.05)
        raise TimeoutError(f"the app's health did not come: {self.health()}\n{self.log[-2000:]}")

    def wait_ready(self, timeout_s: float = 60) -> None:
        """Wait until the engine is up."""
        self.wait_health(lambda health: health.get("status") == "ok", timeout_s)

    def wait_mind(self, appears_s: float = 10, timeout_s: float = 120) -> bool:
        """Wait until the large mind's process has loaded and is idle; return False if none appears.

        It is idle after a second in which it used at most a tenth of a core.
        """
        deadline = time.monotonic() + timeout_s
        while not (found := self.children_named(MIND_MODULE)):
            if time.monotonic() > deadline - timeout_s + appears_s:
                return False
            time.sleep(0.2)
        while found[0].cpu_percent(1.0) > 10:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the large mind did not come to rest\n{self.log[-2000:]}")
        return True

    def children(self) -> list[psutil.Process]:
        """Return the app's child processes: engine and faces."""
        return self.process.children(recursive=True)

    def children_named(self, word: str) -> list[psutil.Process]:
        """Return the running children whose command line contains that word."""
        found: list[psutil.Process] = []
        for child in self.children():
            with contextlib.suppress(psutil.Error):
                if any(word in part for part in child.cmdline()):
                    found.append(child)
        return found

    def stop(self) -> list[int]:
        """End the app as Ctrl+C does. Kill children that outlive it by 3 s, and return their pids."""
        if self._process.poll() is not None:
            return []
        children = self.children()
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _, alive = psutil.wait_procs(children, timeout=3)
        for orphan in alive:
            orphan.kill()
        return [orphan.pid for orphan in alive]


@dataclass(frozen=True, slots=True)
class VideoState:
    """What the page's ``<video>`` shows."""

    width: int
    height: int
    current_time_s: float
    is_paused: bool
    frames: int


class Visitor:
    """A person with a browser. Made by ``visitor``."""

    def __init__(self, context: BrowserContext, page: Page | None = None) -> None:
        self.context = context
        self.page: Page = page or (context.pages[0] if context.pages else context.new_page())
        self.console: list[str] = []
        self.page.on("console", lambda message: self.console.append(message.text))
        self.page.on("pageerror", lambda error: self.console.append(f"ERROR {error}"))

    def new_tab(self) -> Visitor:
        """Return the same person in a second tab."""
        return Visitor(self.context, self.context.new_page())

    def open(self, url: str) -> None:
        self.page.goto(url)

    def first_paint_s(self) -> float:
        """Return the time from the page's request to its first contentful paint, in seconds."""
        script = """() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0"""
        return float(self.wait(lambda: self.page.evaluate(script), 20, "the first contentful paint")) / 1000

    def press(self, name: str, timeout_s: float = 20) -> None:
        """Press the button of that name once it is enabled."""
        self.page.get_by_role("button", name=name, exact=True).click(timeout=timeout_s * 1000)

    def start(self) -> None:
        """Press Start."""
        self.press("Start chat with Kai")

    def begin(self, app: AppProcess) -> None:
        """Open the page of an app that is ready, start a talk, and wait until Kai is seen and listens."""
        app.wait_ready()
        self.open(app.url)
        self.start()
        self.wait_picture(60)
        self.wait_state("Listening", 60)

    def say(self, text: str) -> None:
        """Type a line and press Enter."""
        box = self.page.locator("#kai-text")
        box.fill(text)
        box.press("Enter")

    def speak(self, recording: Path) -> float:
        """Speak a recording into the microphone; return when it ended, in ms on the page's clock.

        The visitor must have been made with ``speaks=True``, and the page must have opened the microphone.
        """
        said = base64.b64encode(recording.read_bytes()).decode()
        return float(self.in_media("(said) => window.__kaiSay(said)", said))

    def media_frame(self) -> Frame | None:
        """Return the frame of the media component."""
        return next((f for f in self.page.frames if "streamlit_webrtc" in f.url), None)

    def in_media(self, script: str, given: Any = None) -> Any:
        """Run a script in the frame of the media component, which must be there, and return its result."""
        frame = self.media_frame()
        assert frame is not None
        return frame.evaluate(script, given)

    def video(self) -> VideoState | None:
        """Return the state of the page's video, or ``None`` while there is none."""
        frame = self.media_frame()
        if frame is None:
            return None
        with contextlib.suppress(Exception):
            found = frame.evaluate(
                "() => { const v = document.querySelector('video'); return v && [v.videoWidth, v.videoHeight,"
                " v.currentTime, v.paused, v.getVideoPlaybackQuality().totalVideoFrames]; }"
            )
            return VideoState(*found) if found else None
        return None

    def wait(self, is_so: Callable[[], Any], timeout_s: float, what: str, every_ms: float = 30) -> Any:
        """Wait for the first true result of ``is_so`` and return it; a failure names ``what`` was awaited.

        Each call of ``is_so`` costs browser and bench a few milliseconds of a core: when a talk is timed, ask seldom and let
        the page note the times.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            answer = is_so()
            if answer:
                return answer
            self.page.wait_for_timeout(every_ms)
        raise TimeoutError(f"{what} did not come within {timeout_s:.0f} s\n" + "\n".join(self.console[-12:]))

    def wait_picture(self, timeout_s: float = 40) -> VideoState:
        """Wait for the moving picture."""

        def moving() -> VideoState | None:
            video = self.video()
            return video if video is not None and video.width > 0 and video.current_time_s > 0 else None

        return self.wait(moving, timeout_s, "a moving picture")

    def wait_state(self, word: str, timeout_s: float = 20) -> None:
        """Wait until the page shows that word as Kai's state."""
        self.wait(lambda: word.lower() in self.state_word().lower(), timeout_s, f"the state {word!r}")

    def state_word(self) -> str:
        """Return the word that the page shows as Kai's state."""
        found = self.page.locator(".state .word")
        return found.first.inner_text() if found.count() else ""

    def lines(self) -> list[tuple[str, str]]:
        """Return the chat as (role, words) of each line, oldest first."""
        read = (
            "nodes => nodes.map(n => [n.dataset.role, n.querySelector('.said').firstChild?.nodeValue ?? ''])"
        )
        return [
            (str(role), str(words)) for role, words in self.page.locator(".lines > li").evaluate_all(read)
        ]

    def line_of(self, role: str, count: int) -> str:
        """Return the ``count``-th line of that role, or an empty text. It may still grow."""
        texts = [text for who, text in self.lines() if who == role and text]
        return texts[count - 1] if len(texts) >= count else ""

    def wait_line(self, role: str, count: int, timeout_s: float = 20) -> str:
        """Wait until the ``count``-th line of that role is final, and return it."""
        final = self.page.locator(f".lines > li[data-role={role}]:not(.is-open)")
        return self.wait(
            lambda: final.count() >= count and self.line_of(role, count),
            timeout_s,
            f"line {count} of the {role}",
        )

    def measure(self) -> None:
        """Begin to watch sound and picture in the page."""
        self.in_media(_MEASURE_JS)

    def measured(self) -> dict[str, Any]:
        """Return what was seen since ``measure``: ``sound`` and ``mic`` as [on|off, ms], ``frames`` in ms, ``marks`` as
        [ms, stamp]."""
        return self.in_media("() => window.__kaiMeasured")

    def heard(self) -> dict[str, Any]:
        """Return the newest sound entries of ``measured``: ``sound`` and ``mic`` as [on|off, ms]."""
        return self.in_media(
            "() => ({ sound: window.__kaiMeasured.sound.slice(-200), mic: window.__kaiMeasured.mic.slice(-20) })"
        )

    def stats(self) -> dict[str, Any]:
        """Return WebRTC's inbound statistics by kind."""
        return self.in_media(_STATS_JS)

    def level(self) -> float:
        """Return the present peak of the page's sound, 0 to 1."""
        return float(self.measured()["level"])

    def pressed_at_ms(self) -> float:
        """Return when the last press of a button reached the page, on the page's clock."""
        return float(self.page.evaluate("() => window.__kaiPressedAt"))

    def lose_websocket(self) -> None:
        """Cut Streamlit's WebSocket, like a short loss of the network."""
        self.page.evaluate("() => window.__kaiSockets.forEach((s) => s.close())")

    def screenshot(self, path: Path) -> Path:
        """A picture of the page."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(path))
        return path


@contextlib.contextmanager
def visitor(
    chromium: Path,
    *,
    mic: Path | None = None,
    speaks: bool = False,
    flags: Sequence[str] = (),
    allow_microphone: bool = True,
    size: tuple[int, int] = (1280, 720),
) -> Generator[Visitor]:
    """Yield a person with that browser; the microphone plays ``mic`` once, from when it is opened.

    With ``speaks``, the microphone instead hears a quiet room until `Visitor.speak` is called."""
    args = [*CHROMIUM_FLAGS, *flags]
    if allow_microphone:
        args.append("--use-fake-ui-for-media-stream")
    if mic is not None:
        args.append(f"--use-file-for-fake-audio-capture={mic}%noloop")
    with tempfile.TemporaryDirectory(prefix="kai-browser-") as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=str(chromium),
            headless=True,
            args=args,
            viewport={"width": size[0], "height": size[1]},
            ignore_default_args=["--mute-audio"],
        )
        if speaks:
            context.add_init_script("window.__kaiSpeaks = true;")
        context.add_init_script(_WATCH_JS)
        try:
            yield Visitor(context)
        finally:
            for page in context.pages:
                # A tab that a person closes tells the app so. One that Playwright closes does not, and its talk would go on.
                with contextlib.suppress(PlaywrightError):
                    page.goto("about:blank", timeout=3000)
            context.close()
