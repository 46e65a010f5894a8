/** Points drawn at most; more are left out evenly. */
export const MOST_POINTS = 200_000;

export interface PointCloud {
  /** Points in the file. */
  total: number;
  /** x, y, z of each point that is drawn. */
  points: Float32Array;
  /** Smallest and largest value of x, y and z. */
  bounds: [min: number, max: number][];
  /** A value of each point, by which it is coloured; `null` when there is none. */
  scalar: { name: string; values: Float32Array; min: number; max: number } | null;
}

/** Sizes of the number types of legacy VTK files. */
const BYTES: Record<string, number> = {
  char: 1,
  unsigned_char: 1,
  short: 2,
  unsigned_short: 2,
  int: 4,
  unsigned_int: 4,
  long: 8,
  unsigned_long: 8,
  vtkidtype: 8,
  float: 4,
  double: 8,
};

/**
 * The points of a legacy VTK file (PolyData or UnstructuredGrid, as text or binary).
 * Throws an error with a sentence for people when there are none that can be read.
 */
export function readPoints(bytes: Uint8Array): PointCloud {
  const reader = new Reader(bytes);
  const [magic = ""] = [reader.line(), reader.line()];
  if (!magic.startsWith("# vtk DataFile")) throw new Error("This is no VTK file of the old format.");
  const form = reader.line().trim().toUpperCase();
  if (form !== "ASCII" && form !== "BINARY") throw new Error("This VTK file is neither text nor binary.");
  reader.isBinary = form === "BINARY";
  const [, kind = ""] = reader.words();
  if (kind !== "POLYDATA" && kind !== "UNSTRUCTURED_GRID") {
    throw new Error(`Points of ${kind === "" ? "this kind of file" : kind} are not drawn.`);
  }
  let cloud: PointCloud | null = null;
  try {
    for (let words = reader.words(); words.length > 0; words = reader.words()) {
      if (words[0] === "POINTS") cloud = takePoints(reader, words);
      else if (words[0] === "POINT_DATA" && cloud !== null) {
        cloud.scalar = takeScalar(reader, cloud.total);
        break;
      } else if (!skipSection(reader, words)) break;
    }
  } catch (error) {
    // What was not read to its end may still have shown its points.
    if (cloud === null) throw error;
  }
  if (cloud === null) throw new Error("This VTK file has no points.");
  return cloud;
}

function takePoints(reader: Reader, [, count = "", type = "float"]: string[]): PointCloud {
  const total = countOf(count);
  const step = Math.max(1, Math.ceil(total / MOST_POINTS));
  const points = new Float32Array(Math.ceil(total / step) * 3);
  const bounds: [number, number][] = [0, 1, 2].map(() => [
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ]);
  reader.numbers(total * 3, type, (value, i) => {
    const axis = i % 3;
    const point = (i - axis) / 3;
    if (point % step === 0) points[(point / step) * 3 + axis] = value;
    const range = bounds[axis] as [number, number];
    if (value < range[0]) range[0] = value;
    if (value > range[1]) range[1] = value;
  });
  if (total === 0 || bounds.some(([min, max]) => !(max >= min && max - min < Number.POSITIVE_INFINITY))) {
    throw new Error("This VTK file has no points that can be drawn.");
  }
  return { total, points, bounds, scalar: null };
}

/** The first values with one number a point. */
function takeScalar(reader: Reader, total: number): PointCloud["scalar"] {
  for (let words = reader.words(); words.length > 0; words = reader.words()) {
    const [section, name = "", type = "float", parts = "1"] = words;
    if (section === "SCALARS" && countOf(parts) === 1) {
      // LOOKUP_TABLE name
      reader.words();
      return takeValues(reader, name, total, type);
    }
    if (section === "FIELD") {
      const found = takeFromField(reader, countOf(words[2] ?? ""), total);
      if (found !== null) return found;
    } else if (!skipValues(reader, words, total)) return null;
  }
  return null;
}

function takeFromField(reader: Reader, arrays: number, total: number): PointCloud["scalar"] {
  for (let i = 0; i < Math.min(arrays, 1000); i += 1) {
    const [name = "", parts = "", rows = "", type = "float"] = reader.words();
    if (countOf(parts) === 1 && countOf(rows) === total) return takeValues(reader, name, total, type);
    reader.numbers(countOf(parts) * countOf(rows), type);
  }
  return null;
}

