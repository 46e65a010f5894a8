import { beforeEach, describe, expect, test, vi } from "vitest";
import downloadCancelled from "../../../tests/golden/protocol/download-cancelled.json";
import downloadDone from "../../../tests/golden/protocol/download-done.json";
import downloadFailed from "../../../tests/golden/protocol/download-failed.json";
import outputsList from "../../../tests/golden/protocol/outputs-list.json";
import taskFailed from "../../../tests/golden/protocol/task-failed.json";
import taskKill from "../../../tests/golden/protocol/task-kill.json";
import taskKillTooLate from "../../../tests/golden/protocol/task-kill-too-late.json";
import taskNoOutputs from "../../../tests/golden/protocol/task-no-outputs.json";
import taskNotFound from "../../../tests/golden/protocol/task-not-found.json";
import taskQueued from "../../../tests/golden/protocol/task-queued.json";
import taskRunning from "../../../tests/golden/protocol/task-running.json";
import taskStale from "../../../tests/golden/protocol/task-stale.json";
import taskSuccess from "../../../tests/golden/protocol/task-success.json";
import taskUnknownStatus from "../../../tests/golden/protocol/task-unknown-status.json";
import { gunzip } from "../../src/files/listing";
import { MonitorPage, standStill } from "./page";

let page: MonitorPage;

function open(
  transcripts: readonly object[],
  options?: ConstructorParameters<typeof MonitorPage>[1],
): MonitorPage {
  page = new MonitorPage(transcripts, options);
  return page;
}

/** With the rows of the file table on screen. */
async function openFiles(transcripts: readonly object[] = [taskSuccess, outputsList]): Promise<MonitorPage> {
  open(transcripts);
  await expect.poll(() => page.rows.length).toBeGreaterThan(0);
  return page;
}

standStill(() => page.close());
// The list; `files.test.ts` has the tree.
beforeEach(() => localStorage.setItem("inductiva-widgets:files-form", "list"));

describe("state of a task", () => {
  test("running: the service's word, ticking runtime, cost so far, no files yet", async () => {
    open([taskRunning]);
    await expect.poll(() => page.badge).toBe("In Progress");
    expect(page.facts).toEqual({
      Runtime: "12 min 04 s",
      Machine: "c2-standard-4",
      "Cost so far": "US$ 0.11",
      Backend: "api.inductiva.ai",
    });
    expect(page.text(".iw-empty")).toContain("No output files yet");
    vi.setSystemTime(new Date("2026-11-21T13:02:15Z"));
    await expect.poll(() => page.facts.Runtime, { timeout: 3000 }).toBe("12 min 07 s");
  });

  test("queued: place in the queue, then at work without asking again", async () => {
    open([taskQueued], { taskId: "67iubpw0t3k9x2vd8qsy5mcn4" });
    await expect.poll(() => page.badge).toBe("In Queue");
    expect(page.facts).toMatchObject({ "Place in queue": "3rd · 2 tasks ahead" });
    page.connection.play();
    await expect.poll(() => page.badge).toBe("Preparing to Compute");
    expect(page.calls("task.get")).toHaveLength(1);
  });

  test("ended: final cost, no kill button, the listing asked for once", async () => {
    await openFiles();
    expect(page.badge).toBe("Success");
    expect(page.facts).toMatchObject({ Runtime: "19 min 17 s", Cost: "US$ 0.18 final" });
    expect(page.text(".iw-asof")).toMatch(/^ended at /);
    expect(page.hasButton("Kill")).toBe(false);
    expect(page.calls("outputs.list")).toHaveLength(1);
  });

  test("failed: the cause stands above the files", async () => {
    open([taskFailed], { taskId: "9tq0sxk2m4w7v1c8z5r3yc1fe" });
    await expect.poll(() => page.rows.length).toBe(11);
    expect(page.banner).toContain("interFoam was stopped by a floating point exception");
  });

  test("a status code of the future is shown as sent", async () => {
    open([taskUnknownStatus], { taskId: "p4c1zt8m0q7w2x9vb6k3j5d1s" });
    await expect.poll(() => page.badge).toBe("Moving to Another Machine");
  });

  test("stale: past tense, frozen values, cause, next try, retry", async () => {
    open([taskStale]);
    await expect.poll(() => page.badge).toBe("Was In Progress");
    expect(page.facts).toMatchObject({ "Runtime then": "12 min 04 s", "Cost then": "US$ 0.11" });
    expect(page.banner).toContain(
      "api.inductiva.ai did not answer within 10 s. Everything here is 13 min old.",
    );
    expect(page.banner).toContain("Next try in 24 s");
    page.button("Retry now").click();
    await expect.poll(() => page.calls("task.get").at(-1)).toMatchObject({ refresh: true });
  });

  test("no such task: the reason instead of endless loading", async () => {
    open([taskNotFound]);
    await expect.poll(() => page.has(".iw-empty")).toBe(true);
    expect(page.text(".iw-empty")).toContain("There is no task");
    expect(page.badge).toBe("Not known");
    expect(page.has(".iw-sk")).toBe(false);
  });

  test("no outputs: reported, and nothing is asked for", async () => {
    open([taskNoOutputs]);
    await expect.poll(() => page.has(".iw-empty")).toBe(true);
    expect(page.text(".iw-empty")).toContain("This task has no output files");
    expect(page.calls("outputs.list")).toHaveLength(0);
  });

  test("an older answer does not overwrite a newer event", async () => {
    open([taskQueued], { taskId: "67iubpw0t3k9x2vd8qsy5mcn4" });
    await expect.poll(() => page.badge).toBe("In Queue");
    page.connection.play();
    (await page.menuItem("Refresh")).click();
    await expect.poll(() => page.calls("task.get")).toHaveLength(2);
    expect(page.badge).toBe("Preparing to Compute");
  });

  test("the kernel goes: past tense, buttons off, no claim to be live", async () => {
    open([taskRunning]);
    await expect.poll(() => page.badge).toBe("In Progress");
    page.connection.disconnect();
    await expect.poll(() => page.badge).toBe("Was In Progress");
    expect(page.banner).toContain("Not connected");
    expect(page.button("Kill task").disabled).toBe(true);
    await page.menuItem("Keys");
    expect(page.hasButton("Refresh")).toBe(false);
  });
});

