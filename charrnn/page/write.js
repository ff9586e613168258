// The part that writes: go on, stop, undo, again, and another character in the place of one.

import { byId, enable, number, offerLabels } from "./elements.js";
import { visible } from "./symbols.js";
import { TextView, entriesOf } from "./textview.js";

const UNDONE = 100; // how many steps can be undone

class Writer {
  constructor(client, content, vocabulary, popup) {
    Object.assign(this, { client, vocabulary, past: [], prompt: 0, before: null });
    this.view = new TextView(byId("written"), vocabulary, popup, (...what) => this.take(...what));
    offerLabels("label", content.labels);
    if (content.most) byId("length").value = content.most;
    const buttons = { begin: "begin", "go-on": "goOn", again: "again", undo: "undo", stop: "stop" };
    for (const [id, method] of Object.entries(buttons)) {
      byId(id).addEventListener("click", ({ currentTarget }) => {
        if (currentTarget.getAttribute("aria-disabled") !== "true") this[method]();
      });
    }
    this.ready(false);
  }

  ready(running) {
    enable("stop", running);
    for (const id of ["go-on", "again"]) enable(id, !running && this.before);
    enable("undo", !running && this.past.length);
  }

  say(text) {
    byId("write-status").textContent = visible(text);
  }

  // What is written, to be returned to or gone on from; and what that went on from itself.
  get now() {
    return { entries: this.view.entries.slice(), prompt: this.prompt, before: this.before };
  }

  restore({ entries, prompt, before }) {
    Object.assign(this, { prompt, before });
    this.view.show(entries);
  }

  begin() {
    const given = byId("prompt").value;
    const unknown = this.vocabulary.unknown(given);
    if (unknown.length) {
      this.say(`The model does not know ${unknown.slice(0, 10).join(" ")}`);
      return;
    }
    const entries = this.vocabulary.encode(given).map((symbol) => ({ symbol }));
    this.run({ entries, prompt: entries.length }, byId("seed").value || drawnSeed());
  }

  goOn() {
    this.run(this.now, null);
  }

  // The same again, drawn anew.
  again() {
    this.run(this.before, drawnSeed());
  }

  take(place, symbol) {
    const entry = this.view.entries[place];
    const nats = -Math.log(entry.chances[entry.best.indexOf(symbol)]);
    const entries = [...this.view.entries.slice(0, place), { ...entry, symbol, nats }];
    this.run({ entries, prompt: this.prompt }, null);
    this.view.box.focus();
  }

  undo() {
    this.restore(this.past.pop());
    this.say("");
    this.ready(false);
  }

  stop() {
    this.client.ask({ type: "stop" });
  }

  // Write from a text on; without a seed, with the numbers that come next.
  async run(from, seed) {
    const settings = this.settings();
    if (!settings) return;
    if (this.before) this.past = [...this.past.slice(1 - UNDONE), this.now];
    this.restore({ ...from, before: from });
    this.ready(true);
    const begun = performance.now();
    const symbols = from.entries.map(({ symbol }) => symbol);
    const message = { type: "write", symbols, prompt: this.prompt, seed, ...settings };
    const seeded = seed === null ? "" : `, seed ${seed.length > 10 ? `${seed.slice(0, 9)}…` : seed}`;
    this.say("Writing …");
    const run = (this.latest = {});
    try {
      const { cut, stopped } = await this.client.ask(message, (piece) => {
        if (this.latest === run) this.view.add(entriesOf(piece));
      });
      if (this.latest !== run) return;
      if (cut) this.view.cut(this.view.entries.length - cut);
      const count = this.view.entries.length - symbols.length;
      const seconds = (performance.now() - begun) / 1000;
      const speed = `${number(count / seconds)} a second`;
      const ended = stopped ? "Stopped after" : "Wrote";
      this.say(`${ended} ${number(count)} ${this.vocabulary.unit}s, ${speed}${seeded}.`);
    } catch (error) {
      this.say(`It failed: ${error.message}`);
    }
    this.ready(false);
  }

  // What the fields say; nothing if one of them says what cannot be.
  settings() {
    const fields = ["temperature", "length", "seed", "top-k", "top-p", "min-p"].map(byId);
    const wrong = fields.find((field) => !field.checkValidity());
    if (wrong) {
      byId("top-k").closest("details").open = true;
      wrong.reportValidity();
      return null;
    }
    const [temperature, length, , topK, topP, minP] = fields.map((field) => Number(field.value));
    const stop = byId("stop-text").value.replaceAll("\\n", "\n");
    if (this.vocabulary.unknown(stop).length) {
      this.say("The model cannot write this stop text: it does not know all of its characters.");
      return null;
    }
    const stops = stop ? [this.vocabulary.encode(stop)] : [];
    return { length, stops, label: Number(byId("label").value), how: { temperature, topK, topP, minP } };
  }
}

function drawnSeed() {
  return String(crypto.getRandomValues(new Uint32Array(1))[0]);
}

export { Writer };
