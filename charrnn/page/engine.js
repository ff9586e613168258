// The language model on typed arrays, one symbol at a time.
//
// It is written to be read beside charrnn/nn/cells/*.py and charrnn/nn/stepper.py. The letters are
// the same: H units, V symbols, x input, h state, c memory cell, a pre-activations (the gates'
// blocks side by side), y outputs. Rows of a matrix are inputs: a = x·W_x + h·W_h + b.

const RUNAWAY = 20; // as charrnn/nn/runaway.py
const CHUNK = 64;

const sigmoid = (a) => 1 / (1 + Math.exp(-a));

// a[at + j] += Σ_k x[k]·W[k, first + j] for `count` columns of a matrix that is `width` wide.
// Four rows at a time, so that a sum is fetched and stored a quarter as often.
function addProduct(x, W, width, first, count, a, at) {
  const deep = x.length;
  let k = 0;
  for (; k + 4 <= deep; k += 4) {
    const x0 = x[k], x1 = x[k + 1], x2 = x[k + 2], x3 = x[k + 3];
    let p = k * width + first;
    for (let j = at; j < at + count; j++, p++) {
      a[j] += x0 * W[p] + x1 * W[p + width] + x2 * W[p + 2 * width] + x3 * W[p + 3 * width];
    }
  }
  for (; k < deep; k++) {
    let p = k * width + first;
    for (let j = at; j < at + count; j++, p++) a[j] += x[k] * W[p];
  }
}

// One step of each cell. `a` holds x·W_x + b, and the state moves on in place.
const CELLS = {
  rnn: {
    blocks: 1,
    parts: ["h"],
    step({ activation }, w, a, [h]) {
      const H = h.length;
      addProduct(h, w.W_h, H, 0, H, a, 0);
      for (let j = 0; j < H; j++) h[j] = activation === "tanh" ? Math.tanh(a[j]) : Math.max(a[j], 0);
    },
  },

  // Blocks i, f, o, g.
  lstm: {
    blocks: 4,
    parts: ["h", "c"],
    step({ gates, output }, w, a, [h, c]) {
      const H = h.length;
      if (gates === "hidden") {
        addProduct(h, w.W_h, 4 * H, 0, 4 * H, a, 0);
      } else {
        addProduct(c, w.W_c, 3 * H, 0, 3 * H, a, 0);
        addProduct(h, w.W_h, H, 0, H, a, 3 * H);
      }
      for (let j = 0; j < H; j++) {
        const i = sigmoid(a[j]), f = sigmoid(a[H + j]), o = sigmoid(a[2 * H + j]);
        const g = Math.tanh(a[3 * H + j]);
        c[j] = f * c[j] + i * g;
        h[j] = o * (output === "tanh" ? Math.tanh(c[j]) : c[j]);
      }
    },
  },

  // Blocks r, z, n.
  gru: {
    blocks: 3,
    parts: ["h"],
    step({ reset, update }, w, a, [h], m) {
      const H = h.length;
      const after = reset === "after";
      addProduct(h, w.W_h, 3 * H, 0, 2 * H, a, 0);
      if (after) {
        // n = tanh(x·W_x + b + r⊙(h_prev·W_h + b_hn))
        if (w.b_hn) m.set(w.b_hn);
        else m.fill(0);
        addProduct(h, w.W_h, 3 * H, 2 * H, H, m, 0);
        for (let j = 0; j < H; j++) a[2 * H + j] += sigmoid(a[j]) * m[j];
      } else {
        // n = tanh(x·W_x + (r⊙h_prev)·W_h + b)
        for (let j = 0; j < H; j++) m[j] = sigmoid(a[j]) * h[j];
        addProduct(m, w.W_h, 3 * H, 2 * H, H, a, 2 * H);
      }
      for (let j = 0; j < H; j++) {
        const z = sigmoid(a[H + j]), n = Math.tanh(a[2 * H + j]);
        h[j] = update === "keep" ? z * h[j] + (1 - z) * n : (1 - z) * h[j] + z * n;
      }
    },
  },
};

// Whether |h| ≤ 1 whatever the weights: else a state can run away.
const bounded = ({ name, activation, output }) =>
  name === "gru" || activation === "tanh" || output === "tanh";

