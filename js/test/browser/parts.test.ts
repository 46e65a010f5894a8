import { afterEach, beforeEach, expect, test } from "vitest";
import detailsSuccess from "../../../tests/golden/protocol/details-success.json";
import outputsList from "../../../tests/golden/protocol/outputs-list.json";
import previewText from "../../../tests/golden/protocol/preview-text.json";
import taskSuccess from "../../../tests/golden/protocol/task-success.json";
import tasksList from "../../../tests/golden/protocol/tasks-list.json";
import { ServiceFailure } from "../../src/connection";
import { mountTaskTable } from "../../src/list/task-table";
import { type Parts, type PartsSource, partsState, setPartsSource } from "../../src/parts/part-loader";
import { ReplayConnection, type Transcript } from "../replay-connection";
import { MonitorPage, standStill } from "./page";

const REFUSED = {
  type: "ViewError",
  message: "The browser refused this part of the view.",
  hint: "The page may forbid scripts from blob: addresses.",
  retryable: true,
};

const ends: (() => void)[] = [];
standStill(() => {
  for (const end of ends.splice(0)) end();
});

/** Parts that come, or fail to, when the test decides. */
let asked: { give(): Promise<void>; refuse(): void; waiting(is: boolean): void }[];

beforeEach(() => {
  asked = [];
  partsState.value = { kind: "none" };
  const source: PartsSource = (onWaiting) =>
    new Promise<Parts>((resolve, reject) => {
      asked.push({
        give: async () => resolve(await import("../../src/parts/table-parts")),
        refuse: () => reject(new ServiceFailure(REFUSED)),
        waiting: onWaiting,
      });
    });
  setPartsSource(source);
});

afterEach(() => {
  partsState.value = { kind: "none" };
});

async function asks(count: number) {
  await expect.poll(() => asked.length).toBe(count);
  const last = asked[count - 1];
  if (last === undefined) throw new Error("nobody asked");
  return last;
}

function openMonitor(): MonitorPage {
  const page = new MonitorPage([taskSuccess, outputsList, detailsSuccess, previewText]);
  ends.push(() => page.close());
  return page;
}

test("the first paint does not wait for the parts; they are asked for once, when it is done", async () => {
  const page = openMonitor();
  await expect.poll(() => page.rows.length).toBeGreaterThan(0);
  await asks(1);
  openMonitor();
  await page.press("2");
  expect(asked).toHaveLength(1);
});

test("a tab opened before its part shows that it waits, then its content", async () => {
  const page = openMonitor();
  await expect.poll(() => page.rows.length).toBeGreaterThan(0);
  page.find("[data-tab=details]").click();
  await expect.poll(() => page.text("[role=tabpanel]")).toBe("Loading…");
  const part = await asks(1);

  part.waiting(true);
  await expect.poll(() => page.text("[role=tabpanel]")).toBe("Waiting for the kernel: it is busy.");
  part.waiting(false);
  await expect.poll(() => page.text("[role=tabpanel]")).toBe("Loading…");
  await part.give();

  await expect.poll(() => page.has("[role=tabpanel] .iw-details")).toBe(true);
  expect(page.text("[role=tabpanel]")).not.toContain("Loading");
});

test("a part that does not come is reported with the reason, and can be tried again", async () => {
  const page = openMonitor();
  await expect.poll(() => page.has("[data-tab=details]")).toBe(true);
  page.find("[data-tab=details]").click();
  (await asks(1)).refuse();

  await expect.poll(() => page.has("[role=tabpanel] .iw-ban")).toBe(true);
  expect(page.text("[role=tabpanel] .iw-ban")).toContain(`${REFUSED.message} ${REFUSED.hint}`);
  page.button("Try again").click();
  await (await asks(2)).give();

  await expect.poll(() => page.has("[role=tabpanel] .iw-details")).toBe(true);
});

test("parts that did not come take nothing from the files, and are tried again when they are needed", async () => {
  const page = openMonitor();
  await expect.poll(() => page.rows.length).toBeGreaterThan(0);
  (await asks(1)).refuse();
  await expect.poll(() => page.text("[role=tabpanel] .iw-ban")).toContain(REFUSED.message);
  expect(page.rows.length).toBeGreaterThan(0);

  page.find("[data-tab=machine]").click();
  await asks(2);
});

test("a file is looked into as soon as the part is there", async () => {
  const page = openMonitor();
  await expect.poll(() => page.rows.length).toBeGreaterThan(0);
  page.find(".iw-list [role=grid], .iw-list [tabindex='0']").focus();
  await page.press("{ArrowRight}{ArrowDown}{Enter}");
  await expect.poll(() => page.text(".iw-split").includes("Loading…")).toBe(true);
  (await asks(1)).refuse();
  await expect.poll(() => page.hasButton("Close")).toBe(true);
  expect(page.rows.length).toBeGreaterThan(0);
  page.button("Close").click();
  await expect.poll(() => page.hasButton("Close")).toBe(false);
  await page.press("{Enter}");
  await (await asks(2)).give();
  await expect.poll(() => page.has(".iw-preview")).toBe(true);
});

test("in a table, a task that is opened and the bar of what is ticked come with the parts", async () => {
  const el = document.body.appendChild(document.createElement("div"));
  const transcripts = [tasksList, taskSuccess, detailsSuccess, outputsList] as unknown as Transcript[];
  const table = mountTaskTable(el, new ReplayConnection(transcripts));
  ends.push(() => {
    table.dispose();
    el.remove();
  });
  await expect.poll(() => el.querySelector("[data-id]")).toBeTruthy();
  el.querySelector<HTMLElement>("[data-id] [data-act=select]")?.click();
  el.querySelector<HTMLElement>("[data-id]")?.click();
  await expect.poll(() => el.querySelectorAll(".iw-waiting").length).toBe(2);
  expect(el.querySelector(".iw-psel, [data-tab]")).toBeNull();
  await (await asks(1)).give();

  await expect.poll(() => el.querySelector(".iw-psel")).toBeTruthy();
  await expect.poll(() => el.querySelector("[data-tab=logs]")).toBeTruthy();
  expect(el.querySelector(".iw-waiting")).toBeNull();
});

test("a table that is closed before its parts come leaves nothing behind", async () => {
  const el = document.body.appendChild(document.createElement("div"));
  const table = mountTaskTable(el, new ReplayConnection([tasksList] as unknown as Transcript[]));
  ends.push(() => el.remove());
  await expect.poll(() => el.querySelector("[data-id]")).toBeTruthy();
  el.querySelector<HTMLElement>("[data-id]")?.click();
  await expect.poll(() => el.querySelector(".iw-waiting")).toBeTruthy();
  const part = await asks(1);
  table.dispose();

  await part.give();

  await expect.poll(() => partsState.peek().kind).toBe("ready");
  expect(el.childElementCount).toBe(0);
});
