import { describe, expect, test } from "vitest";
import { MOST_COLUMNS, MOST_ROWS, readCsv } from "../../src/preview/csv";
import { foldedText, foldsOf, seenLines } from "../../src/preview/fold";
import { pictureSize } from "../../src/preview/picture";
import { decode, hexLines, linesOf, prettyJson } from "../../src/preview/text";
import { MOST_POINTS, readPoints } from "../../src/preview/vtk";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("csv", () => {
  test("an odd header, cells without a value, percents", () => {
    const table = readCsv(
      '#"Progress (%)","Step","Time Remaining"\r\n10.0%,50,--\r\n20.0%,100,0:00\r\n',
      false,
    );
    expect(table.header).toEqual(["Progress (%)", "Step", "Time Remaining"]);
    expect(table.rows).toEqual([
      ["10.0%", "50", "--"],
      ["20.0%", "100", "0:00"],
    ]);
    expect(table.numeric).toEqual([true, true, false]);
    expect(table.isCut).toBe(false);
  });

  test.each([";", "\t"])("separated by %j", (sign) => {
    const table = readCsv(`a${sign}b,c\n1,5${sign}2`, false);
    expect(table.header).toEqual(["a", "b,c"]);
    expect(table.rows).toEqual([["1,5", "2"]]);
  });

  test("quotes hold separators, newlines and quotes", () => {
    expect(readCsv('a,b\n"x, ""y""\nz",2\n', false).rows).toEqual([['x, "y"\nz', "2"]]);
  });

  test("an open quote, ragged rows, empty cells at the end: nothing is lost", () => {
    const table = readCsv('a,b\n1,2,3\n4,\n"open,5', false);
    expect(table.columns).toBe(3);
    expect(table.header).toEqual(["a", "b", ""]);
    expect(table.rows).toEqual([["1", "2", "3"], ["4", ""], ["open,5"]]);
  });

  test("what was cut in the middle of a row is left away", () => {
    const table = readCsv("a,b\n1,2\n3,4", true);
    expect(table.rows).toEqual([["1", "2"]]);
    expect(table.isCut).toBe(true);
  });

  test("rows and columns are bounded", () => {
    const wide = readCsv(`${"a,".repeat(5000)}b\n${"1,".repeat(5000)}2`, false);
    expect([wide.header.length, wide.columns]).toEqual([MOST_COLUMNS, 5001]);
    const long = readCsv(`a\n${"1\n".repeat(5000)}`, false);
    expect([long.rows.length, long.isCut]).toEqual([MOST_ROWS, true]);
  });

  test("a megabyte of quotes takes no more than moments", () => {
    const start = performance.now();
    readCsv('"'.repeat(1_000_000), false);
    readCsv(",".repeat(1_000_000), false);
    expect(performance.now() - start).toBeLessThan(2000);
  });

  test("nothing at all", () => {
    expect(readCsv("", false)).toMatchObject({ header: [], rows: [], columns: 0 });
  });
});

describe("text", () => {
  test("any kind of line end is read; a line that goes on is marked", () => {
    expect(linesOf("a\r\nb\rc\n", true).lines).toEqual(["a", "b", "c"]);
    expect(linesOf("a\nb", true).lines).toEqual(["a", "b…"]);
  });

  test("a line of a million letters is cut, and counted", () => {
    const { lines, cut } = linesOf("x".repeat(1_000_000), false);
    expect([lines[0]?.length, cut]).toEqual([2001, 1]);
  });

  test("bytes of no letter, letters that are cut, UTF-16", () => {
    expect(decode(Uint8Array.of(0x61, 0xff, 0x62))).toBe("a\ufffdb");
    expect(decode(bytes("aé").subarray(0, 2))).toBe("a");
    expect(decode(Uint8Array.of(0xff, 0xfe, 0x61, 0))).toBe("a");
  });

  test("JSON keeps every digit and every string", () => {
    const text = '{"a":12345678901234567890,"b":[1.50,{}],"c":"{,:\\"}","d":[]}';
    expect(prettyJson(text)).toBe(
      '{\n  "a": 12345678901234567890,\n  "b": [\n    1.50,\n    {}\n  ],\n  "c": "{,:\\"}",\n  "d": []\n}',
    );
    expect(prettyJson("{'a': 1}")).toBeNull();
    expect(prettyJson("[".repeat(100_000))).toBeNull();
    expect(prettyJson(`"${"x".repeat(900_000)}"`)?.length).toBe(900_002);
  });

  test("bytes in rows of eight", () => {
    expect(hexLines(bytes("<b>ABCDE\0"))).toEqual([
      "000000  3c 62 3e 41 42 43 44 45  <b>ABCDE",
      "000008  00                       .",
    ]);
  });
});

