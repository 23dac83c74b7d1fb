// The desk draws what the talk's event stream says and posts what a person wishes; it decides nothing by itself.
// Streamlit calls the default export again at every run: what lives is kept per mounted element.

const desks = new WeakMap();

const BAR_COUNT = 16;
const NOTICE_MS = 8000;
const PRESS_AGAIN_MS = 3000;
// A face is drawn 25 times a second. A page that shows fewer than the first for some seconds says so, until it shows the second.
const SLOW_FPS = 22;
const SMOOTH_FPS = 24;
const SLOW_S = 4;
// These warnings outrank what the talk itself has to say; other words of the page wait for the talk's warnings.
const URGENT = ["lost", "sound", "microphone"];

const SHAPES = {
  waking: '<path class="turn" d="M12 3a9 9 0 1 1-8.500 6"/>',
  listening: '<circle class="solid" cx="12" cy="12" r="3.500"/><circle class="breathe" cx="12" cy="12" r="9"/>',
  thinking: '<circle class="dot solid" cx="4.500" cy="12" r="2.600"/><circle class="dot solid" cx="12" cy="12" r="2.600"/><circle class="dot solid" cx="19.500" cy="12" r="2.600"/>',
  speaking: '<path class="wave" d="M4 9v6"/><path class="wave" d="M9.300 5v14"/><path class="wave" d="M14.600 7v10"/><path class="wave" d="M20 9.500v5"/>',
  muted: '<path d="M12 3a3 3 0 0 0-3 3v6a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3Z"/><path d="M5.500 11.500a6.500 6.500 0 0 0 13 0M12 18v3M4 4l16 16"/>',
  typing: '<rect x="2.500" y="6" width="19" height="12" rx="2.500"/><path d="M6.500 10h.01M10 10h.01M14 10h.01M17.500 10h.01M8 14h8"/>',
  hold: '<rect x="3" y="9" width="18" height="7" rx="2"/><path d="M8 13h8"/>',
  ended: '<rect class="solid" x="6" y="6" width="12" height="12" rx="2"/>',
};

export default function ({ parentElement, data, setTriggerValue }) {
  let desk = desks.get(parentElement);
  if (!desk) {
    desk = new Desk(parentElement, data);
    desks.set(parentElement, desk);
  }
  desk.update(data, setTriggerValue);
  return () => {
    desk.close();
    desks.delete(parentElement);
  };
}

class Desk {
  constructor(root, data) {
    this.root = root;
    this.data = data;
    this.words = data.words;
    this.base = `${data.base}/api/talks/${encodeURIComponent(data.talkId)}`;
    this.view = null;
    this.lines = [];
    this.isFirstList = true;
    this.asked = { structure: "", at: 0 };
    this.localBanners = new Map();
    this.caption = newCaption("");
    this.spoken = null;
    this.lostAt = 0;
    this.$ = (selector) => root.querySelector(selector);
    this.build();
    this.component = new MediaComponent();
    this.devices = new Devices(this.component, this);
    this.open();
    this.timer = setInterval(() => this.tick(), 200);
    this.network = null;
    this.heldBy = "";
    this.later = "";
    this.pending = "";
    this.onKey = (event) => this.pressKey(event);
    document.addEventListener("keydown", this.onKey, true);
    this.onKeyUp = (event) => { if (event.code === "Space") this.release("key"); };
    document.addEventListener("keyup", this.onKeyUp, true);
    // Whoever holds the talk key and goes elsewhere has let it go.
    this.onLeave = () => this.release(this.heldBy);
    window.addEventListener("blur", this.onLeave);
    this.onFullscreen = () => { if (!document.fullscreenElement && this.wasFullscreen) this.present(false); };
    document.addEventListener("fullscreenchange", this.onFullscreen);
    this.onVisible = () => {
      if (document.hidden) return this.onLeave();
      if (this.isPresenting) this.stayAwake();
      this.comeBack();
    };
    document.addEventListener("visibilitychange", this.onVisible);
    this.onBack = () => this.comeBack();
    document.addEventListener("resume", this.onBack);
    window.addEventListener("online", this.onBack);
    // Where avatars cost money a page that goes says so: what was lent to it is stopped, and its talk waits less for somebody
    // to come back.
    this.onHide = () => {
      if (!this.data.hasAvatars) return;
      const left = new Blob([JSON.stringify({ talk_id: this.data.talkId })], { type: "application/json" });
      navigator.sendBeacon(`${this.data.base}/api/avatar/stop`, left);
    };
    window.addEventListener("pagehide", this.onHide);
    this.onPointer = () => this.showBar();
    this.onPress = (event) => {
      this.isTabbing = false;
      const isInside = event.composedPath().some((node) => node instanceof Element && node.matches(".right, .gear"));
      if (!isInside && this.$(".desk").classList.contains("shows-devices")) this.unfold(".gear", "shows-devices", false);
    };
    document.addEventListener("pointerdown", this.onPress, true);
    document.addEventListener("pointermove", this.onPointer);
  }

