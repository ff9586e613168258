// A text whose characters can be pointed at, with the mouse or with the keyboard.
//
// An entry is a symbol with what was expected in its place: {symbol, nats, best, chances}; of what
// was given, the symbol alone. A character is a span; at byte level it may have several entries.

import { visible } from "./symbols.js";

const HESITATE = 120; // milliseconds before a first popup

class TextView {
  // `take`, if given, is called with the place of an entry and the symbol that is to stand there.
  constructor(box, vocabulary, popup, take) {
    Object.assign(this, { box, vocabulary, popup, take });
    this.clear();
    box.addEventListener("pointerover", (event) => this.over(event));
    box.addEventListener("pointerleave", () => popup.leave());
    box.addEventListener("click", ({ target }) => this.point(target));
    box.addEventListener("keydown", (event) => this.pressed(event));
    box.addEventListener("scroll", () => popup.hide());
  }

  clear() {
    this.entries = [];
    this.spans = [];
    this.places = new WeakMap(); // of a span's first entry
    this.current = -1;
    this.box.replaceChildren();
  }

  show(entries) {
    this.popup.hide();
    this.clear();
    this.add(entries);
  }

  add(entries) {
    const { box } = this;
    const atEnd = this.take && box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    const added = document.createDocumentFragment();
    for (const entry of entries) {
      const place = this.entries.push(entry) - 1;
      const last = this.spans.at(-1);
      const begun = last && this.symbolsOf(last, place);
      if (begun && this.vocabulary.continues(begun, entry.symbol)) {
        this.write(last, [...begun, entry.symbol]);
        continue;
      }
      const span = document.createElement("span");
      this.places.set(span, place);
      this.spans.push(span);
      this.write(span, [entry.symbol], entry.text);
      if (!entry.best) span.className = "given";
      added.append(span);
    }
    box.append(added);
    if (atEnd) box.scrollTop = box.scrollHeight;
  }

  symbolsOf(span, end) {
    return this.entries.slice(this.places.get(span), end).map(({ symbol }) => symbol);
  }

  // `text` stands for a symbol that is not known.
  write(span, symbols, text = this.vocabulary.decode(symbols)) {
    span.textContent = visible(text);
    if (text === "\n") span.dataset.end = "↵";
  }

  // Leave the first `count` entries.
  cut(count) {
    this.show(this.entries.slice(0, count));
  }

  over({ target, pointerType }) {
    if (pointerType !== "mouse" || !this.places.has(target)) return;
    clearTimeout(this.timer);
    if (this.popup.box.hidden) this.timer = setTimeout(() => this.point(target), HESITATE);
    else this.point(target);
  }

  // Show what was expected where a span is.
  point(span) {
    const place = this.places.get(span);
    const entry = this.entries[place];
    if (!entry?.best || !span.isConnected) return;
    this.current = this.spans.indexOf(span);
    this.popup.show(span, entry, this.take && ((symbol) => this.take(place, symbol)));
  }

  pressed(event) {
    const last = this.spans.length - 1;
    const to = { ArrowLeft: this.current < 0 ? last : this.current - 1, ArrowRight: this.current + 1 };
    to.Home = 0;
    to.End = last;
    if (event.key in to && last >= 0) {
      this.current = Math.max(0, Math.min(to[event.key], last));
      const span = this.spans[this.current];
      span.scrollIntoView({ block: "nearest" });
      this.popup.hide();
      requestAnimationFrame(() => this.point(span)); // after the scrolling, which hides it
    } else if (event.key === "Enter") {
      this.popup.focus();
    } else if (event.key === "Escape") {
      this.popup.hide();
    } else {
      return;
    }
    event.preventDefault();
  }
}

// What a worker's piece holds, as entries.
function entriesOf({ symbols, nats, best, chances }) {
  return symbols.map((symbol, k) => ({ symbol, nats: nats[k], best: best[k], chances: chances[k] }));
}

export { TextView, entriesOf };
