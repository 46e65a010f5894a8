import { describe, expect, test } from "vitest";
import {
  type Block,
  HEAD_HEIGHT,
  isCut,
  LINE_HEIGHT,
  LogModel,
  rangeOf,
  type Section,
} from "../../src/logs/model";
import type { LogFile, LogPart } from "../../src/protocol";

function part(rest: Partial<LogPart>): LogPart {
  const plain = { command: null, seconds: null, exit_code: null, state: null, line: 0, lines: 0, blocks: [] };
  return { ...plain, ...rest };
}

function model(...parts: LogPart[]): LogModel {
  const file: LogFile = { name: "stdout.txt", size: 1, read: 1, lines: 1, parts, errors: [] };
  return new LogModel(file);
}

/** One command of 2,000 lines in four blocks, after one of 10 lines. */
function twoCommands(): LogModel {
  const blocks = [0, 1, 2, 3].flatMap((i) => [1000 * i, 1000, 500]);
  return model(
    part({ command: "mesh", line: 4, lines: 10, blocks: [0, 100, 10] }),
    part({ command: "solve", line: 20, lines: 2000, blocks }),
  );
}

function solve(log: LogModel): [Section, Block[]] {
  const section = log.sections[1] as Section;
  section.isOpen = true;
  return [section, section.blocks];
}

const LINES = Array.from({ length: 500 }, (_, i) => `line ${i}`).join("\n");

describe("where lines stand", () => {
  test("folded commands are as high as their rows", () => {
    expect(twoCommands().height).toBe(2 * HEAD_HEIGHT);
  });

  test("every line has its place before anything is there", () => {
    const log = twoCommands();
    const [section] = solve(log);
    const top = log.placeOf(20)?.top ?? 0;

    expect(log.placeOf(1520)?.top).toBe(top + 1500 * LINE_HEIGHT);
    expect(log.placeOf(1520)).toMatchObject({ section, block: 3, row: 0 });
    expect(log.placeOf(15)).toBeNull();
  });

  test("only what is seen is asked for", () => {
    const log = twoCommands();
    const [section, blocks] = solve(log);
    const top = log.placeOf(1030)?.top ?? 0;
    const { rows, wanted } = log.window(section, top, top + 100);

    expect(wanted).toEqual([blocks[2]]);
    expect(rows[0]).toMatchObject({ line: 1030, row: null });
    expect(rows.length).toBeLessThan(9);
  });

  test("a line at a height is the line whose place that is", () => {
    const log = twoCommands();
    solve(log);

    for (const line of [20, 519, 520, 1777]) expect(log.lineAt(log.placeOf(line)?.top ?? 0)).toBe(line);
  });

  test("text that a terminal makes shorter moves what is below", () => {
    const log = twoCommands();
    const [section, blocks] = solve(log);
    const before = log.placeOf(600)?.top ?? 0;
    const moved = log.accept(
      section,
      blocks[0] as Block,
      `${LINES.replaceAll(/\nline [1-9]\d*/g, "\n\x1b[Ax")}\n`,
    );

    expect(moved).toBeLessThan(0);
    expect(log.placeOf(600)?.top).toBe(before + moved);
  });

  test("wrapped lines are as high as they need", () => {
    const log = twoCommands();
    const [section, blocks] = solve(log);
    log.accept(section, blocks[0] as Block, `${"x".repeat(95)}\n${LINES}\n`);
    log.wrapAt(10);
    const { rows } = log.window(section, 0, 1000);

    expect(rows[0]?.height).toBe(10 * LINE_HEIGHT);
    expect(rows[1]?.top).toBe(10 * LINE_HEIGHT);
    log.wrapAt(0);
    expect(log.window(section, 0, 1000).rows[1]?.top).toBe(LINE_HEIGHT);
  });

  test("letters of two columns have the room of two when lines are wrapped", () => {
    const log = twoCommands();
    const [section, blocks] = solve(log);
    log.accept(section, blocks[0] as Block, `${"流".repeat(25)}\n${LINES}\n`);
    log.wrapAt(10);

    expect(log.window(section, 0, 1000).rows[0]?.height).toBe(5 * LINE_HEIGHT);
  });
});

test("of a very long line a part is fetched, from either end", () => {
  const [block] = (model(part({ lines: 1, blocks: [50, 9_000_000, 1] })).sections[0] as Section).blocks;
  const long = block as Block;

  expect(isCut(long)).toBe(true);
  expect(rangeOf(long, false)[0]).toBe(50);
  const [offset, length] = rangeOf(long, true);
  expect(offset + length).toBe(9_000_050);
  expect(length).toBeLessThan(1 << 20);
});

test("more rows than a browser can place: some in the middle are left out", () => {
  const blocks = Array.from({ length: 1000 }, (_, i) => [i * 9000, 9000, 1000]).flat();
  const log = model(part({ lines: 1_000_000, blocks }));
  const section = log.sections[0] as Section;
  const top = log.textTop(section);

  expect(section.lines).toBe(800_001);
  expect(log.placeOf(199_999)?.top).toBe(top + 199_999 * LINE_HEIGHT);
  expect(log.placeOf(999_999)?.top).toBe(top + 800_000 * LINE_HEIGHT);
  expect(section.blocks[200]?.rows[0]?.text).toBe("200,000 lines (1.8\u00a0MB) left out");
});

test("lines that cannot be read are one row, and those after it keep their numbers", () => {
  const blocks = [0, 1000, 50, 1000, -9000, 700, 10_000, 1000, 50];
  const log = model(part({ line: 4, lines: 800, blocks }));
  const section = log.sections[0] as Section;
  const top = log.textTop(section);

  expect(section.lines).toBe(101);
  expect(log.placeOf(53)?.top).toBe(top + 49 * LINE_HEIGHT);
  for (const line of [54, 400, 753]) expect(log.placeOf(line)).toMatchObject({ block: 1, row: 0 });
  expect(log.placeOf(754)?.top).toBe(top + 51 * LINE_HEIGHT);
  expect(log.lineAt(top + 100 * LINE_HEIGHT)).toBe(803);
  const { wanted } = log.window(section, 0, 1e6);
  expect(wanted).toEqual([section.blocks[0], section.blocks[2]]);
});
