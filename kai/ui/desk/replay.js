// The browser's own player for each part of a talk whose sound is kept. Captions stand in it; the line that is being said is
// marked in the page's list of lines.

export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".replay");
  if (!data || root.dataset.is === JSON.stringify(data.parts)) return;
  root.dataset.is = JSON.stringify(data.parts);
  root.replaceChildren(...data.parts.map((part) => player(part, data.words, data.picture)));
  return () => mark(-1);
}

function player(part, words, picture) {
  const figure = document.createElement("figure");
  const head = document.createElement("figcaption");
  const name = document.createElement("span");
  name.textContent = `${words.title}. ${part.label}. ${words.sides}`;
  const save = document.createElement("a");
  save.href = part.sound;
  save.download = "";
  save.textContent = words.save;
  head.append(name, save);
  const video = document.createElement("video");
  video.controls = true;
  video.preload = "metadata";
  video.playsInline = true;
  video.setAttribute("aria-label", words.player);
  video.poster = picture;
  video.src = part.sound;
  const track = document.createElement("track");
  track.kind = "captions";
  track.srclang = "en";
  track.label = words.captions;
  track.src = part.captions;
  track.default = true;
  // At the top: the player's own bar covers the place where captions usually are.
  track.addEventListener("load", () => {
    for (const cue of track.track.cues) Object.assign(cue, { snapToLines: false, line: 6 });
  });
  video.append(track);
  video.addEventListener("play", () => {
    for (const other of figure.parentElement.querySelectorAll("video")) if (other !== video) other.pause();
  });
  video.addEventListener("timeupdate", () => mark(video.paused ? -1 : part.startMs + video.currentTime * 1000));
  video.addEventListener("pause", () => mark(-1));
  figure.append(head, video);
  return figure;
}

function mark(atMs) {
  for (const line of document.querySelectorAll(".kai-said.is-history > li")) {
    const isNow = atMs >= Number(line.dataset.start) && atMs < Number(line.dataset.end);
    if (isNow) line.setAttribute("aria-current", "true");
    else line.removeAttribute("aria-current");
  }
}
