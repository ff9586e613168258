// Works out the page of the worked example in Node, by the very script that the page holds.
//
// Reads from standard input [page's file, list of what is given: matrices by name]; writes, of each,
// the sections with all their lines.

import { readFileSync, writeFileSync } from "node:fs";

const [path, asked] = JSON.parse(readFileSync(0, "utf8"));
const html = readFileSync(path, "utf8");
const content = JSON.parse(html.split('id="content">')[1].split("</script>")[0]);
const script = html.split('<script type="module">')[1].split("</script>")[0];
const [tools] = script.split("// example.js\n"); // before anything is shown
const { workedSections } = new Function(`${tools}\nreturn { workedSections };`)();
writeFileSync(1, JSON.stringify(asked.map((given) => workedSections(given, content))));
