import { type Block, LogModel, type Section } from "./model";
import type { Row } from "./terminal";

/**
 * A row of a running task's log: which log it came from (`gap`: no program wrote it), and its number in what
 * was followed of that.
 */
export interface LiveRow extends Row {
  readonly mark: "out" | "err" | "gap";
  readonly at: number;
}

/** Blocks are filled up to this: few to place, and small enough to be dropped one by one. */
const BLOCK_ROWS = 1000;

/** A log that grows at its end and is dropped from its start. Its lines are counted since it was opened. */
export class LiveLogModel extends LogModel {
  constructor(name: string) {
    const part = {
      command: null,
      seconds: null,
      exit_code: null,
      state: null,
      line: 0,
      lines: 0,
      blocks: [],
    };
    super({ name, size: 0, read: 0, lines: 0, parts: [part], errors: [] });
  }

  get section(): Section {
    const [section] = this.sections;
    if (section === undefined) throw new Error("A live log has one section.");
    return section;
  }

  /** Rows that are kept. */
  get rowCount(): number {
    return this.section.part.lines - this.section.skipped;
  }

  append(rows: readonly LiveRow[]): void {
    const { section } = this;
    let left = rows;
    while (left.length > 0) {
      const last = section.blocks.at(-1);
      const isFull = last === undefined || last.rows.length >= BLOCK_ROWS;
      const before = isFull ? [] : last.rows;
      const taken = left.slice(0, BLOCK_ROWS - before.length);
      left = left.slice(taken.length);
      if (!isFull) section.blocks.pop();
      section.blocks.push(
        this.#block(isFull ? section.part.lines : last.line, [...before, ...taken] as LiveRow[]),
      );
      section.part.lines += taken.length;
    }
    section.place();
  }

  /** Drops whole blocks from the start, so that about `most` rows are kept. */
  dropTo(most: number): void {
    const { section } = this;
    let dropped = 0;
    while (section.part.lines - section.skipped - dropped > most && section.blocks.length > 1)
      dropped += section.blocks.shift()?.rows.length ?? 0;
    if (dropped === 0) return;
    section.skipped += dropped;
    section.place();
  }

  /** Lines that hold the query, in either case. */
  find(query: string): number[] {
    const wanted = query.toLowerCase();
    const found: number[] = [];
    for (const { line, rows } of this.section.blocks)
      for (const [i, { text }] of rows.entries())
        if (text.toLowerCase().includes(wanted)) found.push(line + i);
    return found;
  }

  /** The row of a line that is kept. */
  rowOf(line: number): LiveRow | undefined {
    const block = this.section.blocks.find((each) => line < each.line + each.rows.length);
    return block?.rows[line - block.line] as LiveRow | undefined;
  }

  #block(line: number, rows: readonly LiveRow[]): Block {
    const block: Block = {
      offset: 0,
      bytes: 0,
      line,
      lines: rows.length,
      state: "ready",
      rows: rows.map((row, i) => ({ ...row, line: i })),
      heights: null,
      height: rows.length,
    };
    this.measure(block);
    return block;
  }
}