// An embedding and a stack of layers, or one-hot rows; then y = h·W + b.
//
// `shape` has cell (its name and variants), layers, hidden, embedding, tied and symbols (V); `w`
// the tensors by the names that they have in a checkpoint.
class Network {
  constructor(shape, w) {
    const { cell, layers, hidden, symbols } = shape;
    this.shape = shape;
    this.cell = CELLS[cell.name];
    this.bounded = bounded(cell);
    this.embedding = w["embedding.W"];
    this.head = shape.tied ? transposed(this.embedding, symbols, hidden) : w["head.W"];
    this.b = w["head.b"];
    this.layers = [];
    for (let l = 0; l < layers; l++) {
      const own = {};
      for (const name of ["W_x", "W_h", "W_c", "b", "b_hn"]) own[name] = w[`body.${l}.${name}`];
      this.layers.push(own);
    }
    this.a = new Float64Array(this.cell.blocks * hidden);
    this.m = new Float64Array(hidden);
    this.sums = new Float64Array(symbols);
    this.y = new Float32Array(symbols);
  }

  zeroState() {
    const zeros = () => this.cell.parts.map(() => new Float32Array(this.shape.hidden));
    return this.layers.map(zeros);
  }

  // The symbol's own row, if symbols have one.
  embedded(symbol) {
    const { embedding } = this.shape;
    return embedding && this.embedding.subarray(symbol * embedding, (symbol + 1) * embedding);
  }

  // Read a symbol: `state` moves on in place; the outputs are valid until the next step.
  step(state, symbol) {
    let x = this.embedded(symbol);
    this.layers.forEach((w, l) => {
      if (w.b) this.a.set(w.b);
      else this.a.fill(0);
      addInput(x, symbol, w.W_x, this.a);
      this.cell.step(this.shape.cell, w, this.a, state[l], this.m);
      x = state[l][0];
    });
    this.sums.set(this.b);
    addInput(x, symbol, this.head, this.sums);
    this.y.set(this.sums);
    return this.y;
  }
}

// Networks of one shape whose probabilities are averaged, as in charrnn/nn/ensemble.py: the outputs
// are ln 1/N·Σ p, the state is the members' layers, one after the other. Its layers are the first
// member's: those that Look and Learn show.
class Average {
  constructor(members) {
    const [{ shape, cell, bounded, layers, y }] = members;
    Object.assign(this, { members, shape, cell, bounded, layers });
    this.sums = new Float64Array(y.length);
    this.y = new Float32Array(y.length);
  }

  zeroState() {
    return this.members.flatMap((member) => member.zeroState());
  }

  embedded(symbol) {
    return this.members[0].embedded(symbol);
  }

  step(state, symbol) {
    const { sums, members } = this;
    const own = this.layers.length;
    sums.fill(0);
    members.forEach((member, k) => {
      const y = member.step(state.slice(k * own, (k + 1) * own), symbol);
      const highest = y.reduce((a, b) => Math.max(a, b));
      const weight = members.length * y.reduce((sum, one) => sum + Math.exp(one - highest), 0);
      for (let v = 0; v < y.length; v++) sums[v] += Math.exp(y[v] - highest) / weight;
    });
    for (let v = 0; v < sums.length; v++) this.y[v] = Math.log(sums[v]);
    return this.y;
  }
}

// a += x·W, where no x means the one-hot row of the symbol: a row of W.
function addInput(x, symbol, W, a) {
  const width = a.length;
  if (x) addProduct(x, W, width, 0, width, a, 0);
  else for (let j = 0; j < width; j++) a[j] += W[symbol * width + j];
}

function transposed(W, rows, columns) {
  const turned = new Float32Array(W.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) turned[c * rows + r] = W[r * columns + c];
  }
  return turned;
}

const copied = (state) => state.map((parts) => parts.map((part) => part.slice()));

// A state that is carried on, and given up where it has run away: looked at every CHUNK steps.
class Carried {
  constructor(network, state = network.zeroState(), steps = 0) {
    this.network = network;
    this.state = copied(state);
    this.steps = steps; // since it was last looked at
  }

  copy() {
    return new Carried(this.network, this.state, this.steps);
  }

  // From here on steps are counted anew.
  begin() {
    this.check();
    this.steps = 0;
  }

  check() {
    if (this.steps < CHUNK) return;
    this.restart();
    this.steps = 0;
  }

  read(symbol) {
    this.check();
    this.steps += 1;
    return this.network.step(this.state, symbol);
  }

  restart() {
    if (this.network.bounded) return;
    const ranAway = ([h]) => !h.every((value) => Math.abs(value) <= RUNAWAY);
    if (this.state.some(ranAway)) this.state.flat().forEach((part) => part.fill(0));
  }
}

export { Average, Carried, Network, copied };
