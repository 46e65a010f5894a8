/**
 * Log text as a terminal would show it: carriage returns, backspaces, tabs, colours, and the few cursor
 * movements that progress bars use. Everything else that a terminal obeys is dropped: titles, links,
 * clipboard, modes. Pure; held against `pyte` by `tests/golden/terminal.json`.
 */

/** How characters look. Colours: 0–15 of the theme, or six hex digits. */
export interface Style {
  readonly fg: number | string | null;
  readonly bg: number | string | null;
  readonly bold: boolean;
  readonly dim: boolean;
  readonly italic: boolean;
  readonly underline: boolean;
  readonly strike: boolean;
  readonly inverse: boolean;
}

/** Characters from `start` to `end` that look the same, and not plain. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly style: Style;
}

export interface Row {
  readonly text: string;
  readonly spans: readonly Span[];
  /** Line of the text that began this row, from 0. */
  readonly line: number;
  /** Which log it is of where several are in one; `gap`: no program wrote it. */
  readonly mark?: "out" | "err" | "gap";
}

const PLAIN: Style = {
  fg: null,
  bg: null,
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  strike: false,
  inverse: false,
};

/** What needs more than appending: C0 but for the line break, DEL, C1. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it is about
const CONTROL = /[\x00-\x1f\x7f-\x9f]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const IS_CONTROL = /[\x00-\x09\x0b-\x1f\x7f-\x9f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const SEQUENCE = /(?:\x1b\[|\x9b)([0-?]{0,200})([ -/]*)([@-~])/y;
/** Strings for the terminal itself. One without an end takes no more than its line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const STRING = /(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\n\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const SHORT = /\x1b[ -/]*[0-~]?/y;

/** Letters of East Asia, and pictures, that take two columns; those of two letters in a string take two anyway. */
export const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|(?=[\u2300-\u2bff])\p{Emoji_Presentation}/gu;
/** Stands for the second column of a wide letter: no text has it here. */
const HALF = "\0";

const TAB = 8;
/** A column that no program means: what lies beyond is written here. */
const WIDEST = 20_000;

/** The rows of a text. Its last line break opens no row. */
export function renderTerminal(text: string): Row[] {
  // The way of nearly all text.
  if (!IS_CONTROL.test(text)) return plainRows(text);
  return new Terminal().write(text).rows();
}

function plainRows(text: string): Row[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line, i) => ({ text: line, spans: NONE, line: i }));
}

const NONE: readonly Span[] = [];

interface Line {
  text: string;
  /** One character for each of the text: its style's number; empty as long as all are plain. */
  styles: string;
  line: number;
}

class Terminal {
  readonly #lines: Line[] = [{ text: "", styles: "", line: 0 }];
  readonly #styles: Style[] = [PLAIN];
  readonly #numbers = new Map<string, number>();
  #row = 0;
  #column = 0;
  #line = 0;
  #style = 0;

  write(text: string): this {
    let at = 0;
    CONTROL.lastIndex = 0;
    for (let found = CONTROL.exec(text); found !== null; found = CONTROL.exec(text)) {
      const { index } = found;
      if (index > at) this.#put(text.slice(at, index));
      at = this.#obey(text, index);
      CONTROL.lastIndex = at;
    }
    if (at < text.length) this.#put(text.slice(at));
    return this;
  }

  rows(): Row[] {
    const lines = this.#lines;
    const last = lines.at(-1);
    if (last !== undefined && last.text === "" && lines.length > 1) lines.pop();
    return lines.map((given) => {
      const { text, styles } = given.text.includes(HALF) ? withoutHalves(given) : given;
      return { text, spans: styles === "" ? NONE : this.#spans(styles), line: given.line };
    });
  }

  /** Obeys what stands at a place; returns the place after it. */
  #obey(text: string, at: number): number {
    switch (text.charCodeAt(at)) {
      case 10:
        this.#newline();
        return at + 1;
      case 13:
        this.#column = 0;
        return at + 1;
      case 8:
        this.#column = Math.max(0, this.#column - 1);
        return at + 1;
      case 9:
        this.#column = Math.min(WIDEST, (Math.floor(this.#column / TAB) + 1) * TAB);
        return at + 1;
      default:
        return this.#escape(text, at);
    }
  }

