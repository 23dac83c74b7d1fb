// The microphone and the loudspeaker while a talk goes on.
//
// A device can be pulled out (its track ends, or it leaves the list), plugged in again, muted by the system, exchanged by the
// system's settings, or forbidden. Whatever happens, the talk's connection stays: another microphone takes the old one's place in
// the connection's sender, so that the picture goes on. `state` is what is so now, in the words of the talk's state:
// "open", "silenced" (muted by the system), "missing", "refused", or "" as long as nothing is known. The desk's tick compares it
// with what the talk believes and posts a difference, so that a lost post is made good.
//
// Example: a headset is pulled. Its track ends; within 200 ms `tick` sees it and `review` asks for the system's default
// microphone, which is in the sender 100 ms later. `state` stays "open" and a line says which microphone is on. Were there no
// other one, `state` would be "missing" until a device comes back: the list changes, `review` opens it, and `state` is "open".

// Some systems mute for a moment while they change over to another device; that is not worth a word.
const SILENCED_AFTER_MS = 600;
// Opening may wait for a person's answer; after this time the talk is told that there is no microphone meanwhile.
const OPENING_MS = 1000;
const RETRY_MS = 2000;
const TELL_AGAIN_MS = 1000;

class Devices {
  // Of the desk it uses `view`, `words`, `post(wish)`, `complain(words)`, `notice(code, words, isLasting)` and `showDevices(list)`.
  constructor(component, desk) {
    this.component = component;
    this.desk = desk;
    this.state = "";
    this.list = [];
    this.known = new Set();
    this.own = null;
    this.kept = 0;
    this.track = null;
    this.deafSince = 0;
    this.triedAt = 0;
    this.toldAt = -Infinity;
    this.work = Promise.resolve();
    this.badSinks = new Set();
    this.permission = null;
    this.onChange = () => {
      this.badSinks.clear();
      this.review();
    };
    navigator.mediaDevices?.addEventListener?.("devicechange", this.onChange);
    this.watchPermission();
    this.component.pinMicrophone(localStorage.getItem(OUR_MICROPHONE));
    this.review();
  }

  close() {
    this.isClosed = true;
    navigator.mediaDevices?.removeEventListener?.("devicechange", this.onChange);
    this.permission?.removeEventListener("change", this.onChange);
    this.release();
  }

  async watchPermission() {
    try {
      this.permission = await navigator.permissions.query({ name: "microphone" });
    } catch {
      return; // An older Firefox does not know the name: the track's end tells then.
    }
    if (!this.isClosed) this.permission.addEventListener("change", this.onChange);
  }

  get isForbidden() {
    return this.permission?.state === "denied";
  }

  // ---------------------------------------------------------------- looked at five times a second

  // `view` is what the talk shows now.
  tick(view) {
    if (!view?.isActive || !view.hasMedia) {
      if (!this.kept) this.release();
      return;
    }
    const sender = this.component.microphoneSender();
    if (sender) this.watchTrack(sender.track);
    const isOurs = this.own && sender?.track && this.own.getTracks().includes(sender.track);
    if (this.own && sender && !isOurs && !this.isBusy) this.release();
    if (sender && !this.isBusy) this.look();
    this.tell(view);
  }

  watchTrack(track) {
    if (track === this.track) return;
    this.track = track;
    this.deafSince = 0;
    this.openedGroup = "";
    if (!track) return;
    this.isEnded = false;
    if (track.muted) this.deafSince = performance.now();
    track.addEventListener("ended", () => { if (track === this.track) { this.isEnded = true; this.review(); } });
    track.addEventListener("mute", () => { if (track === this.track) this.deafSince = performance.now(); });
    track.addEventListener("unmute", () => { if (track === this.track) this.deafSince = 0; });
  }

  look() {
    if (this.isDead()) {
      const isAllowed = this.permission?.state === "granted";
      const isWorthATry = isAllowed && this.hasMicrophone() && performance.now() - this.triedAt > RETRY_MS;
      if (this.state !== "refused" && (this.state !== "missing" || isWorthATry)) this.review();
      return;
    }
    const isSilenced = this.deafSince && performance.now() - this.deafSince > SILENCED_AFTER_MS;
    const now = isSilenced ? "silenced" : "open";
    if (now !== this.state) this.toldAt = -Infinity; // A change is told at once; only its repetition waits.
    this.state = now;
  }

