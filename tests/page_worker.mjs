// Runs the second thread of exported pages in Node, on the very text that a page holds.
//
// Reads from standard input a list of [page's file, list of messages]; writes, of each page, the
// list of what its messages were answered, each answer's pieces joined.

import { readFileSync, writeFileSync } from "node:fs";

const part = (html, id) => html.split(`id="${id}">`)[1].split("</script>")[0];

function started(html) {
  const waiting = new Map();
  const self = {
    postMessage(answer) {
      const { pieces, resolve } = waiting.get(answer.id);
      pieces.push(answer);
      if (answer.done) resolve(pieces);
    },
  };
  const { unpack } = new Function("self", `${part(html, "worker")}\nreturn { unpack };`)(self);
  let id = 0;
  return async ({ unpacked, ...message }) => {
    if (unpacked) return [{ values: Object.values(await unpack(...unpacked)).flatMap((one) => [...one]) }];
    return new Promise((resolve) => {
      id += 1;
      waiting.set(id, { pieces: [], resolve });
      self.onmessage({ data: { ...message, id } });
    });
  };
}

function joined(pieces) {
  const all = Object.assign({}, ...pieces);
  for (const name of ["symbols", "nats", "best", "chances"]) {
    if (name in all) all[name] = pieces.flatMap((piece) => piece[name] ?? []);
  }
  if (all.values) all.values = Array.from(all.values);
  return all;
}

const found = [];
for (const [path, messages] of JSON.parse(readFileSync(0, "utf8"))) {
  const html = readFileSync(path, "utf8");
  const ask = started(html);
  const content = JSON.parse(part(html, "content"));
  const answers = [joined(await ask({ type: "load", content, weights: part(html, "weights") }))];
  for (const message of messages) answers.push(joined(await ask(message)));
  found.push(answers);
}
writeFileSync(1, JSON.stringify(found));
process.exit(0);
