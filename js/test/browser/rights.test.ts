import { expect, test, vi } from "vitest";
import outputsList from "../../../tests/golden/protocol/outputs-list.json";
import taskRunning from "../../../tests/golden/protocol/task-running.json";
import taskSuccess from "../../../tests/golden/protocol/task-success.json";
import { ServiceFailure } from "../../src/connection";
import type { MonitorOptions } from "../../src/monitor/store";
import { MonitorPage, standStill } from "./page";

/* What a host takes away from a monitor, and a monitor whose calls are no longer answered. */

let page: MonitorPage;

function open(transcripts: readonly object[], host: MonitorOptions = {}): MonitorPage {
  page = new MonitorPage(transcripts, { host });
  return page;
}

standStill(() => page.close());

test("read-only: nothing to kill, by button or by key", async () => {
  open([taskRunning], { readonly: true });
  await expect.poll(() => page.badge).toBe("In Progress");
  expect(page.hasButton("Kill task")).toBe(false);
  page.button("More actions").focus();
  await page.press("k");
  expect(page.has("[role=alertdialog]")).toBe(false);
});

test("read-only: files can be downloaded", async () => {
  open([taskSuccess, outputsList], { readonly: true });
  await expect.poll(() => page.rows.length).toBeGreaterThan(0);
  expect(page.hasButton("Download all")).toBe(true);
});

test("without downloads: neither by button nor by key", async () => {
  open([taskSuccess, outputsList], { readonly: true, downloads: false });
  await expect.poll(() => page.rows.length).toBeGreaterThan(0);
  expect(page.hasButton("Download")).toBe(false);
  page.button("More actions").focus();
  await page.press("{Shift>}D{/Shift}");
  expect(page.calls("outputs.download")).toEqual([]);
});

const CHANGED = {
  type: "AccountChangedError",
  message: "The account of one.example has changed; nothing was sent.",
  hint: "Reload the view to see the tasks of the new account.",
  retryable: false,
};

test("another account: stated once, with the step that helps, until it is the old one again", async () => {
  const reload = vi.fn();
  open([taskRunning], { reload });
  await expect.poll(() => page.badge).toBe("In Progress");
  const answered = page.connection.call.bind(page.connection);
  page.connection.call = () => Promise.reject(new ServiceFailure(CHANGED));

  (await page.menuItem("Refresh")).click();
  await expect.poll(() => page.has(".iw-ban")).toBe(true);

  expect(page.el.querySelectorAll(".iw-ban")).toHaveLength(1);
  expect(page.banner).toContain("The account of one.example has changed");
  expect(page.badge).toBe("Was In Progress");
  expect(page.hasButton("Kill task")).toBe(false);
  page.button("Reload this view").click();
  expect(reload).toHaveBeenCalledOnce();

  page.connection.call = answered;
  (await page.menuItem("Refresh")).click();
  await expect.poll(() => page.has(".iw-ban")).toBe(false);
  expect(page.badge).toBe("In Progress");
});
