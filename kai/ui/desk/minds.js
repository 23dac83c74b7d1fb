// The list of minds shows what /api/minds tells and posts what a person presses; it decides nothing by itself.

const lists = new WeakMap();

const MOVING_MS = 500;
const RESTING_MS = 5000;

export default function ({ parentElement, data }) {
  let list = lists.get(parentElement);
  if (!list) {
    list = new List(parentElement.querySelector(".minds"), data);
    lists.set(parentElement, list);
  }
  return () => {
    list.close();
    lists.delete(parentElement);
  };
}

function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") made.textContent = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const say = (words, facts = {}) => words.replace(/\{(\w+)\}/g, (_, name) => facts[name] ?? "");

class List {
  constructor(box, data) {
    const words = data.words;
    this.url = data.url;
    this.words = words;
    this.chosen = null;
    this.servers = null;
    this.isOver = false;
    this.now = make("span", { text: words.title });
    this.told = make("p", { class: "told", role: "status" });
    this.back = make("div", { class: "row" });
    this.found = make("div");
    this.fields = {
      url: make("input", { name: "url", type: "url", placeholder: words.url_example, autocomplete: "off", spellcheck: "false" }),
      model: make("input", { name: "model", placeholder: words.model_example, autocomplete: "off", spellcheck: "false", list: "kai-models" }),
      key: make("input", { name: "key", type: "password", autocomplete: "off" }),
    };
    this.names = make("datalist", { id: "kai-models" });
    this.verdict = make("p", { class: "told", role: "status" });
    this.tryButton = make("button", { class: "act", type: "submit", text: words.try });
    this.useRow = make("div", { class: "row" }, this.tryButton);
    this.form = make("form", { onsubmit: (event) => { event.preventDefault(); this.tryIt(); } },
      make("p", { class: "note", text: words.hand_help }),
      make("label", {}, words.url, this.fields.url),
      make("label", {}, words.model, this.fields.model, this.names),
      make("label", {}, words.key, this.fields.key),
      this.verdict, this.useRow);
    this.form.noValidate = true;
    this.form.addEventListener("input", () => { this.offer = null; this.drawUse(); });
    this.hand = make("details", {}, make("summary", {}, make("span", { text: words.hand })), make("div", { class: "body" }, this.form));
    this.rows = make("ul");
    this.filesTold = make("p", { class: "told", role: "status" });
    this.shelf = make("details", {}, make("summary", {}, make("span", { text: words.files })),
      make("div", { class: "body" }, make("p", { class: "note", text: words.files_help }), this.filesTold, this.rows));
    this.shelf.addEventListener("toggle", () => { if (this.shelf.open) this.askFiles({ wish: "files" }); });
    this.box = make("details", {}, make("summary", {}, this.now),
      make("div", { class: "body" }, this.told, this.back, this.found, this.shelf, this.hand));
    this.box.addEventListener("toggle", () => { if (this.box.open) this.look(); });
    box.replaceChildren(this.box);
    this.ask();
  }

  close() {
    this.isOver = true;
    clearTimeout(this.timer);
    clearTimeout(this.filesTimer);
  }

  async send(body) {
    try {
      const answer = await fetch(this.url, body ? {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      } : undefined);
      const told = await answer.json();
      return answer.ok ? told : { error: told?.error?.message ?? this.words.error };
    } catch {
      return { error: this.words.error };
    }
  }

  // How the chosen mind is; asked again while the list is open, or while a mind is on its way. An open list without servers
  // looks again, since a server may have been too busy to answer at once, or has been started meanwhile.
  async ask() {
    clearTimeout(this.timer);
    const isEmpty = this.box.open && this.servers?.length === 0;
    const told = document.hidden ? {} : await this.send(isEmpty ? { wish: "find" } : undefined);
    if (this.isOver) return;
    if (told.chosen) this.take(told);
    const isMoving = this.chosen?.state === "loading";
    if (!this.chosen || isMoving || this.box.open || this.chosen.state !== "own") {
      this.timer = setTimeout(() => this.ask(), isMoving ? MOVING_MS : RESTING_MS);
    }
  }

