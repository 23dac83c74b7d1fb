// What a page can find out about itself, once for each run that Python asks for: a safe origin, WebRTC with a path to itself,
// the microphone's level and noise, and whether the loudspeaker is heard in it.

const done = new WeakMap();
const hairs = new WeakMap();

const BAR_COUNT = 24;
// The level shows from a quiet room to loud speech, and goes on for a while, so that a person can try.
const QUIET_DB = -60;
const LOUD_DB = -12;
const METER_MS = 30_000;

const LISTEN_MS = 3000;
const TONE_MS = 500;
const TONE_HZ = 1000;
// Softer than this in the tone's band is silence: from digital silence to a whisper of noise is no echo.
const INAUDIBLE_DB = -90;

export default function ({ parentElement, data, setTriggerValue }) {
  if (!data) return;
  const hair = hairs.get(parentElement) ?? new HairCheck(parentElement, data.words);
  hairs.set(parentElement, hair);
  const close = () => { hair.close(); hairs.delete(parentElement); done.delete(parentElement); };
  if (done.get(parentElement) === data.run) return close;
  done.set(parentElement, data.run);
  const told = parentElement.querySelector(".kai-looking");
  const say = (words) => { told.textContent = words; };
  const tell = (found) => { say(hair.stream ? data.words.level : ""); setTriggerValue("found", { run: data.run, ...found }); };
  look(say, data.words, hair).then((found) => {
    tell(found);
    // Another microphone is listened to at once; all else stays as it was found.
    hair.onChoice = async () => tell({ ...found, ...(await microphone(say, data.words, hair)) });
  });
  return close;
}

// The level of the chosen microphone, as long as somebody may be trying it.
class HairCheck {
  constructor(root, words) {
    this.box = root.querySelector(".hair");
    this.bars = root.querySelector(".bars");
    this.bars.setAttribute("aria-label", words.level);
    this.bars.replaceChildren(...Array.from({ length: BAR_COUNT }, () => document.createElement("i")));
    this.select = root.querySelector("select");
    root.querySelector("label span").textContent = words.microphone;
    this.words = words;
    this.select.addEventListener("change", () => {
      remember(OUR_MICROPHONE, this.select.value);
      this.onChoice?.();
    });
  }

  async open() {
    this.close();
    const wanted = localStorage.getItem(OUR_MICROPHONE);
    this.stream = await openMicrophone(wanted);
    fillDevices(this.select, await navigator.mediaDevices.enumerateDevices(), "audioinput", wanted, this.words);
    this.box.hidden = false;
    this.closing = setTimeout(() => this.close(), METER_MS);
    return this.stream;
  }

  show(db) {
    const share = Math.min(1, Math.max(0, (db - QUIET_DB) / (LOUD_DB - QUIET_DB)));
    [...this.bars.children].forEach((bar, i) => bar.classList.toggle("on", i < share * BAR_COUNT));
    this.bars.setAttribute("aria-valuenow", String(Math.round(share * 100)));
  }

  close() {
    clearTimeout(this.closing);
    clearInterval(this.metering);
    stop(this.stream);
    this.stream = null;
    this.context?.close();
    this.context = null;
    this.show(QUIET_DB);
  }
}

async function look(say, words, hair) {
  say(words.looking);
  const found = { isSecure: window.isSecureContext === true };
  if (!found.isSecure) return found;
  found.abilities = abilities();
  // At once, so that a person waits 12 s at most, the browser's question for the microphone included.
  const [path, heard] = await Promise.all([
    within(webrtcPath(), 5000, "no-path"),
    within(microphone(say, words, hair), 12_000, { microphone: "refused" }),
  ]);
  return { ...found, webrtc: path, ...heard };
}

