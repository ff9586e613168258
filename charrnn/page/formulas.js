// Equations worked out as they stand: "h = z⊙h_prev + (1 - z)⊙n" in the letters of the code.
//
// A term is {op, parts} or {name} or {number}. `·` is a row by a matrix, or with `ᵀ` a column by a
// row; all else is place by place. A row of numbers is an array, a matrix {W, width, first}: the
// array that it stands in, the width of its rows there, and where its own columns begin.

import { figure } from "./figures.js";

const FUNCTIONS = { "tanh": Math.tanh, "σ": (a) => 1 / (1 + Math.exp(-a)), "ReLU": (a) => Math.max(a, 0) };
const OPERATIONS = { "+": (a, b) => a + b, "-": (a, b) => a - b, "⊙": (a, b) => a * b };
const TOKENS = /φ'\(\w+\)|←?[\p{Lu}\p{Ll}][\p{Lu}\p{Ll}\d_]*|[\d.]+|\S/gu;
const SPELT_OUT = 2; // products of a row of so many numbers

function parseEquation(text) {
  const tokens = text.match(TOKENS);
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
  const term = atom(tokens);
  return tokens[0] === "ᵀ" ? { op: tokens.shift(), parts: [term] } : term;
}

function atom(tokens) {
  const token = tokens.shift();
  if (token !== "(" && !FUNCTIONS[token]) {
    return /^\d/.test(token) ? { number: Number(token) } : { name: token };
  }
  if (token !== "(") tokens.shift();
  const inner = { op: token, parts: [sum(tokens)] };
  tokens.shift(); // )
  return inner;
}

// An equation in each place of what it gives, row by row. `values` are what is known by name; what
// it gives is one of them from now on.
function workOut(text, values, [rows, columns], shown = figure) {
  const { result, term } = parseEquation(text);
  const each = Array.from({ length: rows * columns }, (_, k) =>
    worked(term, { values, row: Math.floor(k / columns), column: k % columns, shown }));
  values[result] = each.map(({ value }) => value);
  return { result, each };
}

// What a term gives in one place, and the same with numbers in the place of letters.
function worked(term, place) {
  if ("number" in term) return { value: term.number, text: `${term.number}` };
  if (term.op === "·") return rowByColumn(term.parts, place);
  if (term.name) {
    const value = element(term, place.values, place.row, place.column);
    return { value, text: place.shown(value) };
  }
  const parts = term.parts.map((part) => worked(part, place));
  const [a, b] = parts.map(({ value }) => value);
  const [left, right] = parts.map(({ text }) => text);
  if (OPERATIONS[term.op]) {
    return { value: OPERATIONS[term.op](a, b), text: `${left} ${term.op} ${right}` };
  }
  if (term.op === "(") return { value: a, text: `(${left})` };
  return { value: FUNCTIONS[term.op](a), text: `${term.op}(${left})` };
}

function element(term, values, row, column) {
  if (term.op === "ᵀ") return element(term.parts[0], values, column, row);
  const found = values[term.name];
  return found.W ? found.W[row * found.width + found.first + column] : found[column];
}

function rowByColumn([left, right], { values, row, column, shown }) {
  const x = values[left.name];
  if (typeof x === "number") { // a one-hot row
    const value = element(right, values, x, column);
    return { value, text: shown(value) };
  }
  const length = left.op === "ᵀ" ? 1 : x.length;
  const pairs = Array.from({ length }, (_, k) =>
    [element(left, values, row, k), element(right, values, k, column)]);
  const value = pairs.reduce((total, [a, b]) => total + a * b, 0);
  if (length > SPELT_OUT) return { value, text: shown(value) };
  const spelt = (one) => (one < 0 ? `(${shown(one)})` : shown(one));
  return { value, text: pairs.map(([a, b]) => `${spelt(a)}·${spelt(b)}`).join(" + ") };
}

export { workOut };
