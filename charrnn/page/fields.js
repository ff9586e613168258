// Numbers that are given, to be changed by hand: a group of fields for each matrix.

import { placeName } from "./byhand.js";
import { byId, make } from "./elements.js";

const MOST = 100; // in size: with that nothing overflows
const WRONG = `a number from −${MOST} to ${MOST} is needed. Until then, the results stay as they were.`;

class Fields {
  // `changed` is called with all matrices by name when they are good and have changed.
  constructor(box, given, changed) {
    Object.assign(this, { given, changed });
    box.replaceChildren(...given.map((one) => this.group(one)));
    this.reset();
  }

  group({ name, what, axes, value }) {
    const shape = [value.length, value[0].length];
    const fields = value.flat().map((_, k) => {
      const field = make("input", { id: `${name}-${k}`, type: "number", min: -MOST, max: MOST,
        step: 0.1, autocomplete: "off", "aria-describedby": `${name}-said` });
      field.addEventListener("input", () => this.read());
      return make("label", {}, placeName(axes, shape, k) || what, field);
    });
    const legend = make("legend", {}, make("code", {}, name), fields.length > 1 ? ` ${what}` : "");
    const said = make("p", { id: `${name}-said`, class: "wrong", role: "status" });
    const group = make("fieldset", {}, legend, make("div", { class: "matrix" }, ...fields), said);
    group.style.setProperty("--columns", shape[1]);
    return group;
  }

  // The numbers that were given at first.
  reset() {
    for (const { name, value } of this.given) {
      value.flat().forEach((one, k) => (byId(`${name}-${k}`).value = one));
    }
    this.read();
  }

  read() {
    const good = this.given.map((one) => this.check(one)).every(Boolean);
    if (!good) return;
    const matrices = this.given.map(({ name, value }) => {
      let k = 0;
      return [name, value.map((row) => row.map(() => byId(`${name}-${k++}`).valueAsNumber))];
    });
    this.changed(Object.fromEntries(matrices));
  }

  // Whether each field of a matrix holds a number; if not, that is said below them.
  check({ name, axes, value }) {
    const shape = [value.length, value[0].length];
    const wrong = value.flat().map((_, k) => {
      const field = byId(`${name}-${k}`);
      const good = Math.abs(field.valueAsNumber) <= MOST; // which is false of what is no number
      field.setAttribute("aria-invalid", !good);
      return good ? "" : placeName(axes, shape, k) || name;
    }).filter(Boolean);
    const text = wrong.length ? `${wrong.join(", ")}: ${WRONG}` : "";
    const said = byId(`${name}-said`);
    if (said.textContent !== text) said.textContent = text;
    return !wrong.length;
  }
}

export { Fields };
