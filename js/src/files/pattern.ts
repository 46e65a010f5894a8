/** What a search asks for: a part of the path, or a pattern with `*`, `**` and `?`. */
export interface Pattern {
  /** In lower case. */
  text: string;
  isGlob: boolean;
  // `**/` may also stand for no folder at all: the glob without it.
  flat: string;
  /** What stands behind the last star: the end of every path that fits. */
  tail: string;
  /** How many folders the glob names; `null` with `**`: any number. */
  folders: number | null;
}

/** `null`: nothing is searched. */
export function readPattern(query: string): Pattern | null {
  const text = query.trim().toLowerCase();
  if (text === "" || text.includes("\n")) return null;
  return {
    text,
    isGlob: /[*?]/.test(text),
    flat: text.replace(/^(\*\*\/)+/, "").replaceAll("/**/", "/"),
    tail: text.slice(text.lastIndexOf("*") + 1),
    folders: text.includes("**") ? null : text.split("/").length - 1,
  };
}

const ANY = 0x3f; // ?
const STAR = 0x2a;
const SLASH = 0x2f;

/**
 * Whether a path in `text[from, end)` fits a glob: as a whole, or from one of its folders on, so that
 * `vtk/*.vtk` finds `run/vtk/a.vtk` too. `*` and `?` stay within a name, `**` does not.
 */
export function fitsGlob(pattern: Pattern, text: string, from: number, end: number): boolean {
  const { text: glob, flat, folders } = pattern;
  // Most paths differ at their ends.
  if (!fitsTail(pattern.tail, text, from, end)) return false;
  if (folders !== null) {
    const start = lastNames(folders + 1, text, from, end);
    return start >= 0 && fitsFrom(glob, text, start, end);
  }
  for (let start = from; ; ) {
    if (fitsFrom(glob, text, start, end)) return true;
    if (flat !== glob && fitsFrom(flat, text, start, end)) return true;
    // Not indexOf: without a slash that would search all names behind this one.
    while (start < end && text.charCodeAt(start) !== SLASH) start += 1;
    start += 1;
    if (start >= end) return false;
  }
}

function fitsTail(tail: string, text: string, from: number, end: number): boolean {
  if (end - from < tail.length) return false;
  for (let t = tail.length - 1, at = end - 1; t >= 0; t -= 1, at -= 1) {
    const wanted = tail.charCodeAt(t);
    const here = text.charCodeAt(at);
    if (here !== wanted && (wanted !== ANY || here === SLASH)) return false;
  }
  return true;
}

/** Where the last `count` names of a path begin; -1: it has not so many. */
function lastNames(count: number, text: string, from: number, end: number): number {
  let left = count;
  for (let at = end - 1; at >= from; at -= 1) {
    if (text.charCodeAt(at) !== SLASH) continue;
    left -= 1;
    if (left === 0) return at + 1;
  }
  return left === 1 ? from : -1;
}

function fitsFrom(glob: string, text: string, from: number, end: number): boolean {
  let at = from;
  let g = 0;
  // Where to go on when the rest does not fit: the last star, and the last double star.
  let star = -1;
  let starAt = 0;
  let deep = -1;
  let deepAt = 0;
  while (at < end || g < glob.length) {
    const code = g < glob.length ? glob.charCodeAt(g) : 0;
    if (code === STAR) {
      if (glob.charCodeAt(g + 1) === STAR) {
        g += 2;
        deep = g;
        deepAt = at;
        star = -1;
      } else {
        g += 1;
        star = g;
        starAt = at;
      }
      continue;
    }
    const here = at < end ? text.charCodeAt(at) : 0;
    if (at < end && g < glob.length && (here === code || (code === ANY && here !== SLASH))) {
      at += 1;
      g += 1;
    } else if (star >= 0 && starAt < end && text.charCodeAt(starAt) !== SLASH) {
      starAt += 1;
      at = starAt;
      g = star;
    } else if (deep >= 0 && deepAt < end) {
      deepAt += 1;
      at = deepAt;
      g = deep;
      star = -1;
    } else return false;
  }
  return true;
}

/** Where a path shows the hit, `[from, end)`; `null` when there is nothing to mark. */
export function hitIn(pattern: Pattern, path: string): [from: number, end: number] | null {
  if (pattern.isGlob) return [path.lastIndexOf("/") + 1, path.length];
  const lower = path.toLowerCase();
  // Some letters get longer in lower case: then places do not agree.
  if (lower.length !== path.length) return null;
  // The file's own name is what people look at first.
  const at = lower.lastIndexOf(pattern.text);
  return at < 0 ? null : [at, at + pattern.text.length];
}
