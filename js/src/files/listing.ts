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
  const { count, names_bytes } = meta;
  const numbersAt = Math.ceil(names_bytes / 8) * 8;
  const raw = await gunzipTo(numbersAt + 16 * count, frame);
  // ignoreBOM keeps a mark at the start of the first name: it is part of that name.
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array(raw, 0, names_bytes));
  return {
    meta,
    names: new NameList(text, count),
    sizes: new Float64Array(raw, numbersAt, count),
    packed: new Float64Array(raw, numbersAt + 8 * count, count),
  };
}

/** As `gunzip`, where the size is known: in two thirds of the time. */
async function gunzipTo(size: number, data: ArrayBuffer): Promise<ArrayBuffer> {
  const reader = unpacking(data).getReader();
  const raw = new Uint8Array(size);
  let at = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done && at === size) return raw.buffer;
    if (done || at + value.length > size) {
      throw new Error(`The file list is damaged: ${done ? at : "more"} bytes instead of ${size}.`);
    }
    raw.set(value, at);
    at += value.length;
  }
}

export function gunzip(data: BufferSource & BlobPart): Promise<ArrayBuffer> {
  return new Response(unpacking(data)).arrayBuffer();
}

function unpacking(data: BufferSource & BlobPart): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new Blob([data]).stream().pipeThrough(new DecompressionStream("gzip"));
}

export function gzip(data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  return new Response(new Blob([data]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
}
