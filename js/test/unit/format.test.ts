import { describe, expect, test } from "vitest";
import golden from "../../../tests/golden/formats.json";
import {
  formatAge,
  formatAgo,
  formatClock,
  formatCost,
  formatDuration,
  formatLeft,
  formatSimulated,
  formatSize,
  formatSizeOf,
  ordinal,
  shortId,
  sizeParts,
} from "../../src/format";

const plain = (text: string) => text.replaceAll("\u00a0", " ");

describe("golden examples", () => {
  test.each(golden.view_sizes as [number | null, string][])("size %s is %s", (bytes, text) => {
    expect(plain(formatSize(bytes))).toBe(text);
  });

  test.each(golden.view_durations as [number | null, string][])("duration %s is %s", (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});

test("a size comes as number and unit, for the unit's own slot", () => {
  expect(sizeParts(403_600)).toEqual(["403.6", "KB"]);
});

test.each<[number, number | null, string, string]>([
  [0.35214, 1, "s", "0.35 of 1 s"],
  [650, 1500, "steps", "650 of 1,500 steps"],
  [0.000_123_4, 0.005, "s", "0.00012 of 0.005 s"],
  [34, 58, "h", "34 of 58 h"],
  [35, 100, "%", "35 %"],
  [0.35214, null, "s", "0.352 s"],
  [0, null, "s", "0 s"],
])("%s of %s %s simulated is %s", (value, end, unit, text) => {
  expect(plain(formatSimulated(value, end, unit))).toBe(text);
});

test.each([
  [4, "a few seconds left"],
  [38, "about 40 s left"],
  [58, "about 1 min left"],
  [118, "about 2 min left"],
  [3599, "about 1 h 00 min left"],
  [9000, "about 2 h 30 min left"],
])("%s s are %s", (seconds, text) => {
  expect(formatLeft(seconds)).toBe(text);
});

test("two sizes share the unit when they can", () => {
  expect(plain(formatSizeOf(1_700_000, 4_300_000))).toBe("1.7 of 4.3 MB");
  expect(plain(formatSizeOf(900, 4_300_000))).toBe("900 B of 4.3 MB");
});

test("a duration that no clock can show is unknown", () => {
  expect(formatDuration(Number.NaN)).toBe("–");
  expect(formatDuration(-3)).toBe("0 s");
});

test("ages use one unit", () => {
  expect([24, 840, 10_800, 90_000, 200_000].map(formatAge)).toEqual([
    "24 s",
    "14 min",
    "3 h",
    "1 day",
    "2 days",
  ]);
});

test("a clock time names the day when it is not today", () => {
  const now = new Date(2026, 10, 21, 14, 2, 7).getTime();
  expect(formatClock(now, now)).toBe("14:02:07");
  expect(formatClock(new Date(2026, 10, 20, 9, 5).getTime(), now)).toBe("20 Nov 09:05");
  expect(formatClock(new Date(2025, 2, 1).getTime(), now)).toBe("1 Mar 2025");
});

test("what ended lately has a relative time, older ends have a date", () => {
  const now = new Date(2026, 10, 21, 14, 2, 7).getTime();
  const ago = (seconds: number) => formatAgo(now - seconds * 1000, now);
  expect([3, 27, 130, 7300, 200_000].map(ago)).toEqual([
    "just now",
    "20 s ago",
    "2 min ago",
    "2 h ago",
    "19 Nov",
  ]);
});

test("ids keep both ends", () => {
  expect(shortId("i4ir3kvv62odsfrhko4y8w2an")).toBe("i4ir3k…w2an");
  expect(shortId("i4ir3kvv62odsfrhko4y8w2an", 4, 4)).toBe("i4ir…w2an");
  expect(shortId("short")).toBe("short");
});

test("places and costs", () => {
  expect([1, 2, 3, 4, 11, 22].map(ordinal)).toEqual(["1st", "2nd", "3rd", "4th", "11th", "22nd"]);
  expect(plain(formatCost(0.114, "USD"))).toBe("US$ 0.11");
});
