import type { Listing } from "./listing";

/** No folder: the parent of what lies at the top. */
export const TOP = -1;

const SLASH = 0x2f;

/** Sums over the files below a folder. */
export interface Sums {
  files: Uint32Array;
  bytes: Float64Array;
  packed: Float64Array;
}

/**
 * The folders of a listing, in typed arrays. Folders are numbered in natural order of their paths, each
 * after the folder that holds it: sums run from the last to the first.
 */
export class FileTree {
  readonly count: number;
  /** Folder that holds each folder, or `TOP`. */
  readonly parent: Int32Array;
  /** Number of folders above each folder. */
  readonly depth: Uint16Array;
  /** Folder of each file, or `TOP`. */
  readonly folderOf: Int32Array;
  readonly #paths: string[];

  /** `byName`: the files in natural order. */
  constructor(listing: Listing, byName: Uint32Array) {
    const { names } = listing;
    const ids = new Map<string, number>();
    const parents: number[] = [];
    const depths: number[] = [];
    this.#paths = [];
    this.folderOf = new Int32Array(names.count);
    const idOf = (path: string): number => {
      const known = ids.get(path);
      if (known !== undefined) return known;
      const cut = path.lastIndexOf("/");
      const parent = cut < 0 ? TOP : idOf(path.slice(0, cut));
      const id = this.#paths.push(path) - 1;
      parents.push(parent);
      depths.push(parent === TOP ? 0 : (depths[parent] ?? 0) + 1);
      ids.set(path, id);
      return id;
    };
    const { text, starts } = names;
    let before = "";
    let folder = TOP;
    for (const file of byName) {
      const start = starts[file] ?? 0;
      let cut = (starts[file + 1] ?? 1) - 2;
      // Not lastIndexOf: without a slash that would search all names before this one.
      while (cut > start && text.charCodeAt(cut) !== SLASH) cut -= 1;
      const path = cut <= start ? "" : text.slice(start, cut);
      // Neighbours mostly share their folder.
      if (path !== before) {
        before = path;
        folder = path === "" ? TOP : idOf(path);
      }
      this.folderOf[file] = folder;
    }
    this.count = this.#paths.length;
    this.parent = Int32Array.from(parents);
    this.depth = Uint16Array.from(depths);
  }

  path(folder: number): string {
    return this.#paths[folder] ?? "";
  }

  /** The folder's own name. */
  label(folder: number): string {
    const path = this.path(folder);
    return path.slice(path.lastIndexOf("/") + 1);
  }

  /** Adds up what files have, for every folder. `value`: of a file. */
  countFiles(value: (file: number) => number): Uint32Array {
    const sums = new Uint32Array(this.count);
    const { folderOf } = this;
    for (let file = 0; file < folderOf.length; file += 1) {
      const folder = folderOf[file] as number;
      if (folder !== TOP) sums[folder] = (sums[folder] as number) + value(file);
    }
    this.addUp(sums);
    return sums;
  }

  /** Sums over those files that `isCounted` marks, or over all. */
  sums(sizes: Float64Array, packed: Float64Array, isCounted: Uint8Array | null): Sums {
    const files = new Uint32Array(this.count);
    const bytes = new Float64Array(this.count);
    const packedBytes = new Float64Array(this.count);
    const { folderOf } = this;
    for (let file = 0; file < folderOf.length; file += 1) {
      const folder = folderOf[file] as number;
      if (folder === TOP || (isCounted !== null && isCounted[file] === 0)) continue;
      files[folder] = (files[folder] as number) + 1;
      bytes[folder] = (bytes[folder] as number) + (sizes[file] as number);
      packedBytes[folder] = (packedBytes[folder] as number) + (packed[file] as number);
    }
    for (const column of [files, bytes, packedBytes]) this.addUp(column);
    return { files, bytes, packed: packedBytes };
  }

  /** Marks folders and all folders below them. */
  below(folders: Iterable<number>): Uint8Array {
    const marks = new Uint8Array(this.count);
    for (const folder of folders) marks[folder] = 1;
    for (let id = 0; id < this.count; id += 1) {
      const parent = this.parent[id] as number;
      if (parent !== TOP && marks[parent] === 1) marks[id] = 1;
    }
    return marks;
  }

  /** Adds what each folder has to the folders above it. */
  addUp(column: Uint32Array | Float64Array): void {
    for (let id = this.count - 1; id >= 0; id -= 1) {
      const parent = this.parent[id] as number;
      if (parent !== TOP) column[parent] = (column[parent] as number) + (column[id] as number);
    }
  }
}

/**
 * What stands in the rows of the tree, from top to bottom: files as they are numbered, folder `f` as `~f`.
 * `files` and `folders` are in order; folders without any of these files are left out.
 */
export function treeRows(
  tree: FileTree,
  files: Uint32Array,
  folders: Uint32Array,
  found: Uint32Array,
  isOpen: Uint8Array,
): Int32Array {
  const inFolders = grouped(folders, tree.parent, tree.count);
  const inFiles = grouped(files, tree.folderOf, tree.count);
  const rows = new Int32Array(files.length + tree.count);
  let end = 0;
  // A stack of its own: names may hold more slashes than a call stack bears.
  const stack = [TOP];
  const places = [inFolders.starts[0] as number];
  while (stack.length > 0) {
    const here = stack[stack.length - 1] as number;
    const place = places[places.length - 1] as number;
    if (place < (inFolders.starts[here + 2] as number)) {
      places[places.length - 1] = place + 1;
      const folder = inFolders.items[place] as number;
      if (found[folder] === 0) continue;
      rows[end++] = ~folder;
      if (isOpen[folder] === 0) continue;
      stack.push(folder);
      places.push(inFolders.starts[folder + 1] as number);
      continue;
    }
    const last = inFiles.starts[here + 2] as number;
    for (let at = inFiles.starts[here + 1] as number; at < last; at += 1)
      rows[end++] = inFiles.items[at] as number;
    stack.pop();
    places.pop();
  }
  return rows.subarray(0, end);
}

/** Items by their folder, in the order given; those of folder `f` begin at `starts[f + 1]`. */
function grouped(
  items: Uint32Array,
  folderOf: Int32Array,
  count: number,
): { items: Uint32Array; starts: Uint32Array } {
  const starts = new Uint32Array(count + 2);
  for (const item of items) {
    const slot = (folderOf[item] as number) + 2;
    starts[slot] = (starts[slot] as number) + 1;
  }
  for (let i = 1; i < starts.length; i += 1) starts[i] = (starts[i] as number) + (starts[i - 1] as number);
  const next = starts.slice();
  const sorted = new Uint32Array(items.length);
  for (const item of items) {
    const slot = (folderOf[item] as number) + 1;
    const place = next[slot] as number;
    sorted[place] = item;
    next[slot] = place + 1;
  }
  return { items: sorted, starts };
}
