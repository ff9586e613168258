// The page of the worked example: numbers to change, and all that follows from them.

import { exact, placeName, workedSections } from "./byhand.js";
import { byId, make } from "./elements.js";
import { Fields } from "./fields.js";
import { shownLine } from "./line.js";

const content = JSON.parse(byId("content").textContent);

function lineOf({ shown, what, axes, shape, each }) {
  const items = each.map(({ value, text }, k) => {
    return { name: placeName(axes, shape, k), text, gives: exact(value) };
  });
  return shownLine(shown, what, items);
}

function show(given) {
  const sections = workedSections(given, content);
  byId("sections").replaceChildren(...sections.map(({ title, lines }) =>
    make("section", {}, make("h2", {}, title), ...lines.map(lineOf))));
  const outputs = sections.flatMap(({ lines }) => lines).filter(({ result }) => /^y_/.test(result));
  const said = outputs.map(({ result, each: [{ value }] }) => `${result} = ${exact(value)}`);
  byId("outputs").textContent = said.join(", ");
}

const fields = new Fields(byId("given"), content.given, show);
byId("reset").addEventListener("click", () => fields.reset());
