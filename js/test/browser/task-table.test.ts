import type { InitializeProps, RenderProps } from "@anywidget/types";
import { afterEach, expect, test } from "vitest";
import { userEvent } from "vitest/browser";
import detailsSuccess from "../../../tests/golden/protocol/details-success.json";
import taskSuccess from "../../../tests/golden/protocol/task-success.json";
import tasksAll from "../../../tests/golden/protocol/tasks-all.json";
import tasksCompare from "../../../tests/golden/protocol/tasks-compare.json";
import tasksList from "../../../tests/golden/protocol/tasks-list.json";
import "../../src/style.css";
import { mountTaskTable, type TaskTableOptions } from "../../src/list/task-table";
import widget from "../../src/notebook/table-widget";
import { FakeModel } from "../fake-model";
import "../parts";
import { ReplayConnection, type Transcript } from "../replay-connection";
import { listTranscript, makeTasks } from "../tasks";

const ends: (() => void)[] = [];

afterEach(() => {
  for (const end of ends.splice(0).reverse()) end();
  sessionStorage.clear();
});

function place(): HTMLElement {
  const el = document.createElement("div");
  el.style.width = "900px";
  document.body.append(el);
  ends.push(() => el.remove());
  return el;
}

async function open(transcripts: object[], options: TaskTableOptions = {}) {
  const el = place();
  const connection = new ReplayConnection(transcripts as Transcript[]);
  const table = mountTaskTable(el, connection, options);
  ends.push(() => table.dispose());
  await expect.poll(() => el.querySelector("[data-id]")).toBeTruthy();
  return { el, connection, table };
}

function rows(el: HTMLElement): string[] {
  return [...el.querySelectorAll<HTMLElement>("[data-id]")].map((row) => row.dataset.id ?? "");
}

function tick(el: HTMLElement, count: number): void {
  const boxes = [...el.querySelectorAll<HTMLElement>("[data-id] [data-act=select]")];
  for (const box of boxes.slice(0, count)) box.click();
}

test("a row opens a monitor below the table, and Escape closes it and goes back to the rows", async () => {
  const { el, connection } = await open([tasksList, taskSuccess, detailsSuccess]);
  el.querySelector<HTMLElement>("[data-id]")?.click();
  await expect.poll(() => el.querySelector(".iw-monitor, .iw-badge")).toBeTruthy();
  expect(document.activeElement?.getAttribute("aria-label")).toMatch(/^Close /);

  await userEvent.keyboard("{Escape}");

  expect(el.querySelector("[aria-label^=Close]")).toBeNull();
  expect(el.querySelectorAll(".iw")).toHaveLength(1);
  expect(document.activeElement?.getAttribute("role")).toBe("grid");
  expect(connection.connected.peek()).toBe(true);
});

test("opening another row takes the place of the first", async () => {
  const { el } = await open([tasksList, taskSuccess, detailsSuccess]);
  const [first, second] = [...el.querySelectorAll<HTMLElement>("[data-id]")];
  first?.click();
  second?.click();
  await expect.poll(() => el.querySelectorAll("[aria-label^=Close]")).toHaveLength(1);
});

test("two ticked tasks are compared: what differs is marked, and what is the same is not", async () => {
  const { el } = await open([tasksList, tasksCompare]);
  tick(el, 1);
  await expect.poll(() => el.querySelector(".iw-psel")).toBeTruthy();
  expect(el.querySelector("[title='Compare (C)']")).toBeNull();
  tick(el, 0);
  const boxes = [...el.querySelectorAll<HTMLElement>("[data-id] [data-act=select]")];
  boxes[1]?.click();
  await expect.poll(() => el.querySelector("[title='Compare (C)']")).toBeTruthy();
  el.querySelector<HTMLElement>("[title='Compare (C)']")?.click();

  await expect.poll(() => el.querySelector(".iw-cmp")).toBeTruthy();
  const marked = [...el.querySelectorAll(".iw-cmp .differs > th")].map((th) => th.textContent);
  expect(marked).toContain("Machine");
  expect(marked).toContain("Note mesh");
  expect(marked).not.toContain("Simulator");
  expect(marked).not.toContain("Note study");
  const text = el.querySelector(".iw-cmp")?.textContent ?? "";
  expect(text).toContain("2 files differ, 23 the same");
  expect(text).toContain("system/refineMeshDict" + "not there");
});

