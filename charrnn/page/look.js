// The part that looks at a text: what each character costs the model, and what its units do.

import { byId, make, number, offerLabels, optionsOf } from "./elements.js";
import { TextView, entriesOf } from "./textview.js";

const BITS = [0.5, 1, 2, 3, 4.5, 6, 8]; // where one colour ends and the next begins
const MOST_NUMBERS = 1 << 24; // of the states that are kept
const MOST = 20000; // characters

class Looker {
  constructor(client, content, vocabulary, popup, parts, written) {
    Object.assign(this, { client, vocabulary, looked: false });
    const { layers, hidden } = content.shape;
    this.most = Math.min(MOST, Math.floor(MOST_NUMBERS / Math.max(1, layers * hidden * parts.length)));
    this.view = new TextView(byId("looked"), vocabulary, popup);
    this.end = content.vocabulary.end; // the sign with which a labelled text ends
    offerLabels("look-label", content.labels, () => this.looked && this.look());
    optionsOf(byId("layer"), Array.from({ length: layers }, (_, l) => `${l}`));
    optionsOf(byId("part"), parts);
    byId("unit").max = hidden - 1;
    byId("colour").disabled = !layers;
    byId("look-now").addEventListener("click", () => this.look());
    byId("take-written").addEventListener("click", () => {
      byId("look-label").value = byId("label").value;
      this.put(written());
    });
    this.passages(content.about.text);
    this.named = content.named ?? []; // units that follow something, and what
    byId("colour").append(
      ...this.named.map(({ name }, k) => make("option", { value: `named-${k}` }, `a unit: ${name}`)),
    );
    byId("colour").addEventListener("input", () => this.colour());
    for (const id of ["layer", "part", "unit"]) {
      byId(id).addEventListener("input", () => {
        byId("colour").value = "unit";
        this.colour();
      });
    }
    this.colour();
  }

  put(text) {
    byId("look-text").value = text;
    this.look();
  }

  passages(text) {
    if (!text) return;
    const button = byId("take-passage");
    button.hidden = false;
    button.addEventListener("click", () => {
      const from = Math.floor(Math.random() * Math.max(1, text.length - 1000));
      this.put(text.slice(from, from + 1000));
    });
  }

  async look() {
    const text = byId("look-text").value;
    const symbols = this.vocabulary.encode(text).slice(0, this.most);
    const characters = this.vocabulary.bytes ? [] : Array.from(text);
    const say = (line) => (byId("look-status").textContent = line);
    this.view.show([]);
    this.looked = false;
    if (!symbols.length) {
      say("There is no text yet.");
      return;
    }
    say("Reading …");
    const run = (this.latest = {});
    const label = Number(byId("look-label").value);
    try {
      const { stopped } = await this.client.ask({ type: "look", symbols, label }, (piece) => {
        if (this.latest !== run) return;
        const first = this.view.entries.length;
        const entries = entriesOf(piece);
        entries.forEach((entry, k) => {
          if (entry.symbol === this.end) entry.text = "∎";
          if (symbols[first + k] !== null) return;
          Object.assign(entry, { symbol: null, text: characters[first + k] });
        });
        this.view.add(entries);
        this.paint(first);
      });
      if (this.latest !== run) return;
      if (stopped) {
        say("Stopped.");
        return;
      }
      this.looked = true;
      say(this.summary(symbols.length));
      this.colour();
    } catch (error) {
      say(`It failed: ${error.message}`);
    }
  }

  summary(count) {
    const { entries } = this.view;
    const nats = entries.reduce((sum, entry) => sum + entry.nats, 0);
    const each = nats / entries.length;
    const unknown = entries.filter(({ symbol }) => symbol === null).length;
    return [
      `${number(count)} ${this.vocabulary.unit}s${this.end ? " and the end ∎" : ""}: `,
      `${number(nats, 1)} nats or `,
      `${number(nats / Math.LN2, 1)} bits; ${number(each, 3)} nats or `,
      `${number(each / Math.LN2, 3)} bits each, perplexity ${number(Math.exp(each), 2)}`,
      unknown ? `; ${number(unknown)} unknown${this.end ? "" : ", 27.7 nats each"}` : "",
      count === this.most ? "; the rest is left out" : "",
    ].join("");
  }

  // Colour the text as the fields say.
  async colour() {
    const chosen = byId("colour").value;
    const named = this.named[chosen.replace("named-", "")];
    if (named) for (const id of ["layer", "part", "unit"]) byId(id).value = named[id];
    const byUnit = chosen !== "nats";
    for (const field of document.querySelectorAll("#look .unit")) field.hidden = !byUnit;
    byId("legend").replaceChildren(...(byUnit ? unitLegend() : bitsLegend()));
    if (!this.looked) return;
    if (!byUnit) {
      this.paint(0);
      return;
    }
    const [layer, part, unit] = ["layer", "part", "unit"].map((id) => Number(byId(id).value));
    if (!byId("unit").checkValidity()) return;
    const { values } = await this.client.ask({ type: "unit", layer, part, number: unit });
    const highest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
    this.view.spans.forEach((span, k) => {
      const end = this.view.places.get(this.view.spans[k + 1]) ?? values.length;
      shade(span, values[end - 1] / highest);
    });
  }

  // By surprise, from an entry on.
  paint(first) {
    const { spans, places, entries } = this.view;
    for (let k = spans.length - 1; k >= 0 && places.get(spans[k]) >= first; k--) {
      const end = places.get(spans[k + 1]) ?? entries.length;
      const nats = entries.slice(places.get(spans[k]), end).reduce((sum, one) => sum + one.nats, 0);
      shade(spans[k], shadeOfBits(nats / Math.LN2));
    }
  }
}

const shadeOfBits = (bits) => BITS.filter((edge) => bits >= edge).length / BITS.length;

// From -1, cold, to 1, hot.
function shade(element, part) {
  element.className = part < 0 ? "shade below" : "shade";
  element.style.setProperty("--part", Math.abs(part).toFixed(2));
  return element;
}

function bitsLegend() {
  const edges = [0, ...BITS];
  const words = edges.map((edge, k) => `${edge}–${BITS[k] ?? ""}`);
  return ["bits: ", ...words.map((word, k) => shade(make("span", {}, word), k / BITS.length))];
}

function unitLegend() {
  const parts = [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1];
  return ["part of its largest value: ", ...parts.map((part) => shade(make("span", {}, `${part}`), part))];
}

export { Looker };
