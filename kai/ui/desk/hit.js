// Brings the first marked word of a search into view, once for each talk and search.

const shown = new WeakMap();

export default function ({ parentElement, data }) {
  if (!data || shown.get(parentElement) === data.hit) return;
  shown.set(parentElement, data.hit);
  // The lines are drawn by the same run, a moment later.
  let tries = 20;
  const timer = setInterval(() => {
    const mark = document.querySelector(".kai-said.is-history mark");
    mark?.scrollIntoView({ block: "center" });
    if (mark || --tries === 0) clearInterval(timer);
  }, 50);
  return () => clearInterval(timer);
}
