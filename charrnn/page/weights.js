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

// 1 bit for the sign, 5 for the exponent, 10 for the fraction; all finite.
function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction);
}

// The tensors by name. `tensors` is a list of names and shapes, in the order of the numbers.
async function unpack(packed, precision, tensors) {
  const planes = await Promise.all(packed.trim().split(/\s+/).map((p) => inflated(fromDigits(p))));
  const count = planes[0].length;
  let numbers = new Float32Array(count);
  if (precision === "float16") {
    const [low, high] = planes;
    const half = Float32Array.from({ length: 1 << 16 }, (_, bits) => fromHalf(bits));
    for (let i = 0; i < count; i++) numbers[i] = half[low[i] | (high[i] << 8)];
  } else {
    const bytes = new Uint8Array(numbers.buffer); // every machine that has a browser: lowest first
    planes.forEach((plane, k) => plane.forEach((byte, i) => (bytes[4 * i + k] = byte)));
  }
  const found = {};
  for (const [name, shape] of tensors) {
    const size = shape.reduce((product, extent) => product * extent, 1);
    found[name] = numbers.subarray(0, size);
    numbers = numbers.subarray(size);
  }
  return found;
}

export { unpack };
