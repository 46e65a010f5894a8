import { countOf, formatSize } from "../format";
import type { LogFile, LogPart } from "../protocol";
import { type Row, renderTerminal, WIDE } from "./terminal";

export const LINE_HEIGHT = 18;
/** A command's row with the line above it, and the room above and below its text. */
export const HEAD_HEIGHT = 33;
export const BODY_PADDING = 8;
/** More than this of one block is never fetched: such a block is one very long line. */
const MOST_BYTES = 256 * 1024;
/** Letters of a row that are put on the page. */
export const MOST_LETTERS = 5_000;
/** Rows of one command; browsers cannot place many more. */
const MOST_ROWS = 800_000;
/** Of these, rows from its beginning: how it ended is asked more often. */
const HEAD_ROWS = 200_000;

/** A part of a command's text that is fetched at once, or one row about text that is left out. */
export interface Block {
  readonly offset: number;
  readonly bytes: number;
  /** Number of its first line in the file, from 0. */
  readonly line: number;
  readonly lines: number;
  state: "none" | "loading" | "ready" | "failed";
  rows: readonly Row[];
  /** Heights of the rows in lines, when lines are wrapped. */
  heights: Uint16Array | null;
  /** Number of text lines high; an estimate until it is ready. */
  height: number;
}

/** What one command wrote. */
export class Section {
  readonly blocks: Block[];
  /** Lines before the blocks that are not kept. */
  skipped = 0;
  isOpen = false;
  /** Top of each block in lines, and the height of all. */
  tops: Float64Array;

  constructor(readonly part: LogPart) {
    this.blocks = fitting(blocksOf(part));
    this.tops = new Float64Array(1);
    this.place();
  }

  get lines(): number {
    return this.tops.at(-1) ?? 0;
  }

  /** Height of the text in px. */
  get height(): number {
    return this.lines === 0 ? LINE_HEIGHT : this.lines * LINE_HEIGHT;
  }

  place(): void {
    this.tops = new Float64Array(this.blocks.length + 1);
    let top = 0;
    for (const [i, block] of this.blocks.entries()) {
      this.tops[i] = top;
      top += block.height;
    }
    this.tops[this.blocks.length] = top;
  }

  has(line: number): boolean {
    return line >= this.part.line + this.skipped && line < this.part.line + this.part.lines;
  }
}

function blocksOf(part: LogPart): Block[] {
  const blocks: Block[] = [];
  let { line } = part;
  for (let i = 0; i + 2 < part.blocks.length; i += 3) {
    const [offset = 0, bytes = 0, lines = 0] = part.blocks.slice(i, i + 3);
    blocks.push(
      bytes < 0
        ? leftOut(offset, -bytes, line, lines)
        : { offset, bytes, line, lines, state: "none", rows: [], heights: null, height: lines },
    );
    line += lines;
  }
  return blocks;
}

function leftOut(offset: number, bytes: number, line: number, lines: number): Block {
  const text = `${countOf(lines, "line")} (${formatSize(bytes)}) left out`;
  const row = { text, spans: [], line: 0, mark: "gap" as const };
  return { offset, bytes, line, lines, state: "ready", rows: [row], heights: null, height: 1 };
}

/** As many blocks as have a place; what is too much is left out of the middle. */
function fitting(blocks: Block[]): Block[] {
  let left = MOST_ROWS - blocks.reduce((sum, { height }) => sum + height, 0);
  if (left >= 0) return blocks;
  let head = 0;
  for (let rows = 0; rows < HEAD_ROWS; head += 1) rows += blocks[head]?.height ?? HEAD_ROWS;
  let tail = head;
  for (; left < 0 && tail < blocks.length; tail += 1) left += blocks[tail]?.height ?? 0;
  const middle = blocks.slice(head, tail);
  const [first] = middle;
  if (first === undefined) return blocks;
  const sum = (of: "bytes" | "lines") => middle.reduce((all, block) => all + block[of], 0);
  const gap = leftOut(first.offset, sum("bytes"), first.line, sum("lines"));
  return [...blocks.slice(0, head), gap, ...blocks.slice(tail)];
}

/** A line of text on screen. */
export interface ShownRow {
  /** Number in the file, from 0. */
  line: number;
  /** In px from the top of the section's text. */
  top: number;
  height: number;
  /** `null`: not there yet. */
  row: Row | null;
}

export interface LogPlace {
  section: Section;
  block: number;
  /** Row in the block, and its top in px in all of the log. */
  row: number;
  top: number;
}

/** One log: its commands, the blocks that were fetched, and where every line stands. */
export class LogModel {
  readonly sections: readonly Section[];
  readonly errors: ReadonlySet<number>;
  /** Whether commands have rows of their own. */
  readonly hasHeads: boolean;
  /** Letters that fit in a row, when lines are wrapped; 0: they are not. */
  #columns = 0;

  constructor(readonly file: LogFile) {
    this.sections = file.parts.map((part) => new Section(part));
    this.errors = new Set(file.errors);
    this.hasHeads = file.parts.some((part) => part.command !== null);
    for (const section of this.sections) section.isOpen = !this.hasHeads || section.part.command === null;
  }