describe("kill", () => {
  test("asks first, with the focus on the safe answer; Escape keeps the task running", async () => {
    open([taskKill]);
    await expect.poll(() => page.hasButton("Kill task")).toBe(true);
    page.button("Kill task").click();
    await expect.poll(() => page.has("[role=alertdialog]")).toBe(true);
    expect(page.banner).toContain("Kill OpenFOAM i4ir3k…w2an on api.inductiva.ai?");
    expect(page.banner).toContain("It has run for 12 min 04 s and cost US$ 0.11 so far.");
    await expect.poll(() => document.activeElement).toBe(page.button("Keep running"));

    await page.press("{Escape}");

    await expect.poll(() => page.has("[role=alertdialog]")).toBe(false);
    expect(page.calls("task.kill")).toHaveLength(0);
    await expect.poll(() => document.activeElement).toBe(page.button("Kill task"));
  });

  test("is not believed before the service agrees", async () => {
    open([taskKill]);
    await expect.poll(() => page.hasButton("Kill task")).toBe(true);
    page.button("Kill task").click();
    await expect.poll(() => page.has("[role=alertdialog]")).toBe(true);
    page.find(".iw-ban .danger").click();
    await expect.poll(() => page.badge).toBe("Pending Kill");
    expect(page.button("Killing…").disabled).toBe(true);
    expect(page.banner).toContain("Kill asked at");
    page.connection.play();
    await expect.poll(() => page.badge).toBe("Killed");
    expect(page.hasButton("Kill")).toBe(false);
    expect(page.text("[role=status].iw-vh")).toBe("Task is now Killed.");
  });

  test("too late: the task's own end is shown", async () => {
    open([taskKillTooLate], { hold: ["outputs.list"] });
    await expect.poll(() => page.hasButton("Kill task")).toBe(true);
    page.button("Kill task").click();
    await expect.poll(() => page.has("[role=alertdialog]")).toBe(true);
    page.find(".iw-ban .danger").click();
    await expect.poll(() => page.badge).toBe("Success");
    expect(page.text("[role=status].iw-vh")).toBe("The task had already ended.");
  });

  test("shows that it waits while the kernel is busy", async () => {
    open([taskKill], { hold: ["task.kill"] });
    await expect.poll(() => page.hasButton("Kill task")).toBe(true);
    page.button("Kill task").click();
    await expect.poll(() => page.has("[role=alertdialog]")).toBe(true);
    page.find(".iw-ban .danger").click();
    await expect.poll(() => page.banner).toContain("Waiting for the kernel…");
    expect(page.badge).toBe("In Progress");
  });
});

