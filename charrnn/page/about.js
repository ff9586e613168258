// The part that says what the model is: facts, learning curve, samples, settings.

import { drawCurve } from "./curve.js";
import { make, number } from "./elements.js";

function showAbout(box, { facts, settings, curve, samples, note, text }) {
  const part = (title, ...children) => box.append(make("h2", {}, title), ...children);
  if (note) box.append(make("p", { class: "note" }, note));
  part("The model", table(facts));
  const rows = lossesOf(curve);
  if (rows.length) part("How it learnt", table(rows));
  if (Math.max(curve.train.length, curve.val.length) > 1) {
    const picture = make("div", { class: "curve" });
    box.lastChild.before(picture);
    new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width) picture.replaceChildren(drawCurve(curve, contentRect.width));
    }).observe(picture);
  }
  const sample = ({ temperature, label, text: words }) => {
    const caption = [label, `temperature ${temperature}`].filter(Boolean).join(", ");
    return make("figure", {}, make("figcaption", {}, caption), excerpt(words));
  };
  part("What it writes", ...samples.map(sample));
  if (settings.length) part("Settings that are not the defaults", table(settings));
  if (text) {
    const whole = make("details", {}, make("summary", {}, `${number(text.length)} characters`));
    whole.addEventListener("toggle", () => whole.children[1] ?? whole.append(excerpt(text)));
    part("What it was trained on", whole);
  }
}

function lossesOf({ train, best, baselines, unit }) {
  const bits = (nats) => `${number(nats, 3)} ${unit}, ${number(nats / Math.LN2, 3)} bits`;
  const rows = [...(best ? [["This model", best[1]]] : []), ...baselines].sort((a, b) => a[1] - b[1]);
  if (train.length) rows.push(["Last in training", train.at(-1)[1]]);
  return rows.map(([name, nats]) => [name, bits(nats)]);
}

function table(rows) {
  return make("dl", {}, ...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

const excerpt = (text) => make("pre", { tabindex: 0, lang: "" }, text);

export { showAbout };