  #escape(text: string, at: number): number {
    const sequence = match(SEQUENCE, text, at);
    if (sequence !== null) {
      const [whole, numbers = "", between, final = ""] = sequence;
      if (between === "") this.#control(numbers, final);
      return at + whole.length;
    }
    const other = match(STRING, text, at) ?? match(SHORT, text, at);
    return at + Math.max(1, other?.[0].length ?? 1);
  }

  #control(given: string, final: string): void {
    // Private ones (`?`, `>`) are modes.
    if (/[<-?]/.test(given)) return;
    const numbers = given.split(/[;:]/).map(Number);
    const count = Math.min(Math.max(1, numbers[0] ?? 1), WIDEST);
    const what = numbers[0] ?? 0;
    if (final === "m") this.#setStyle(numbers);
    else if (final === "K") this.#eraseInLine(what);
    else if (final === "J" && what === 0) this.#eraseBelow();
    else if (final === "G") this.#column = count - 1;
    else if (final === "C") this.#column = Math.min(WIDEST, this.#column + count);
    else if (final === "D") this.#column = Math.max(0, this.#column - count);
    else if (final === "A" || final === "F") this.#moveRow(-count, final === "F");
    else if (final === "B" || final === "E") this.#moveRow(count, final === "E");
  }

  /** Never beyond the rows that there are: of what was written before nothing can be taken back. */
  #moveRow(by: number, toStart: boolean): void {
    this.#row = Math.min(Math.max(0, this.#row + by), this.#lines.length - 1);
    if (toStart) this.#column = 0;
  }

  #newline(): void {
    this.#line += 1;
    this.#row += 1;
    this.#column = 0;
    if (this.#row === this.#lines.length) this.#lines.push({ text: "", styles: "", line: this.#line });
  }

  #put(given: string): void {
    const text = given.replace(WIDE, `$&${HALF}`);
    const line = this.#lines[this.#row];
    if (line === undefined) return;
    const column = Math.min(this.#column, WIDEST);
    const { length } = line.text;
    const isStyled = this.#style !== 0 || line.styles !== "";
    if (isStyled) {
      const written = String.fromCharCode(this.#style).repeat(text.length);
      const before = line.styles.padEnd(length, "\0");
      line.styles = overlay(before, column, written, "\0");
    }
    line.text = overlay(line.text, column, text, " ");
    this.#column = column + text.length;
  }

  #eraseInLine(what: number): void {
    const line = this.#lines[this.#row];
    if (line === undefined) return;
    if (what === 2) this.#erase(line, 0, line.text.length);
    else if (what === 1) this.#erase(line, 0, this.#column + 1);
    else if (what === 0) this.#erase(line, this.#column, line.text.length);
  }

  #erase(line: Line, from: number, to: number): void {
    const rest = line.text.slice(to);
    const blank = rest === "" ? "" : " ".repeat(to - from);
    line.text = line.text.slice(0, from) + blank + rest;
    if (line.styles !== "")
      line.styles = line.styles.slice(0, from) + blank.replaceAll(" ", "\0") + line.styles.slice(to);
  }

  #eraseBelow(): void {
    this.#eraseInLine(0);
    for (const line of this.#lines.slice(this.#row + 1)) {
      line.text = "";
      line.styles = "";
    }
  }

  #setStyle(numbers: readonly number[]): void {
    let style = { ...(this.#styles[this.#style] ?? PLAIN) };
    for (let i = 0; i < numbers.length; i += 1) {
      const n = numbers[i] ?? 0;
      if (n === 0) style = { ...PLAIN };
      else if (n === 38 || n === 48) {
        const [colour, used] = extended(numbers, i + 1);
        if (colour !== null) style = { ...style, [n === 38 ? "fg" : "bg"]: colour };
        i += used;
      } else style = { ...style, ...change(n) };
    }
    this.#style = this.#numberOf(style);
  }

  #numberOf(style: Style): number {
    const key = JSON.stringify(style);
    let number = key === PLAIN_KEY ? 0 : this.#numbers.get(key);
    // A text of more styles than a letter can number is noise.
    if (number === undefined && this.#styles.length < 50_000) {
      number = this.#styles.push(style) - 1;
      this.#numbers.set(key, number);
    }
    return number ?? 0;
  }

  #spans(styles: string): Span[] {
    const spans: Span[] = [];
    for (let start = 0; start < styles.length; ) {
      const number = styles.charCodeAt(start);
      let end = start + 1;
      while (end < styles.length && styles.charCodeAt(end) === number) end += 1;
      const style = this.#styles[number];
      if (number !== 0 && style !== undefined) spans.push({ start, end, style });
      start = end;
    }
    return spans;
  }
}