describe("files", () => {
  test("rows stand in natural order, only a window of them in the page", async () => {
    await openFiles();
    expect(page.rows.slice(0, 6)).toEqual([
      "0/alpha.water",
      "0/alpha.water.orig",
      "0/p_rgh",
      "0/U",
      "0.05/alpha.water",
      "0.05/alphaPhi0.water",
    ]);
    expect(page.find(".iw-grid").ariaRowCount ?? page.find(".iw-grid").getAttribute("aria-rowcount")).toBe(
      "207",
    );
    expect(page.rows.length).toBeLessThan(40);
  });

  test("clicks tick rows, the bar names count and bytes before the download", async () => {
    await openFiles();
    page.row(4).click();
    page.row(5).click();
    await expect.poll(() => page.text(".iw-tools .opt")).toBe("2 of 206 selected · 82.8 KB");
    expect(page.hasButton("Download 2 files, 82.8 KB")).toBe(true);
    page.find(".iw-fr.head .iw-ck").click();
    await expect.poll(() => page.hasButton("Download 206 files")).toBe(true);
    expect(page.hasButton("All")).toBe(false);
  });

  test("Python is notified of what is ticked, once the user pauses", async () => {
    await openFiles();
    for (const row of [0, 1, 2]) page.row(row).click();
    await expect
      .poll(() => page.calls("outputs.select"))
      .toEqual([{ task_id: "i4ir3kvv62odsfrhko4y8w2an", revision: "5f2c8e01", count: 206 }]);
    const [bits] = page.connection.sent.at(-1)?.buffers ?? [];
    const ones = [...new Uint8Array(await gunzip(bits ?? new ArrayBuffer(0)))]
      .map((byte) => byte.toString(2))
      .join("");
    expect(ones.replaceAll("0", "")).toHaveLength(3);
  });

  test("the keyboard does it all: move, tick, extend, all found, search, back", async () => {
    await openFiles();
    page.find(".iw-grid").focus();
    await page.press("{ArrowDown}{ArrowDown} ");
    await expect.poll(() => page.row(2).ariaSelected).toBe("true");
    await page.press("{Shift>}{ArrowDown}{ArrowDown}{/Shift}");
    await expect.poll(() => page.text(".iw-tools .opt")).toContain("3 of 206");
    expect(page.find(".iw-grid").getAttribute("aria-activedescendant")).toBe(page.row(4).id);

    await page.press("/");
    expect(document.activeElement).toBe(page.find("input"));
    await page.press("ALPHA");
    await expect.poll(() => page.rows.every((name) => name.includes("alpha"))).toBe(true);
    await page.press("{ArrowDown}{Control>}a{/Control}");
    await expect.poll(() => page.text(".iw-tools .opt")).toMatch(/^42 found · 44 of 206/);

    await page.press("/{Escape}");
    await expect.poll(() => page.find<HTMLInputElement>("input").value).toBe("");
    await page.press("{Escape}");
    expect(document.activeElement).toBe(page.find(".iw-grid"));
    await page.press("{End}");
    await expect.poll(() => page.rows.at(-1)).toBe("system/setFieldsDict");
  });

  test("the host's shortcuts are held off for the view's keys only", async () => {
    await openFiles();
    const grid = page.find(".iw-grid");
    const isHeldOff = () => grid.hasAttribute("data-lm-suppress-shortcuts");
    grid.focus();
    await page.press("x");
    expect(isHeldOff()).toBe(true);
    await page.press("{Control>}s{/Control}");
    expect(isHeldOff()).toBe(false);
    await page.press("{Shift>}{Enter}{/Shift}");
    expect(isHeldOff()).toBe(false);
  });

  test("sorting by size brings the largest first, then the smallest", async () => {
    await openFiles();
    page.button("Size").click();
    await expect.poll(() => page.rows[0]).toBe("log.interFoam");
    expect(page.find("[aria-sort=descending]").textContent).toBe("Size");
    page.button("Size").click();
    await expect.poll(() => page.rows[0]).toBe("stderr.txt");
  });

  test("a search without a hit reports it and offers the way back", async () => {
    await openFiles();
    page.find("input").focus();
    await page.press("velocity");
    await expect.poll(() => page.text(".iw-list")).toContain("No file name contains “velocity”");
    page.button("Clear search").click();
    await expect.poll(() => page.rows.length).toBeGreaterThan(10);
  });

  test("a refresh with the same listing moves nothing", async () => {
    await openFiles();
    page.row(4).click();
    page.find(".iw-grid").scrollTop = 1400;
    await expect.poll(() => page.rows).toContain("0.3/U");
    const before = page.rows;
    const grid = page.find(".iw-grid");
    (await page.menuItem("Refresh")).click();
    await expect.poll(() => page.calls("outputs.list")).toHaveLength(2);
    expect(page.rows).toEqual(before);
    expect(page.find(".iw-grid")).toBe(grid);
    expect(page.text(".iw-tools .opt")).toContain("1 of 206");
  });

  test("a busy kernel is named while the list is awaited", async () => {
    open([taskSuccess], { hold: ["outputs.list"] });
    await expect.poll(() => page.has(".iw-waiting")).toBe(true);
    expect(page.text(".iw-waiting")).toContain("Waiting for the kernel");
  });
});