function takeValues(reader: Reader, name: string, total: number, type: string): PointCloud["scalar"] {
  const step = Math.max(1, Math.ceil(total / MOST_POINTS));
  const values = new Float32Array(Math.ceil(total / step));
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  reader.numbers(total, type, (value, i) => {
    if (i % step === 0) values[i / step] = value;
    if (value < min) min = value;
    if (value > max) max = value;
  });
  return max >= min ? { name, values, min, max } : null;
}

/** Passes what stands between points and values; false when it is nothing known. */
function skipSection(reader: Reader, [section = "", first = "", second = ""]: string[]): boolean {
  switch (section) {
    case "VERTICES":
    case "LINES":
    case "POLYGONS":
    case "TRIANGLE_STRIPS":
    case "CELLS":
      reader.numbers(countOf(second), "int");
      return true;
    case "CELL_TYPES":
      reader.numbers(countOf(first), "int");
      return true;
    case "METADATA":
      while (reader.line().trim() !== "");
      return true;
    default:
      return false;
  }
}

function skipValues(
  reader: Reader,
  [section = "", , type = "float", parts = "1"]: string[],
  total: number,
): boolean {
  switch (section) {
    case "VECTORS":
    case "NORMALS":
      reader.numbers(3 * total, type);
      return true;
    case "TENSORS":
      reader.numbers(9 * total, type);
      return true;
    case "SCALARS":
      reader.words();
      reader.numbers(countOf(parts) * total, type);
      return true;
    case "METADATA":
      while (reader.line().trim() !== "");
      return true;
    default:
      return false;
  }
}

function countOf(word: string): number {
  const count = Number(word);
  if (!Number.isInteger(count) || count < 0 || count > 1e9) throw new Error("This VTK file is damaged.");
  return count;
}

const CUT = "This VTK file is longer than what is read of it here.";

/** Goes through a file word by word, or through its binary numbers. */
class Reader {
  isBinary = false;
  #at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** The next line; empty at the end. */
  line(): string {
    const newline = this.#bytes.indexOf(10, this.#at);
    const end = newline < 0 ? this.#bytes.length : newline;
    const text = new TextDecoder("latin1").decode(
      this.#bytes.subarray(this.#at, Math.min(end, this.#at + 1000)),
    );
    this.#at = Math.min(this.#bytes.length, end + 1);
    return text;
  }

  /** Words of the next line that has any; none at the end. */
  words(): string[] {
    while (this.#at < this.#bytes.length) {
      const words = this.line().trim().split(/\s+/);
      if (words[0] !== "") return words;
    }
    return [];
  }

  /** Passes on `count` numbers. */
  numbers(count: number, type: string, take: (value: number, index: number) => void = () => {}): void {
    if (this.isBinary) this.#binary(count, type.toLowerCase(), take);
    else for (let i = 0; i < count; i += 1) take(this.#number(), i);
  }

  #binary(count: number, type: string, take: (value: number, index: number) => void): void {
    const size = BYTES[type];
    if (size === undefined) throw new Error("This VTK file has numbers of an unknown type.");
    if (this.#at + count * size > this.#bytes.length) throw new Error(CUT);
    const read = this.#readerOf(type, size);
    for (let i = 0; i < count; i += 1) take(read(this.#at + i * size), i);
    this.#at += count * size;
  }

  #readerOf(type: string, size: number): (at: number) => number {
    const view = this.#view;
    const isUnsigned = type.startsWith("unsigned");
    if (type === "float") return (at) => view.getFloat32(at);
    if (type === "double") return (at) => view.getFloat64(at);
    if (size === 8) return (at) => Number(isUnsigned ? view.getBigUint64(at) : view.getBigInt64(at));
    if (size === 4) return (at) => (isUnsigned ? view.getUint32(at) : view.getInt32(at));
    if (size === 2) return (at) => (isUnsigned ? view.getUint16(at) : view.getInt16(at));
    return (at) => (isUnsigned ? view.getUint8(at) : view.getInt8(at));
  }

  #number(): number {
    const bytes = this.#bytes;
    let from = this.#at;
    while (from < bytes.length && (bytes[from] as number) <= 32) from += 1;
    let end = from;
    while (end < bytes.length && (bytes[end] as number) > 32) end += 1;
    // A number at the very end of what was read may be cut.
    if (from === end) throw new Error(CUT);
    this.#at = end;
    const value = Number(String.fromCharCode(...bytes.subarray(from, Math.min(end, from + 64))));
    // "nan" is a number to VTK, a word is not.
    if (Number.isNaN(value) && !/^[-+]?nan/i.test(String.fromCharCode(...bytes.subarray(from, from + 4))))
      throw new Error("This VTK file has words where numbers should be.");
    return value;
  }
}
