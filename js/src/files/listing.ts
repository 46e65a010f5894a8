import type { FileListing } from "../protocol";

/** The unpacked listing. Names stay one string: a hundred thousand small ones cost more than the rest together. */
export interface Listing {
  meta: FileListing;
  names: NameList;
  /** Bytes of each file. */
  sizes: Float64Array;
  /** Bytes of each file as packed in the archive. */
  packed: Float64Array;
}

/** Names joined by "\n", with the start of each. */
export class NameList {
  /** `starts[i]` to `starts[i + 1] - 1` is name i. */
  readonly starts: Uint32Array;

  constructor(
    readonly text: string,
    readonly count: number,
  ) {
    this.starts = lineStarts(text, count);
  }

  at(index: number): string {
    return this.text.slice(this.starts[index], (this.starts[index + 1] ?? 1) - 1);
  }
}

/** Starts of the lines of `text`, and one past its end. Throws if it has not `count` lines. */
export function lineStarts(text: string, count: number): Uint32Array {
  const starts = new Uint32Array(count + 1);
  if (count === 0) return starts;
  let line = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) {
    line += 1;
    if (line < count) starts[line] = at + 1;
  }
  if (line !== count - 1) throw new Error(`The file list is damaged: ${line + 1} names instead of ${count}.`);
  starts[count] = text.length + 1;
  return starts;
}

/** Unpacks the frame described at `FileListing`. */
export async function unpackListing(meta: FileListing, frame: ArrayBuffer): Promise<Listing> {
  const raw = await gunzip(frame);
  const { count, names_bytes } = meta;
  const numbersAt = Math.ceil(names_bytes / 8) * 8;
  if (raw.byteLength !== numbersAt + 16 * count) {
    throw new Error(
      `The file list is damaged: ${raw.byteLength} bytes instead of ${numbersAt + 16 * count}.`,
    );
  }
  // ignoreBOM keeps a mark at the start of the first name: it is part of that name.
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array(raw, 0, names_bytes));
  return {
    meta,
    names: new NameList(text, count),
    sizes: new Float64Array(raw, numbersAt, count),
    packed: new Float64Array(raw, numbersAt + 8 * count, count),
  };
}

export function gunzip(data: ArrayBuffer): Promise<ArrayBuffer> {
  return new Response(new Blob([data]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

export function gzip(data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  return new Response(new Blob([data]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
}
