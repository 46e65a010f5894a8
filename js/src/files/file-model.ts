import { FileTree, type Sums, TOP, treeRows, upTo } from "./file-tree";
import { type Listing, lineStarts } from "./listing";
import { LocalCopies } from "./local-copies";
import { numericOrder } from "./numeric-sort";
import { fitsGlob, type Pattern, readPattern } from "./pattern";

export type Column = "name" | "size" | "packed" | "local";
export type Form = "tree" | "list";
export type Ticked = "none" | "some" | "all";

export interface Totals {
  files: number;
  bytes: number;
  packed: number;
}

/**
 * What the file table shows, in typed arrays: order, folders, filter, selection and the state of the
 * local copies. Files are named by their index in the listing, rows by their place on screen. What
 * stands in a row is an *item*: a file `i` as `i`, a folder `f` as `~f`, which is negative.
 */
export class FileModel {
  readonly count: number;
  readonly total: Totals;
  form: Form;
  column: Column = "name";
  descending = false;
  query = "";
  pattern: Pattern | null = null;
  readonly local: LocalCopies;
  readonly tree: FileTree;

  readonly #selected: Uint8Array;
  #selection: Totals = { files: 0, bytes: 0, packed: 0 };
  /** All files in the present order, until that changes. */
  #order: Uint32Array | null = null;
  /** Files that the search found, in order, and a mark for each; `null`: all. */
  #found: Uint32Array;
  #hits: Uint8Array | null = null;
  #rows: Int32Array | Uint32Array;
  /** Which folders are open, without a search and in its result. */
  readonly #open: Uint8Array;
  readonly #openInSearch: Uint8Array;
  #isArranged = false;
  #sums: Sums | null = null;
  /** Selected files among those found, below each folder. */
  #ticked: Uint32Array | null = null;
  #searchable: { text: string; starts: Uint32Array } | null = null;

  constructor(
    readonly listing: Listing,
    form: Form = "list",
  ) {
    this.form = form;
    this.count = listing.meta.count;
    this.local = new LocalCopies(this.count);
    this.#selected = new Uint8Array(this.count);
    this.total = { files: this.count, bytes: sum(listing.sizes), packed: sum(listing.packed) };
    this.tree = new FileTree(listing);
    this.#open = new Uint8Array(this.tree.count);
    this.#openInSearch = new Uint8Array(this.tree.count).fill(1);
    this.#found = this.tree.byName;
    this.#openOnlyFolders();
    this.#rows = this.#makeRows();
  }

  // ---- rows ----

  get rowCount(): number {
    return this.#rows.length;
  }

  /** Files found by the search. */
  get foundCount(): number {
    return this.#found.length;
  }

  itemAt(row: number): number {
    return this.#rows[row] ?? 0;
  }

