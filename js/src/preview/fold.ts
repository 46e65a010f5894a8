import { linesOf } from "./text";

/** Longer JSON is shown unfolded: each of these lines is an element of the page. */
export const MOST_FOLDED = 2000;

/** What can be folded in tidy JSON, by its lines. */
export interface Folds {
  /** As they are shown: long ones are cut. */
  lines: readonly string[];
  /** Line of the bracket that closes what a line opens, or 0. */
  ends: Int32Array;
  /** Line that opens what a line lies in, or −1. */
  parents: Int32Array;
  /** Values right below a line. */
  values: Uint32Array;
}

/** Reads what `prettyJson` makes: brackets end a line or begin it, and strings have quotes around. */
export function foldsOf(tidy: string): Folds {
  const { lines } = linesOf(tidy, false);
  const ends = new Int32Array(lines.length);
  const parents = new Int32Array(lines.length).fill(-1);
  const values = new Uint32Array(lines.length);
  let open = -1;
  for (const [i, line] of tidy.split("\n").entries()) {
    if (isCloser(line)) {
      ends[open] = i;
      open = parents[open] ?? -1;
      parents[i] = open;
      continue;
    }
    parents[i] = open;
    if (open >= 0) values[open] = (values[open] as number) + 1;
    if (/[{[]$/.test(line)) open = i;
  }
  return { lines, ends, parents, values };
}

/** Whether a line only closes what another one opens. */
export function isCloser(line: string): boolean {
  return /^\s*[}\]]/.test(line);
}

/** Lines that are seen when those of `closed` are folded, from top to bottom. */
export function seenLines({ lines, ends }: Folds, closed: ReadonlySet<number>): number[] {
  const seen: number[] = [];
  for (let i = 0; i < lines.length; i += 1) {
    seen.push(i);
    if (closed.has(i)) i = ends[i] as number;
  }
  return seen;
}

/** A folded line: what it opens and closes on one line, with the comma behind it. */
export function foldedText({ lines, ends }: Folds, line: number): string {
  return `${lines[line]}…${lines[ends[line] as number]?.trimStart()}`;
}
