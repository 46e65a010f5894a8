import { expect, test } from "vitest";
import golden from "../../../tests/golden/terminal.json";
import { type Row, renderTerminal, type Style, themeColour } from "../../src/logs/terminal";

type Told = Partial<Record<keyof Style, unknown>>;

/** Only what is not plain, colours as the theme has them. */
function told(style: Told): Told {
  const entries = Object.entries(style).filter(
    ([name, value]) => name !== "dim" && value !== null && value !== false,
  );
  return Object.fromEntries(
    entries.map(([name, value]) => [
      name,
      name === "fg" || name === "bg" ? themeColour(value as number | string) : value,
    ]),
  );
}

function comparable(rows: readonly Pick<Row, "text" | "spans">[]) {
  const shown = rows.map(({ text, spans }) => {
    const trimmed = text.trimEnd();
    return {
      text: trimmed,
      spans: spans
        .map(({ start, end, style }) => ({ start, end: Math.min(end, trimmed.length), style: told(style) }))
        .filter(({ start, end }) => start < end),
    };
  });
  while (shown.at(-1)?.text === "") shown.pop();
  return shown;
}

for (const { about, text, rows } of golden) {
  test(`shown as pyte shows it: ${about}`, () => {
    expect(comparable(renderTerminal(text))).toEqual(comparable(rows as unknown as Row[]));
  });
}

test("rows carry the line of the text that began them", () => {
  expect(renderTerminal("a\nb\n\x1b[2Ac\nd\ne\nf\n").map(({ text, line }) => [text, line])).toEqual([
    ["c", 0],
    ["d", 1],
    ["e", 2],
    ["f", 5],
  ]);
});

test("sequences without an end take no more than their line", () => {
  expect(renderTerminal("\x1b]0;no end\nnext\n\x1bP1\nlast\x1b[").map((row) => row.text)).toEqual([
    "",
    "next",
    "",
    "last",
  ]);
});

test("a progress bar of 100,000 updates is shown at once", () => {
  const bar = Array.from({ length: 100_000 }, (_, i) => `\r${"#".repeat(40)} ${i}/100000 [01:23<00:45]`).join(
    "",
  );
  const began = performance.now();
  const rows = renderTerminal(`${bar}\ndone\n`);

  expect(rows.map((row) => row.text)).toEqual([`${"#".repeat(40)} 99999/100000 [01:23<00:45]`, "done"]);
  expect(performance.now() - began).toBeLessThan(1000);
});

test("noise is shown without harm", () => {
  let seed = 7;
  const next = () => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed;
  };
  const noise = Array.from({ length: 50_000 }, () => String.fromCharCode(next() % 300)).join("");

  for (const row of renderTerminal(noise)) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be left
    expect(row.text).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
    for (const { start, end } of row.spans) expect(end).toBeGreaterThan(start);
  }
});