  async look() {
    this.shown = "";
    this.found.replaceChildren(make("p", { class: "note", text: this.words.looking }));
    const told = await this.send({ wish: "find" });
    if (this.isOver) return;
    if (told.error) this.found.replaceChildren();
    this.take(told);
    this.ask();
  }

  async choose(body) {
    const told = await this.send(body);
    if (this.isOver) return;
    this.take(told);
    this.ask();
  }

  // The files of the catalogue; asked again while one is on its way.
  async askFiles(body) {
    clearTimeout(this.filesTimer);
    const told = await this.send(body);
    if (this.isOver) return;
    if (told.files) this.files = told.files;
    this.show(this.filesTold, "bad", told.error ?? this.files?.problem ?? "");
    if (told.chosen) this.take(told);
    if (this.files) this.drawFiles();
    if (this.shelf.open && this.files?.models.some((model) => model.state === "fetching")) {
      this.filesTimer = setTimeout(() => this.askFiles({ wish: "files" }), 2 * MOVING_MS);
    }
  }

  drawFiles() {
    const { words, files } = this;
    const held = this.rows.getRootNode().activeElement?.dataset?.file;
    this.rows.replaceChildren(...files.models.map((model) => {
      const facts = {
        size: (model.bytes / 1e9).toFixed(1), licence: model.licence, memory: (model.memory_bytes / 1e9).toFixed(1),
        speed: model.tokens_per_s, percent: Math.floor(100 * model.done_bytes / model.bytes),
      };
      const act = (label, wish) => make("button", {
        class: "act", type: "button", text: say(label, facts), "data-file": `${model.id} ${wish}`,
        "aria-label": `${model.name}: ${say(label, facts)}`,
        onclick: () => this.askFiles({ wish: "file", id: model.id, do: wish }),
      });
      const isOn = files.on === model.id;
      const buttons = {
        absent: model.fits ? [act(model.done_bytes ? words.go_on : words.fetch, "fetch"), ...(model.done_bytes ? [act(words.delete, "delete")] : [])] : [],
        fetching: [act(words.pause, "pause")],
        failed: [act(words.again, "fetch"), act(words.delete, "delete")],
        here: [...(isOn || !model.fits ? [] : [act(words.put_on, "on")]), act(words.delete, "delete")],
      }[model.state];
      const notes = [isOn ? words.on : "", model.fits ? "" : words.too_large, model.problem].filter(Boolean).join(" ");
      return make("li", { class: "file" }, make("strong", { text: model.name }),
        make("p", { class: "note", text: say(files.is_measured ? words.facts : words.facts_unmeasured, facts) }),
        ...(notes ? [make("p", { class: "note", text: notes })] : []), make("div", { class: "row" }, ...buttons));
    }));
    if (held) {
      const same = [...this.rows.querySelectorAll("button")];
      (same.find((button) => button.dataset.file === held) ?? same.find((button) => button.dataset.file.startsWith(held.split(" ")[0])))?.focus();
    }
  }

  async tryIt() {
    const [url, model, key] = ["url", "model", "key"].map((name) => this.fields[name].value.trim());
    this.offer = null;
    this.show(this.verdict, "", this.words.trying);
    this.tryButton.disabled = true;
    const told = await this.send({ wish: "try", url, model, key });
    if (this.isOver) return;
    this.tryButton.disabled = false;
    const trial = told.trial;
    if (trial) this.names.replaceChildren(...trial.models.map((name) => make("option", { value: name })));
    if (!trial) this.show(this.verdict, "bad", told.error);
    else if (!trial.is_fine) this.show(this.verdict, "bad", this.withModels(trial));
    else {
      const words = trial.thinks ? this.words.fine_thinks : this.words.fine;
      this.show(this.verdict, trial.thinks ? "warn" : "good", say(words, { seconds: trial.first_word_s.toFixed(1) }));
      this.offer = { wish: "choose", url, model, key };
    }
    this.drawUse();
  }