const PLAIN_KEY = JSON.stringify(PLAIN);

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function overlay(text: string, column: number, written: string, blank: string): string {
  if (column === text.length) return text + written;
  if (column === 0 && written.length >= text.length) return written;
  return text.slice(0, column).padEnd(column, blank) + written + text.slice(column + written.length);
}

/** Letters instead of columns. A half whose letter was written over is blank. */
function withoutHalves({ text, styles }: Line): { text: string; styles: string } {
  const halves = new Set([...text.matchAll(WIDE)].map(({ index }) => index + 1));
  const letters = (columns: string) =>
    columns.split("").filter((_, at) => !halves.has(at) || text[at] !== HALF);
  return { text: letters(text).join("").replaceAll(HALF, " "), styles: letters(styles).join("") };
}

/** What one number of a colour sequence changes. */
function change(n: number): Partial<Style> {
  if (n >= 30 && n <= 37) return { fg: n - 30 };
  if (n >= 40 && n <= 47) return { bg: n - 40 };
  if (n >= 90 && n <= 97) return { fg: n - 90 + 8 };
  if (n >= 100 && n <= 107) return { bg: n - 100 + 8 };
  return CHANGES[n] ?? {};
}

const CHANGES: Readonly<Record<number, Partial<Style>>> = {
  1: { bold: true },
  2: { dim: true },
  3: { italic: true },
  4: { underline: true },
  7: { inverse: true },
  9: { strike: true },
  22: { bold: false, dim: false },
  23: { italic: false },
  24: { underline: false },
  27: { inverse: false },
  29: { strike: false },
  39: { fg: null },
  49: { bg: null },
};

/** A colour of 256 or of all, and how many numbers it took. */
function extended(numbers: readonly number[], at: number): [colour: number | string | null, used: number] {
  if (numbers[at] === 5) {
    const n = numbers[at + 1] ?? -1;
    return [n >= 0 && n < 256 ? of256(n) : null, 2];
  }
  if (numbers[at] !== 2) return [null, 0];
  const parts = numbers.slice(at + 1, at + 4);
  const isColour = parts.length === 3 && parts.every((part) => part >= 0 && part < 256);
  return [isColour ? hex(parts) : null, 4];
}

const STEPS = [0, 95, 135, 175, 215, 255];

function of256(n: number): number | string {
  if (n < 16) return n;
  if (n >= 232) return hex([8 + 10 * (n - 232), 8 + 10 * (n - 232), 8 + 10 * (n - 232)]);
  const cube = [Math.floor((n - 16) / 36), Math.floor((n - 16) / 6) % 6, (n - 16) % 6];
  return hex(cube.map((step) => STEPS[step] ?? 0));
}

function hex(parts: readonly number[]): string {
  return parts.map((part) => part.toString(16).padStart(2, "0")).join("");
}

/** The colour of the theme that comes nearest: what a program picked may not be seen on this page. */
export function themeColour(colour: number | string): number {
  if (typeof colour === "number") return colour;
  const [r = 0, g = 0, b = 0] = [0, 2, 4].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  const most = Math.max(r, g, b);
  const least = Math.min(r, g, b);
  const isBright = most + least > 280 ? 8 : 0;
  if (most - least < 40) return most > 190 ? 15 : most > 120 ? 7 : most > 50 ? 8 : 0;
  // Each of red, green, blue that is nearer to the most than to the least.
  const middle = (most + least) / 2;
  return (r > middle ? 1 : 0) + (g > middle ? 2 : 0) + (b > middle ? 4 : 0) + isBright;
}