const HEAD = "# vtk DataFile Version 3.0\nparticles\nASCII\nDATASET";

describe("points", () => {
  test("text: points, bounds, and the first values", () => {
    const cloud = readPoints(
      bytes(
        `${HEAD} POLYDATA\nPOINTS 2 float\n0 0 0 1.5\n2 -1\nVERTICES 2 4\n1 0 1 1\n\nPOINT_DATA 2\nVECTORS v float\n0 0 0\n1 1 1\nSCALARS density float 1\nLOOKUP_TABLE default\n5 9\n`,
      ),
    );
    expect([...cloud.points]).toEqual([0, 0, 0, 1.5, 2, -1]);
    expect(cloud.bounds).toEqual([
      [0, 1.5],
      [0, 2],
      [-1, 0],
    ]);
    expect(cloud.scalar).toMatchObject({ name: "density", min: 5, max: 9 });
  });

  test("binary: big-endian numbers behind the words, values in a field", () => {
    const numbers = (values: number[]) => {
      const view = new DataView(new ArrayBuffer(values.length * 4));
      values.forEach((value, i) => {
        view.setFloat32(4 * i, value);
      });
      return new Uint8Array(view.buffer);
    };
    const parts = [
      bytes("# vtk DataFile Version 4.1\nx\nBINARY\nDATASET UNSTRUCTURED_GRID\nPOINTS 2 float\n"),
      numbers([0, 1, 2, 3, 4, 5]),
      bytes("\nCELLS 1 2\n"),
      new Uint8Array(8).fill(10),
      bytes("\nCELL_TYPES 1\n"),
      new Uint8Array(4),
      bytes("\nPOINT_DATA 2\nFIELD FieldData 2\nvelocity 3 2 float\n"),
      numbers([1, 1, 1, 1, 1, 1]),
      bytes("\npressure 1 2 float\n"),
      numbers([-1, 7]),
    ];
    const cloud = readPoints(Uint8Array.from(parts.flatMap((part) => [...part])));
    expect([...cloud.points]).toEqual([0, 1, 2, 3, 4, 5]);
    expect(cloud.scalar).toMatchObject({ name: "pressure", min: -1, max: 7 });
  });

  test("many points are thinned out, their bounds are not", () => {
    const total = MOST_POINTS + 10;
    const lines = Array.from({ length: total }, (_, i) => `${i} 0 0`).join("\n");
    const cloud = readPoints(bytes(`${HEAD} POLYDATA\nPOINTS ${total} float\n${lines}\n`));
    expect(cloud.total).toBe(total);
    expect(cloud.points.length / 3).toBeLessThanOrEqual(MOST_POINTS);
    expect(cloud.bounds[0]).toEqual([0, total - 1]);
  });

  test.each([
    ["no VTK file", "hello", /no VTK file/],
    ["another data set", `${HEAD} STRUCTURED_POINTS\nDIMENSIONS 2 2 2\n`, /STRUCTURED_POINTS are not drawn/],
    ["a huge count", `${HEAD} POLYDATA\nPOINTS 99999999999 float\n1 2 3`, /damaged/],
    ["a negative count", `${HEAD} POLYDATA\nPOINTS -1 float\n`, /damaged/],
    ["fewer numbers than said", `${HEAD} POLYDATA\nPOINTS 2 float\n1 2 3`, /longer than what is read/],
    ["words for numbers", `${HEAD} POLYDATA\nPOINTS 1 float\n<b> x y\n`, /words where numbers/],
    ["no points at all", `${HEAD} POLYDATA\nPOINTS 0 float\n`, /no points/],
    ["nothing but nan", `${HEAD} POLYDATA\nPOINTS 1 float\nnan nan nan\n`, /no points that can be drawn/],
    ["an unknown type", "# vtk DataFile\nx\nBINARY\nDATASET POLYDATA\nPOINTS 1 complex\n", /unknown type/],
  ])("%s: a sentence, no picture", (_, text, message) => {
    expect(() => readPoints(bytes(text))).toThrow(message);
  });

  test("a count that would take all memory is refused before any is taken", () => {
    const text = "# vtk DataFile\nx\nBINARY\nDATASET POLYDATA\nPOINTS 900000000 float\n1234";
    expect(() => readPoints(bytes(text))).toThrow(/longer than what is read/);
  });

  test("damage behind the points leaves the points", () => {
    const cloud = readPoints(
      bytes(`${HEAD} POLYDATA\nPOINTS 1 float\n1 2 3\nPOINT_DATA 1\nSCALARS a float\n`),
    );
    expect([cloud.total, cloud.scalar]).toEqual([1, null]);
  });
});

