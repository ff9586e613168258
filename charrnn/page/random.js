// NumPy's default_rng(seed).random(): PCG64 (O'Neill, 2014), seeded by a SeedSequence. So the same
// seed writes the same text here as `charrnn sample --seed`.

const M64 = (1n << 64n) - 1n;
const M128 = (1n << 128n) - 1n;
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

// NumPy's SeedSequence: words of 32 bits, stirred.
function seedWords(seed, count) {
  const entropy = [];
  for (let rest = seed; rest || !entropy.length; rest >>= 32n) entropy.push(Number(rest & 0xffffffffn));
  let constant = 0x43b0d7e5;
  const hash = (value, factor) => {
    value ^= constant;
    constant = Math.imul(constant, factor);
    value = Math.imul(value, constant);
    return value ^ (value >>> 16);
  };
  const mix = (x, y) => {
    const mixed = Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y);
    return mixed ^ ((mixed | 0) >>> 16);
  };
  const stir = (value) => hash(value, 0x931e8875);
  const pool = [0, 1, 2, 3].map((k) => stir(entropy[k] ?? 0));
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mix(pool[to], stir(pool[from]));
  }
  for (const word of entropy.slice(4)) {
    for (let to = 0; to < 4; to++) pool[to] = mix(pool[to], stir(word));
  }
  constant = 0x8b51f9dd;
  return Array.from({ length: count }, (_, k) => BigInt(hash(pool[k % 4], 0x58f38ded) >>> 0));
}

class Random {
  // `seed` is a BigInt, 0 or more.
  constructor(seed) {
    const words = seedWords(seed, 8);
    const long = [0, 2, 4, 6].map((k) => words[k] | (words[k + 1] << 32n));
    this.increment = ((((long[2] << 64n) | long[3]) << 1n) | 1n) & M128;
    this.state = (this.increment + ((long[0] << 64n) | long[1])) & M128;
    this.step();
  }

  step() {
    this.state = (this.state * MULTIPLIER + this.increment) & M128;
  }

  // A number in [0, 1).
  next() {
    this.step();
    const mixed = (this.state >> 64n) ^ (this.state & M64);
    const turn = this.state >> 122n;
    const bits = ((mixed >> turn) | (mixed << (64n - turn))) & M64;
    return Number(bits >> 11n) / 2 ** 53;
  }
}

export { Random };
