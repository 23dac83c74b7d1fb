// The microphone and the loudspeaker that a person chose: remembered in the browser, filled into lists, and opened.

const OUR_MICROPHONE = "kai.microphone";
const OUR_LOUDSPEAKER = "kai.loudspeaker";
const AUDIO = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

// Open the microphone of that id, or the system's own where there is no such id or it cannot be had.
async function openMicrophone(chosen) {
  if (!navigator.mediaDevices?.getUserMedia) throw new DOMException("", "NotFoundError");
  const ask = (audio) => navigator.mediaDevices.getUserMedia({ audio, video: false });
  if (!chosen) return ask(AUDIO);
  try {
    // Chromium may pass over an id that is merely "ideal" in favour of its default.
    return await ask({ ...AUDIO, deviceId: { exact: chosen } });
  } catch (error) {
    if (error.name === "NotAllowedError") throw error;
    return ask(AUDIO); // It was pulled out a moment ago, or another program has it.
  }
}

function fillDevices(select, devices, kind, chosen, words) {
  const found = devices.filter((d) => d.kind === kind && d.deviceId && !["default", "communications"].includes(d.deviceId));
  const options = [["", words.defaultDevice], ...found.map((d, i) => [d.deviceId, d.label || `${i + 1}`])];
  const signature = JSON.stringify(options);
  if (select.dataset.signature !== signature) {
    select.dataset.signature = signature;
    select.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
  }
  select.value = found.some((d) => d.deviceId === chosen) ? chosen : "";
  select.disabled = found.length === 0;
}

function stop(stream) {
  stream?.getTracks().forEach((track) => track.stop());
}

function remember(key, value) {
  if (value) localStorage.setItem(key, value);
  else localStorage.removeItem(key);
}
