import { expect, test } from "vitest";
import { FileTree } from "../../src/files/file-tree";
import { listingOf } from "../listings";

function orderOf(...names: string[]): Uint32Array {
  return new FileTree(listingOf(names.map((name) => ({ name })))).byName;
}

function sorted(...names: string[]): string[] {
  return Array.from(orderOf(...names), (i) => names[i] ?? "");
}

test("numbers compare by value", () => {
  expect(sorted("f_10.vtk", "f_2.vtk", "f_1.vtk", "f_100.vtk")).toEqual([
    "f_1.vtk",
    "f_2.vtk",
    "f_10.vtk",
    "f_100.vtk",
  ]);
});

test("time folders compare as decimal numbers", () => {
  expect(sorted("1/U", "0.1/U", "0.05/U", "0/U", "10/U", "0.15/U", "2.5/U")).toEqual([
    "0/U",
    "0.05/U",
    "0.1/U",
    "0.15/U",
    "1/U",
    "2.5/U",
    "10/U",
  ]);
});

test("numbers with points in longer names are versions: 1.9 before 1.10", () => {
  expect(sorted("run1.10.log", "run1.9.log")).toEqual(["run1.9.log", "run1.10.log"]);
});

test("the files of a folder stand together", () => {
  expect(sorted("a-b/x", "a/y", "a/x", "a b")).toEqual(["a/x", "a/y", "a b", "a-b/x"]);
});

test("case and leading zeros only settle ties", () => {
  expect(sorted("b", "A", "a", "B")).toEqual(["A", "a", "B", "b"]);
  expect(sorted("x1", "x01", "x001", "x2")).toEqual(["x001", "x01", "x1", "x2"]);
});

test("numbers longer than any integer still compare", () => {
  expect(sorted("n99999999999999999999", "n100000000000000000000", "n3")).toEqual([
    "n3",
    "n99999999999999999999",
    "n100000000000000000000",
  ]);
});

test("agrees with Intl.Collator on names of letters and whole numbers", () => {
  let seed = 7;
  const random = (n: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % n;
  };
  const names = Array.from(
    { length: 2000 },
    () => `${"abc"[random(3)]}${random(300)}${"xyz"[random(3)]}${random(20)}`,
  );
  const { compare } = new Intl.Collator("en", { numeric: true });
  expect(sorted(...names)).toEqual([...names].sort(compare));
});

test("equal names keep the order of the archive", () => {
  expect([...orderOf("b", "a", "b", "a")]).toEqual([1, 3, 0, 2]);
});

test("agrees with plain keys, sorted as text, on paths in any writing", () => {
  let seed = 11;
  const random = (n: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return (seed >> 8) % n;
  };
  const letters = ["/", "/", ".", "0", "1", "27", "0.5", "a", "B", "_", "é", "日", "~"];
  const names = Array.from({ length: 3000 }, () =>
    Array.from({ length: 1 + random(7) }, () => letters[random(letters.length)]).join(""),
  );
  const key = (part: string) => {
    const [, whole, fraction] = /^(\d+)(\.\d+)$/.exec(part) ?? ["", part, ""];
    const counted = (whole ?? "").replace(/\d+/g, (digits) => {
      const value = digits.replace(/^0+/, "");
      return value.length + value;
    });
    return counted.toLowerCase() + fraction;
  };
  // Before a first and only slash there is no folder.
  const split = (name: string) => (name.lastIndexOf("/") === 0 ? [name] : name.split("/"));
  const order = (one: string, two: string) => Number(one > two) - Number(one < two);
  const compare = (a: string, b: string) => {
    const [one, two] = [split(a), split(b)];
    for (let i = 0; i < Math.min(one.length, two.length); i += 1) {
      const [x, y] = [one[i] ?? "", two[i] ?? ""];
      // A file stands before a folder of the same name.
      const isLast = Number(i + 1 < one.length) - Number(i + 1 < two.length);
      const found = order(key(x), key(y)) || (key(x) === key(y) && x !== y ? order(x, y) : isLast);
      if (found !== 0) return found;
    }
    return 0;
  };
  expect(sorted(...names)).toEqual([...names].sort(compare));
});

test("folders whose names differ in case only, or in leading zeros, keep their files together", () => {
  expect(sorted("a/2", "A/1", "A/3", "a/1", "01/b", "1/a", "01/a")).toEqual([
    "01/a",
    "01/b",
    "1/a",
    "A/1",
    "A/3",
    "a/1",
    "a/2",
  ]);
});