describe("sizes of pictures, before the browser reads them", () => {
  test("PNG, GIF and JPEG", () => {
    const png = Uint8Array.of(
      0x89,
      0x50,
      0x4e,
      0x47,
      13,
      10,
      26,
      10,
      0,
      0,
      0,
      13,
      73,
      72,
      68,
      82,
      0,
      0,
      1,
      0,
      0,
      0,
      0,
      9,
    );
    expect(pictureSize(png)).toEqual([256, 9]);
    expect(pictureSize(Uint8Array.of(0x47, 0x49, 0x46, 56, 57, 97, 2, 0, 3, 1))).toEqual([2, 259]);
    const jpeg = [0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0, 0xff, 0xc0, 0, 11, 8, 0, 5, 0, 7, 3, 0, 0];
    expect(pictureSize(Uint8Array.from(jpeg))).toEqual([7, 5]);
  });

  test("cut and damaged ones say nothing, and end", () => {
    expect(pictureSize(Uint8Array.of(0x89, 0x50, 0x4e, 0x47))).toBeNull();
    expect(pictureSize(Uint8Array.from([0xff, 0xd8, ...Array(4000).fill(0xff)]))).toBeNull();
    expect(pictureSize(Uint8Array.from([0xff, 0xd8, 0xff, 0xe0, 0, 0, ...Array(50).fill(0)]))).toBeNull();
    expect(pictureSize(new Uint8Array(0))).toBeNull();
  });
});

describe("what can be folded", () => {
  const HOSTILE = '{"__proto__": {"a{": ["}", "{"]}, "empty": {}, "list": [1, [2, 3]], "x": "]"}';

  test("objects and lists end at their own brackets, whatever strings hold", () => {
    const folds = foldsOf(prettyJson(HOSTILE) ?? "");
    const folded = [...folds.lines.keys()].filter((line) => folds.ends[line]);
    expect(folded.map((line) => foldedText(folds, line).trim())).toEqual([
      "{…}",
      '"__proto__": {…},',
      '"a{": […]',
      '"list": […],',
      "[…]",
    ]);
    expect(folded.map((line) => folds.values[line])).toEqual([4, 1, 2, 2, 2]);
  });

  test("a folded one hides its lines, and only those", () => {
    const folds = foldsOf(prettyJson('{"a": [1, 2], "b": {"c": 3}}') ?? "");
    expect(seenLines(folds, new Set())).toEqual([...folds.lines.keys()]);
    expect(seenLines(folds, new Set([1])).map((line) => folds.lines[line])).toEqual([
      "{",
      '  "a": [',
      '  "b": {',
      '    "c": 3',
      "  }",
      "}",
    ]);
    expect(seenLines(folds, new Set([0, 1]))).toEqual([0]);
  });

  test("a name too long to be shown folds as others do", () => {
    const folds = foldsOf(prettyJson(`{"${"a".repeat(3000)}": {"b": 1}, "c": 2}`) ?? "");
    expect([...folds.ends]).toEqual([5, 3, 0, 0, 0, 0]);
  });
});