  isDead() {
    return !this.track || this.isEnded || this.track.readyState !== "live";
  }

  async tell(view) {
    if (!this.state || this.state === view.microphone || performance.now() - this.toldAt < TELL_AGAIN_MS) return;
    this.toldAt = performance.now();
    await this.desk.post({ wish: "microphone", microphone: this.state });
  }

  // ---------------------------------------------------------------- reviewed when something changed

  // One after the other: a device that goes and comes within a moment makes several events.
  review() {
    return this.queue(() => this.reviewOnce());
  }

  queue(work) {
    const done = this.work.then(async () => {
      if (this.isClosed) return;
      this.isBusy = true;
      try {
        await work();
      } finally {
        this.isBusy = false;
      }
    });
    // Whoever queued it learns of a failure; what comes next is done all the same.
    this.work = done.catch(() => {});
    return done;
  }

  async reviewOnce() {
    const before = this.list;
    await this.refresh();
    this.reviewLoudspeaker(before);
    const view = this.desk.view;
    if (!view?.isActive || !view.hasMedia) return;
    const sender = this.component.microphoneSender();
    if (!sender) {
      // No connection yet, or one that only receives: a microphone that may be had now is worth another try.
      if (this.isForbidden) this.withdraw(null);
      else if (view.microphone === "missing" && this.hasMicrophone()) await this.take("");
      else if (view.microphone === "refused" && this.permission?.state === "granted") await this.take("");
      return;
    }
    this.watchTrack(sender.track);
    if (this.isForbidden) return this.withdraw(sender);
    const isGone = this.isDead() || this.isUnplugged();
    this.isEnded = isGone;
    if (isGone && this.state !== "missing" && this.state !== "refused") await this.take("lost");
    else if (isGone) await this.take("back");
    else if (this.isAnotherWanted()) await this.take("changed");
  }

  async refresh() {
    try {
      this.list = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    } catch {
      // What was known stays; without devices the lists hold the default alone.
    }
    for (const device of this.list) if (device.deviceId) this.known.add(device.deviceId);
    this.desk.showDevices(this.list);
  }

  of(kind) {
    return this.list.filter((device) => device.kind === kind);
  }

  hasMicrophone() {
    return this.of("audioinput").length > 0;
  }

  // Whether the device of a track that still lives has left the list. Devices without an id are hidden, not gone.
  isUnplugged() {
    const id = this.track?.getSettings?.().deviceId;
    const inputs = this.of("audioinput");
    return Boolean(id) && inputs.every((device) => device.deviceId) && !inputs.some((device) => device.deviceId === id);
  }

  // The microphone that a person chose, if it is there; else nothing, which is the system's default.
  wanted() {
    const chosen = localStorage.getItem(OUR_MICROPHONE) ?? "";
    return this.of("audioinput").some((device) => device.deviceId === chosen) ? chosen : "";
  }

  // Whether the chosen microphone has come back, or the system has made another one its default since this one was opened.
  isAnotherWanted() {
    const wanted = this.wanted();
    if (wanted) return wanted !== this.track?.getSettings?.().deviceId;
    const group = defaultOf(this.list, "audioinput")?.groupId ?? "";
    this.openedGroup ||= group;
    return group !== "" && group !== this.openedGroup;
  }

  // ---------------------------------------------------------------- taking a microphone

  // The question of a talk that begins, of a button, and of the list of devices.
  ask() {
    this.asking ??= this.queue(() => this.take("asked")).finally(() => { this.asking = null; });
    return this.asking;
  }

  choose(deviceId) {
    remember(OUR_MICROPHONE, deviceId);
    this.component.pinMicrophone(deviceId);
    return this.queue(() => this.take("asked"));
  }