describe("download", () => {
  async function start(transcript: object): Promise<void> {
    await openFiles([taskSuccess, outputsList, transcript]);
    page.connection.play(1);
    for (const row of [2, 3, 4, 5, 6, 7, 8, 9]) page.row(row).click();
    await expect.poll(() => page.hasButton("Download 8 files")).toBe(true);
    page.button("Download 8 files").click();
    await expect.poll(() => page.text(".iw-foot")).toContain("Downloading 8 files");
  }

  test("sends the ticked files, shows each one's state and the end", async () => {
    await start(downloadDone);
    const sent = page.connection.sent.find((call) => call.method === "outputs.download");
    const recorded = downloadDone.messages[0]?.buffers?.[0] ?? "";
    expect(new Uint8Array(await gunzip(sent?.buffers[0] ?? new ArrayBuffer(0)))).toEqual(
      new Uint8Array(await gunzip(Uint8Array.from(atob(recorded), (char) => char.charCodeAt(0)).buffer)),
    );
    page.connection.play(2);
    await expect
      .poll(() => page.text(".iw-foot .say"))
      .toMatch(/^Downloading 8 files\d+ %.* packed · .*\/s · \d+ s left$/);
    expect(page.text('[data-row="2"] .iw-loc')).toBe("Verified");
    expect(page.text('[data-row="4"] .iw-loc')).toBe("Fetching");
    expect(page.text('[data-row="9"] .iw-loc')).toBe("Waiting");
    page.connection.play();
    await expect
      .poll(() => page.text(".iw-foot .say"))
      .toBe("8 files verifiedininductiva_output/i4ir3k…w2an/outputs");
    expect(page.text("[role=status].iw-vh")).toContain("8 files verified in");
  });

  test("failed: the named error with its hint, and what was delivered", async () => {
    await start(downloadFailed);
    page.connection.play();
    await expect.poll(() => page.text(".iw-foot .say")).toContain("3 of 8 files delivered");
    expect(page.banner).toContain("The disk of inductiva_output is full. 45.6 KB more are needed.");
    expect(page.find('[data-row="5"] .iw-loc.err').title).toBe("No space left on device");
    page.button("Dismiss").click();
    await expect.poll(() => page.has(".iw-ban")).toBe(false);
  });

  test("cancel waits for the service, then reports what stays", async () => {
    await start(downloadCancelled);
    page.connection.play(2);
    page.button("Cancel").click();
    await expect.poll(() => page.button("Cancelling…").disabled).toBe(true);
    page.connection.play();
    await expect
      .poll(() => page.text(".iw-foot .say"))
      .toBe("Download cancelled2 of 8 files delivered and kept");
  });

  test("a busy kernel: the bar waits honestly, the button stays", async () => {
    await openFiles();
    page.connection.waiting.add("outputs.download");
    page.row(1).click();
    await expect.poll(() => page.hasButton("Download 1 file")).toBe(true);
    page.find(".iw-grid").focus();
    await page.press("d");
    await expect.poll(() => page.text(".iw-foot .say")).toContain("Waiting for the kernel…");
    expect(page.button("Download 1 file").disabled).toBe(false);
  });

  test("without a connection: off, and why", async () => {
    await openFiles();
    page.connection.disconnect();
    await expect.poll(() => page.text(".iw-foot .say")).toBe("Not connectedRun the cell again to download.");
    expect(page.find<HTMLButtonElement>(".iw-foot .acts button").disabled).toBe(true);
  });
});

