import type { Listing, NameList } from "./listing";
import { NaturalSort } from "./natural-sort";

/** No folder: the parent of what lies at the top. */
export const TOP = -1;

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
  /** The files in natural order of their paths: those of a folder, and of the folders in it, stand together. */
  readonly byName: Uint32Array;
  readonly #text: string;
  /** Where the path of each folder stands in the text. */
  readonly #from: Uint32Array;
  readonly #end: Uint32Array;

  constructor({ names }: Listing) {
    const found = new FoundFolders(names);
    const { text, count: files } = names;
    this.#text = text;
    this.count = found.parents.length;
    this.parent = new Int32Array(this.count);
    this.depth = new Uint16Array(this.count);
    this.folderOf = found.folderOf;
    this.byName = new Uint32Array(files);
    this.#from = new Uint32Array(this.count);
    this.#end = new Uint32Array(this.count);

    const { items, starts } = sortedChildren(found, names);
    const numbers = new Int32Array(this.count);
    let lastFile = 0;
    let lastFolder = 0;
    // A stack of its own: names may hold more slashes than a call stack bears.
    const above = [TOP];
    const places = [starts[0] as number];
    const ends = [starts[1] as number];
    while (above.length > 0) {
      const level = above.length - 1;
      const place = places[level] as number;
      if (place === ends[level]) {
        above.pop();
        places.pop();
        ends.pop();
        continue;
      }
      places[level] = place + 1;
      const item = items[place] as number;
      if (item < files) {
        this.byName[lastFile++] = item;
        continue;
      }
      const folder = item - files;
      const number = lastFolder++;
      numbers[folder] = number;
      this.parent[number] = above[level] as number;
      this.depth[number] = level;
      this.#from[number] = found.from[folder] as number;
      this.#end[number] = found.end[folder] as number;
      above.push(number);
      places.push(starts[folder + 1] as number);
      ends.push(starts[folder + 2] as number);
    }
    for (let file = 0; file < files; file += 1) {
      const folder = this.folderOf[file] as number;
      if (folder !== TOP) this.folderOf[file] = numbers[folder] as number;
    }
  }

  path(folder: number): string {
    return this.#text.slice(this.#from[folder], this.#end[folder]);
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

/** The folders in a list of names, numbered in order of first occurrence. */
class FoundFolders {
  readonly folderOf: Int32Array;
  /** Where each file's own name begins. */
  readonly ownNames: Uint32Array;
  readonly parents: number[] = [];
  /** Where the path of each folder stands, and its own name in that. */
  readonly from: number[] = [];
  readonly end: number[] = [];
  readonly labels: number[] = [];
  readonly #known = new Map<string, number>();

  constructor({ text, count, starts }: NameList) {
    this.folderOf = new Int32Array(count);
    this.ownNames = new Uint32Array(count);
    let folder = TOP;
    let path = "";
    let slash = text.indexOf("/");
    for (let file = 0; file < count; file += 1) {
      const start = starts[file] as number;
      const end = (starts[file + 1] as number) - 1;
      let cut = start;
      // Each slash is looked for once: a name without one must not search all names behind it.
      for (; slash >= 0 && slash < end; slash = text.indexOf("/", slash + 1)) cut = slash;
      // Neighbours mostly share their folder.
      if (cut - start !== path.length || !text.startsWith(path, start)) {
        path = text.slice(start, cut);
        folder = path === "" ? TOP : this.#idOf(path, start);
      }
      this.folderOf[file] = folder;
      this.ownNames[file] = path === "" ? start : cut + 1;
    }
  }

  #idOf(path: string, start: number): number {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const cut = path.lastIndexOf("/");
    const parent = cut < 0 ? TOP : this.#idOf(path.slice(0, cut), start);
    const id = this.parents.push(parent) - 1;
    this.from.push(start);
    this.end.push(start + path.length);
    this.labels.push(start + cut + 1);
    this.#known.set(path, id);
    return id;
  }
}

/** What each folder holds, in natural order: file `i` as `i`, folder `f` as `files + f`. */
function sortedChildren(found: FoundFolders, names: NameList): Groups {
  const { count: files, text, starts: nameStarts } = names;
  const from = join(found.ownNames, found.labels);
  const end = join(nameStarts.subarray(1), found.end);
  for (let file = 0; file < files; file += 1) end[file] = (end[file] as number) - 1;
  const holder = new Int32Array(from.length);
  holder.set(found.folderOf);
  holder.set(found.parents, files);
  const groups = grouped(upTo(holder.length), holder, found.parents.length);
  const order = new NaturalSort({ text, from, end });
  for (let i = 0; i + 1 < groups.starts.length; i += 1)
    order.sort(groups.items, groups.starts[i] as number, groups.starts[i + 1] as number);
  return groups;
}

/** 0, 1, 2 … below `count`. */
export function upTo(count: number): Uint32Array {
  const numbers = new Uint32Array(count);
  for (let i = 0; i < count; i += 1) numbers[i] = i;
  return numbers;
}

function join(one: Uint32Array, two: ArrayLike<number>): Uint32Array {
  const both = new Uint32Array(one.length + two.length);
  both.set(one);
  both.set(two, one.length);
  return both;
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

interface Groups {
  items: Uint32Array;
  starts: Uint32Array;
}

/** Items by their folder, in the order given; those of folder `f` begin at `starts[f + 1]`. */
function grouped(items: Uint32Array, folderOf: Int32Array, count: number): Groups {
  const starts = new Uint32Array(count + 2);
  // Counted loops: over a million items `for … of` takes several times as long until it is compiled.
  for (let i = 0; i < items.length; i += 1) {
    const slot = (folderOf[items[i] as number] as number) + 2;
    starts[slot] = (starts[slot] as number) + 1;
  }
  for (let i = 1; i < starts.length; i += 1) starts[i] = (starts[i] as number) + (starts[i - 1] as number);
  const next = starts.slice();
  const sorted = new Uint32Array(items.length);
  for (let i = 0; i < items.length; i += 1) {
    const item = items[i] as number;
    const slot = (folderOf[item] as number) + 1;
    const place = next[slot] as number;
    sorted[place] = item;
    next[slot] = place + 1;
  }
  return { items: sorted, starts };
}
