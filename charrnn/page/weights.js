// Numbers out of text: what charrnn/page/weights.py has packed.
//
// Base 85 of a zlib stream for each plane of bytes: all the lowest bytes, then all the next ones.

const DIGITS =
  "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;,=>?@^_`{|}~";

// Four bytes, the highest first, of five digits; a last group may be shorter.
function fromBase85(text) {
  const value = new Uint8Array(128);
  for (let d = 0; d < 85; d++) value[DIGITS.charCodeAt(d)] = d;
  const bytes = new Uint8Array(Math.floor((text.length * 4) / 5));
  for (let i = 0, at = 0; at < bytes.length; i += 5) {
    let number = 0;
    for (let k = i; k < i + 5; k++) {
      number = number * 85 + (k < text.length ? value[text.charCodeAt(k)] : 84);
    }
    for (let shift = 24; shift >= 0 && at < bytes.length; shift -= 8) {
      bytes[at++] = number >>> shift;
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
  const planes = await Promise.all(packed.trim().split(/\s+/).map((p) => inflated(fromBase85(p))));
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
