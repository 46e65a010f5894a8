import { expect, test } from "vitest";
import { NameList } from "../../src/files/listing";
import { naturalOrder } from "../../src/files/natural-sort";

function sorted(...names: string[]): string[] {
  return Array.from(naturalOrder(new NameList(names.join("\n"), names.length)), (i) => names[i] ?? "");
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
  expect([...naturalOrder(new NameList("b\na\nb\na", 4))]).toEqual([1, 3, 0, 2]);
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
  const key = (name: string) =>
    name
      .split("/")
      .map((part) => {
        const [, whole, fraction] = /^(\d+)(\.\d+)$/.exec(part) ?? ["", part, ""];
        const counted = (whole ?? "").replace(/\d+/g, (digits) => {
          const value = digits.replace(/^0+/, "");
          return value.length + value;
        });
        return counted.toLowerCase() + fraction;
      })
      .join("\u0001");
  const keys = new Map(names.map((name) => [name, key(name)]));
  const compare = (a: string, b: string) => {
    const [one, two] = [keys.get(a) ?? "", keys.get(b) ?? ""];
    return one === two ? Number(a > b) - Number(a < b) : one < two ? -1 : 1;
  };
  expect(sorted(...names)).toEqual([...names].sort(compare));
});