describe("room", () => {
  test("a long status word takes it from the id, not from the name, and not from the menu", async () => {
    open([taskStale], { width: 480 });
    await expect.poll(() => page.badge).toBe("Was In Progress");
    const name = page.find(".iw-title h3");
    expect(name.scrollWidth).toBe(name.clientWidth);
    expect(page.find(".iw-id").scrollWidth).toBeGreaterThan(page.find(".iw-id").clientWidth);

    page.el.style.width = "200px";
    await expect
      .poll(() => page.find(".iw-asof").getBoundingClientRect().top)
      .toBeGreaterThan(page.find(".iw-badge").getBoundingClientRect().bottom - 1);
    const [badge, menu] = [".iw-badge", ".iw-side .iw-pop"].map((one) =>
      page.find(one).getBoundingClientRect(),
    );
    expect(Math.abs(middle(badge) - middle(menu))).toBeLessThan(1);
    expect(badge?.right).toBeLessThanOrEqual(menu?.left ?? 0);
  });

  test.each([280, 359, 480, 700, 1200])("nothing spills over at %i px", async (width) => {
    open([taskSuccess, outputsList], { width });
    await expect.poll(() => page.rows.length).toBeGreaterThan(0);
    const card = page.find(".iw-card").getBoundingClientRect();
    for (const element of page.el.querySelectorAll<HTMLElement>(".iw-card *:not(.iw-vh)")) {
      const box = element.getBoundingClientRect();
      if (box.width > 0) expect(box.right, element.className).toBeLessThanOrEqual(card.right + 0.5);
    }
  });

  test("the view works inside a shadow root", async () => {
    await openFiles();
    const host = document.createElement("div");
    host.attachShadow({ mode: "open" }).append(page.el);
    document.body.append(host);
    page.row(0).click();
    await expect.poll(() => page.hasButton("Download 1 file")).toBe(true);
    host.remove();
  });

  test("unmounting leaves nothing behind", async () => {
    await openFiles();
    page.monitor.dispose();
    expect(page.el.childElementCount).toBe(0);
  });
});

test("the open tab outlives a reload of the page, for this task only", async () => {
  await openFiles();
  page.find("[data-tab=details]").click();
  page.close();

  open([taskSuccess, outputsList]);
  const again = page.find("[aria-selected=true]").dataset.tab;
  page.close();
  open([taskQueued], { taskId: "67iubpw0t3k9x2vd8qsy5mcn4" });

  expect(again).toBe("details");
  expect(page.find("[aria-selected=true]").dataset.tab).toBe("files");
});

test("in a page that runs from right to left the view looks the same", async () => {
  await openFiles();
  const places = () =>
    [...page.el.querySelectorAll<HTMLElement>("button, [role=tab], [role=row], dt, dd")].map((element) => {
      const { left, width } = element.getBoundingClientRect();
      return { left: Math.round(left - page.el.getBoundingClientRect().left), width: Math.round(width) };
    });
  const before = places();

  page.el.dir = "rtl";

  expect(before.length).toBeGreaterThan(10);
  expect(places()).toEqual(before);
});

function middle(box: DOMRect | undefined): number {
  return ((box?.top ?? 0) + (box?.bottom ?? 0)) / 2;
}