test("a comparison that fails is reported with the reason and can be tried again", async () => {
  const { el, connection } = await open([tasksList], { selected: [] });
  tick(el, 2);
  await expect.poll(() => el.querySelector("[title='Compare (C)']")).toBeTruthy();
  el.querySelector<HTMLElement>("[title='Compare (C)']")?.click();
  await expect.poll(() => el.textContent).toContain("no answer to tasks.compare");
  [...el.querySelectorAll("button")].find((one) => one.textContent === "Try again")?.click();
  await expect.poll(() => connection.sent.filter(({ method }) => method === "tasks.compare")).toHaveLength(2);
});

test("filters that the table begins with hold over all tasks and can be taken away", async () => {
  const { el, connection } = await open([tasksList, tasksAll], {
    filters: { status: "success", project: null },
  });
  await expect.poll(() => connection.sent.some(({ method }) => method === "tasks.all")).toBe(true);
  await expect.poll(() => el.textContent).toContain("found in");
  const pill = el.querySelector<HTMLElement>("[aria-label='Only status success']");
  expect(pill).toBeTruthy();
  const before = el.querySelector("[role=grid]")?.getAttribute("aria-rowcount");
  pill?.click();
  await expect
    .poll(() => Number(el.querySelector("[role=grid]")?.getAttribute("aria-rowcount")))
    .toBeGreaterThan(Number(before));
});

function asked(el: HTMLElement) {
  return {
    query: el.querySelector<HTMLInputElement>("[aria-label^='Search all']")?.value,
    sorted: el.querySelector("[aria-sort=ascending], [aria-sort=descending]")?.textContent,
    chip: el.querySelector(".iw-chip[aria-pressed=true]")?.textContent,
  };
}

test("search, chip and sort outlive a reload of the page, and that of this table only", async () => {
  const { el, table } = await open([tasksList, tasksAll], { memory: "one" });
  const first = asked(el);
  [...el.querySelectorAll("button")].find((one) => one.textContent === "Runtime")?.click();
  [...el.querySelectorAll("button")].find((one) => one.textContent?.startsWith("Done"))?.click();
  const search = el.querySelector<HTMLInputElement>("input");
  await userEvent.fill(search as HTMLInputElement, "openfoam");
  await expect.poll(() => asked(el).chip).toMatch(/^Done/);
  const before = { ...asked(el), rows: rows(el) };
  table.dispose();

  const again = await open([tasksList, tasksAll], { memory: "one" });
  await expect.poll(() => ({ ...asked(again.el), rows: rows(again.el) })).toEqual(before);
  const other = await open([tasksList], { memory: "two" });

  expect(before).toMatchObject({ query: "openfoam", sorted: expect.stringContaining("Runtime") });
  expect(asked(other.el)).toEqual(first);
});

test("grouping outlives a reload, and what is kept is damaged without harm", async () => {
  const kept = "inductiva-widgets:views";
  sessionStorage.setItem(kept, JSON.stringify({ one: { grouping: "project" } }));
  const { el, table } = await open([tasksList, tasksAll], { memory: "one" });
  await expect.poll(() => el.textContent).toMatch(/\d of \d+ done/);
  table.dispose();
  sessionStorage.setItem(kept, "{");

  const again = await open([tasksList], { memory: "one" });

  expect(again.el.textContent).toContain("Today");
});

test("what stands below the table outlives a reload, and takes no focus then", async () => {
  const { el, table } = await open([tasksList, taskSuccess, detailsSuccess], { memory: "one" });
  el.querySelector<HTMLElement>("[data-id]")?.click();
  await expect.poll(() => el.querySelector(".iw-badge")).toBeTruthy();
  const title = el.querySelector(".iw-under")?.textContent;
  table.dispose();

  const again = await open([tasksList, taskSuccess, detailsSuccess], { memory: "one" });

  expect(again.el.querySelector(".iw-under")?.textContent).toBe(title);
  expect(again.el.contains(document.activeElement)).toBe(false);
  await expect.poll(() => again.connection.sent.map(({ method }) => method)).toContain("task.get");
  again.el.querySelector<HTMLElement>("[aria-label^=Close]")?.click();
  again.table.dispose();
  const third = await open([tasksList], { memory: "one" });
  expect(third.el.querySelector(".iw-under")).toBeNull();
});