  get height(): number {
    return this.sections.reduce((sum, section) => sum + this.#heightOf(section), 0);
  }

  /** Top of a section in px. */
  topOf(section: Section): number {
    let top = 0;
    for (const other of this.sections) {
      if (other === section) break;
      top += this.#heightOf(other);
    }
    return top;
  }

  /** Top of a section's text. */
  textTop(section: Section): number {
    return this.topOf(section) + (this.#hasHead(section) ? HEAD_HEIGHT : 0) + BODY_PADDING;
  }

  #hasHead(section: Section): boolean {
    return section.part.command !== null;
  }

  #heightOf(section: Section): number {
    const body = section.isOpen ? section.height + 2 * BODY_PADDING : 0;
    return (this.#hasHead(section) ? HEAD_HEIGHT : 0) + body;
  }

  /** The rows of a section between two heights of the log, and the blocks that are wanted for them. */
  window(section: Section, from: number, to: number): { rows: ShownRow[]; wanted: Block[] } {
    const rows: ShownRow[] = [];
    const wanted: Block[] = [];
    const base = this.textTop(section);
    if (!section.isOpen || to < base || from > base + section.height) return { rows, wanted };
    const [first, last] = [(from - base) / LINE_HEIGHT, (to - base) / LINE_HEIGHT];
    for (let i = lastAtMost(section.tops, first); i < section.blocks.length; i += 1) {
      const block = section.blocks[i];
      const top = section.tops[i] ?? 0;
      if (block === undefined || top > last) break;
      if (block.state === "none") wanted.push(block);
      pushRows(rows, block, top, first, last);
    }
    return { rows, wanted };
  }

  /** Takes in a block's text; returns by how many px what is below it moved. */
  accept(section: Section, block: Block, text: string): number {
    const before = block.height;
    block.rows = renderTerminal(text);
    block.state = "ready";
    this.measure(block);
    section.place();
    return (block.height - before) * LINE_HEIGHT;
  }

  /** Lines are broken after so many letters; 0: never. */
  wrapAt(columns: number): void {
    if (columns === this.#columns) return;
    this.#columns = columns;
    for (const section of this.sections) {
      for (const block of section.blocks) if (block.state === "ready") this.measure(block);
      section.place();
    }
  }

  /** Finds out how high a block is. */
  protected measure(block: Block): void {
    block.heights = null;
    block.height = Math.max(1, block.rows.length);
    if (this.#columns === 0) return;
    block.heights = Uint16Array.from(block.rows, ({ text }) => rowsOf(text, this.#columns));
    block.height = Math.max(
      1,
      block.heights.reduce((sum, height) => sum + height, 0),
    );
  }

  sectionOf(line: number): Section | null {
    return this.sections.find((section) => section.has(line)) ?? null;
  }

  /** Where a line of the file stands; exact once its block is there. */
  placeOf(line: number): LogPlace | null {
    const section = this.sectionOf(line);
    if (section === null) return null;
    let index = section.blocks.findIndex((block) => line < block.line + block.lines);
    if (index < 0) index = section.blocks.length - 1;
    const block = section.blocks[index];
    if (block === undefined) return null;
    const row = rowOfLine(block, line);
    let above = section.tops[index] ?? 0;
    for (let i = 0; i < row; i += 1) above += block.heights?.[i] ?? 1;
    return { section, block: index, row, top: this.textTop(section) + above * LINE_HEIGHT };
  }

  /** The line of the file at a height of the log: what a reader's eye rests on. */
  lineAt(height: number): number | null {
    for (const section of this.sections) {
      const base = this.textTop(section);
      if (!section.isOpen || height >= base + section.height) continue;
      const { rows } = this.window(section, Math.max(height, base), Math.max(height, base));
      return rows[0]?.line ?? section.part.line;
    }
    return null;
  }

  /** The text that is there, of the commands that are unfolded. */
  loadedText(): string {
    const lines: string[] = [];
    for (const section of this.sections) {
      if (!section.isOpen) continue;
      for (const block of section.blocks) for (const row of block.rows) lines.push(row.text);
    }
    return lines.join("\n");
  }
}

/** Ranges of the file to fetch for a block: of a very long line the end, when that is what a terminal shows. */
export function rangeOf(block: Block, end: boolean): [offset: number, length: number] {
  if (block.bytes <= MOST_BYTES) return [block.offset, block.bytes];
  return end ? [block.offset + block.bytes - MOST_BYTES, MOST_BYTES] : [block.offset, MOST_BYTES];
}

export function isCut(block: Block): boolean {
  return block.bytes > MOST_BYTES;
}

/** Rows of text that a line takes; a tab was made blanks. */
function rowsOf(text: string, columns: number): number {
  const shown = text.slice(0, MOST_LETTERS);
  const wide = shown.match(WIDE)?.length ?? 0;
  return Math.max(1, Math.ceil((shown.length + wide) / columns));
}

function rowOfLine(block: Block, line: number): number {
  if (block.state !== "ready") return Math.max(0, line - block.line);
  const wanted = line - block.line;
  let row = block.rows.length - 1;
  while (row > 0 && (block.rows[row]?.line ?? 0) > wanted) row -= 1;
  return Math.max(0, row);
}

function pushRows(rows: ShownRow[], block: Block, top: number, first: number, last: number): void {
  const { heights } = block;
  if (heights === null) {
    const from = Math.max(0, Math.floor(first - top));
    const to = Math.min(block.height, Math.ceil(last - top) + 1);
    for (let i = from; i < to; i += 1) rows.push(shown(block, i, top + i, 1));
    return;
  }
  let at = top;
  for (let i = 0; i < block.rows.length && at <= last; i += 1) {
    const height = heights[i] ?? 1;
    if (at + height > first) rows.push(shown(block, i, at, height));
    at += height;
  }
}

function shown(block: Block, index: number, top: number, height: number): ShownRow {
  const row = block.rows[index] ?? null;
  const line = block.line + (row?.line ?? index);
  return { line, top: top * LINE_HEIGHT, height: height * LINE_HEIGHT, row };
}

/** Index of the last value that is not above. */
export function lastAtMost(values: Float64Array, value: number): number {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((values[middle] ?? 0) <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}
