// An equation, what it gives, and the numbers in the place of its letters.

import { make } from "./elements.js";

// `items` are {name, text, gives}, and perhaps {bar}: which place, the numbers, what comes out.
function shownLine(equation, what, items) {
  const list = items.map(({ name, text, gives, bar = [] }) => {
    const before = `${name && `${name}: `}${text === gives ? "" : `${text} = `}`;
    return make("li", {}, before, make("strong", {}, gives), ...bar);
  });
  return make("div", { class: "line" }, make("code", {}, equation), ` ${what}`, make("ul", {}, ...list));
}

export { shownLine };