test("a comparison outlives a reload", async () => {
  const { el, table, connection } = await open([tasksList, tasksCompare], { memory: "one" });
  tick(el, 2);
  await expect.poll(() => el.querySelector("[title='Compare (C)']")).toBeTruthy();
  el.querySelector<HTMLElement>("[title='Compare (C)']")?.click();
  await expect.poll(() => el.querySelector(".iw-cmp")).toBeTruthy();
  table.dispose();

  const again = await open([tasksList, tasksCompare], { memory: "one" });

  await expect.poll(() => again.el.querySelector(".iw-cmp")).toBeTruthy();
  const compared = ({ sent }: ReplayConnection) =>
    sent.find(({ method }) => method === "tasks.compare")?.params;
  expect(compared(again.connection)).toEqual(compared(connection));
});

test("tasks that all came with the first list are grouped and found by their notes too", async () => {
  const transcript = await listTranscript(makeTasks(3), 3, { mesh: "coarse" });
  const { el, connection } = await open([transcript]);

  el.querySelector<HTMLElement>("[aria-label='More actions']")?.click();

  const items = () => [...el.querySelectorAll<HTMLElement>("[role^=menuitem]")];
  await expect.poll(() => items().map((item) => item.textContent)).toContain("mesh");
  items()
    .find((item) => item.textContent === "mesh")
    ?.click();
  await expect.poll(() => el.textContent).toContain("coarse");
  await userEvent.fill(el.querySelector("input") as HTMLInputElement, "coarse");
  await expect.poll(() => rows(el)).toHaveLength(3);
  expect(connection.sent.filter(({ method }) => method === "tasks.all")).toHaveLength(1);
});

test("only as many of the newest are listed as asked for", async () => {
  const { el, connection } = await open([await listTranscript(makeTasks(5), 5000)], { lastN: 5 });
  expect(connection.sent.find(({ method }) => method === "tasks.list")?.params).toEqual({ last_n: 5 });
  expect(connection.sent.some(({ method }) => method === "tasks.all")).toBe(false);
  expect(el.textContent).toContain("5 of 5,000 loaded");
  connection.deliver("tasks", 1, { kind: "tasks", tasks: makeTasks(9), total: 5000 });
  await expect.poll(() => rows(el).length).toBe(5);
});

test("an event about none of the chosen tasks leaves them", async () => {
  const { el, connection } = await open([await listTranscript(makeTasks(3), 3)], {
    isChosen: true,
    lastN: null,
  });
  connection.deliver("tasks", 1, { kind: "tasks", tasks: [], total: 3 });
  expect(rows(el)).toHaveLength(3);
});

test("two views of one table tick the same tasks, and Python is notified once", async () => {
  const model = new FakeModel({
    alive_key: "t1",
    last_n: 50,
    filters: { status: null, project: null },
    is_chosen: false,
    selected_ids: [],
  });
  ends.push(widget.initialize({ model } as unknown as InitializeProps<never>));
  const [one, other] = [place(), place()];
  for (const el of [one, other]) {
    ends.push(widget.render({ model, el } as unknown as RenderProps<never>));
  }
  await expect.poll(() => model.sent.filter(({ message }) => message.kind === "call").length).toBe(2);
  const list = tasksList.messages.find((entry) => entry.message.kind === "result")?.message.result;
  for (const { message } of [...model.sent]) {
    if (message.kind === "call") model.receive({ kind: "result", id: message.id, result: list });
  }
  await expect.poll(() => other.querySelector("[data-id]")).toBeTruthy();
  await expect.poll(() => one.querySelector("[data-id]")).toBeTruthy();

  tick(one, 2);

  await expect.poll(() => other.querySelectorAll("[aria-selected=true]")).toHaveLength(2);
  const told = model.sent.flatMap(({ message }) =>
    message.kind === "call" && message.method === "tasks.select" ? [message.params] : [],
  );
  expect(told.at(-1)).toEqual({ task_ids: rows(one).slice(0, 2) });
  expect(told.length).toBeLessThanOrEqual(2);
});