  rowOf(item: number): number {
    return (this.#rows as Int32Array).indexOf(item);
  }

  /** Full path of a file or folder. */
  name(item: number): string {
    return item < 0 ? this.tree.path(~item) : this.listing.names.at(item);
  }

  /** Bytes of a file, or of what was found below a folder. */
  size(item: number): number {
    return (item < 0 ? this.sums.bytes[~item] : this.listing.sizes[item]) ?? 0;
  }

  packed(item: number): number {
    return (item < 0 ? this.sums.packed[~item] : this.listing.packed[item]) ?? 0;
  }

  /** Found files below a folder. */
  filesBelow(folder: number): number {
    return this.sums.files[folder] ?? 0;
  }

  /** Folders above an item; 0 in the list. */
  depth(item: number): number {
    if (this.form === "list") return 0;
    const { tree } = this;
    if (item < 0) return tree.depth[~item] ?? 0;
    const folder = tree.folderOf[item] ?? TOP;
    return folder === TOP ? 0 : (tree.depth[folder] ?? 0) + 1;
  }

  /** Sums over the found files, by folder. */
  get sums(): Sums {
    const { sizes, packed } = this.listing;
    this.#sums ??= this.tree.sums(sizes, packed, this.#hits);
    return this.#sums;
  }

  // ---- form, order, search ----

  setForm(form: Form): void {
    this.form = form;
    this.#rows = this.#makeRows();
  }

  sortBy(column: Column, descending: boolean): void {
    this.column = column;
    this.descending = descending;
    this.#order = null;
    this.#found = this.#filtered();
    this.#rows = this.#makeRows();
  }

  search(query: string): void {
    this.query = query;
    this.pattern = readPattern(query);
    this.#hits = this.pattern === null ? null : this.#hitsOf(this.pattern);
    this.#sums = null;
    this.#ticked = null;
    this.#openInSearch.fill(1);
    this.#found = this.#filtered();
    this.#rows = this.#makeRows();
  }

  isOpen(folder: number): boolean {
    return this.#opened[folder] === 1;
  }

  setOpen(folder: number, open: boolean): void {
    this.#opened[folder] = Number(open);
    this.#isArranged ||= this.pattern === null;
    this.#rows = this.#makeRows();
  }

  /** Paths of the folders that are open without a search, once the user has opened or closed one. */
  openFolders(): string[] | undefined {
    if (!this.#isArranged) return undefined;
    const paths: string[] = [];
    for (const [folder, open] of this.#open.entries()) if (open === 1) paths.push(this.tree.path(folder));
    return paths;
  }

  /** Opens the folders of these paths, and closes the others. */
  openOnly(paths: readonly string[]): void {
    const { tree } = this;
    const open = new Set(paths);
    for (let f = 0; f < tree.count; f += 1) this.#open[f] = Number(open.has(tree.path(f)));
    this.#isArranged = true;
    this.#rows = this.#makeRows();
  }

  /** The folder that holds an item, as an item; `null` at the top. */
  parentOf(item: number): number | null {
    const folder = item < 0 ? this.tree.parent[~item] : this.tree.folderOf[item];
    return folder === undefined || folder === TOP ? null : ~folder;
  }

  get #opened(): Uint8Array {
    return this.pattern === null ? this.#open : this.#openInSearch;
  }

  /** A folder that is all there is needs no click to be looked into. */
  #openOnlyFolders(): void {
    const { files } = this.sums;
    for (let folder = 0; folder < this.tree.count && files[folder] === this.count; folder += 1)
      this.#open[folder] = 1;
  }

  #makeRows(): Int32Array | Uint32Array {
    if (this.form === "list") return this.#found;
    const { tree } = this;
    return treeRows(tree, this.#found, this.#folderOrder(), this.sums.files, this.#opened);
  }

  /** Folders by their sums where files go by size; a state has no sum, so there by name. */
  #folderOrder(): Uint32Array {
    const order = upTo(this.tree.count);
    if (this.column === "name") return this.descending ? order.reverse() : order;
    if (this.column === "local") return order;
    return numericOrder(this.column === "size" ? this.sums.bytes : this.sums.packed, order, this.descending);
  }

