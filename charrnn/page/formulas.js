// Equations worked out as they stand: "h = z⊙h_prev + (1 - z)⊙n" in the letters of the code.
//
// A term is {op, parts} or {name} or {number}. `·` is a row by a matrix, all else is unit by unit.

import { figure } from "./figures.js";

const FUNCTIONS = { "tanh": Math.tanh, "σ": (a) => 1 / (1 + Math.exp(-a)), "ReLU": (a) => Math.max(a, 0) };
const OPERATIONS = { "+": (a, b) => a + b, "-": (a, b) => a - b, "⊙": (a, b) => a * b };

function parseEquation(text) {
  const tokens = text.match(/[\p{L}_]+|[\d.]+|\S/gu);
  const result = tokens.shift();
  tokens.shift(); // =
  return { result, term: sum(tokens) };
}

const sum = (tokens) => chain(tokens, ["+", "-"], product);
const product = (tokens) => chain(tokens, ["⊙", "·"], factor);

function chain(tokens, operators, next) {
  let term = next(tokens);
  while (operators.includes(tokens[0])) term = { op: tokens.shift(), parts: [term, next(tokens)] };
  return term;
}

function factor(tokens) {
  const token = tokens.shift();
  if (token !== "(" && !FUNCTIONS[token]) {
    return /\d/.test(token) ? { number: Number(token) } : { name: token };
  }
  if (token !== "(") tokens.shift();
  const inner = { op: token, parts: [sum(tokens)] };
  tokens.shift(); // )
  return inner;
}

// What a term gives for one unit, and the same with numbers in the place of letters.
function worked(term, values, unit) {
  if ("number" in term) return { value: term.number, text: `${term.number}` };
  if (term.name || term.op === "·") {
    const value = term.name ? values[term.name][unit] : rowByColumn(term.parts, values, unit);
    return { value, text: figure(value) };
  }
  const parts = term.parts.map((part) => worked(part, values, unit));
  const [a, b] = parts.map(({ value }) => value);
  const [left, right] = parts.map(({ text }) => text);
  if (OPERATIONS[term.op]) {
    return { value: OPERATIONS[term.op](a, b), text: `${left} ${term.op} ${right}` };
  }
  if (term.op === "(") return { value: a, text: `(${left})` };
  return { value: FUNCTIONS[term.op](a), text: `${term.op}(${left})` };
}

function rowByColumn([row, matrix], values, unit) {
  const { W, width, first } = values[matrix.name];
  const x = values[row.name];
  if (typeof x === "number") return W[x * width + first + unit]; // a one-hot row
  return x.reduce((total, one, k) => total + one * W[k * width + first + unit], 0);
}

export { parseEquation, worked };
