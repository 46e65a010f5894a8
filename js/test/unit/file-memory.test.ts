import { expect, test } from "vitest";
import { noteFiles, recallFiles } from "../../src/files/file-memory";
import { FileModel } from "../../src/files/file-model";
import { type File, listingOf, shownNames } from "../listings";

function model(files: readonly File[], revision = "r1"): FileModel {
  return new FileModel(listingOf(files, { revision }), "tree");
}

const FILES = Array.from({ length: 300 }, (_, i) => ({ name: `${i % 7}/${i % 3}/file_${i}.vtk`, size: i }));

/** Index of the files that are ticked. */
function ticked(of: FileModel): number[] {
  return Array.from({ length: of.count }, (_, file) => file).filter((file) => of.isSelected(file));
}

test.each([
  ["none", () => false],
  ["all", () => true],
  ["the first", (file: number) => file === 0],
  ["the last", (file: number) => file === 299],
  ["every second", (file: number) => file % 2 === 1],
  ["runs", (file: number) => file % 40 < 13],
])("ticks come back, of %s", (_, isTicked) => {
  const before = model(FILES);
  for (let file = 0; file < before.count; file += 1) before.select(file, isTicked(file));
  const after = model(FILES);

  recallFiles(after, JSON.parse(JSON.stringify(noteFiles(before, 0))));

  expect(ticked(after)).toEqual(ticked(before));
  expect(after.selection).toEqual(before.selection);
});

test("folders, search and order come back, also in a listing that has changed", () => {
  const before = model(FILES);
  before.setOpen(0, true);
  before.setOpen(1, true);
  before.sortBy("size", true);
  before.search("9.vtk");
  before.selectFound(true);
  const after = model([...FILES, { name: "0/0/new.dat" }], "r2");

  recallFiles(after, JSON.parse(JSON.stringify(noteFiles(before, 0))));

  expect(shownNames(after)).toEqual(shownNames(before));
  after.search("");
  before.search("");
  expect(after.openFolders()).toEqual(before.openFolders());
  expect(ticked(after)).toEqual([]);
});

test("what the user has not touched is not noted", () => {
  expect(JSON.stringify(noteFiles(model(FILES), 0))).toBe("{}");
});

test("foreign content does no harm", () => {
  const after = model(FILES);
  const kept = {
    search: 7,
    sort: { column: "colour" },
    folders: { a: 1 },
    ticked: { revision: "r1", runs: [3, "x", -4, 1e12] },
  };

  recallFiles(after, kept as never);

  expect(after.rowCount).toBeGreaterThan(0);
  expect(after.pattern).toBeNull();
});