  #sorted(): Uint32Array {
    this.#order ??= this.#sort();
    return this.#order;
  }

  #sort(): Uint32Array {
    const { sizes, packed } = this.listing;
    switch (this.column) {
      case "name":
        return this.descending ? this.tree.byName.slice().reverse() : this.tree.byName;
      case "local":
        return numericOrder(this.local.ranks(), this.tree.byName, this.descending);
      default:
        return numericOrder(this.column === "size" ? sizes : packed, this.tree.byName, this.descending);
    }
  }

  #filtered(): Uint32Array {
    const order = this.#sorted();
    const hits = this.#hits;
    if (hits === null) return order;
    let found = 0;
    const files = new Uint32Array(order.length);
    for (let i = 0; i < order.length; i += 1) {
      const file = order[i] as number;
      if (hits[file] === 1) files[found++] = file;
    }
    return files.subarray(0, found);
  }

  #hitsOf(pattern: Pattern): Uint8Array {
    const hits = new Uint8Array(this.count);
    const { text, starts } = this.#lowerCase();
    if (pattern.isGlob) {
      for (let file = 0; file < this.count; file += 1) {
        const end = (starts[file + 1] as number) - 1;
        hits[file] = Number(fitsGlob(pattern, text, starts[file] as number, end));
      }
      return hits;
    }
    let line = 0;
    // One walk over the joined text: it skips from a hit to the next line.
    for (let at = text.indexOf(pattern.text); at >= 0; at = text.indexOf(pattern.text, starts[line + 1])) {
      while ((starts[line + 1] as number) <= at) line += 1;
      hits[line] = 1;
    }
    return hits;
  }

  #lowerCase(): { text: string; starts: Uint32Array } {
    if (this.#searchable === null) {
      const { names } = this.listing;
      const text = names.text.toLowerCase();
      // "İ" gets longer in lower case, and no letter shorter.
      const isAsLong = text.length === names.text.length;
      this.#searchable = { text, starts: isAsLong ? names.starts : lineStarts(text, this.count) };
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

  /** How much of an item is selected; of a folder what was found counts. */
  ticked(item: number): Ticked {
    if (item >= 0) return this.isSelected(item) ? "all" : "none";
    this.#ticked ??= this.tree.countFiles((file) =>
      this.#hits === null || this.#hits[file] === 1 ? (this.#selected[file] as number) : 0,
    );
    const files = this.#ticked[~item] ?? 0;
    if (files === 0) return "none";
    return files === this.filesBelow(~item) ? "all" : "some";
  }

  select(file: number, on: boolean): void {
    if (this.#selected[file] === Number(on)) return;
    this.#selected[file] = Number(on);
    this.#ticked = null;
    const sign = on ? 1 : -1;
    const { files, bytes, packed } = this.#selection;
    this.#selection = {
      files: files + sign,
      bytes: bytes + sign * this.size(file),
      packed: packed + sign * this.packed(file),
    };
  }

  /** A file, or all that was found below a folder. */
  selectItem(item: number, on: boolean): void {
    if (item >= 0) {
      this.select(item, on);
      return;
    }
    this.#selectBelow([~item], on);
    this.#sumUp();
  }

  #selectBelow(folders: readonly number[], on: boolean): void {
    if (folders.length === 0) return;
    const marks = this.tree.below(folders);
    for (const file of this.#found) {
      const folder = this.tree.folderOf[file] as number;
      if (folder !== TOP && marks[folder] === 1) this.#selected[file] = Number(on);
    }
  }

  /** Rows `from` to `to`, both included, in either order; of an open folder the rows below it. */
  selectRows(from: number, to: number, on: boolean): void {
    const last = Math.min(Math.max(from, to), this.rowCount - 1);
    const closed: number[] = [];
    for (let row = Math.max(0, Math.min(from, to)); row <= last; row += 1) {
      const item = this.itemAt(row);
      if (item >= 0) this.#selected[item] = Number(on);
      else if (!this.isOpen(~item)) closed.push(~item);
    }
    this.#selectBelow(closed, on);
    this.#sumUp();
  }

  /** All that was found; what the search hides stays as it is. */
  selectFound(on: boolean): void {
    if (this.#hits === null) this.#selected.fill(Number(on));
    else for (const file of this.#found) this.#selected[file] = Number(on);
    this.#sumUp();
  }

  invertFound(): void {
    for (const file of this.#found) this.#selected[file] = 1 - (this.#selected[file] ?? 0);
    this.#sumUp();
  }

  /** How much of what was found is selected. */
  foundSelected(): Ticked {
    let files = 0;
    if (this.#hits === null) files = this.#selection.files;
    else for (const file of this.#found) files += this.#selected[file] ?? 0;
    if (files === 0) return "none";
    return files === this.#found.length ? "all" : "some";
  }

  /** Bit i of byte i >> 3, lowest bit first. */
  packSelection(): Uint8Array<ArrayBuffer> {
    return packBits(this.count, (file) => this.#selected[file] === 1);
  }

  /** Takes over what the user did in the older listing: form, order, search, folders, selected names. */
  inherit(older: FileModel): void {
    const names = new Set<string>();
    for (let i = 0; i < older.count; i += 1) if (older.isSelected(i)) names.add(older.name(i));
    if (names.size > 0)
      for (let i = 0; i < this.count; i += 1) if (names.has(this.name(i))) this.select(i, true);
    const open = older.openFolders();
    if (open !== undefined) this.openOnly(open);
    this.form = older.form;
    this.search(older.query);
    this.sortBy(older.column, older.descending);
  }

  #sumUp(): void {
    let files = 0;
    let bytes = 0;
    let packed = 0;
    const selected = this.#selected;
    const { sizes, packed: packedSizes } = this.listing;
    for (let i = 0; i < selected.length; i += 1) {
      if (selected[i] === 0) continue;
      files += 1;
      bytes += sizes[i] as number;
      packed += packedSizes[i] as number;
    }
    this.#selection = { files, bytes, packed };
    this.#ticked = null;
  }
}

/** A bit for each file, lowest first. */
export function packBits(count: number, isSet: (file: number) => boolean): Uint8Array<ArrayBuffer> {
  const bits = new Uint8Array(Math.ceil(count / 8));
  for (let i = 0; i < count; i += 1) if (isSet(i)) bits[i >> 3] = (bits[i >> 3] ?? 0) | (1 << (i & 7));
  return bits;
}

function sum(values: Float64Array): number {
  let total = 0;
  for (let i = 0; i < values.length; i += 1) total += values[i] as number;
  return total;
}
