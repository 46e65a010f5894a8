/**
 * A message with binary buffers as one body: uint32 length of the header (little-endian), the
 * header in JSON with the lengths of the buffers, the buffers back to back.
 */

export interface Frame {
  header: Record<string, unknown>;
  buffers: ArrayBuffer[];
}

export function encodeFrame(header: object, buffers: readonly ArrayBuffer[]): Blob {
  const lengths = buffers.map((buffer) => buffer.byteLength);
  const json = new TextEncoder().encode(JSON.stringify({ ...header, buffers: lengths }));
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, json.byteLength, true);
  return new Blob([length, json, ...buffers]);
}

export function decodeFrame(body: ArrayBuffer): Frame {
  if (body.byteLength < 4) throw new Error("The server's answer is cut off.");
  let at = 4 + new DataView(body).getUint32(0, true);
  const header: unknown = JSON.parse(new TextDecoder().decode(body.slice(4, at)));
  if (typeof header !== "object" || header === null) throw new Error("The server's answer has no header.");
  const lengths = "buffers" in header && Array.isArray(header.buffers) ? (header.buffers as number[]) : [];
  const buffers = lengths.map((length) => {
    const buffer = body.slice(at, at + length);
    at += length;
    return buffer;
  });
  if (at !== body.byteLength) throw new Error("The server's answer is cut off.");
  return { header: { ...header }, buffers };
}
