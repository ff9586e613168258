// The part that shows one step in numbers: the equations of a layer for a few units.

import { byId, enable, make, number, offerLabels, optionsOf } from "./elements.js";
import { figure } from "./figures.js";
import { shownLine } from "./line.js";
import { guessRows } from "./popup.js";

const UNITS = 3;

class Learner {
  constructor(client, { shape, equations, labels, vocabulary: { start } }, vocabulary, written) {
    byId("tab-learn").hidden = !equations || !shape.layers;
    if (byId("tab-learn").hidden) return;
    const before = labels ? [start] : []; // what every labelled text begins with
    Object.assign(this, { client, vocabulary, hidden: shape.hidden, before, at: 0 });
    offerLabels("learn-label", labels, () => this.show(this.at));
    optionsOf(byId("learn-layer"), Array.from({ length: shape.layers }, (_, l) => `${l}`));
    byId("learn-unit").max = shape.hidden - 1;
    byId("learn-text").addEventListener("input", () => this.show(Infinity));
    for (const id of ["learn-layer", "learn-unit"]) {
      byId(id).addEventListener("input", () => this.show(this.at));
    }
    byId("before").addEventListener("click", () => this.show(this.at - 1));
    byId("after").addEventListener("click", () => this.show(this.at + 1));
    const reading = byId("reading");
    reading.addEventListener("click", ({ target }) => {
      const at = [...reading.children].indexOf(target);
      if (at >= 0) this.show(at);
    });
    reading.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: this.at - 1, ArrowRight: this.at + 1, Home: 0, End: Infinity }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.show(to);
    });
    byId("tab-learn").addEventListener("click", () => {
      if (!byId("learn-text").value) {
        byId("learn-text").value = Array.from(written().trim()).slice(0, 40).join("");
        byId("learn-label").value = byId("label").value;
      }
      this.show(this.at);
    });
  }

  // The step that reads the symbol at a place.
  async show(at) {
    const symbols = [...this.before, ...this.vocabulary.encode(byId("learn-text").value)];
    this.at = Math.max(0, Math.min(at, symbols.length - 1));
    enable("before", this.at > 0);
    enable("after", this.at < symbols.length - 1);
    const box = byId("step");
    byId("reading").replaceChildren(...this.reading(symbols));
    if (!symbols.length || symbols.includes(null) || !byId("learn-unit").checkValidity()) {
      box.replaceChildren(make("p", {}, "Use characters that the model knows, and a unit that exists."));
      return;
    }
    const first = Number(byId("learn-unit").value);
    const units = Array.from({ length: Math.min(UNITS, this.hidden - first) }, (_, k) => first + k);
    const message = { type: "step", symbols: symbols.slice(0, this.at + 1), units };
    const [layer, label] = ["learn-layer", "learn-label"].map((id) => Number(byId(id).value));
    const found = await this.client.ask({ ...message, layer, label });
    if (found.stopped) return;
    box.replaceChildren(
      ...found.lines.map(lineOf),
      make("h2", {}, "What it predicts next"),
      make("ol", { class: "guesses" }, ...guessRows(this.vocabulary, found)),
    );
  }

  // The text, with what this step reads marked in it: signs and bytes of longer characters by name.
  reading(symbols) {
    if (!symbols.length) return ["No text yet."];
    const marked = symbols.map((symbol, k) => {
      let name = symbol === null ? "?" : this.vocabulary.decode([symbol]).replace("\n", "↵");
      if (!name || name === "\ufffd") name = `‹${this.vocabulary.name(symbol)}›`;
      return make(k === this.at ? "mark" : "span", {}, name);
    });
    return ["Step ", number(this.at + 1), ": ", ...marked];
  }
}

// What lies between -1 and 1 has a bar.
function lineOf({ text, what, units }) {
  const bounded = !/^[am]/.test(text);
  const items = units.map(({ unit, text: numbers, value }) => {
    const bar = make("span", { class: value < 0 ? "gate below" : "gate" });
    bar.style.setProperty("--part", Math.abs(value));
    return { name: `${unit}`, text: numbers, gives: figure(value), bar: bounded ? [bar] : [] };
  });
  return shownLine(text, what, items);
}

export { Learner };
