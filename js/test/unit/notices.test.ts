import { expect, test } from "vitest";
import { awayText } from "../../src/lab/notice-text";

const NOW = new Date(2026, 10, 20, 9, 0).getTime();

test.each([
  [3, 1, "While you were away: 3 finished, 1 failed since Tuesday 18:10"],
  [1, 0, "While you were away: 1 finished since Tuesday 18:10"],
  [0, 2, "While you were away: 2 failed since Tuesday 18:10"],
])("%i finished and %i failed", (finished, failed, text) => {
  const since = new Date(2026, 10, 17, 18, 10).toISOString();
  expect(awayText(finished, failed, since, NOW)).toBe(text);
});

test("after more than a week a weekday would mislead", () => {
  const since = new Date(2026, 9, 2, 8, 5).toISOString();
  expect(awayText(1, 0, since, NOW)).toBe("While you were away: 1 finished since 2 October at 08:05");
});

test("a time that cannot be read is left out", () => {
  expect(awayText(1, 0, "?", NOW)).toBe("While you were away: 1 finished");
});
