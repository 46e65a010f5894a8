import type { Section } from "./lines";

/** Where each section stands, in px, and which tasks are in view: everything has a fixed height. */
export class Layout {
  readonly tops: Float64Array;
  readonly height: number;
  /** Number of tasks before each section, and of all. */
  readonly starts: Uint32Array;

  constructor(
    readonly sections: readonly Section[],
    readonly rowHeight: number,
    /** 0: the sections have no heads. */
    readonly headHeight: number,
  ) {
    this.tops = new Float64Array(sections.length);
    this.starts = new Uint32Array(sections.length + 1);
    let top = 0;
    for (const [i, { tasks }] of sections.entries()) {
      this.tops[i] = top;
      this.starts[i + 1] = (this.starts[i] ?? 0) + tasks.length;
      top += headHeight + tasks.length * rowHeight;
    }
    this.height = top;
  }

  get count(): number {
    return this.starts[this.sections.length] ?? 0;
  }

  /** Parts of the sections between two heights: `[section, first task, one past the last]`. */
  window(from: number, to: number): [section: number, first: number, end: number][] {
    const parts: [number, number, number][] = [];
    for (let i = this.#sectionAtTop(from); i < this.sections.length; i += 1) {
      const top = (this.tops[i] ?? 0) + this.headHeight;
      if (top - this.headHeight > to) break;
      const { length } = this.sections[i]?.tasks ?? [];
      const first = clamp(Math.floor((from - top) / this.rowHeight), 0, length);
      const end = clamp(Math.ceil((to - top) / this.rowHeight), 0, length);
      parts.push([i, first, end]);
    }
    return parts;
  }

  /** Top of a task by its place in the whole order. */
  topOf(index: number): number {
    const section = lastAtMost(this.starts, index, this.sections.length);
    const inside = index - (this.starts[section] ?? 0);
    return (this.tops[section] ?? 0) + this.headHeight + inside * this.rowHeight;
  }

  /** The first task that begins at this height or below. */
  indexAt(height: number): number {
    const section = this.#sectionAtTop(height);
    const top = (this.tops[section] ?? 0) + this.headHeight;
    const inside = Math.max(0, Math.ceil((height - top) / this.rowHeight));
    return Math.min((this.starts[section] ?? 0) + inside, Math.max(0, this.count - 1));
  }

  #sectionAtTop(height: number): number {
    return lastAtMost(this.tops, height, this.sections.length);
  }
}

/** Position of the last value that is at most `wanted`, 0 if none is. Values rise. */
function lastAtMost(values: ArrayLike<number>, wanted: number, count: number): number {
  let [low, high] = [0, count - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((values[middle] ?? 0) <= wanted) low = middle;
    else high = middle - 1;
  }
  return low;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
