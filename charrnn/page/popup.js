// What was expected at a place of a text: the likeliest symbols and their probabilities.

import { byId, make, percent } from "./elements.js";

const LINGER = 250; // milliseconds, for the way from a character to what it opened

class Popup {
  constructor(vocabulary) {
    this.vocabulary = vocabulary;
    this.box = byId("popup");
    this.box.addEventListener("pointerenter", () => clearTimeout(this.timer));
    this.box.addEventListener("pointerleave", () => this.leave());
    this.box.addEventListener("keydown", (event) => this.pressed(event));
    document.addEventListener("pointerdown", ({ target }) => {
      if (!this.box.contains(target)) this.hide();
    });
    document.addEventListener("focusin", ({ target }) => {
      if (!this.box.contains(target) && target !== this.anchor?.parentElement) this.hide();
    });
    for (const type of ["resize", "scroll"]) addEventListener(type, () => this.hide());
  }

  // `take`, if given, is called with the symbol that is chosen.
  show(anchor, entry, take) {
    clearTimeout(this.timer);
    this.hide();
    const { symbol, nats } = entry;
    const name = symbol === null ? "unknown" : this.vocabulary.name(symbol);
    const own = make("strong", {}, name);
    this.box.append(make("p", {}, own, ` ${percent(Math.exp(-nats))}, ${nats.toFixed(2)} nats`));
    this.box.append(make("ol", {}, ...guessRows(this.vocabulary, entry, take)));
    this.anchor = anchor;
    anchor.classList.add("current");
    this.box.hidden = false;
    this.place(anchor.getClientRects()[0] ?? anchor.getBoundingClientRect());
  }

  // Below the character, touching it; above where there is no room.
  place({ left, top, bottom }) {
    const { offsetWidth, offsetHeight } = this.box;
    const { clientWidth, clientHeight } = document.documentElement;
    const below = bottom + offsetHeight <= clientHeight || top < offsetHeight;
    this.box.style.left = `${Math.max(4, Math.min(left - 8, clientWidth - offsetWidth - 4))}px`;
    this.box.style.top = `${below ? bottom : top - offsetHeight}px`;
  }

  leave() {
    clearTimeout(this.timer);
    if (this.box.contains(document.activeElement)) return;
    this.timer = setTimeout(() => this.hide(), LINGER);
  }

  hide() {
    clearTimeout(this.timer);
    this.box.hidden = true;
    this.box.replaceChildren();
    this.anchor?.classList.remove("current");
  }

  focus() {
    this.box.querySelector("button")?.focus();
  }

  pressed(event) {
    const buttons = [...this.box.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 }[event.key];
    if (buttons[to]) buttons[to].focus();
    if (event.key === "Escape") {
      const text = this.anchor?.parentElement;
      this.hide();
      text?.focus();
    }
    if (to !== undefined || event.key === "Escape") event.preventDefault();
  }
}

// A row for each of the likeliest symbols: a button, if one is to be taken.
function guessRows(vocabulary, { symbol: own, best, chances }, take) {
  return best.map((symbol, k) => {
    const bar = make("span", { class: "bar" });
    bar.style.setProperty("--part", chances[k]);
    const name = make("span", { class: "name" }, vocabulary.name(symbol));
    const row = make(take ? "button" : "div", { class: "row" }, name, bar, percent(chances[k]));
    if (symbol === own) row.classList.add("own");
    if (take) row.addEventListener("click", () => take(symbol));
    row.disabled = vocabulary.codes[symbol] < 0;
    return make("li", {}, row);
  });
}

export { Popup, guessRows };
