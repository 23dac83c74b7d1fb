// The strip shows what /api/model tells and posts what a person presses; it decides nothing by itself.

const strips = new WeakMap();

const MOVING_MS = 1000;
const RESTING_MS = 10000;
const READY_MS = 8000;

export default function ({ parentElement, data }) {
  let strip = strips.get(parentElement);
  if (!strip) {
    strip = new Strip(parentElement.querySelector(".model"));
    strips.set(parentElement, strip);
  }
  strip.update(data);
  return () => {
    strip.close();
    strips.delete(parentElement);
  };
}

class Strip {
  constructor(box) {
    this.box = box;
    this.shown = null;
    this.error = "";
    this.isOver = false;
    this.wasComing = false;
    this.onVisible = () => { if (!document.hidden) this.ask(); };
    document.addEventListener("visibilitychange", this.onVisible);
  }

  update(data) {
    this.data = data;
    this.box.classList.toggle("is-short", data.isShort);
    this.box.setAttribute("aria-label", data.words.label);
    if (this.shown) this.draw();
    else this.ask();
  }

  close() {
    this.isOver = true;
    clearTimeout(this.timer);
    clearTimeout(this.readyTimer);
    document.removeEventListener("visibilitychange", this.onVisible);
    delete document.documentElement.dataset.kaiModel;
  }

  async ask(wish) {
    clearTimeout(this.timer);
    try {
      const answer = await fetch(this.data.url, wish ? {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ wish }),
      } : undefined);
      const told = await answer.json();
      if (answer.ok) {
        this.take(told);
      } else {
        this.error = wish ? told?.error?.message ?? this.data.words.error : "";
      }
    } catch {
      // The server is away: the desk says so, and this asks again.
      this.error = wish ? this.data.words.error : "";
    }
    if (this.isOver) return;
    this.draw();
    // A page that nobody sees asks when it is seen again.
    if (document.hidden) return;
    this.timer = setTimeout(() => this.ask(), this.shown?.isMoving ? MOVING_MS : RESTING_MS);
  }

  take(told) {
    this.error = "";
    if (told.kind === "coming") this.wasComing = true;
    if (told.kind === "ready" && this.wasComing) {
      this.wasComing = false;
      this.isReadyShown = true;
      this.readyTimer = setTimeout(() => { this.isReadyShown = false; this.draw(); }, READY_MS);
    }
    this.shown = told;
  }

  // What was put away stays away in this tab, until there is something else to tell.
  get putAway() { return sessionStorage.getItem("kai.model") ?? ""; }
  putItAway() {
    sessionStorage.setItem("kai.model", `${this.shown.kind}:${this.shown.message}`);
    this.draw();
  }

  draw() {
    const { box, shown } = this;
    if (!shown) return;
    const words = this.data.words;
    const isPutAway = this.putAway === `${shown.kind}:${shown.message}`;
    const message = this.isReadyShown ? words.ready : this.error || (this.data.isShort ? shown.short : shown.message);
    box.hidden = !message || (isPutAway && !this.isReadyShown);
    // The page keeps room for what is shown; it cannot look into this component.
    if (box.hidden) delete document.documentElement.dataset.kaiModel;
    else document.documentElement.dataset.kaiModel = this.data.isShort ? "short" : "long";
    if (box.hidden) {
      box.replaceChildren();
      return;
    }
    box.dataset.kind = this.isReadyShown ? "ready" : shown.kind;
    if (!this.words) {
      this.words = document.createElement("p");
      this.bar = document.createElement("div");
      this.bar.className = "bar";
      this.bar.append(document.createElement("i"));
      this.row = document.createElement("div");
      this.row.className = "row";
    }
    if (this.words.textContent !== message) this.words.textContent = message;
    this.bar.hidden = shown.percent === null || this.isReadyShown;
    this.bar.firstChild.style.width = `${shown.percent ?? 0}%`;
    const buttons = this.isReadyShown ? [] : [...shown.buttons];
    if (buttons.length > 0 && shown.kind !== "coming") buttons.push({ wish: "", label: words.later });
    if (shown.kind === "unsupported") buttons.push({ wish: "", label: words.later });
    const labels = buttons.map((button) => `${button.wish}:${button.label}`).join("|");
    if (this.row.dataset.labels !== labels) {
      this.row.dataset.labels = labels;
      this.row.replaceChildren(...buttons.map((button, i) => {
        const made = document.createElement("button");
        made.type = "button";
        made.textContent = button.label;
        made.className = i === 0 && button.wish && shown.kind !== "coming" ? "main" : "";
        made.addEventListener("click", () => (button.wish ? this.ask(button.wish) : this.putItAway()));
        return made;
      }));
    }
    if (!box.firstChild) box.replaceChildren(this.words, this.row, this.bar);
  }
}
