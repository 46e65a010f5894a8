import { FileState } from "../protocol";
import { type Listing, lineStarts } from "./listing";
import { naturalOrder } from "./natural-sort";

export type Column = "name" | "size" | "packed";

export interface Totals {
  files: number;
  bytes: number;
  packed: number;
}

/**
 * What the file table shows, in typed arrays: order, filter, selection and the state of the
 * local copies. Files are named by their index in the listing, rows by their place on screen.
 */
export class FileModel {
  readonly count: number;
  readonly total: Totals;
  column: Column = "name";
  descending = false;
  query = "";
  /** Local copy of each file, as `FileState`. */
  readonly states: Uint8Array;
  /** Why a file failed. */
  readonly reasons = new Map<number, string>();

  readonly #selected: Uint8Array;
  #selection: Totals = { files: 0, bytes: 0, packed: 0 };
  /** File of each row. */
  #rows: Uint32Array;
  #byName: Uint32Array | null = null;
  #searchable: { text: string; starts: Uint32Array } | null = null;

  constructor(readonly listing: Listing) {
    this.count = listing.meta.count;
    this.states = new Uint8Array(this.count);
    this.#selected = new Uint8Array(this.count);
    this.total = { files: this.count, bytes: sum(listing.sizes), packed: sum(listing.packed) };
    this.#rows = this.#sorted();
  }

  /** Rows on screen: files found by the search. */
  get rowCount(): number {
    return this.#rows.length;
  }

  /** File in a row. */
  fileAt(row: number): number {
    return this.#rows[row] ?? 0;
  }

  rowOf(file: number): number {
    return this.#rows.indexOf(file);
  }

  name(file: number): string {
    return this.listing.names.at(file);
  }

  size(file: number): number {
    return this.listing.sizes[file] ?? 0;
  }

  packed(file: number): number {
    return this.listing.packed[file] ?? 0;
  }

  // ---- order and search ----

  sortBy(column: Column, descending: boolean): void {
    this.column = column;
    this.descending = descending;
    this.#rows = this.#found(this.#sorted());
  }

  search(query: string): void {
    this.query = query;
    this.#rows = this.#found(this.#sorted());
  }

  #sorted(): Uint32Array {
    this.#byName ??= naturalOrder(this.listing.names);
    if (this.column === "name") return this.descending ? this.#byName.slice().reverse() : this.#byName;
    const { sizes, packed } = this.listing;
    return numericOrder(this.column === "size" ? sizes : packed, this.#byName, this.descending);
  }

