import { expect, test } from "vitest";
import { FileState } from "../../src/protocol";
import { FileModel } from "../../src/table/file-model";
import { listingOf, modelOf, shownNames } from "../listings";

test("rows begin in natural order of names", () => {
  expect(shownNames(modelOf("f_10", "f_2", "log"))).toEqual(["f_2", "f_10", "log"]);
});

test("sorting by size puts equal sizes in order of names, both ways", () => {
  const model = new FileModel(
    listingOf([
      { name: "b", size: 5 },
      { name: "a", size: 5 },
      { name: "c", size: 9 },
    ]),
  );
  model.sortBy("size", true);
  expect(shownNames(model)).toEqual(["c", "a", "b"]);
  model.sortBy("size", false);
  expect(shownNames(model)).toEqual(["a", "b", "c"]);
});

test("sizes too large for the fast way sort as well", () => {
  const model = new FileModel(
    listingOf([
      { name: "a", size: 4e15 },
      { name: "b", size: 2e15 },
      { name: "c", size: 8e15 },
    ]),
  );
  model.sortBy("size", true);
  expect(shownNames(model)).toEqual(["c", "a", "b"]);
});

test("search finds parts of names whatever the case, and keeps the order", () => {
  const model = modelOf("vtk/Fluid_10.vtk", "vtk/Fluid_2.vtk", "stdout.txt", "FLUID.log");
  model.search("fluid");
  expect(shownNames(model)).toEqual(["FLUID.log", "vtk/Fluid_2.vtk", "vtk/Fluid_10.vtk"]);
  model.search("");
  expect(model.rowCount).toBe(4);
});

test("search copes with letters that get longer in lower case", () => {
  const model = modelOf("İİİ", "İb", "xb");
  model.search("b");
  expect(shownNames(model)).toEqual(["xb", "İb"]);
});

test("search finds nothing across two names", () => {
  const model = modelOf("ab", "cd");
  model.search("b\nc");
  expect(model.query).toBe("b\nc");
  model.search("bc");
  expect(model.rowCount).toBe(0);
});

test("select all takes what is found and leaves the rest", () => {
  const model = modelOf("a1", "a2", "b1");
  model.select(2, true);
  model.search("a");
  model.selectFound(true);
  expect(model.foundSelected()).toBe("all");
  expect(model.selection).toEqual({ files: 3, bytes: 60, packed: 6 });
  model.selectFound(false);
  expect(model.selection.files).toBe(1);
  expect(model.isSelected(2)).toBe(true);
});

test("ranges, single files and inversion add up", () => {
  const model = modelOf("a", "b", "c", "d");
  model.selectRows(2, 1, true);
  expect(model.selection).toEqual({ files: 2, bytes: 50, packed: 5 });
  model.select(1, false);
  model.select(1, false);
  expect(model.selection).toEqual({ files: 1, bytes: 30, packed: 3 });
  expect(model.foundSelected()).toBe("some");
  model.invertFound();
  expect(model.selection).toEqual({ files: 3, bytes: 70, packed: 7 });
});

test("the selection is packed lowest bit first", () => {
  const model = modelOf("a", "b", "c", "d", "e", "f", "g", "h", "i");
  for (const file of [0, 3, 8]) model.select(file, true);
  expect([...model.packSelection()]).toEqual([0b0000_1001, 0b1]);
});

test("a new listing inherits order, search and the ticked names", () => {
  const older = modelOf("a", "b", "c");
  older.select(2, true);
  older.sortBy("size", true);
  older.search("c");
  const model = modelOf("c", "x", "cc");
  model.inherit(older);
  expect(model.isSelected(0)).toBe(true);
  expect(model.selection.files).toBe(1);
  expect(shownNames(model)).toEqual(["cc", "c"]);
});

test("states of local copies follow the progress", () => {
  const model = modelOf("a", "b");
  model.applyChanges([0, FileState.Verified, 1, FileState.Failed, 7, FileState.Verified], { 1: "checksum" });
  expect([...model.states]).toEqual([FileState.Verified, FileState.Failed]);
  expect(model.reasons.get(1)).toBe("checksum");
});
