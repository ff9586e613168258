// Characters and their numbers, as charrnn/text/vocab.py has them.

// Signs are below zero.
const NAMED = { "-3": "unknown", "-2": "start", "-1": "end", 9: "tab", 10: "line end", 13: "carriage return", 32: "space", 160: "hard space" };

// What would not be seen, or would turn the order of other characters round.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const hex = (code) => code.toString(16).toUpperCase();

// A text as it is shown: a sign for each hidden character. Line ends and tabs stand.
const visible = (text) => text.replace(HIDDEN, (hidden) => {
  const code = hidden.codePointAt(0);
  if (code === 10 || code === 9) return hidden;
  if (code < 32) return String.fromCodePoint(0x2400 + code);
  return code === 127 ? "␡" : `‹${hex(code).padStart(4, "0")}›`;
});

class Vocabulary {
  constructor({ level, codes }) {
    this.bytes = level === "byte";
    this.codes = codes;
    this.numbers = new Map(codes.map((code, number) => [code, number]));
    this.unit = this.bytes ? "byte" : "character";
  }

  // The symbols of a text; null for a character that is not known.
  encode(text) {
    const codes = this.bytes
      ? Array.from(new TextEncoder().encode(text))
      : Array.from(text, (character) => character.codePointAt(0));
    return codes.map((code) => this.numbers.get(code) ?? null);
  }

  // The characters of a text that are not known, each once.
  unknown(text) {
    if (this.bytes) return [];
    return [...new Set(text)].filter((one) => !this.numbers.has(one.codePointAt(0)));
  }

  // The text of symbols; bytes that are no UTF-8 become U+FFFD.
  decode(symbols) {
    const codes = symbols.map((symbol) => this.codes[symbol]).filter((code) => code >= 0);
    if (this.bytes) return new TextDecoder().decode(Uint8Array.from(codes));
    return codes.map((code) => String.fromCodePoint(code)).join("");
  }

  // Whether a byte goes on with the character that these have begun.
  continues(symbols, symbol) {
    if (!this.bytes || (this.codes[symbol] & 0xc0) !== 0x80) return false;
    const lead = this.codes[symbols[0]];
    const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    return symbols.length < length;
  }

  // A symbol by itself, for people.
  name(symbol) {
    const code = this.codes[symbol];
    if (NAMED[code] && !(this.bytes && code > 127)) return NAMED[code];
    if (this.bytes && code > 126) return `0x${hex(code)}`;
    return visible(String.fromCodePoint(code));
  }
}

export { Vocabulary, visible };