  update(data, setTriggerValue) {
    const isRenamed = data.words.typeHere !== this.words.typeHere;
    this.data = data;
    this.words = data.words;
    if (isRenamed) this.name();
    this.setTriggerValue = setTriggerValue;
    this.component.watch();
    this.$(".desk").classList.toggle("is-away", !data.isOnStage);
    if (!data.isOnStage) {
      this.present(false);
      this.onLeave();
    }
  }

  close() {
    clearInterval(this.timer);
    this.chatSize.disconnect();
    clearTimeout(this.reopen);
    this.present(false);
    document.removeEventListener("keydown", this.onKey, true);
    document.removeEventListener("keyup", this.onKeyUp, true);
    window.removeEventListener("blur", this.onLeave);
    window.removeEventListener("pagehide", this.onHide);
    this.onLeave();
    document.removeEventListener("fullscreenchange", this.onFullscreen);
    document.removeEventListener("visibilitychange", this.onVisible);
    document.removeEventListener("resume", this.onBack);
    window.removeEventListener("online", this.onBack);
    document.removeEventListener("pointermove", this.onPointer);
    document.removeEventListener("pointerdown", this.onPress, true);
    this.stream?.close();
    this.sound?.close();
    this.devices.close();
    delete document.documentElement.dataset.kaiPicture;
    document.documentElement.removeAttribute("data-kai-card");
    delete document.documentElement.dataset.kaiRecording;
  }

  // ---------------------------------------------------------------- built once