function abilities() {
  const codecs = (kind) => (globalThis.RTCRtpReceiver?.getCapabilities?.(kind)?.codecs ?? []).map((c) => c.mimeType.toLowerCase());
  return {
    picture: codecs("video").includes("video/vp8"),
    sound: codecs("audio").includes("audio/opus"),
    loudspeaker: "setSinkId" in HTMLMediaElement.prototype,
    awake: "wakeLock" in navigator,
    fullscreen: document.fullscreenEnabled === true,
    counts: "getVideoPlaybackQuality" in HTMLVideoElement.prototype,
  };
}

function within(promise, limitMs, otherwise) {
  const late = new Promise((resolve) => setTimeout(() => resolve(otherwise), limitMs));
  return Promise.race([promise.catch(() => otherwise), late]);
}

// Two connections in this page, over this computer's own interface: the way that Kai's picture and sound take.
async function webrtcPath() {
  if (typeof RTCPeerConnection === "undefined") return "no-webrtc";
  const one = new RTCPeerConnection({ iceServers: [] });
  const two = new RTCPeerConnection({ iceServers: [] });
  let candidates = 0;
  try {
    one.onicecandidate = ({ candidate }) => { if (candidate?.candidate) { candidates += 1; two.addIceCandidate(candidate); } };
    two.onicecandidate = ({ candidate }) => { if (candidate?.candidate) one.addIceCandidate(candidate); };
    const channel = one.createDataChannel("kai-check");
    const opened = new Promise((resolve) => {
      channel.onopen = () => resolve(true);
      setTimeout(() => resolve(false), 4000);
    });
    await one.setLocalDescription(await one.createOffer());
    await two.setRemoteDescription(one.localDescription);
    await two.setLocalDescription(await two.createAnswer());
    await one.setRemoteDescription(two.localDescription);
    if (await opened) return "good";
    return candidates ? "no-path" : "no-interface";
  } finally {
    one.close();
    two.close();
  }
}

async function microphone(say, words, hair) {
  let stream;
  try {
    if (!navigator.mediaDevices?.getUserMedia) return { microphone: "missing" };
    stream = await hair.open();
  } catch (error) {
    return { microphone: ["NotAllowedError", "SecurityError"].includes(error.name) ? "refused" : "missing" };
  }
  const context = new AudioContext();
  hair.context = context;
  await context.resume();
  const ear = context.createAnalyser();
  ear.fftSize = 2048;
  context.createMediaStreamSource(stream).connect(ear);
  const samples = new Float32Array(ear.fftSize);
  const level = () => {
    ear.getFloatTimeDomainData(samples);
    return 10 * Math.log10(samples.reduce((sum, x) => sum + x * x, 0) / samples.length + 1e-12);
  };
  hair.metering = setInterval(() => hair.show(level()), 60);
  say(words.speak);
  const levels = [];
  await every(40, LISTEN_MS, () => levels.push(level()));
  levels.sort((a, b) => a - b);
  say(words.looking);
  const bin = Math.round(TONE_HZ / (context.sampleRate / ear.fftSize));
  const spectrum = new Float32Array(ear.frequencyBinCount);
  const atTone = () => { ear.getFloatFrequencyData(spectrum); return Math.max(...spectrum.slice(bin - 2, bin + 3), INAUDIBLE_DB); };
  const before = await middle(atTone);
  const tone = context.createOscillator();
  const volume = context.createGain();
  volume.gain.value = 0.1;
  tone.frequency.value = TONE_HZ;
  tone.connect(volume).connect(context.destination);
  tone.start();
  tone.stop(context.currentTime + TONE_MS / 1000);
  const during = await middle(atTone);
  say("");
  return {
    microphone: "open",
    peakDb: levels[Math.floor(levels.length * 0.95)],
    floorDb: levels[Math.floor(levels.length * 0.1)],
    echoDb: during - before,
  };
}

async function middle(read) {
  const values = [];
  await every(40, TONE_MS, () => values.push(read()));
  values.sort((a, b) => a - b);
  return values[values.length >> 1];
}

function every(stepMs, totalMs, act) {
  return new Promise((resolve) => {
    const timer = setInterval(act, stepMs);
    setTimeout(() => { clearInterval(timer); resolve(); }, totalMs);
  });
}
