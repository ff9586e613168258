// Small helpers around the document. Text goes in as text that can be seen, never as markup.

import { visible } from "./symbols.js";

const byId = (id) => document.getElementById(id);

// An element with attributes and children; strings are text.
function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function makeSvg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.map((one) => (typeof one === "string" ? visible(one) : one)));
  return element;
}

// A button that cannot be used now keeps the focus.
const enable = (id, on) => byId(id).setAttribute("aria-disabled", !on);

// Choices that are told apart by their number.
function optionsOf(select, names) {
  select.append(...names.map((name, k) => make("option", { value: k }, name)));
}

// A chooser of labels, where a model has some; `chosen` is called when another one is taken.
function offerLabels(id, labels = [], chosen = () => {}) {
  const select = byId(id);
  optionsOf(select, labels);
  select.parentElement.hidden = !labels.length;
  select.addEventListener("input", chosen);
}

const number = (value, digits = 0) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

// A probability.
function percent(chance) {
  const value = 100 * chance;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  return `${number(value, value < 10 ? 1 : 0)} %`;
}

export { byId, enable, make, makeSvg, number, offerLabels, optionsOf, percent };
