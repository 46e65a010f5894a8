import { expect, test } from "vitest";
import golden from "../../../tests/golden/protocol/outputs-list.json";
import { unpackListing } from "../../src/files/listing";
import type { FileListing } from "../../src/protocol";
import { type File, packFrame } from "../listings";
import { fromBase64 } from "../replay-connection";

async function roundTrip(files: File[]): Promise<File[]> {
  const { meta, frame } = await packFrame(files);
  const { names, sizes, packed } = await unpackListing(meta, frame);
  return files.map((_, i) => ({ name: names.at(i), size: sizes[i] ?? -1, packed: packed[i] ?? -1 }));
}

test("the recorded frame gives names and sizes", async () => {
  const answer = golden.messages.find((entry) => entry.message.kind === "result");
  const meta = answer?.message.result as FileListing;

  const { names, sizes, packed } = await unpackListing(meta, fromBase64(answer?.buffers?.[0] ?? ""));

  expect(names.count).toBe(206);
  expect(sizes.reduce((a, b) => a + b)).toBe(meta.size_bytes);
  expect(packed.every((size) => size > 0)).toBe(true);
  expect(names.at(0)).toBe("Allclean");
  expect(Array.from({ length: names.count }, (_, i) => names.at(i))).toContain("0.05/alpha.water");
});

test("odd names survive: spaces, accents, emoji, marks, markup", async () => {
  const files = [
    "a b.txt",
    "Größe/été.csv",
    "🌊/wave.vtk",
    "\ufeffbom.txt",
    "<img src=x>",
    "line␤feed",
    "İstanbul",
  ].map((name, i) => ({ name, size: i * 1e12, packed: i }));
  expect(await roundTrip(files)).toEqual(files);
});

test("an empty archive has no names", async () => {
  const { meta, frame } = await packFrame([]);
  const { names } = await unpackListing(meta, frame);
  expect(names.count).toBe(0);
});

test("one file with an empty name is one file", async () => {
  expect(await roundTrip([{ name: "", size: 1, packed: 2 }])).toEqual([{ name: "", size: 1, packed: 2 }]);
});

test("a frame of the wrong length or with a missing name is refused", async () => {
  const { meta, frame } = await packFrame([{ name: "a" }, { name: "b" }]);
  await expect(unpackListing({ ...meta, count: 3 }, frame)).rejects.toThrow("damaged");
  const short = await packFrame([{ name: "a\nb" }]);
  await expect(unpackListing({ ...short.meta, count: 1 }, short.frame)).rejects.toThrow(
    "2 names instead of 1",
  );
});
