// Every reliance of the page on the private parts of streamlit-webrtc's frontend: its frame, its video, its connection and the
// devices that it remembers. `kai/ui/compat.py` lists them, and tests look for each in the installed package.

const REMEMBERED_DEVICES = "streamlit-webrtc:device-ids";
// Longer than the way from Kai to the loudspeaker, shorter than the time in which he can answer again.
const HUSH_MS = 600;

class MediaComponent {
  frame() {
    return document.querySelector(".st-key-kai-stage iframe");
  }

  video() {
    try {
      return this.frame()?.contentDocument?.querySelector("video") ?? null;
    } catch {
      return null;
    }
  }

  // How large the face is shown, in the screen's own pixels: the video covers its frame. In tens, so that a transition of the
  // page's width is not told step by step.
  sizePx() {
    const frame = this.frame();
    return frame ? 10 * Math.round(Math.max(frame.clientWidth, frame.clientHeight) * devicePixelRatio / 10) : 0;
  }

  // The component keeps its connection to itself; the one that it made last is remembered here, in its own frame.
  watch() {
    const frame = this.frame();
    if (!frame) return;
    const watch = () => {
      try {
        const inside = frame.contentWindow;
        if ("kaiConnection" in inside || !inside.RTCPeerConnection) return;
        inside.kaiConnection = null;
        inside.RTCPeerConnection = new Proxy(inside.RTCPeerConnection, {
          construct(...made) {
            inside.kaiConnection = Reflect.construct(...made);
            return inside.kaiConnection;
          },
        });
      } catch {
        // A frame of another origin: nothing is known of its connection.
      }
    };
    if (this.watchedFrame !== frame) {
      this.watchedFrame = frame;
      // There is nothing to press in the frame: the keyboard passes it by.
      frame.tabIndex = -1;
      // And Streamlit's main area, which shows no sign of the focus: a frame round all of it would cut through the face.
      const main = document.querySelector(".stMain");
      if (main) main.tabIndex = -1;
      frame.addEventListener("load", watch);
    }
    watch();
  }

  connection() {
    try {
      return this.frame()?.contentWindow?.kaiConnection ?? null;
    } catch {
      return null;
    }
  }

  // What sends the microphone over the live connection; null where there is none, or where it only receives.
  microphoneSender() {
    const connection = this.connection();
    if (connection?.connectionState !== "connected") return null;
    const isSending = (way) => way.receiver.track.kind === "audio" && way.direction === "sendrecv";
    return connection.getTransceivers().find(isSending)?.sender ?? null;
  }

  // By how much the sound that is heard is ahead of the picture that is seen, in ms, as far as the browser can tell.
  async soundAhead() {
    try {
      const at = {};
      for (const entry of (await this.connection().getStats()).values()) {
        if (entry.type === "inbound-rtp") at[entry.kind] = entry.estimatedPlayoutTimestamp;
      }
      const ahead = Math.round(at.audio - at.video);
      return Math.abs(ahead) < 1000 ? { soundAheadMs: ahead } : {};
    } catch {
      return {};
    }
  }

  // Silences the page at once, for as long as sound may still be on its way after Kai has stopped.
  hush() {
    const video = this.video();
    if (!video || (video.muted && !this.hushed)) return;
    video.muted = true;
    clearTimeout(this.hushed);
    this.hushed = setTimeout(() => {
      this.hushed = null;
      video.muted = false;
    }, HUSH_MS);
  }

  // The component pins whatever microphone it opened; only a person's own choice shall be pinned.
  pinMicrophone(deviceId) {
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith(REMEMBERED_DEVICES)) localStorage.removeItem(key);
    }
    if (deviceId) localStorage.setItem(REMEMBERED_DEVICES, JSON.stringify({ audio: deviceId }));
  }
}
