import { describe, expect, test } from "vitest";
import { FileModel } from "../../src/files/file-model";
import { hitIn, readPattern } from "../../src/files/pattern";
import { FileState } from "../../src/protocol";
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

function treeOf(...names: string[]): FileModel {
  return new FileModel(
    listingOf(names.map((name, i) => ({ name, size: (i + 1) * 10, packed: i + 1 }))),
    "tree",
  );
}

/** Rows as a user sees them: two spaces a level, a slash behind folders. */
function drawn(model: FileModel): string[] {
  return Array.from({ length: model.rowCount }, (_, row) => {
    const item = model.itemAt(row);
    const label = model.name(item).split("/").at(-1);
    return "  ".repeat(model.depth(item)) + label + (item < 0 ? "/" : "");
  });
}

/** The folder with this path, as an item. */
function folder(model: FileModel, path: string): number {
  for (let f = 0; f < model.tree.count; f += 1) if (model.tree.path(f) === path) return ~f;
  throw new Error(`no folder ${path}`);
}

describe("tree", () => {
  const NAMES = ["10/U", "2/U", "2/p", "log", "0.05/uniform/time", "0.1/U"];

  test("folders come first, closed, in natural order, with counts and sums", () => {
    const model = treeOf(...NAMES);
    expect(drawn(model)).toEqual(["0.05/", "0.1/", "2/", "10/", "log"]);
    const two = folder(model, "2");
    expect([model.filesBelow(~two), model.size(two), model.packed(two)]).toEqual([2, 50, 5]);
    expect(model.filesBelow(~folder(model, "0.05"))).toBe(1);
  });

  test("folders open and close, and each row gives its parent", () => {
    const model = treeOf(...NAMES);
    model.setOpen(~folder(model, "0.05"), true);
    model.setOpen(~folder(model, "0.05/uniform"), true);
    expect(drawn(model)).toEqual(["0.05/", "  uniform/", "    time", "0.1/", "2/", "10/", "log"]);
    expect(model.parentOf(4)).toBe(folder(model, "0.05/uniform"));
    expect(model.parentOf(folder(model, "0.05"))).toBeNull();
    model.setOpen(~folder(model, "0.05"), false);
    expect(model.rowCount).toBe(5);
  });

  test("a folder that is all there is stands open", () => {
    expect(drawn(treeOf("run/case/a", "run/case/b/c"))).toEqual(["run/", "  case/", "    b/", "    a"]);
  });

  test("sorting by size takes the sums of folders, by state leaves them by name", () => {
    const model = treeOf(...NAMES);
    model.sortBy("size", true);
    expect(drawn(model)).toEqual(["0.1/", "0.05/", "2/", "10/", "log"]);
    model.sortBy("local", false);
    expect(drawn(model)).toEqual(["0.05/", "0.1/", "2/", "10/", "log"]);
    model.sortBy("name", true);
    expect(drawn(model)).toEqual(["10/", "2/", "0.1/", "0.05/", "log"]);
  });

  test("a search opens the folders of what it finds and sums only that", () => {
    const model = treeOf(...NAMES);
    model.search("U");
    expect(drawn(model)).toEqual([
      "0.05/",
      "  uniform/",
      "    time",
      "0.1/",
      "  U",
      "2/",
      "  U",
      "10/",
      "  U",
    ]);
    expect(model.size(folder(model, "2"))).toBe(20);
    model.setOpen(~folder(model, "2"), false);
    expect(model.rowCount).toBe(8);
    model.search("");
    expect(drawn(model)).toEqual(["0.05/", "0.1/", "2/", "10/", "log"]);
  });

  test("boxes have three states, up to the top", () => {
    const model = treeOf(...NAMES);
    const [deep, top] = [folder(model, "0.05/uniform"), folder(model, "0.05")];
    model.selectItem(deep, true);
    expect([model.ticked(deep), model.ticked(top), model.ticked(4)]).toEqual(["all", "all", "all"]);
    const two = folder(model, "2");
    model.select(1, true);
    expect(model.ticked(two)).toBe("some");
    model.selectItem(two, true);
    expect(model.selection).toEqual({ files: 3, bytes: 100, packed: 10 });
    model.invertFound();
    expect(model.ticked(two)).toBe("none");
    expect(model.foundSelected()).toBe("some");
  });

  test("ticking a folder takes what the search found in it", () => {
    const model = treeOf(...NAMES);
    model.search("/U");
    model.selectItem(folder(model, "2"), true);
    expect(model.ticked(folder(model, "2"))).toBe("all");
    model.search("");
    expect(model.ticked(folder(model, "2"))).toBe("some");
    expect(model.selection.files).toBe(1);
  });

  test("a range takes closed folders whole and open ones by their rows", () => {
    const model = treeOf(...NAMES);
    model.setOpen(~folder(model, "2"), true);
    // Rows: 0.05, 0.1, 2, 2/p, 2/U, 10, log
    model.selectRows(1, 3, true);
    expect([0, 1, 2, 3, 4, 5].filter((file) => model.isSelected(file))).toEqual([2, 5]);
  });

  test("names that differ in case only share no folder and lose no file", () => {
    const model = treeOf("A/x", "a/y", "A/z", "a/sub/w");
    for (const path of ["A", "a", "a/sub"]) model.setOpen(~folder(model, path), true);
    expect([...drawn(model)].sort()).toEqual(["    w", "  sub/", "  x", "  y", "  z", "A/", "a/"].sort());
    model.selectItem(folder(model, "a"), true);
    expect(model.selection.files).toBe(2);
  });

  test("odd names: doubled and leading slashes, thousands of levels", () => {
    expect(drawn(treeOf("/x", "a//b"))).toHaveLength(2);
    const deep = treeOf(`${"d/".repeat(3000)}f`, "g");
    deep.search("f");
    expect(deep.rowCount).toBe(3001);
  });
});

