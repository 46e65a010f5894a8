import { expect, test } from "vitest";
import { decodeFrame, encodeFrame } from "../../src/lab/frame";

test("header and buffers come back as they went", async () => {
  const buffers = [new Uint8Array([1, 2, 3]).buffer, new ArrayBuffer(0), new Uint8Array([255]).buffer];
  const body = await encodeFrame(
    { id: "a", method: "task.get", params: { name: "é🌊" } },
    buffers,
  ).arrayBuffer();

  const frame = decodeFrame(body);

  expect(frame.header).toMatchObject({
    id: "a",
    method: "task.get",
    params: { name: "é🌊" },
    buffers: [3, 0, 1],
  });
  expect(frame.buffers.map((buffer) => [...new Uint8Array(buffer)])).toEqual([[1, 2, 3], [], [255]]);
});

test("the length of the header stands first, little-endian", async () => {
  const body = await encodeFrame({}, []).arrayBuffer();
  expect(new DataView(body).getUint32(0, true)).toBe(body.byteLength - 4);
});

test("an answer that is cut off is refused", async () => {
  const body = await encodeFrame({ kind: "result" }, [new ArrayBuffer(8)]).arrayBuffer();
  expect(() => decodeFrame(body.slice(0, -1))).toThrow("cut off");
  expect(() => decodeFrame(new ArrayBuffer(2))).toThrow("cut off");
});
