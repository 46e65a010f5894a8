import { afterEach, expect, test } from "vitest";
import "../../src/style.css";
import { FileModel } from "../../src/files/file-model";
import { FileTable } from "../../src/files/file-table";
import { NameList } from "../../src/files/listing";
import { listingMeta, listingOf, manyFiles } from "../listings";

/** Measured times are some 10 times smaller; these limits catch a change of order, not a slow machine. */
const LIMITS_MS = { sort: 900, search: 600, select: 300, load: 3000, tree: 2500 };

const rest: (() => void)[] = [];
afterEach(() => {
  for (const end of rest.splice(0)) end();
});

function timed(act: () => void): number {
  const start = performance.now();
  act();
  return performance.now() - start;
}

/** A table in a page, in a view of that width. */
function shownTable(width: number): FileTable {
  const table = new FileTable({ onChange: () => {} });
  const frame = document.createElement("div");
  frame.className = "iw";
  frame.style.width = `${width}px`;
  const card = document.createElement("div");
  card.className = "iw-card";
  card.style.cssText = "display: flex; flex-direction: column; height: 500px";
  frame.append(card);
  card.append(table.element);
  document.body.append(frame);
  rest.push(() => {
    table.dispose();
    frame.remove();
  });
  return table;
}

const painted = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));

/** Numbers of the rows that can be seen as a whole, from top to bottom. */
function seenRows({ element }: FileTable): number[] {
  const { bottom } = element.getBoundingClientRect();
  const head = element.querySelector(".head")?.getBoundingClientRect();
  const top = Math.max(element.getBoundingClientRect().top, head?.bottom ?? 0);
  return [...element.querySelectorAll<HTMLElement>(".iw-space > .iw-fr:not([hidden])")]
    .filter((row) => {
      const box = row.getBoundingClientRect();
      // Scroll places are whole pixels, which stand for several in a long list.
      return box.top > top - 4 && box.bottom < bottom + 4;
    })
    .map((row) => Number(row.dataset.row))
    .sort((a, b) => a - b);
}

test("100,000 files: sort, search and select in time, with a window of rows in the page", async () => {
  const listing = listingOf(manyFiles(100_000));
  const table = shownTable(800);
  let model = new FileModel(listing);

  const times = {
    load: timed(() => {
      model = new FileModel(listing);
      table.show(model);
    }),
    sort: timed(() => {
      model.sortBy("size", true);
      table.update();
    }),
    search: timed(() => {
      model.search("fluid");
      table.update();
    }),
    searchAgain: timed(() => {
      model.search("fluid_9");
      table.update();
    }),
    select: timed(() => {
      model.selectFound(true);
      table.update();
    }),
    glob: timed(() => {
      model.search("time_*/*_1?.vtk");
      table.update();
    }),
    tree: timed(() => {
      model.search("");
      model.setForm("tree");
      table.update();
    }),
    treeSort: timed(() => {
      model.sortBy("packed", true);
      table.update();
    }),
    treeSearch: timed(() => {
      model.search("fluid_9");
      table.update();
    }),
    treeOpen: timed(() => {
      model.search("");
      model.setOpen(0, true);
      table.update();
    }),
    treeTick: timed(() => {
      model.selectItem(~0, true);
      table.update();
    }),
    sortNames: timed(() => {
      model.setForm("list");
      model.sortBy("name", true);
      table.update();
    }),
  };

  console.info(
    Object.entries(times)
      .map(([name, ms]) => `${name} ${ms.toFixed(1)} ms`)
      .join(", "),
  );
  expect(times.load).toBeLessThan(LIMITS_MS.load);
  expect(times.sort).toBeLessThan(LIMITS_MS.sort);
  expect(times.search).toBeLessThan(LIMITS_MS.search);
  expect(times.select).toBeLessThan(LIMITS_MS.select);
  for (const time of [times.tree, times.treeSort, times.treeSearch, times.treeOpen]) {
    expect(time).toBeLessThan(LIMITS_MS.tree);
  }
  expect(table.element.querySelectorAll(".iw-fr").length).toBeLessThanOrEqual(200);

  model.search("");
  table.update();
  table.element.scrollTop = table.element.scrollHeight;
  await painted();
  expect(seenRows(table).at(-1)).toBe(99_999);
});

test("1,000,000 files in a narrow view, where a browser could not make the rows' box: all are reached", async () => {
  const table = shownTable(280);
  const count = 1_000_000;
  const text = Array.from({ length: count }, (_, i) => i).join("\n");
  const sizes = new Float64Array(count);
  const names = new NameList(text, count);
  table.show(new FileModel({ meta: listingMeta(count), names, sizes, packed: sizes }));
  const { element } = table;
  const rowHeight = element.querySelector<HTMLElement>(".iw-space > .iw-fr")?.offsetHeight ?? 0;
  expect(rowHeight * count).toBeGreaterThan(2 ** 25);
  const atRow = async (row: number) => {
    await painted();
    const seen = seenRows(table);
    expect(seen).toContain(row);
    // A full window without a gap.
    expect(seen.length).toBeGreaterThanOrEqual(Math.floor(element.clientHeight / rowHeight) - 2);
    expect(seen.at(-1)).toBe((seen[0] ?? 0) + seen.length - 1);
  };

  element.scrollTop = element.scrollHeight;
  await atRow(count - 1);
  element.scrollTop = (element.scrollHeight - element.clientHeight) / 2;
  await atRow(count / 2);
  element.focus();
  const press = (key: string) => element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  for (const [key, row] of [
    ["Home", 0],
    ["End", count - 1],
    ["ArrowUp", count - 2],
  ] as const) {
    press(key);
    await atRow(row);
  }
  table.mark(123_456);
  press("ArrowDown");
  await atRow(123_457);
  press("ArrowUp");
  await atRow(123_456);
});

test("after a leap the rows in sight are painted at once, those beside them when leaping has ended", async () => {
  const table = shownTable(800);
  table.show(new FileModel(listingOf(manyFiles(10_000))));
  await painted();
  const { element } = table;
  const rows = () =>
    [...element.querySelectorAll<HTMLElement>(".iw-space > .iw-fr")].map((row) => Number(row.dataset.row));
  const before = Math.max(...rows());

  element.scrollTop = 100_000;
  await painted();
  const seen = seenRows(table);
  expect(seen[0]).toBeGreaterThan(before);
  expect(seen).toEqual(Array.from({ length: seen.length }, (_, i) => (seen[0] ?? 0) + i));
  expect(rows()).not.toContain((seen[0] ?? 0) - 4);

  await expect.poll(() => rows()).toContain((seen[0] ?? 0) - 4);
  expect(rows()).toContain((seen.at(-1) ?? 0) + 4);
});
