// Puts the page's parts together.

import { showAbout } from "./about.js";
import { Client } from "./client.js";
import { byId } from "./elements.js";
import { Learner } from "./learn.js";
import { Looker } from "./look.js";
import { Popup } from "./popup.js";
import { Vocabulary } from "./symbols.js";
import { showTabs } from "./tabs.js";
import { Writer } from "./write.js";

const content = JSON.parse(byId("content").textContent);
const vocabulary = new Vocabulary(content.vocabulary);
const popup = new Popup(vocabulary);
const client = new Client(byId("worker").textContent);
const writer = new Writer(client, content, vocabulary, popup);

showTabs(() => popup.hide());
showAbout(byId("about"), content.about);
const [[, network], [, parameters]] = content.about.facts;
byId("what").textContent = `${network}, ${parameters} parameters. It runs here, in your browser.`;

const weights = byId("weights").textContent;
client.ask({ type: "load", content, weights }).then(({ parts }) => {
  const written = () => vocabulary.decode(writer.view.entries.map(({ symbol }) => symbol));
  new Looker(client, content, vocabulary, popup, parts, written);
  new Learner(client, content, vocabulary, written);
  writer.begin();
}, (error) => writer.say(`The network could not be read: ${error.message}`));
