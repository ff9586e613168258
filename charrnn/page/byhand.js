// The worked example, every equation of it in its order, from the numbers that are given.

import { minus } from "./figures.js";
import { workOut } from "./formulas.js";

// `given` are matrices by name, lists of rows; `later` the gradients that nothing sends back.
// Gives the sections with their lines, and of each line {value, text} in every place.
function workedSections(given, { later, sections }) {
  const values = { ...later };
  for (const [name, rows] of Object.entries(given)) {
    values[name] = rows.length > 1 ? { W: rows.flat(), width: rows[0].length, first: 0 } : rows[0];
  }
  return sections.map(({ title, lines }) => ({
    title,
    lines: lines.map((line) => ({ ...line, ...workOut(line.text, values, line.shape, exact) })),
  }));
}

// To eight places, without zeros at the end; what is not zero does not look like it.
function exact(value) {
  const rounded = Number(value.toFixed(8));
  return minus(rounded || !value ? `${rounded}` : value.toExponential(0));
}

// Which place of a row or a matrix: "unit 0", "unit 0 to unit 1"; nothing where there is but one.
function placeName(axes, [rows, columns], k) {
  const numbers = [Math.floor(k / columns), k % columns];
  const names = axes.map((axis, j) => [rows, columns][j] > 1 && `${axis} ${numbers[j]}`);
  return names.filter(Boolean).join(" to ");
}

export { exact, placeName, workedSections };