  // Open the wanted microphone and let Kai hear it; `why` is "asked", "lost", "back", "changed" or "".
  async take(why) {
    this.triedAt = performance.now();
    const { words } = this.desk;
    if (why === "lost") this.desk.notice("microphone", words.microphoneLost, true);
    const slow = setTimeout(() => {
      if (why !== "lost") return;
      this.state = "missing";
      this.tell(this.desk.view);
    }, OPENING_MS);
    let stream = null;
    let answer = "open";
    try {
      stream = await this.open();
    } catch (error) {
      answer = error.name === "NotAllowedError" || error.name === "SecurityError" ? "refused" : "missing";
    }
    clearTimeout(slow);
    if (this.isClosed) return stop(stream);
    const sender = this.component.microphoneSender();
    this.desk.notice("microphone", null);
    if (stream && sender) await this.exchange(sender, stream);
    else if (stream) this.hold(stream);
    if (stream && sender && why && why !== "asked") {
      const label = stream.getAudioTracks()[0].label || words.defaultDevice;
      this.desk.notice("microphone", { lost: words.microphoneTaken, back: words.microphoneBack, changed: words.microphoneNow }[why].replace("{name}", label));
    }
    this.state = answer;
    this.toldAt = performance.now();
    this.desk.complain(await this.desk.post({ wish: "microphone", microphone: answer }));
    await this.refresh();
    this.openedGroup = defaultOf(this.list, "audioinput")?.groupId ?? "";
  }

  open() {
    return openMicrophone(this.list.length ? this.wanted() : localStorage.getItem(OUR_MICROPHONE));
  }

  async exchange(sender, stream) {
    const before = sender.track;
    const own = this.own;
    this.keepFor(0);
    this.own = stream;
    try {
      await sender.replaceTrack(stream.getAudioTracks()[0]);
    } catch (error) {
      // The connection closed meanwhile; the next one opens a microphone by itself.
      if (error.name !== "InvalidStateError") throw error;
    }
    before?.stop();
    stop(own);
    this.watchTrack(sender.track);
  }

  // Held until the picture's own connection has it, so that the browser does not ask twice.
  hold(stream) {
    this.release();
    this.own = stream;
    this.keepFor(10_000);
  }

  keepFor(ms) {
    clearTimeout(this.kept);
    this.kept = ms ? setTimeout(() => { this.kept = 0; this.release(); }, ms) : 0;
  }

  release() {
    this.keepFor(0);
    stop(this.own);
    this.own = null;
  }

  // A person took the permission back: nothing is heard from now on, even where the browser would let the track live.
  withdraw(sender) {
    sender?.track?.stop();
    this.release();
    this.isEnded = true;
    this.state = "refused";
    this.tell(this.desk.view);
  }

  // ---------------------------------------------------------------- the loudspeaker

  // The output that Kai's voice shall come from: the chosen one while it is there.
  sink() {
    const chosen = localStorage.getItem(OUR_LOUDSPEAKER) ?? "";
    const isThere = this.of("audiooutput").some((device) => device.deviceId === chosen);
    return isThere && !this.badSinks.has(chosen) ? chosen : "";
  }

  reviewLoudspeaker(before) {
    const { words } = this.desk;
    const outputs = this.of("audiooutput");
    const chosen = localStorage.getItem(OUR_LOUDSPEAKER) ?? "";
    const isLost = this.known.has(chosen) && !outputs.some((device) => device.deviceId === chosen);
    this.hadOutput ||= outputs.length > 0;
    const was = this.speaker;
    this.speaker = this.hadOutput && !outputs.length ? "missing" : isLost ? "lost" : "there";
    const name = nameOf(outputs, chosen || "default", words);
    const group = defaultOf(this.list, "audiooutput")?.groupId;
    const groupBefore = defaultOf(before, "audiooutput")?.groupId;
    if (this.speaker === "missing" && was !== "missing") this.desk.notice("speaker", words.speakerMissing, true);
    else if (this.speaker === "lost" && was !== "lost") this.desk.notice("speaker", words.speakerLost, true);
    else if (this.speaker === "there" && (was === "missing" || was === "lost")) this.desk.notice("speaker", words.speakerBack.replace("{name}", name));
    else if (!chosen && group && groupBefore && group !== groupBefore) this.desk.notice("speaker", words.speakerNow.replace("{name}", name));
    this.applySink();
  }

  chooseLoudspeaker(deviceId) {
    remember(OUR_LOUDSPEAKER, deviceId);
    this.desk.notice("speaker", null);
    this.applySink();
  }

  applySink() {
    const video = this.component.video();
    const sink = this.sink();
    if (!video?.setSinkId || video.sinkId === sink || this.sinkTried === sink) return;
    this.sinkTried = sink;
    video.setSinkId(sink).catch(() => this.badSinks.add(sink)).finally(() => { this.sinkTried = null; });
  }
}

function defaultOf(devices, kind) {
  return devices.find((device) => device.kind === kind && device.deviceId === "default");
}

function nameOf(devices, id, words) {
  return devices.find((device) => device.deviceId === id)?.label || words.defaultDevice;
}
