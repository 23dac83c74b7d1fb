// Captions: how a line is broken into parts that fit the stage, and how far the voice is in it.

const CAPTION_RESTS_MS = 6000;
const CAPTION_WORDS = 3;
const CHARS_PER_SECOND = 15;

// How many words of a line have begun to be heard. The talk says so where it knows the times of words. Where it knows only
// the sound (a voice of the cloud), the words are spread over its length, or over the usual pace until that is known.
function wordsBegun(caption, told, startedAt) {
  const words = caption.text.split(/\s+/).filter(Boolean);
  if (caption.pace === "over" || caption.pace === "cut") return words.length;
  if (caption.pace === "ahead") return 0;
  const now = performance.now();
  const spoken = told?.id === caption.answer ? told : null;
  if (spoken && spoken.words !== null) return Math.min(words.length, Math.max(0, spoken.words - caption.wordsBefore));
  const ms = spoken ? spoken.ms + now - spoken.at : now - startedAt;
  const share = spoken?.lastsMs ? ms / spoken.lastsMs : (ms * CHARS_PER_SECOND * caption.speed) / 1000 / caption.text.length;
  let rest = share * caption.text.length;
  let begun = 0;
  while (begun < words.length && rest > 0) rest -= words[begun++].length + 1;
  return begun;
}

// Characters that a caption has room for, by its width, its type and its lines.
function roomOf(box) {
  const style = getComputedStyle(box);
  const perLine = box.clientWidth / (parseFloat(style.fontSize) * 0.56);
  const lines = Math.max(1, Math.round(box.clientHeight / parseFloat(style.lineHeight)));
  return Math.min(68, Math.max(24, Math.floor(perLine * lines) - 6));
}

function chunksOf(text, room) {
  const chunks = [];
  let rest = text.trim();
  while (rest.length > room) {
    const head = rest.slice(0, room + 1);
    const clause = Math.max(head.lastIndexOf(". "), head.lastIndexOf(", "), head.lastIndexOf("? "), head.lastIndexOf("; ")) + 1;
    const at = clause > room * 0.5 ? clause : head.lastIndexOf(" ");
    const cut = at > 0 ? at : room;
    chunks.push(rest.slice(0, cut).trim());
    rest = rest.slice(cut).trim();
  }
  if (rest) chunks.push(rest);
  return withoutOrphans(chunks);
}

// A part of one or two words, alone on the stage for a moment, is hard to read: it takes words from the part before it.
function withoutOrphans(chunks) {
  for (let i = 1; i < chunks.length; i++) {
    const before = chunks[i - 1].split(" ");
    const words = chunks[i].split(" ");
    while (words.length < CAPTION_WORDS && before.length > CAPTION_WORDS) words.unshift(before.pop());
    chunks[i - 1] = before.join(" ");
    chunks[i] = words.join(" ");
  }
  return chunks;
}

function newCaption(id) {
  return { id, startedAt: 0, restsFrom: 0, begun: 0 };
}
