import { expect, test } from "vitest";
import { nearest, pathsOf, roundTop, summaryOf, thinned, timeAxis } from "../../src/chart";

const of = (...values: number[]) => Float64Array.from(values);

test("a line is drawn from left to right, the area below it", () => {
  const { line, area } = pathsOf(of(0, 5, 10), of(0, 50, 100), { end: 10, top: 100 });

  expect(line).toBe("M0 60L50 30L100 0");
  expect(area).toBe("M0 60L0 60L50 30L100 0L100 60Z");
});

test("where a value is unknown the line is broken", () => {
  const { line } = pathsOf(of(0, 1, 2, 3, 4), of(1, Number.NaN, 1, 1, Number.NaN), { end: 4, top: 2 });

  expect(line).toBe("M0 30h0M50 30L75 30");
});

test("one sample is a dot, none is nothing", () => {
  expect(pathsOf(of(1), of(1), { end: 2, top: 2 })).toEqual({ line: "M50 30h0", area: "" });
  expect(pathsOf(of(), of(), { end: 2, top: 2 })).toEqual({ line: "", area: "" });
});

test("a long run keeps its peaks and is thinned", () => {
  const times = Float64Array.from({ length: 500_000 }, (_, i) => i);
  const values = times.map((i) => (i === 123_456 ? 99 : i % 7));
  const points = thinned(times, values, [0, times.length], 500_000);

  expect(points).toContain(123_456);
  expect(points.length).toBeLessThan(2000);
  expect([...points].sort((a, b) => a - b)).toEqual(points);
});

test("the nearest sample to a moment", () => {
  const times = of(0, 30, 60, 90);

  expect([-5, 14, 16, 60, 75.1, 1000].map((moment) => nearest(times, moment))).toEqual([0, 0, 1, 2, 3, 3]);
  expect(nearest(of(), 5)).toBe(-1);
});

test("unknown values count for nothing", () => {
  expect(summaryOf(of(Number.NaN, 2, 4, Number.NaN))).toEqual({
    count: 2,
    least: 2,
    most: 4,
    mean: 3,
    last: 4,
  });
  expect(summaryOf(of(Number.NaN)).most).toBeNaN();
});

test("tops of axes read well", () => {
  expect([0, 1, 1.2, 3, 178.6e6, 20, 9999].map(roundTop)).toEqual([1, 1, 2, 5, 200e6, 20, 10_000]);
});

test("axes of time have a middle that reads well", () => {
  const labels = (seconds: number) => timeAxis(seconds).labels.join(" ").replaceAll("\u00a0", " ");

  expect(labels(0.4)).toBe("0 1 2 s");
  expect(labels(75)).toBe("0 45 90 s");
  expect(labels(1157)).toBe("0 10 20 min");
  expect(labels(8000)).toBe("0 2 4 h");
  expect(labels(300_000)).toBe("0 2 4 days");
  expect(timeAxis(1157).end).toBe(1200);
});
