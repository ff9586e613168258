// One step of a layer in numbers: every equation, worked out for every unit.

import { Carried } from "./engine.js";
import { workOut } from "./formulas.js";

// The layer's weights by the names of the equations: W_x of gate i is W_xi, b is b_i.
function named(w, gates, hidden, inputs) {
  const found = {};
  for (const [name, W] of Object.entries(w).filter(([, tensor]) => tensor)) {
    const vector = name.startsWith("b");
    const width = vector ? W.length : W.length / (name === "W_x" ? inputs : hidden);
    for (let first = 0; first < width; first += hidden) {
      const gate = width > hidden ? `${vector ? "_" : ""}${gates[first / hidden]}` : "";
      found[name + gate] = vector ? W.subarray(first, first + hidden) : { W, width, first };
    }
  }
  return found;
}

// `carried` has read all before `symbol`; `equations` are {gates, lines}, each line a formula and
// what it gives. Of each line: the values of all units, and for `units` the numbers in the formula.
function workedStep(carried, symbol, layer, units, { gates, lines }) {
  carried.check();
  const { network, state } = carried;
  const after = carried.copy();
  const y = after.read(symbol);
  const { hidden, embedding, symbols } = network.shape;
  const inputs = layer ? hidden : embedding || symbols;
  const values = named(network.layers[layer], gates, hidden, inputs);
  values.x = layer ? after.state[layer - 1][0] : network.embedded(symbol) || symbol;
  network.cell.parts.forEach((part, k) => (values[`${part}_prev`] = state[layer][k]));
  const found = lines.map(([text, what]) => {
    const { result, each } = workOut(text, values, [1, hidden]);
    return { text, what, result, units: units.map((unit) => ({ unit, ...each[unit] })) };
  });
  return { lines: found, y, h: values.h };
}

export { workedStep };
