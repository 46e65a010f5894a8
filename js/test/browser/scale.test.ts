import { afterEach, expect, test } from "vitest";
import "../../src/style.css";
import { FileModel } from "../../src/table/file-model";
import { FileTable } from "../../src/table/file-table";
import { listingOf, manyFiles } from "../listings";

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

test("100,000 files: sort, search and select in time, with a window of rows in the page", async () => {
  const listing = listingOf(manyFiles(100_000));
  const table = new FileTable({ onChange: () => {} });
  const frame = document.createElement("div");
  frame.className = "iw";
  const card = document.createElement("div");
  card.className = "iw-card";
  card.style.cssText = "display: flex; height: 500px";
  frame.append(card);
  card.append(table.element);
  document.body.append(frame);
  rest.push(() => {
    table.dispose();
    frame.remove();
  });
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
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  const last = [...table.element.querySelectorAll<HTMLElement>(".iw-space > .iw-fr:not([hidden])")].map(
    (row) => Number(row.dataset.row),
  );
  expect(Math.max(...last)).toBe(99_999);
});