  build() {
    const w = this.words;
    this.$(".bars").replaceChildren(...Array.from({ length: BAR_COUNT }, (_, i) => {
      const bar = document.createElement("i");
      bar.style.height = `${7 + 13 * Math.sin(Math.PI * (i + 1) / (BAR_COUNT + 1))}px`;
      return bar;
    }));
    this.name();
    this.$(".label-mic").textContent = w.microphone;
    this.$(".label-speaker").textContent = w.loudspeaker;
    this.$(".chat").setAttribute("aria-label", w.chat);
    this.$(".newest").textContent = `↓ ${w.newest}`;
    this.$(".text").maxLength = this.data.textLimit;
    for (const button of this.root.querySelectorAll("[data-wish]")) {
      button.addEventListener("click", () => this.press(button));
    }
    this.$(".act").addEventListener("click", () => this.act());
    this.$(".later").addEventListener("click", () => {
      if (this.localBanners.has(this.banner?.code)) return this.setLocalBanner(this.banner.code, null);
      this.later = this.banner ? bannerId(this.banner) : "";
      this.drawBanner();
    });
    this.$(".recall").addEventListener("click", () => {
      this.setTriggerValue?.("face", `back@${Math.round(performance.now())}`);
    });
    setText(this.$(".shut .label"), w.cardClose);
    this.$(".shut").addEventListener("click", () => this.post({ wish: "put-card-away" }));
    const hold = this.$(".hold");
    hold.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      // Let go anywhere: the finger may have slid off.
      hold.setPointerCapture(event.pointerId);
      this.hold("pointer");
    });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) hold.addEventListener(name, () => this.release("pointer"));
    hold.addEventListener("contextmenu", (event) => event.preventDefault());
    // With the keyboard on the button itself, Enter holds it as the space bar does.
    hold.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.repeat) this.hold("enter"); });
    hold.addEventListener("keyup", (event) => { if (event.key === "Enter") this.release("enter"); });
    hold.addEventListener("blur", () => this.release("enter"));
    this.$(".type").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.$(".text").addEventListener("input", () => this.complain(""));
    this.$(".text").addEventListener("keydown", (event) => { if (event.key === "Escape") this.typed(); });
    this.isAtEnd = true;
    this.$(".chat").addEventListener("scroll", () => {
      // A scroll that is told after the chat has changed its size says nothing about the reader.
      if (this.$(".chat").clientHeight === this.chatHeight) this.isAtEnd = this.isFollowing();
      this.showNewest();
    });
    // Who reads the newest line goes on reading it when a banner or a button takes room from the chat.
    this.chatSize = new ResizeObserver(() => {
      this.chatHeight = this.$(".chat").clientHeight;
      if (this.isAtEnd) this.follow();
      this.showNewest();
    });
    this.chatSize.observe(this.$(".chat"));
    this.$(".newest").addEventListener("click", () => this.follow());
    this.$(".starters").setAttribute("aria-label", w.starters);
    this.$(".starters").append(...(this.data.starters ?? []).map((text) => this.starter(text)));
    this.$(".choose-mic").addEventListener("change", (event) => this.devices.choose(event.target.value));
    this.$(".choose-speaker").addEventListener("change", (event) => this.devices.chooseLoudspeaker(event.target.value));
    setText(this.$(".present .label"), w.present);
    setText(this.$(".keys .label"), w.keys);
    setText(this.$(".gear .label"), w.devices);
    this.$(".gear").addEventListener("click", () => this.unfold(".gear", "shows-devices"));
    setText(this.$(".sheet .label"), w.chat);
    this.$(".sheet").addEventListener("click", () => this.unfold(".sheet", "is-sheet"));
    this.$(".present").addEventListener("click", () => this.present(!this.isPresenting));
    this.$(".keys").addEventListener("click", () => this.showKeys());
    setText(this.$(".help h2"), w.keysTitle);
    setText(this.$(".help button"), w.close);
    this.$(".speaker").hidden = !("setSinkId" in HTMLMediaElement.prototype);
    // Streamlit's own single-letter keys (clear, rerun) must not fire while a person types here.
    for (const name of ["keydown", "keyup", "keypress"]) {
      this.$(".desk").addEventListener(name, (event) => event.stopPropagation());
    }
  }

  // The words that name the character on the stage, which a person may exchange during the talk.
  name() {
    const w = this.words;
    for (const line of this.root.querySelectorAll(".ai")) setText(line, w.aiLine);
    this.$(".text").placeholder = w.typeHere;
    setText(this.$('label[for="kai-text"]'), w.typeHere);
    this.$(".help dl").replaceChildren(...w.keyList.flatMap(([key, words]) => {
      const name = element("dt");
      name.append(element("kbd", "", key));
      return [name, element("dd", "", words)];
    }));
  }

  // ---------------------------------------------------------------- keys, presenter mode

  // Taken before Streamlit's own single-letter keys; never while a person types or holds a modifier.
  pressKey(event) {
    if (event.key === "Tab") this.isTabbing = true;
    if (event.ctrlKey || event.metaKey || event.altKey || !this.data.isOnStage) return;
    const target = event.composedPath()[0];
    if (target instanceof Element && target.closest("input, textarea, select, [contenteditable=true], [role=slider]")) return;
    if (this.$(".help").open) return;
    if (event.code === "Space" && this.view?.isPushToTalk) {
      // A button that was reached by the keyboard keeps its space bar; one that was clicked does not.
      // (:focus-visible would not tell: the press itself turns it on.)
      const isOther = this.isTabbing && target instanceof Element && target.matches("button, a, summary") && target !== this.$(".hold");
      if (isOther) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      if (!event.repeat) this.hold("key");
      return;
    }
    if (event.repeat) return;
    const act = {
      m: () => this.press(this.$(".mute")),
      i: () => this.press(this.$(".interrupt")),
      e: () => this.pressTwice("e", ".stop"),
      l: () => this.press(this.$(".clear")),
      c: this.view?.card ? () => this.post({ wish: "put-card-away" }) : () => {},
      t: () => this.type(),
      r: () => this.press(this.$(".record")),
      p: () => this.present(!this.isPresenting),
      "?": () => this.showKeys(),
      escape: this.escape(),
    }[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    act();
  }

  // One letter must not end a talk by mistake: the state's place asks for it once more.
  pressTwice(key, selector) {
    const isAgain = this.pending === key;
    clearTimeout(this.pendingTimer);
    this.pending = "";
    if (isAgain) this.press(this.$(selector));
    else if (this.view?.controls[this.$(selector).dataset.wish]?.isEnabled) {
      this.pending = key;
      this.pendingTimer = setTimeout(() => { this.pending = ""; this.drawStatus(); }, PRESS_AGAIN_MS);
    }
    this.drawStatus();
  }

  // ---------------------------------------------------------------- push to talk

  hold(by) {
    if (this.heldBy || !this.view?.controls.hold.isEnabled) return;
    this.heldBy = by;
    this.unblock();
    this.sendHold(true);
  }

  release(by) {
    if (!this.heldBy || this.heldBy !== by) return;
    this.heldBy = "";
    this.sendHold(false);
  }

  // One after the other: a release must not overtake its press.
  sendHold(isDown) {
    if (isDown && this.view?.controls.interrupt.isEnabled) this.component.hush();
    this.$(".hold").classList.toggle("is-down", isDown);
    this.holding = (this.holding ?? Promise.resolve()).then(async () => this.complain(await this.post({ wish: "hold", isDown })));
  }

  // What has no room on this screen is behind a button: the devices beside a large face, the chat under one on a phone.
  unfold(selector, name, isOpen = !this.$(".desk").classList.contains(name)) {
    this.$(".desk").classList.toggle(name, isOpen);
    this.$(selector).setAttribute("aria-expanded", String(isOpen));
    this.follow();
  }

  // What Escape leaves or closes, if anything.
  escape() {
    if (this.isPresenting) return () => this.present(false);
    const open = [[".gear", "shows-devices"], [".sheet", "is-sheet"]].find(([, name]) => this.$(".desk").classList.contains(name));
    return open ? () => this.unfold(...open, false) : null;
  }

  showKeys() {
    const help = this.$(".help");
    if (!help.open) help.showModal();
    // The button at the end has the focus; where the window is low, the list begins at its title all the same.
    help.scrollTop = 0;
  }

  // The face large, captions for the back row, nothing else; the media component is the same one, so the talk goes on.
  present(isOn) {
    if (Boolean(this.isPresenting) === isOn) return;
    this.isPresenting = isOn;
    const html = document.documentElement;
    if (isOn) html.dataset.kaiPresenter = "on";
    else delete html.dataset.kaiPresenter;
    this.$(".desk").classList.toggle("is-presenting", isOn);
    this.$(".present").setAttribute("aria-pressed", String(isOn));
    if (!isOn) this.typed();
    setText(this.$(".spoken-state"), isOn ? this.words.presenting : "");
    if (isOn) {
      this.stayAwake();
      this.showBar();
      html.requestFullscreen?.().then(() => { this.wasFullscreen = true; }, () => {});
    } else {
      this.awake?.release().catch(() => {});
      this.awake = null;
      if (document.fullscreenElement && this.wasFullscreen) document.exitFullscreen().catch(() => {});
      this.wasFullscreen = false;
    }
    this.drawStatus();
    if (this.view) this.drawCaption();
  }

  // In presenter view the field lies over the foot of the screen, and goes with Escape or with the line that was sent.
  type() {
    this.$(".desk").classList.toggle("is-typing", Boolean(this.isPresenting));
    this.$(".text").focus();
  }

  typed() {
    if (!this.$(".desk").classList.contains("is-typing")) return;
    this.$(".desk").classList.remove("is-typing");
    this.$(".text").blur();
  }

  async stayAwake() {
    try {
      const lock = await navigator.wakeLock?.request("screen");
      if (this.isPresenting) this.awake = lock;
      else lock?.release();
    } catch {
      // A browser on battery may refuse; the talk goes on all the same.
    }
  }

  showBar() {
    if (!this.isPresenting) return;
    this.$(".desk").classList.add("is-bar-shown");
    clearTimeout(this.barTimer);
    this.barTimer = setTimeout(() => this.$(".desk").classList.remove("is-bar-shown"), 2500);
  }

  // ---------------------------------------------------------------- the event stream

  open() {
    this.stream?.close();
    const stream = new EventSource(`${this.base}/events`);
    this.stream = stream;
    stream.onopen = () => {
      this.lostAt = 0;
      this.setLocalBanner("lost", null);
    };
    stream.onerror = () => {
      this.lostAt ||= performance.now();
      if (stream.readyState === EventSource.CLOSED) {
        // Refused: the talk is gone, or the server is new. A run finds this tab's talk again.
        clearTimeout(this.reopen);
        this.reopen = setTimeout(() => this.open(), 2000);
        this.askForRun("lost");
      }
    };
    stream.addEventListener("view", (event) => this.draw(JSON.parse(event.data)));
    stream.addEventListener("lines", (event) => this.drawLines(JSON.parse(event.data)));
    stream.addEventListener("spoken", (event) => {
      this.spoken = { ...JSON.parse(event.data), at: performance.now() };
      if (this.view) this.drawCaption();
    });
    stream.addEventListener("level", (event) => this.drawLevel(JSON.parse(event.data).level));
    stream.addEventListener("network", (event) => this.drawNetwork(JSON.parse(event.data)));
    stream.addEventListener("sound", (event) => this.playSound(JSON.parse(event.data)));
  }

  // A tab that was suspended, and a computer that slept or changed networks, has lost its connections: open them anew at once.
  comeBack() {
    if (this.stream?.readyState === EventSource.CLOSED) {
      clearTimeout(this.reopen);
      this.open();
    }
    if (this.view?.wantsSoundInPage) this.post({ wish: "retry", leg: "browser" });
  }

  async post(wish) {
    try {
      const response = await fetch(`${this.base}/wishes`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(wish),
        credentials: "same-origin",
        keepalive: true,
      });
      if (response.ok) return "";
      const body = await response.json().catch(() => null);
      return body?.error?.message ?? this.words.pageLost;
    } catch {
      return this.words.pageLost;
    }
  }

  askForRun(structure) {
    const now = performance.now();
    if (this.asked.structure === structure && now - this.asked.at < 2000) return;
    this.asked = { structure, at: now };
    this.setTriggerValue?.("structure", `${structure}@${Math.round(now)}`);
  }

  // ---------------------------------------------------------------- drawing

  draw(view) {
    const before = this.view;
    this.view = view;
    this.viewAt = performance.now();
    if (!view.banner) this.later = "";
    const desk = this.$(".desk");
    desk.dataset.phase = view.phase;
    desk.classList.toggle("is-deaf", view.isMuted || view.microphone !== "open" || !view.hasMedia);
    this.drawStatus();
    this.drawSteps(view.steps);
    this.drawLegs(view.legs);
    this.drawControls(view.controls);
    this.drawSpent();
    this.drawCard(view.card);
    this.$(".recall").hidden = !view.recall;
    setText(this.$(".recall"), view.recall);
    this.drawLight(view.isRecording);
    this.drawBanner();
    this.drawCaption();
    const still = `${this.data.base}/api/pictures/${encodeURIComponent(view.character)}.jpg`;
    if (this.$(".still").getAttribute("src") !== still) this.$(".still").src = still;
    this.$(".still").alt = view.name;
    this.$(".stage").setAttribute("aria-label", view.name);
    setText(this.$(".name-tag"), view.name);
    if (view.isMuted || !view.isActive) this.drawLevel(0);
    if (view.isActive && view.hasMedia && !view.isBrowserUp) {
      const isNew = !before || !before.hasMedia || before.microphone !== "unknown";
      if (isNew) this.checkNetwork();
    }
    if (view.isActive && view.hasMedia && view.microphone === "unknown") this.devices.ask();
    if (!view.wantsSoundInPage) this.sound?.silence();
  }

  drawStatus() {
    let status = this.view?.status;
    if (!status) return;
    if (this.isPresenting && status.presented) status = { word: status.presented, shape: "muted", tone: "warn" };
    if (this.pending) status = { word: this.words.pressAgain[this.pending], shape: "ended", tone: "warn" };
    const state = this.$(".state");
    state.dataset.tone = status.tone;
    if (state.dataset.shape !== status.shape || !this.$(".shape").firstChild) {
      state.dataset.shape = status.shape;
      this.$(".shape").innerHTML = `<svg viewBox="0 0 24 24">${SHAPES[status.shape] ?? SHAPES.waking}</svg>`;
    }
    setText(this.$(".state .word"), status.word);
    if (status.tone === "warn" || status.tone === "stopped") setText(this.$(".spoken-state"), status.word);
  }

  // The light is on the stage, and through the document also where Kai is small in a corner of another page.
  drawLight(isOn) {
    const light = this.$(".light");
    if (light.hidden === !isOn) return;
    light.hidden = !isOn;
    setText(light, isOn ? this.words.recording : "");
    setText(this.$(".spoken-state"), isOn ? this.words.recording : this.words.recordingOver);
    const html = document.documentElement;
    if (isOn) html.dataset.kaiRecording = "on";
    else delete html.dataset.kaiRecording;
    html.style.setProperty("--kai-recording", JSON.stringify(this.words.recording));
  }

  drawSteps(steps) {
    this.$(".steps").replaceChildren(...steps.map((step) => {
      const item = element("li", "", step.label);
      item.dataset.state = step.state;
      return item;
    }));
  }

  drawLegs(legs) {
    this.$(".legs").replaceChildren(...legs.map((told) => {
      const isMeasured = told.name === "browser" && this.view.isBrowserUp && this.network;
      let leg = isMeasured ? { ...told, word: this.network.word, tone: this.network.tone, why: this.network.advice } : told;
      const isSlow = told.name === "browser" && Boolean(this.slowWords());
      if (isSlow) leg = { ...leg, word: this.words.busy, tone: "warn", why: this.slowWords() };
      const item = element("li", isSlow ? "is-slow" : "");
      item.dataset.tone = leg.tone;
      item.dataset.name = leg.name;
      const why = leg.why || `${leg.label}: ${leg.word}`;
      const dot = element("span", "dot");
      dot.setAttribute("aria-hidden", "true");
      const is = element("span", "is", leg.word);
      if (leg.note) is.append(element("small", "note", leg.note));
      item.append(dot, element("span", "name", leg.label), is);
      for (const part of item.children) part.title = why;
      return item;
    }));
  }

  drawNetwork(network) {
    this.network = network;
    if (this.view) this.drawLegs(this.view.legs);
    const advice = network.isPoor ? { message: network.advice, tone: "warn", wish: "", button: "" } : null;
    this.setLocalBanner("network", advice);
  }

  // What runs by itself is counted on by our own clock.
  drawSpent() {
    const view = this.view;
    const passed = view.isActive ? (performance.now() - this.viewAt) / 1000 : 0;
    setText(this.$(".elapsed"), clock(view.elapsedS + passed));
    const left = view.leftS === null ? "" : this.words.timeLeft.replace("{time}", clock(Math.max(0, view.leftS - passed)));
    setText(this.$(".left-over"), left);
    setText(this.$(".cost"), view.cost);
    setText(this.$(".limit"), [this.slowWords(), ...view.limits].filter(Boolean).join(" · "));
  }

  drawCard(card) {
    const box = this.$(".card");
    box.hidden = !card;
    this.$(".desk").classList.toggle("has-card", Boolean(card));
    document.documentElement.toggleAttribute("data-kai-card", Boolean(card));
    if (!card) return;
    setText(box.querySelector("h2"), card.title);
    setText(box.querySelector("p"), card.text);
  }

  drawControls(controls) {
    const isHeld = this.view.isPushToTalk;
    this.$(".hold").hidden = !isHeld;
    this.$(".mute").hidden = isHeld;
    if (!isHeld) this.release(this.heldBy);
    for (const name of [isHeld ? "hold" : "mute", "interrupt", "stop", "clear", "record"]) {
      const control = controls[name];
      const button = this.$(`.${name}`);
      setText(button.querySelector(".label"), control.label);
      button.setAttribute("aria-disabled", String(!control.isEnabled));
      button.classList.toggle("is-on", control.isOn);
      if (["mute", "hold", "record"].includes(name)) button.setAttribute("aria-pressed", String(control.isOn));
      button.title = control.isEnabled ? control.label : `${control.label}: ${control.reason}`;
    }
    setText(this.$(".send .label"), this.words.send);
    this.$(".send").setAttribute("aria-disabled", String(!controls.send.isEnabled));
    this.showStarters();
  }

  setLocalBanner(code, banner) {
    if (!banner && !this.localBanners.has(code)) return;
    this.localBanners.delete(code);
    if (banner) this.localBanners.set(code, { code, ...banner });
    this.drawBanner();
  }

  // A line about a device: until it is over, or for some seconds.
  notice(code, message, isLasting = false) {
    clearTimeout(this.notices?.[code]);
    const tone = isLasting ? "warn" : "quiet";
    this.setLocalBanner(code, message && { message, tone, wish: "", button: "", later: this.words.dismiss });
    if (message && !isLasting) this.notices = { ...this.notices, [code]: setTimeout(() => this.setLocalBanner(code, null), NOTICE_MS) };
  }

  // Of what the page and the talk have to say, the one that matters most.
  pressing() {
    const own = [...this.localBanners.values()].reverse();
    const urgent = own.find((banner) => banner.tone === "warn" && URGENT.includes(banner.code));
    let told = this.view?.banner ?? null;
    if (told && bannerId(told) === this.later) told = null;
    if (urgent) return urgent;
    return told && told.tone !== "quiet" ? told : own[0] ?? told;
  }

  drawBanner() {
    const banner = this.pressing();
    this.banner = banner;
    const box = this.$(".banner");
    box.hidden = !banner;
    if (!banner) return;
    box.dataset.tone = banner.tone;
    box.dataset.code = banner.code;
    setText(box.querySelector(".message"), banner.message);
    const detail = box.querySelector(".detail");
    detail.hidden = !banner.detail;
    setText(detail.querySelector("summary"), banner.detailLabel ?? "");
    setText(detail.querySelector("p"), banner.detail ?? "");
    const button = this.$(".act");
    button.hidden = !banner.button;
    setText(button, banner.button);
    const later = this.$(".later");
    later.hidden = !banner.later;
    setText(later, banner.later ?? "");
  }

  drawCaption() {
    const caption = this.view.caption;
    if (this.caption.id !== caption.id) this.caption = newCaption(caption.id);
    const box = this.$(".caption");
    const now = performance.now();
    this.caption.restsFrom = caption.isResting ? this.caption.restsFrom || now : 0;
    // The last line does not stay on the stage for minutes: once Kai has listened for a while, the hint replaces it.
    const hasFaded = caption.isResting && now - this.caption.restsFrom > CAPTION_RESTS_MS;
    const role = hasFaded ? "hint" : caption.role;
    box.dataset.role = role;
    setText(box.querySelector(".who"), role === "user" ? this.words.you : "");
    let text = role === "hint" ? caption.hint : caption.text;
    if (role === "hint" && this.isPresenting && !this.view.isPushToTalk) text = text && this.words.presentHint;
    const room = roomOf(box);
    let ahead = "";
    if (caption.pace === "playing") this.caption.startedAt ||= now;
    if (role === "assistant") {
      // The part of the line in which the voice is: its words light up as they are spoken, those ahead of it are dim.
      const chunks = chunksOf(text, room).map((chunk) => chunk.split(" "));
      // The first guess may be ahead of what is then told: a word that has lit up stays lit.
      let begun = this.caption.begun = Math.max(this.caption.begun, wordsBegun(caption, this.spoken, this.caption.startedAt));
      let at = 0;
      while (at < chunks.length - 1 && begun > chunks[at].length) begun -= chunks[at++].length;
      const words = chunks[at] ?? [];
      text = words.slice(0, begun).join(" ");
      ahead = words.slice(begun).join(" ");
      if (text && ahead) ahead = ` ${ahead}`;
    } else if (role === "user" && text.length > room) {
      text = `… ${text.slice(text.indexOf(" ", text.length - room) + 1)}`;
    }
    setText(box.querySelector(".said"), text);
    setText(box.querySelector(".ahead"), ahead);
  }

  drawLevel(level) {
    const on = Math.round(Math.min(1, level) * BAR_COUNT);
    const bars = this.$(".bars").children;
    for (let i = 0; i < bars.length; i++) bars[i].classList.toggle("on", i < on);
    this.$(".meter").setAttribute("aria-valuenow", String(Math.round(level * 100)));
  }

  drawLines({ from, lines }) {
    const list = this.$(".lines");
    const wasFinal = new Set(this.lines.filter((line) => line.isFinal).map((line) => line.id));
    this.lines = [...this.lines.slice(0, from), ...lines];
    lines.forEach((line, i) => {
      const there = list.children[from + i];
      const item = there?.dataset.id === line.id ? there : lineElement(line);
      fillLine(item, line, this.words);
      if (item !== there) there ? there.replaceWith(item) : list.append(item);
      if (!this.isFirstList && line.isFinal && !wasFinal.has(line.id)) setText(this.$(".spoken"), `${line.who}: ${line.text}`);
    });
    while (list.children.length > this.lines.length) list.lastChild.remove();
    if (this.isAtEnd || this.isFirstList) this.follow();
    this.isFirstList = false;
    this.showNewest();
    this.showStarters();
  }

  // Something to say for who does not know what to say: there until the first line.
  starter(text) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "control small starter";
    button.textContent = text;
    button.addEventListener("click", () => this.say(text));
    return button;
  }

  showStarters() {
    this.$(".starters").hidden = this.lines.length > 0 || !this.view?.controls.send.isEnabled;
  }

  follow() {
    const chat = this.$(".chat");
    chat.scrollTop = chat.scrollHeight;
  }

  showNewest() {
    this.$(".newest").hidden = this.isFollowing();
  }

  isFollowing() {
    const chat = this.$(".chat");
    return chat.scrollHeight - chat.scrollTop - chat.clientHeight < 32;
  }

  tick() {
    const view = this.view;
    if (this.lostAt && performance.now() - this.lostAt > 2000) {
      this.setLocalBanner("lost", { message: this.words.pageLost, tone: "warn", wish: "", button: "" });
    }
    this.watchPicture();
    this.devices.tick(view);
    if (!view) return;
    if (view.structure !== this.data.structure) this.askForRun(view.structure);
    this.drawSpent();
    if (view.caption.pace === "playing" || view.caption.isResting) this.drawCaption();
  }

  // ---------------------------------------------------------------- wishes

  async press(button) {
    const name = button.dataset.wish;
    const control = this.view?.controls[name];
    if (!control?.isEnabled) return this.explain(control);
    if (name === "interrupt") this.component.hush();
    const wish = { mute: { wish: "mute", isMuted: !this.view.isMuted }, record: { wish: "record", isOn: !this.view.isRecording } }[name] ?? { wish: name };
    this.complain(await this.post(wish));
  }

  // A control that cannot be used now says why when it is pressed.
  explain(control) {
    setText(this.$(".reason"), control ? `${control.label}: ${control.reason}` : "");
    clearTimeout(this.explained);
    this.explained = setTimeout(() => setText(this.$(".reason"), ""), PRESS_AGAIN_MS);
  }

  async act() {
    const banner = this.banner;
    if (!banner) return;
    if (banner.wish === "ask-microphone") return this.devices.ask();
    if (banner.wish === "unblock") return this.unblock();
    const wish = banner.wish === "retry" ? { wish: "retry", leg: banner.leg } : { wish: banner.wish };
    this.complain(await this.post(wish));
  }

  async submit() {
    const input = this.$(".text");
    const text = input.value.trim();
    if (!text) {
      this.complain(this.words.emptyLine);
      input.focus();
      return;
    }
    if (this.$(".send").getAttribute("aria-disabled") === "true") return;
    input.value = "";
    const problem = await this.say(text);
    if (!problem) this.typed();
    else if (!input.value) input.value = text;
  }

  // Sends a typed line; returns the words of what went wrong, if anything.
  async say(text) {
    this.unblock();
    const problem = await this.post({ wish: "text", text });
    this.complain(problem);
    this.follow();
    return problem;
  }

  complain(words) {
    setText(this.$(".complaint"), words);
    this.$(".text").setAttribute("aria-invalid", String(Boolean(words)));
  }

  // ---------------------------------------------------------------- devices, network

  showDevices(devices) {
    fillDevices(this.$(".choose-mic"), devices, "audioinput", localStorage.getItem(OUR_MICROPHONE), this.words);
    fillDevices(this.$(".choose-speaker"), devices, "audiooutput", localStorage.getItem(OUR_LOUDSPEAKER), this.words);
  }

  async checkNetwork() {
    if (!(await hasInterface())) this.complain(await this.post({ wish: "browser", problem: "no-network" }));
  }

  watchPicture() {
    this.component.watch();
    const video = this.component.video();
    const isLive = Boolean(video && video.videoWidth && video.readyState >= 2 && this.view?.isBrowserUp);
    const html = document.documentElement;
    if (isLive) html.dataset.kaiPicture = "live";
    else delete html.dataset.kaiPicture;
    this.$(".desk").classList.toggle("is-live", isLive);
    if (!video) return;
    this.tellPictures(video, isLive);
    this.devices.applySink();
    if (video.paused && video.srcObject && video.readyState >= 2 && !this.isUnblocking) this.unblock();
  }

  // The page's own count of pictures, every second: Insights shows what a person really saw. And what the browser leaves of
  // the way between sound and picture, so that the pictures can wait for the sound.
  async tellPictures(video, isLive) {
    const now = performance.now();
    if (!isLive || document.hidden || now - (this.toldAt ?? 0) < 1000) return;
    const passedS = (now - (this.toldAt ?? now)) / 1000;
    this.toldAt = now;
    const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
    const told = {
      shown: Math.max(0, totalVideoFrames - droppedVideoFrames), dropped: droppedVideoFrames, sizePx: this.component.sizePx(),
    };
    this.notePace(told.shown, passedS);
    fetch(`${this.base}/pictures`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...told, ...(await this.component.soundAhead()) }),
      credentials: "same-origin",
    }).catch(() => {});
  }

  // How many pictures a second the page really shows: the words stand there while they are too few. While nobody speaks a face
  // that hardly moves is drawn less often.
  notePace(shown, passedS) {
    const fps = (shown - (this.shownBefore ?? shown)) / (passedS || 1);
    this.shownBefore = shown;
    if (passedS <= 0 || passedS > 3 || fps < 0) return;
    if (this.view?.isAtRest) this.slowS = this.slowFps = 0;
    else this.slowS = fps < SLOW_FPS ? (this.slowS ?? 0) + passedS : 0;
    if (this.slowS >= SLOW_S) this.slowFps = Math.round(fps);
    else if (fps >= SMOOTH_FPS) this.slowFps = 0;
    if (this.view) this.drawLegs(this.view.legs);
  }

  // Where the network is at fault, it says so itself.
  slowWords() {
    return this.slowFps && this.network?.tone !== "warn" ? this.words.slowPicture.replace("{fps}", this.slowFps) : "";
  }

  async unblock() {
    this.sound?.resume();
    const video = this.component.video();
    if (!video?.paused || !video.srcObject) return;
    this.isUnblocking = true;
    try {
      await video.play();
      this.setLocalBanner("sound", null);
    } catch (error) {
      if (error.name === "NotAllowedError") {
        this.setLocalBanner("sound", { message: this.words.soundBlocked, tone: "warn", wish: "unblock", button: "▶" });
      }
    }
    setTimeout(() => { this.isUnblocking = false; }, 1000);
  }

  playSound({ pcm, rate }) {
    this.sound ??= new PageSound();
    this.sound.play(pcm, rate);
  }
}

