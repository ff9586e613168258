// A text as the model reads it, and what it expects next.

import { Carried } from "./engine.js";

const EVERY = 64; // symbols between states that are kept

// A text that grows, and is taken back: what has been read need not be read again.
class Tape {
  // `start` is what is read where there is no prompt, from the state `opening`; `always`: also
  // before a prompt, in a model of labelled texts.
  constructor(network, start, opening, always = false) {
    Object.assign(this, { network, start, opening, always, prompt: -1, symbols: [], kept: [] });
  }

  // Read these symbols, of which the first `prompt` were given; yields after each.
  *goTo(symbols, prompt) {
    const lead = prompt && !this.always ? [] : [this.start];
    const wanted = [...lead, ...symbols];
    const read = this.symbols;
    let same = 0;
    if (prompt === this.prompt) while (same < read.length && read[same] === wanted[same]) same++;
    this.prompt = prompt;
    if (same < read.length || !read.length) {
      const block = Math.max(0, Math.ceil(same / EVERY) - 1); // the outputs after it are lost
      this.symbols = read.slice(0, block * EVERY);
      this.carried = same ? this.kept[block].copy() : this.beginning();
    }
    while (this.symbols.length < wanted.length) {
      this.read(wanted[this.symbols.length]);
      yield;
    }
  }

  beginning() {
    return new Carried(this.network, this.prompt && !this.always ? undefined : this.opening);
  }

  read(symbol) {
    const place = this.symbols.length;
    if (place % EVERY === 0) this.kept[place / EVERY] = this.carried.copy();
    if (place === (this.prompt || 1) - 1) this.carried.begin();
    this.y = this.carried.read(symbol).slice(); // others read with this network, too
    this.symbols.push(symbol);
  }
}

const SHOWN = 8;

// The likeliest symbols, and the logarithm of what turns e^y into probabilities.
function guessed(y) {
  const best = [];
  let highest = -Infinity;
  for (let v = 0; v < y.length; v++) {
    if (best.length === SHOWN && y[v] <= y[best[SHOWN - 1]]) continue;
    let place = best.length;
    while (place && y[best[place - 1]] < y[v]) place--;
    best.splice(place, 0, v);
    if (best.length > SHOWN) best.pop();
    highest = Math.max(highest, y[v]);
  }
  let sum = 0;
  for (let v = 0; v < y.length; v++) sum += Math.exp(y[v] - highest);
  return { best, scale: highest + Math.log(sum) };
}

// What was read, in arrays that can be sent: symbols, their nats, and what was expected.
class Record {
  constructor() {
    Object.assign(this, { symbols: [], nats: [], best: [], chances: [] });
  }

  // `y` is what was expected when `symbol` came.
  add(y, symbol) {
    const { best, scale } = guessed(y);
    this.symbols.push(symbol);
    this.nats.push(scale - y[symbol]);
    this.best.push(best);
    this.chances.push(best.map((v) => Math.exp(y[v] - scale)));
  }
}

export { Record, Tape };
