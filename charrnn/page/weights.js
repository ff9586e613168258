// Numbers out of text: what charrnn/page/weights.py has packed.
//
// A zlib stream for each plane of bytes, all the lowest bytes first, in base 91: two digits hold 13
// bits, one that stands alone at the end six.

const DIGITS = Array.from({ length: 94 }, (_, k) => k + 33).filter((code) => ![38, 60, 92].includes(code));

function fromDigits(text) {
  const value = new Uint8Array(127);
  DIGITS.forEach((code, digit) => (value[code] = digit));
  const bits = 13 * Math.floor(text.length / 2) + 6 * (text.length % 2);
  const bytes = new Uint8Array(Math.floor(bits / 8));
  let number = 0, held = 0, at = 0;
  for (let k = 0; k < text.length; k += 2) {
    const high = k + 1 < text.length ? value[text.charCodeAt(k + 1)] : 0;
    number |= (value[text.charCodeAt(k)] + DIGITS.length * high) << held;
    for (held += 13; held >= 8 && at < bytes.length; held -= 8) {
      bytes[at++] = number;
      number >>>= 8;
    }
  }
  return bytes;
}

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The tensors by name. `tensors` is a list of names and shapes, in the order of the numbers; of
// int16, `scales` has what each one's whole numbers are multiplied by.
async function unpack(packed, { precision, tensors, scales }) {
  const planes = await Promise.all(packed.trim().split(/\s+/).map((p) => inflated(fromDigits(p))));
  const whole = precision === "int16";
  const width = whole ? 2 : 4;
  const bytes = new Uint8Array(width * planes[0].length);
  planes.forEach((plane, k) => { // of float24 the lowest is zero
    const first = width - planes.length + k; // every machine that has a browser: lowest first
    plane.forEach((byte, i) => (bytes[width * i + first] = byte));
  });
  let numbers = new (whole ? Int16Array : Float32Array)(bytes.buffer);
  const found = {};
  tensors.forEach(([name, shape], k) => {
    const size = shape.reduce((product, extent) => product * extent, 1);
    const own = numbers.subarray(0, size);
    found[name] = whole ? Float32Array.from(own, (number) => number * scales[k]) : own;
    numbers = numbers.subarray(size);
  });
  return found;
}

export { unpack };