// Answers played by the page itself, for a browser that can start no WebRTC.
class PageSound {
  constructor() {
    this.context = new AudioContext({ latencyHint: "interactive" });
    this.nextAt = 0;
    this.playing = new Set();
  }

  resume() {
    this.context.resume();
  }

  play(base64, rate) {
    const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    const samples = new Int16Array(bytes.buffer, 0, bytes.length >> 1);
    const buffer = this.context.createBuffer(1, samples.length, rate);
    const channel = buffer.getChannelData(0);
    for (let i = 0; i < samples.length; i++) channel[i] = samples[i] / 32768;
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.context.destination);
    const now = this.context.currentTime;
    if (this.nextAt < now) this.nextAt = now + 0.12;
    source.start(this.nextAt);
    this.nextAt += buffer.duration;
    this.playing.add(source);
    source.onended = () => this.playing.delete(source);
  }

  silence() {
    for (const source of this.playing) source.stop();
    this.playing.clear();
    this.nextAt = 0;
  }

  close() {
    this.context.close();
  }
}

function element(tag, className = "", text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function bannerId(banner) {
  return `${banner.code}: ${banner.message}`;
}

function lineElement(line) {
  const item = element("li");
  item.append(element("span", "who"), element("p", "said"));
  item.dataset.id = line.id;
  return item;
}

function fillLine(item, line, words) {
  item.dataset.role = line.role;
  item.classList.toggle("is-open", !line.isFinal);
  setText(item.querySelector(".who"), line.who);
  const said = item.querySelector(".said");
  if (said.firstChild?.nodeValue !== line.text || Boolean(said.querySelector(".cut")) !== line.isInterrupted) {
    said.replaceChildren(document.createTextNode(line.text));
    if (line.isInterrupted) said.append(element("span", "cut", words.interrupted));
  }
}

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

// Browsers gather no candidate when the computer has no network interface, and then start no WebRTC at all.
function hasInterface() {
  if (typeof RTCPeerConnection === "undefined") return Promise.resolve(false);
  const peer = new RTCPeerConnection({ iceServers: [] });
  return new Promise((resolve) => {
    const done = (answer) => {
      resolve(answer);
      peer.close();
    };
    peer.onicecandidate = (event) => {
      if (event.candidate?.candidate) done(true);
      else if (!event.candidate) done(false);
    };
    peer.createDataChannel("kai");
    peer.createOffer().then((offer) => peer.setLocalDescription(offer)).catch(() => done(false));
    setTimeout(() => done(peer.iceGatheringState !== "complete"), 4000);
  });
}