  withModels(trial) {
    const named = trial.models.slice(0, 6).join(", ");
    return named && !trial.models.includes(this.fields.model.value.trim())
      ? `${trial.message} ${say(this.words.has_models, { models: named })}` : trial.message;
  }

  show(where, level, words) {
    if (where.textContent !== words) where.textContent = words;
    where.dataset.level = level;
  }

  drawUse() {
    const use = this.offer ? [make("button", { class: "act main", type: "button", text: this.words.use, onclick: () => {
      const offer = this.offer;
      this.fields.key.value = "";
      this.choose(offer);
    } })] : [];
    this.useRow.replaceChildren(this.tryButton, ...use);
  }

  take(told) {
    if (told.error) {
      this.show(this.told, "bad", told.error);
      return;
    }
    if (told.servers) this.servers = told.servers;
    if (told.chosen) this.chosen = told.chosen;
    this.draw();
  }

  draw() {
    const { words, chosen } = this;
    const facts = { model: chosen.model, place: chosen.server || chosen.place, problem: chosen.problem };
    if (chosen.first_word_s !== null) facts.seconds = chosen.first_word_s.toFixed(1);
    const isOwn = chosen.state === "own";
    const title = isOwn ? words.title : say(words.title_other, facts);
    if (this.now.textContent !== title) this.now.textContent = title;
    const levels = { own: "", loading: "warn", up: "good", down: "bad" };
    const state = chosen.state === "up" && !chosen.is_here ? words.up_elsewhere : words[chosen.state];
    this.show(this.told, levels[chosen.state], say(state, facts));
    if (isOwn) this.back.replaceChildren();
    else if (!this.back.firstChild) {
      this.back.append(make("button", { class: "act", type: "button", text: words.back, onclick: () => this.choose({ wish: "own" }) }));
    }
    if (this.servers) this.drawServers();
  }

  drawServers() {
    const { words, chosen, servers } = this;
    const shown = JSON.stringify([servers, chosen.model, chosen.place, chosen.state === "own"]);
    if (this.shown === shown) return;
    // Whoever is at a button with the keyboard stays there.
    const held = this.found.getRootNode().activeElement?.dataset?.id;
    this.shown = shown;
    const groups = servers.map((server) => {
      const picks = server.models.map((model) => {
        const isOn = chosen.state !== "own" && chosen.model === model.id && chosen.place.replace("localhost", "127.0.0.1") === new URL(server.url).host;
        const notes = [model.note, model.is_loaded ? words.loaded : "", model.thinks ? words.thinks : ""].filter(Boolean);
        return make("li", {}, make("button", {
          class: "pick", type: "button", "aria-pressed": String(isOn), "data-id": `${server.url} ${model.id}`,
          onclick: () => this.choose({ wish: "choose", url: server.url, model: model.id }),
        }, model.id, make("small", { text: notes.join(", ") })));
      });
      const none = server.needs_key ? words.needs_key : words.no_models;
      const list = picks.length ? make("ul", {}, ...picks) : make("p", { class: "note", text: none });
      if (server.needs_key) {
        list.append(" ", make("button", { class: "act", type: "button", text: words.enter_key, onclick: () => {
          this.hand.open = true;
          this.fields.url.value = server.url;
          this.fields.key.focus();
        } }));
      }
      const isAlone = servers.filter((other) => other.name === server.name).length === 1;
      const name = isAlone ? server.name : `${server.name}, ${new URL(server.url).host}`;
      return make("section", {}, make("h3", { text: name }), list);
    });
    this.found.replaceChildren(...(groups.length ? groups : [make("p", { class: "note", text: words.nothing })]));
    if (held) [...this.found.querySelectorAll(".pick")].find((pick) => pick.dataset.id === held)?.focus();
  }
}
