// How the next symbol is chosen from the outputs y: temperature, then filters. Each filter sees
// what those before it have left; the order and the ties are those of `charrnn sample`.

// The numbers of the symbols, the likeliest first; of those equally likely, the first ones first.
function ranked(y) {
  return Array.from(y.keys()).sort((i, j) => y[j] - y[i] || i - j);
}

function choose(y, { temperature, topK, topP, minP }, random) {
  const highest = y.reduce((most, one) => Math.max(most, one), -Infinity);
  if (!Number.isFinite(highest)) throw new Error("the model's outputs are not finite numbers");
  if (temperature === 0) return y.indexOf(highest);
  const weights = Float64Array.from(y, (one) => Math.exp((one - highest) / temperature));
  if (topK > 0 || topP < 1) {
    const order = ranked(y);
    if (topK > 0) for (const symbol of order.splice(topK)) weights[symbol] = 0;
    const enough = topP * order.reduce((sum, symbol) => sum + weights[symbol], 0);
    let before = 0;
    for (const symbol of order) {
      const weight = weights[symbol];
      if (topP < 1 && before >= enough) weights[symbol] = 0;
      before += weight;
    }
  }
  let total = 0;
  const heights = weights.map((weight) => (total += weight >= minP ? weight : 0));
  const mark = random.next() * total;
  return heights.findIndex((height) => height > mark);
}

export { choose };