describe("glob", () => {
  const found = (query: string, ...names: string[]): string[] => {
    const model = modelOf(...names);
    model.search(query);
    return shownNames(model).sort();
  };

  test.each([
    ["vtk/*_1?.vtk", ["run/vtk/f_12.vtk", "vtk/f_10.vtk"]],
    ["*.vtk", ["run/vtk/f_12.vtk", "vtk/f_10.vtk", "vtk/f_100.vtk", "vtk/f_2.vtk"]],
    ["VTK/F_?.*", ["vtk/f_2.vtk"]],
    ["run/**/*.vtk", ["run/vtk/f_12.vtk"]],
    ["run/**/vtk/*", ["run/vtk/f_12.vtk"]],
    ["**/log*", ["log.txt"]],
    ["f_*0", []],
  ])("%s", (query, wanted) => {
    const names = ["vtk/f_10.vtk", "vtk/f_100.vtk", "vtk/f_2.vtk", "run/vtk/f_12.vtk", "log.txt"];
    expect(found(query, ...names)).toEqual(wanted);
  });

  test("many stars take no more than moments", () => {
    const start = performance.now();
    expect(found(`${"*a".repeat(30)}b`, "a".repeat(2000))).toEqual([]);
    expect(performance.now() - start).toBeLessThan(1000);
  });

  test("the hit is marked where it stands", () => {
    const mark = (query: string, path: string) => {
      const pattern = readPattern(query);
      return pattern === null ? null : hitIn(pattern, path);
    };
    expect(mark("flu", "vtk/Fluid_flu.vtk")).toEqual([10, 13]);
    expect(mark("*.vtk", "vtk/Fluid.vtk")).toEqual([4, 13]);
    expect(mark("b", "İb")).toBeNull();
    expect(mark("  ", "x")).toBeNull();
  });
});

describe("local copies", () => {
  test("follow the progress of a download", () => {
    const model = modelOf("a", "b");
    model.local.apply([0, FileState.Verified, 1, FileState.Failed, 7, FileState.Verified], { 1: "checksum" });
    expect([...model.local.states]).toEqual([FileState.Verified, FileState.Failed]);
    expect(model.local.reasons.get(1)).toBe("checksum");
  });

  test("after the end, what was not delivered is known and not on its way any more", () => {
    const { local } = modelOf("a", "b", "c", "d");
    local.apply(
      [0, FileState.Verified, 1, FileState.Failed, 2, FileState.Waiting, 3, FileState.Fetching],
      {},
      [3, 40],
    );
    expect(local.percents.get(3)).toBe(40);
    local.settle();
    expect(local.undelivered).toEqual([1, 2, 3]);
    expect(local.stateOf(2)).toBe(FileState.None);
    expect(local.percents.size).toBe(0);
  });

  test("files that were in the way are undelivered, those that only differ are not", () => {
    const { local } = modelOf("a", "b", "c");
    local.setChecked([0, FileState.Differs]);
    local.apply([1, FileState.Differs, 2, FileState.Waiting]);
    local.settle();
    expect([...local.undelivered].sort()).toEqual([1, 2]);
  });

  test("a check of the folder does not undo what a download reported", () => {
    const { local } = modelOf("a", "b", "c");
    local.apply([0, FileState.Verified]);
    local.setChecked([0, FileState.SameSize, 1, FileState.Same, 2, FileState.Differs]);
    expect([...local.states]).toEqual([FileState.Verified, FileState.Same, FileState.Differs]);
    local.setChecked([]);
    expect([...local.states]).toEqual([FileState.Verified, FileState.None, FileState.None]);
  });

  test("folders say how the files below stand", () => {
    const model = treeOf("v/a", "v/b", "w/c");
    model.local.apply([0, FileState.Verified, 1, FileState.Waiting, -1, FileState.Failed]);
    expect(model.local.below(model.tree, ~folder(model, "v"))).toEqual({
      known: 2,
      there: 1,
      failed: 0,
      differing: 0,
      waiting: 1,
    });
    expect(model.local.below(model.tree, ~folder(model, "w")).known).toBe(0);
  });
});
