import { describe, expect, test, vi } from "vitest";
import detailsFailed from "../../../tests/golden/protocol/details-failed.json";
import detailsKilled from "../../../tests/golden/protocol/details-killed.json";
import detailsQueued from "../../../tests/golden/protocol/details-queued.json";
import detailsRunning from "../../../tests/golden/protocol/details-running.json";
import detailsStale from "../../../tests/golden/protocol/details-stale.json";
import detailsSuccess from "../../../tests/golden/protocol/details-success.json";
import outputsList from "../../../tests/golden/protocol/outputs-list.json";
import taskFailed from "../../../tests/golden/protocol/task-failed.json";
import taskKill from "../../../tests/golden/protocol/task-kill.json";
import taskQueued from "../../../tests/golden/protocol/task-queued.json";
import taskRunning from "../../../tests/golden/protocol/task-running.json";
import taskStale from "../../../tests/golden/protocol/task-stale.json";
import taskSuccess from "../../../tests/golden/protocol/task-success.json";
import { KEY_HELP } from "../../src/views/key-sheet";
import { MonitorPage, standStill } from "./page";

const FAILED = { taskId: "9tq0sxk2m4w7v1c8z5r3yc1fe" };
let page: MonitorPage;

async function open(
  transcripts: readonly object[],
  options?: ConstructorParameters<typeof MonitorPage>[1],
): Promise<MonitorPage> {
  page = new MonitorPage(transcripts, options);
  await expect.poll(() => page.badge).not.toBe("Loading…");
  return page;
}

function openEnded(width = 700): Promise<MonitorPage> {
  return open([taskSuccess, detailsSuccess, outputsList], { width });
}

function phases(): string[] {
  const drawn = [...page.el.querySelectorAll<HTMLElement>(".iw-ph")];
  return drawn.map((one) =>
    `${one.querySelector("b")?.textContent} ${one.querySelector("span")?.textContent}`
      .replaceAll(/\s+/g, " ")
      .trim(),
  );
}

function active(): Element | null {
  return document.activeElement;
}

/** The entry of the menu that has the focus. */
function activeItem(): string | undefined {
  return active()?.matches("[role=menuitem]") ? active()?.textContent : undefined;
}

function focusInside(): void {
  page.find("[role=tab][aria-selected=true]").focus();
}

standStill(() => page.close());

describe("tabs", () => {
  test("click, arrows, Home and End move; one is a stop of the Tab key", async () => {
    await openEnded();
    const tabs = () => [...page.el.querySelectorAll<HTMLElement>("[role=tab]")];
    const selected = () => tabs().find((tab) => tab.ariaSelected === "true")?.dataset.tab;
    expect(tabs().map((tab) => tab.dataset.tab)).toEqual(["files", "logs", "machine", "details"]);
    page.find("[data-tab=details]").click();
    await expect.poll(selected).toBe("details");
    page.find("[data-tab=details]").focus();
    await page.press("{ArrowRight}");
    await expect.poll(selected).toBe("files");
    expect((active() as HTMLElement).dataset.tab).toBe("files");
    await page.press("{ArrowLeft}{ArrowLeft}");
    await expect.poll(selected).toBe("machine");
    await page.press("{Home}");
    await expect.poll(selected).toBe("files");
    await page.press("{End}");
    await expect.poll(selected).toBe("details");
    expect(tabs().filter((tab) => tab.tabIndex === 0)).toHaveLength(1);
    const panel = page.find("[role=tabpanel]");
    expect(tabs().every((tab) => tab.getAttribute("aria-controls") === panel.id)).toBe(true);
    expect(panel.getAttribute("aria-labelledby")).toBe(page.find("[data-tab=details]").id);
  });

  test("ids of two monitors differ", async () => {
    await openEnded();
    const other = new MonitorPage([taskSuccess, detailsSuccess, outputsList]);
    await expect.poll(() => other.badge).toBe("Success");
    const ids = [...page.el.querySelectorAll("[id]"), ...other.el.querySelectorAll("[id]")].map(
      ({ id }) => id,
    );
    expect(new Set(ids).size).toBe(ids.length);
    other.close();
  });

  test.each([280, 480, 700, 1100])(
    "the card keeps its height at %i px: tab by tab, with a banner",
    async (width) => {
      await openEnded(width);
      await expect.poll(() => page.rows.length).toBeGreaterThan(0);
      const { offsetHeight } = page.find(".iw-card");
      for (const tab of ["logs", "machine", "details", "files"]) {
        page.find(`[data-tab=${tab}]`).click();
        await expect.poll(() => page.has(`.iw-tabpanel.${tab}`)).toBe(true);
        expect(page.find(".iw-card").offsetHeight).toBe(offsetHeight);
      }
    },
  );

  test("asking about a kill moves nothing below the card", async () => {
    await open([taskRunning, detailsRunning]);
    const { offsetHeight } = page.find(".iw-card");
    page.button("Kill task").click();
    await expect.poll(() => page.has("[role=alertdialog]")).toBe(true);
    expect(page.find(".iw-card").offsetHeight).toBe(offsetHeight);
  });
});

