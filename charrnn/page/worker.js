// The page's second thread: it reads and writes, in slices, so that it hears when it is to stop.
//
// A message has a `type`, one of TASKS, and an `id`; every answer carries that id. What is asked
// for while a task runs ends that task, but for a unit's numbers, which are at hand.

import { choose } from "./choice.js";
import { Average, Carried, Network, copied } from "./engine.js";
import { Random } from "./random.js";
import { Record, Tape } from "./reading.js";
import { workedStep } from "./step.js";
import { unpack } from "./weights.js";

const SLICE = 40; // milliseconds

let content, network, openings, tape, random, states, latest;

const TASKS = {
  // Get ready.
  async load({ content: given, weights }) {
    content = given;
    const w = await unpack(weights, content);
    const { members, hidden } = content.shape;
    const of = (k) => new Network(content.shape, members > 1 ? startingWith(`member.${k + 1}.`, w) : w);
    const networks = Array.from({ length: members }, (_, k) => of(k));
    network = members > 1 ? new Average(networks) : networks[0];
    network.bounded ||= Boolean(content.labels); // texts of their own carry no state on
    const table = (l, part, k) => w[`opening.${l}.${part}`].subarray(k * hidden, (k + 1) * hidden);
    const openingOf = (k) =>
      network.zeroState().map((_, l) => network.cell.parts.map((part) => table(l, part, k)));
    openings = (content.labels ?? [""]).map((_, k) => openingOf(k));
    return { done: true, parts: network.cell.parts };
  },

  // Go on with `symbols`, the first `prompt` of which were given. A `seed` begins the numbers anew.
  *write({ symbols, prompt, length, how, stops, seed, label = 0 }, send) {
    const { start, never, end } = content.vocabulary;
    if (tape?.opening !== openings[label]) {
      tape = new Tape(network, start, openings[label], Boolean(content.labels));
    }
    if (seed !== null) random = new Random(BigInt(seed));
    let record = new Record();
    const flush = () => {
      send(record);
      record = new Record();
    };
    for (const _ of tape.goTo(symbols, prompt)) yield flush;
    for (let written = 0; written < length; written++) {
      for (const sign of never) tape.y[sign] = -Infinity;
      const symbol = choose(tape.y, how, random);
      record.add(tape.y, symbol);
      tape.read(symbol);
      yield flush;
      if (symbol === end) return { done: true, cut: 1 };
      const stop = stops.find((one) => one.length <= written + 1 && endsWith(tape.symbols, one));
      if (stop) return { done: true, cut: stop.length };
    }
    return { done: true, cut: 0 };
  },

  // Say what each symbol costs, read from where a text begins, and what a labelled text's end
  // does; null is one that is not known.
  *look({ symbols, label = 0 }, send) {
    const { start, end, unknown = start, unknownNats, knownNats = 0 } = content.vocabulary;
    const carried = new Carried(network, openings[label]);
    states = [];
    let y = carried.read(start), record = new Record();
    const flush = () => {
      send(record);
      record = new Record();
    };
    for (const symbol of end === undefined ? symbols : [...symbols, end]) {
      record.add(y, symbol ?? unknown);
      const nats = record.nats.pop() + knownNats;
      record.nats.push(symbol === null ? unknownNats ?? nats : nats);
      y = carried.read(symbol ?? unknown);
      states.push(copied(carried.state));
      yield flush;
    }
    return { done: true };
  },

  // A number of the state after each symbol of the text that was looked at.
  unit({ layer, part, number }) {
    return { done: true, values: states.map((state) => state[layer][part][number]) };
  },

  // The last of `symbols` as a step of a layer, in numbers for some units: read from zeros, or
  // from where a label's texts begin.
  *step({ symbols, layer, units, label }) {
    const carried = new Carried(network, content.labels && openings[label]);
    for (const symbol of symbols.slice(0, -1)) {
      carried.read(symbol);
      yield;
    }
    const { y, ...found } = workedStep(carried, symbols.at(-1), layer, units, content.equations);
    const record = new Record();
    record.add(y, symbols.at(-1));
    return { done: true, ...found, best: record.best[0], chances: record.chances[0] };
  },

  stop() {
    return { done: true };
  },
};

// The tensors whose names begin so, by the rest of their names.
function startingWith(begin, w) {
  const own = Object.entries(w).filter(([name]) => name.startsWith(begin));
  return Object.fromEntries(own.map(([name, tensor]) => [name.slice(begin.length), tensor]));
}

function endsWith(symbols, end) {
  const from = symbols.length - end.length;
  return end.every((symbol, k) => symbols[from + k] === symbol);
}

self.onmessage = async ({ data }) => {
  const { id } = data;
  if (data.type !== "unit") latest = id;
  const send = (answer) => self.postMessage({ id, ...answer });
  try {
    const task = TASKS[data.type](data, send);
    send(task?.next ? await inSlices(task, id) : await task);
  } catch (error) {
    send({ done: true, error: error.message });
  }
};

// Run a task that yields what sends on what it has so far; between slices messages come in.
async function inSlices(task, id) {
  const { port1, port2 } = new MessageChannel();
  let flush, slice = 0; // the first one ends with the first symbol
  while (latest === id) {
    const end = performance.now() + slice;
    let step;
    do step = task.next();
    while (!step.done && performance.now() < end);
    flush = step.done ? flush : step.value;
    flush?.();
    if (step.done) return step.value;
    slice = SLICE;
    await new Promise((resolve) => {
      port1.onmessage = resolve;
      port2.postMessage(0);
    });
  }
  return { done: true, stopped: true };
}
