// A learning curve as a picture: losses against steps, and what simple methods reach.

import { makeSvg, number } from "./elements.js";

const HEIGHT = 260;
const MARGIN = { left: 44, right: 96, top: 14, bottom: 34 };
const LABEL = 15; // pixels between labels

function drawCurve({ train, val, best, baselines, unit }, width) {
  const values = [...train, ...val].map(([, value]) => value);
  const low = Math.min(...values, ...baselines.map(([, value]) => value));
  const sorted = [...values].sort((a, b) => a - b);
  // The first losses of a training are far above all that matters: they run out of the picture.
  const usual = sorted[Math.floor(0.9 * (sorted.length - 1))];
  const high = Math.max(usual, ...baselines.map(([, value]) => value), low + 0.1);
  const bottom = low - 0.08 * (high - low);
  const last = Math.max(...[...train, ...val].map(([step]) => step));
  const x = (step) => MARGIN.left + (step / last) * (width - MARGIN.left - MARGIN.right);
  const y = (value) => {
    const part = (value - bottom) / (high - bottom);
    return HEIGHT - MARGIN.bottom - part * (HEIGHT - MARGIN.top - MARGIN.bottom);
  };
  const line = (points, name) =>
    makeSvg("polyline", { class: name, points: points.map(([s, v]) => `${x(s)},${y(v)}`).join(" ") });
  const text = (at, to, words, name = "", anchor = "start") =>
    makeSvg("text", { x: at, y: to, class: name, "text-anchor": anchor }, words);
  const level = (value, name) =>
    makeSvg("line", { class: name, x1: x(0), x2: x(last), y1: y(value), y2: y(value) });

  const right = width - MARGIN.right + 6;
  const labels = [
    ...baselines.map(([name, value]) => [name, value, "baseline"]),
    ...(train.length ? [["training", train.at(-1)[1], "train"]] : []),
    ...(val.length ? [["validation", val.at(-1)[1], "val"]] : []),
  ].sort((a, b) => b[1] - a[1]);
  let above = -Infinity, below = HEIGHT + LABEL / 2;
  const heights = labels.map(([, value]) => (above = Math.max(y(value) + 4, above + LABEL)));
  for (let k = heights.length - 1; k >= 0; k--) below = heights[k] = Math.min(heights[k], below - LABEL);
  const placed = labels.map(([name, , kind], k) => text(right, heights[k], name, kind));
  const ticks = ticksBetween(bottom, high);
  const describe = best ? ` Best validation loss: ${number(best[1], 4)} at step ${number(best[0])}.` : "";
  return makeSvg(
    "svg",
    { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": `Learning curve.${describe}` },
    ...ticks.map((value) => level(value, "grid")),
    ...ticks.map((value) => text(MARGIN.left - 6, y(value) + 4, number(value, 1), "", "end")),
    ...baselines.map(([, value]) => level(value, "baseline")),
    line(train, "train"),
    line(val, "val"),
    ...placed,
    text(x(0), HEIGHT - 12, "0", "", "middle"),
    text(x(last), HEIGHT - 12, `${number(last)} steps`, "", "end"),
    text(4, 10, unit),
  );
}

function ticksBetween(low, high) {
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10].find((one) => (high - low) / one <= 6) ?? high - low;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, k) => (first + k) * step);
}

export { drawCurve };
