/** Larger pictures take more memory to show than a page should ask for, however small their files. */
export const MOST_PIXELS = 50_000_000;

/** Width and height by the head of a PNG, GIF or JPEG file; `null` when it does not say. */
export function pictureSize(bytes: Uint8Array): [width: number, height: number] | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (startsWith(bytes, [0x89, 0x50, 0x4e, 0x47]) && bytes.length >= 24) {
    return [view.getUint32(16), view.getUint32(20)];
  }
  if (startsWith(bytes, [0x47, 0x49, 0x46]) && bytes.length >= 10) {
    return [view.getUint16(6, true), view.getUint16(8, true)];
  }
  return startsWith(bytes, [0xff, 0xd8]) ? jpegSize(view) : null;
}

/** From the start of the frame, which may come after any number of other parts. */
function jpegSize(view: DataView): [number, number] | null {
  let at = 2;
  while (at + 9 < view.byteLength && view.getUint8(at) === 0xff) {
    const mark = view.getUint8(at + 1);
    const isFrame = mark >= 0xc0 && mark <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(mark);
    if (isFrame) return [view.getUint16(at + 7), view.getUint16(at + 5)];
    at += 2 + view.getUint16(at + 2);
  }
  return null;
}

function startsWith(bytes: Uint8Array, head: readonly number[]): boolean {
  return head.every((byte, i) => bytes[i] === byte);
}