  /** Those of `order` whose name contains the search text, case aside. */
  #found(order: Uint32Array): Uint32Array {
    const needle = this.query.trim().toLowerCase();
    if (needle === "" || needle.includes("\n")) return order;
    const { text, starts } = this.#lowerCase();
    const hits = new Uint8Array(this.count);
    let found = 0;
    let line = 0;
    // One walk over the joined text: it skips from a hit to the next line.
    for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, starts[line + 1])) {
      line = lineAt(starts, at, line);
      hits[line] = 1;
      found += 1;
    }
    const rows = new Uint32Array(found);
    let row = 0;
    for (const file of order) if (hits[file] === 1) rows[row++] = file;
    return rows;
  }

  #lowerCase(): { text: string; starts: Uint32Array } {
    if (this.#searchable === null) {
      // Not the starts of the names: "İ" gets longer in lower case.
      const text = this.listing.names.text.toLowerCase();
      this.#searchable = { text, starts: lineStarts(text, this.count) };
    }
    return this.#searchable;
  }

  // ---- selection ----

  get selection(): Readonly<Totals> {
    return this.#selection;
  }

  isSelected(file: number): boolean {
    return this.#selected[file] === 1;
  }

  select(file: number, on: boolean): void {
    if (this.#selected[file] === Number(on)) return;
    this.#selected[file] = Number(on);
    const sign = on ? 1 : -1;
    const { files, bytes, packed } = this.#selection;
    this.#selection = {
      files: files + sign,
      bytes: bytes + sign * this.size(file),
      packed: packed + sign * this.packed(file),
    };
  }

  /** Rows `from` to `to`, both included, in either order. */
  selectRows(from: number, to: number, on: boolean): void {
    const last = Math.min(Math.max(from, to), this.rowCount - 1);
    for (let row = Math.max(0, Math.min(from, to)); row <= last; row += 1)
      this.#selected[this.fileAt(row)] = Number(on);
    this.#sumUp();
  }

  /** All rows on screen; what the search hides stays as it is. */
  selectFound(on: boolean): void {
    this.selectRows(0, this.rowCount - 1, on);
  }

  invertFound(): void {
    for (const file of this.#rows) this.#selected[file] = 1 - (this.#selected[file] ?? 0);
    this.#sumUp();
  }

  /** How much of what is on screen is selected. */
  foundSelected(): "none" | "some" | "all" {
    let files = 0;
    for (const file of this.#rows) files += this.#selected[file] ?? 0;
    if (files === 0) return "none";
    return files === this.#rows.length ? "all" : "some";
  }

  /** Bit i of byte i >> 3, lowest bit first. */
  packSelection(): Uint8Array<ArrayBuffer> {
    const bits = new Uint8Array(Math.ceil(this.count / 8));
    for (let i = 0; i < this.count; i += 1) {
      if (this.#selected[i] === 1) bits[i >> 3] = (bits[i >> 3] ?? 0) | (1 << (i & 7));
    }
    return bits;
  }

  /** Takes over what the user did in the older listing: order, search, selected names. */
  inherit(older: FileModel): void {
    const names = new Set<string>();
    for (let i = 0; i < older.count; i += 1) if (older.isSelected(i)) names.add(older.name(i));
    if (names.size > 0)
      for (let i = 0; i < this.count; i += 1) if (names.has(this.name(i))) this.select(i, true);
    this.query = older.query;
    this.sortBy(older.column, older.descending);
  }

  #sumUp(): void {
    let files = 0;
    let bytes = 0;
    let packed = 0;
    const selected = this.#selected;
    for (let i = 0; i < selected.length; i += 1) {
      if (selected[i] === 0) continue;
      files += 1;
      bytes += this.size(i);
      packed += this.packed(i);
    }
    this.#selection = { files, bytes, packed };
  }

  // ---- local copies ----

  /** `changed`: file, state, file, state … as in `DownloadProgress`. */
  applyChanges(changed: readonly number[], reasons: Record<string, string>): void {
    for (let i = 0; i + 1 < changed.length; i += 2) {
      const file = changed[i];
      if (file !== undefined && file < this.count) this.states[file] = changed[i + 1] ?? FileState.None;
    }
    for (const [file, reason] of Object.entries(reasons)) this.reasons.set(Number(file), reason);
  }

  /** The download has ended: what it had not reached is not on its way any more. */
  forgetUnfinished(): void {
    for (let i = 0; i < this.count; i += 1) {
      if (this.states[i] === FileState.Waiting || this.states[i] === FileState.Fetching)
        this.states[i] = FileState.None;
    }
  }
}

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** Line of the character at `at`, at or after `line`. */
function lineAt(starts: Uint32Array, at: number, line: number): number {
  let low = line;
  let high = starts.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] ?? 0) <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Files by a number, equal ones by name whichever the direction. */
function numericOrder(values: Float64Array, byName: Uint32Array, descending: boolean): Uint32Array {
  const count = values.length;
  let largest = 0;
  for (const value of values) if (value > largest) largest = value;
  const order = new Uint32Array(count);
  if ((largest + 1) * count <= Number.MAX_SAFE_INTEGER) {
    // Value and place in one number: sorting without a comparing function is about eight times as fast.
    const keys = new Float64Array(count);
    for (let place = 0; place < count; place += 1) {
      const value = values[byName[place] as number] as number;
      keys[place] = (descending ? largest - value : value) * count + place;
    }
    keys.sort();
    for (let i = 0; i < count; i += 1) order[i] = byName[(keys[i] as number) % count] as number;
    return order;
  }
  order.set(byName);
  const sign = descending ? -1 : 1;
  return order.sort((a, b) => sign * ((values[a] as number) - (values[b] as number)));
}