describe("phases", () => {
  test("what took how long, and what comes, in pictures and words", async () => {
    await open([taskRunning, detailsRunning]);
    const time = "1[12] min \\d\\d s";
    await expect
      .poll(() => phases().join("; "))
      .toMatch(new RegExp(`^Queue 19 s; Prepare 7 s; 3 commands 4 s; interFoam ${time}; Pack next$`));
    const words = new RegExp(`3 commands 4 s, interFoam ${time}, Pack next`);
    expect(page.find(".iw-phases").ariaLabel).toMatch(words);
    expect(page.find(".iw-ph.run").title).toMatch(new RegExp(`^mpirun -np 4 interFoam -parallel: ${time}`));
    expect(page.find(".iw-ph.cmd").title.split("\n")).toHaveLength(3);
  });

  test("the present phase ticks", async () => {
    await open([taskRunning, detailsRunning]);
    await expect.poll(() => phases()[3]).toMatch(/^interFoam 1[12] min \d\d s$/);
    vi.setSystemTime(new Date("2026-11-21T13:04:16Z"));
    await expect.poll(() => phases()[3], { timeout: 3000 }).toMatch(/^interFoam 14 min 0\d s$/);
  });

  test("below 360 px one line shows the present one", async () => {
    await open([taskRunning, detailsRunning], { width: 280 });
    await expect.poll(() => page.text(".iw-now")).toMatch(/^interFoam1[12] min \d\d s$/);
    expect(page.find(".iw-ph > b").offsetParent).toBe(null);
  });

  test("old data: dashed, since when, shown as unknown", async () => {
    await open([taskStale, detailsStale]);
    await expect.poll(() => page.has(".iw-ph.unsure")).toBe(true);
    expect(page.text(".iw-ph.unsure")).toMatch(/interFoam ?since .*, now unknown/);
  });

  test("every label is whole from 480 px on", async () => {
    await openEnded(700);
    await expect.poll(() => phases().length).toBe(6);
    const cut = [...page.el.querySelectorAll<HTMLElement>(".iw-ph > *")].filter(
      (label) => label.scrollWidth > label.clientWidth,
    );
    expect(cut.map((label) => label.textContent)).toEqual([]);
  });

  test.each([280, 360, 480, 700, 1200])("nothing spills over at %i px", async (width) => {
    await openEnded(width);
    await expect.poll(() => phases().length).toBe(6);
    for (const tab of ["logs", "machine", "details", "files"]) {
      page.find(`[data-tab=${tab}]`).click();
      await expect.poll(() => page.has(`.iw-tabpanel.${tab}`)).toBe(true);
      const card = page.find(".iw-card");
      expect(card.scrollWidth).toBeLessThanOrEqual(card.clientWidth);
      const panel = page.find(".iw-tabpanel");
      expect(panel.scrollWidth).toBeLessThanOrEqual(panel.clientWidth);
    }
  });

  test("a new status asks for the phases again, once", async () => {
    await open([taskQueued, detailsQueued], { taskId: "67iubpw0t3k9x2vd8qsy5mcn4" });
    await expect.poll(() => page.calls("task.details")).toHaveLength(1);
    page.connection.play();
    await expect.poll(() => page.badge).toBe("Preparing to Compute");
    await expect.poll(() => page.calls("task.details")).toHaveLength(2);
  });
});

describe("facts", () => {
  test("the price of an hour and the usual time stand where they are known", async () => {
    await open([taskRunning, detailsRunning]);
    await expect.poll(() => page.facts["Cost so far"]).toBe("US$ 0.11 · 0.55 per h");
    expect(page.text(".iw-usual")).toBe("Usually 18 min 30 s for OpenFOAM on c2-standard-4");
  });

  test("no price is shown with old data or of an ended task", async () => {
    await open([taskStale, detailsRunning]);
    expect(page.facts["Cost then"]).toBe("US$ 0.11");
    page.close();
    await open([taskSuccess, detailsRunning, outputsList]);
    expect(page.facts.Cost).toBe("US$ 0.18 final");
  });

  test("wide cards have room for project and files", async () => {
    await openEnded(1100);
    expect(page.facts).toMatchObject({ Project: "default", Files: "206, 6.5 MB" });
    page.close();
    await openEnded(700);
    expect(Object.keys(page.facts)).toEqual(["Runtime", "Machine", "Cost", "Backend"]);
  });
});

describe("a failed end", () => {
  test("one sentence, one step, the last lines; no download", async () => {
    await open([taskFailed, detailsFailed], FAILED);
    await expect.poll(() => page.has(".iw-tail")).toBe(true);
    expect(page.banner).toContain("interFoam diverged and was stopped by a floating-point exception.");
    expect(page.banner).toContain("Last step Time = 0.2145, Courant number max 48.2.");
    expect([...page.find(".iw-ban").querySelectorAll("code")].map((code) => code.textContent)).toEqual([
      "maxCo",
      "deltaT",
      "system/controlDict",
    ]);
    expect(page.text(".iw-tail header")).toContain("stderr.txt last 6 of 31 lines".replace(" last", "last"));
    expect(page.find(".iw-tail pre").textContent.split("\n")).toHaveLength(6);
    expect(page.calls("outputs.download")).toEqual([]);
    expect(page.calls("task.failure")).toHaveLength(1);
  });

  test("the log opens from there, its lines can be copied", async () => {
    await open([taskFailed, detailsFailed], FAILED);
    await expect.poll(() => page.has(".iw-tail")).toBe(true);
    const written: string[] = [];
    vi.spyOn(navigator.clipboard, "writeText").mockImplementation(async (text) => void written.push(text));
    page.button("Copy these lines").click();
    await expect.poll(() => written).toHaveLength(1);
    expect(written[0]).toMatch(/^\[3\] #0 {2}Foam::error/);
    page.button("Open log").click();
    await expect.poll(() => page.has(".iw-tabpanel.logs")).toBe(true);
  });

  test("a kill by the user is reported without alarm", async () => {
    await open([taskKill, detailsKilled, outputsList]);
    page.button("Kill task").click();
    await expect.poll(() => page.hasButton("Keep running")).toBe(true);
    page.find<HTMLButtonElement>(".iw-ban .danger").click();
    await expect.poll(() => page.badge).toBe("Pending Kill");
    page.connection.play();
    await expect.poll(() => page.badge).toBe("Killed");
    await expect.poll(() => page.banner).toContain("The task was killed.");
    expect(page.find(".iw-ban").classList.contains("err")).toBe(false);
    expect(page.has(".iw-tail")).toBe(false);
  });

  test("without details the service's own words are shown", async () => {
    await open([taskFailed], FAILED);
    await expect.poll(() => page.has(".iw-ban")).toBe(true);
    expect(page.banner).toContain("interFoam was stopped by a floating point exception");
  });

  test("hostile words stay words", async () => {
    const hostile = JSON.parse(
      JSON.stringify(detailsFailed).replaceAll("Foam::error", "<img src=x onerror=alert(1)>"),
    );
    await open([taskFailed, hostile], FAILED);
    await expect.poll(() => page.has(".iw-tail")).toBe(true);
    expect(page.has("img")).toBe(false);
    expect(page.find(".iw-tail pre").textContent).toContain("<img src=x");
  });
});

describe("details", () => {
  test("all facts, times with their zone, commands with durations and exit codes", async () => {
    await openEnded();
    page.find("[data-tab=details]").click();
    await expect.poll(() => page.has(".iw-cmds")).toBe(true);
    const rows = Object.fromEntries(
      [...page.el.querySelectorAll(".iw-kv > div")].map((row) => [
        row.querySelector("dt")?.textContent,
        row.querySelector("dd")?.textContent?.replaceAll("\u00a0", " "),
      ]),
    );
    expect(rows).toMatchObject({
      "Task id": "i4ir3kvv62odsfrhko4y8w2an",
      Container: "inductiva/kutu:openfoam-foundation_v12",
      Outputs: "206 files, 6.5 MB (packed 2.1 MB)",
      CPUs: "4 (2 cores)",
      Memory: "16.8 GB",
      Region: "europe-west1",
      Fee: "US$ 0.01",
      Metadata: "mesh = 46 × 8maxCo = 1",
    });
    expect(rows.Created).toMatch(/^Sat 21 Nov 2026 \d\d:49:30 \S+$/);
    expect(rows.Ended).toMatch(/^\d\d:10:39 \S+ after 21 min 09 s$/);
    const commands = [...page.el.querySelectorAll<HTMLElement>(".iw-cmds li")].map((row) =>
      [...row.children]
        .map((part) => part.textContent)
        .join(" ")
        .replaceAll(/\s+/g, " ")
        .trim(),
    );
    expect(commands[0]).toBe("blockMesh exit 0 1 s");
    expect(commands[3]).toBe("mpirun -np 4 interFoam -parallel exit 0 18 min 46 s");
  });

  test("commands that have not begun wait", async () => {
    await open([taskQueued, detailsQueued], { taskId: "67iubpw0t3k9x2vd8qsy5mcn4" });
    page.find("[data-tab=details]").click();
    await expect.poll(() => page.el.querySelectorAll(".iw-cmds li.next").length).toBe(3);
  });

  test("details that cannot be asked for: what is known, and a way to try again", async () => {
    await open([taskRunning]);
    page.find("[data-tab=details]").click();
    await expect.poll(() => page.hasButton("Try again")).toBe(true);
    expect(page.text(".iw-details")).toContain("i4ir3kvv62odsfrhko4y8w2an");
  });
});

describe("menu and keys", () => {
  test("the menu: arrows move, keys behind it rest, Esc returns to its button", async () => {
    await openEnded();
    const button = page.button("More actions");
    button.focus();
    await page.press("{Enter}");
    await expect.poll(() => activeItem()).toContain("Copy task id");
    await page.press("{ArrowUp}");
    expect(activeItem()).toContain("Keys");
    await page.press("{Home}r");
    expect(activeItem()).toContain("Copy task id");
    await page.press("{Escape}");
    await expect.poll(() => page.has("[role=menu]")).toBe(false);
    expect(active()).toBe(button);
    expect(page.calls("task.get")).toHaveLength(1);
  });

  test("the menu closes by a press elsewhere", async () => {
    await openEnded();
    await page.menuItem("Keys");
    await expect.poll(() => activeItem()).toContain("Copy task id");
    page.find(".iw-facts").dispatchEvent(new PointerEvent("pointerdown", { bubbles: true, composed: true }));
    await expect.poll(() => page.has("[role=menu]")).toBe(false);
  });

  test("code for a cell is copied", async () => {
    await openEnded();
    const written: string[] = [];
    vi.spyOn(navigator.clipboard, "writeText").mockImplementation(async (text) => void written.push(text));
    (await page.menuItem("Copy as code")).click();
    await expect
      .poll(() => written)
      .toEqual(['import inductiva_widgets as iw\n\ntask = iw.Task("i4ir3kvv62odsfrhko4y8w2an")\ntask']);
  });

  test("a host that can opens the folder of the last download", async () => {
    const opened: string[] = [];
    page = new MonitorPage([taskSuccess, detailsSuccess, outputsList], {
      host: { openFolder: (path) => opened.push(path) },
    });
    await expect.poll(() => page.badge).toBe("Success");
    await page.menuItem("Keys");
    expect(page.hasButton("Open local folder")).toBe(false);
  });

  test("? shows every key, keeps the focus inside and gives it back", async () => {
    await openEnded();
    focusInside();
    const before = active();
    await page.press("?");
    await expect.poll(() => page.has("[role=dialog]")).toBe(true);
    for (const [key, does] of KEY_HELP.flatMap(({ keys }) => keys)) {
      expect(page.text("[role=dialog]")).toContain(key.replaceAll(" ", "") + does);
    }
    expect((active() as HTMLElement).ariaLabel).toBe("Close");
    expect(page.find(".iw-all").inert).toBe(true);
    await page.press("k");
    expect(page.has("[role=alertdialog]")).toBe(false);
    await page.press("{Escape}");
    await expect.poll(() => page.has("[role=dialog]")).toBe(false);
    await expect.poll(active).toBe(before);
  });

  test("digits open tabs, R refreshes, M opens the menu", async () => {
    await openEnded();
    focusInside();
    await page.press("4");
    await expect.poll(() => page.has(".iw-tabpanel.details")).toBe(true);
    await page.press("r");
    await expect.poll(() => page.calls("task.get").at(-1)).toMatchObject({ refresh: true });
    await page.press("m");
    await expect.poll(() => page.has("[role=menu]")).toBe(true);
  });

  test("single keys can be switched off, and stay off", async () => {
    await openEnded();
    focusInside();
    await page.press("?");
    await expect.poll(() => page.has("[role=dialog]")).toBe(true);
    page.find<HTMLInputElement>(".iw-switch input").click();
    await page.press("{Escape}");
    page.close();
    await openEnded();
    focusInside();
    await page.press("4?");
    expect(page.has(".iw-tabpanel.files")).toBe(true);
    expect(page.has("[role=dialog]")).toBe(false);
    // The sheet is still there by the menu, and brings them back.
    (await page.menuItem("Keys")).click();
    await expect.poll(() => page.has("[role=dialog]")).toBe(true);
    page.find<HTMLInputElement>(".iw-switch input").click();
    await page.press("{Escape}");
    focusInside();
    await page.press("4");
    await expect.poll(() => page.has(".iw-tabpanel.details")).toBe(true);
  });

  test("a host may switch single keys off", async () => {
    page = new MonitorPage([taskSuccess, detailsSuccess, outputsList], { host: { singleKeys: false } });
    await expect.poll(() => page.badge).toBe("Success");
    focusInside();
    await page.press("4");
    expect(page.has(".iw-tabpanel.files")).toBe(true);
  });

  test("letters typed into the search field are letters", async () => {
    await openEnded();
    await expect.poll(() => page.rows.length).toBeGreaterThan(0);
    page.find<HTMLInputElement>("input").focus();
    await page.press("k4?");
    expect(page.find<HTMLInputElement>("input").value).toBe("k4?");
    expect(page.has("[role=dialog]")).toBe(false);
  });
});

test("two views of one model tick the same files, also one that is opened later", async () => {
  const inStep = new Set<never>();
  const record = [taskSuccess, detailsSuccess, outputsList];
  page = new MonitorPage(record, { host: { inStep } });
  const second = new MonitorPage(record, { host: { inStep } });
  await expect.poll(() => page.rows.length * second.rows.length).toBeGreaterThan(0);
  page.row(2).click();
  page.row(4).click();
  const ticked = (one: MonitorPage) => one.el.querySelectorAll(".iw-space [aria-selected=true]").length;
  await expect.poll(() => ticked(second)).toBe(2);
  second.row(2).click();
  await expect.poll(() => ticked(page)).toBe(1);
  const third = new MonitorPage(record, { host: { inStep } });
  await expect.poll(() => ticked(third)).toBe(1);
  second.close();
  third.close();
  expect(inStep.size).toBe(1);
  page.row(4).click();
  await expect.poll(() => ticked(page)).toBe(0);
});

test("a change is announced once", async () => {
  await open([taskQueued, detailsQueued], { taskId: "67iubpw0t3k9x2vd8qsy5mcn4" });
  const said: string[] = [];
  const live = page.find("[aria-live=polite]");
  const observer = new MutationObserver(() => said.push(live.textContent ?? ""));
  observer.observe(live, { childList: true, characterData: true, subtree: true });
  page.connection.play();
  await expect.poll(() => page.calls("task.details")).toHaveLength(2);
  await expect.poll(() => page.badge).toBe("Preparing to Compute");
  expect(said).toEqual(["Task is now Preparing to Compute."]);
  observer.disconnect();
});
