import { signal } from "@preact/signals";
import { beforeEach, expect, test, vi } from "vitest";
import { userEvent } from "vitest/browser";
import tasksAll from "../../../tests/golden/protocol/tasks-all.json";
import tasksDownload from "../../../tests/golden/protocol/tasks-download.json";
import tasksKill from "../../../tests/golden/protocol/tasks-kill.json";
import tasksList from "../../../tests/golden/protocol/tasks-list.json";
import tasksListEmpty from "../../../tests/golden/protocol/tasks-list-empty.json";
import tasksListNoKey from "../../../tests/golden/protocol/tasks-list-no-key.json";
import tasksListStale from "../../../tests/golden/protocol/tasks-list-stale.json";
import "../../src/style.css";
import { VERSION, versionTrouble } from "../../src/lab/version";
import type { TaskListHost } from "../../src/list/host";
import { type MountedTaskList, mountTaskList } from "../../src/list/mount";
import "../parts";
import { ReplayConnection, type Transcript } from "../replay-connection";
import { listTranscript, makeTask, makeTasks } from "../tasks";
import { standStill } from "./page";

let el: HTMLElement;
let mounted: MountedTaskList;
let connection: ReplayConnection;
const host = {
  onOpen: vi.fn<(id: string) => void>(),
  onInsert: vi.fn<(id: string) => void>(),
  onSelect: vi.fn<(ids: string[]) => void>(),
};

interface Options {
  width?: number;
  rest?: Partial<TaskListHost>;
  hold?: "tasks.all" | "tasks.kill";
}

async function open(transcripts: object[], { width = 280, rest = {}, hold }: Options = {}): Promise<void> {
  el = document.createElement("div");
  el.style.cssText = `width: ${width}px; height: 600px`;
  document.body.append(el);
  connection = new ReplayConnection(transcripts as Transcript[], "server");
  if (hold !== undefined) connection.held.add(hold);
  mounted = mountTaskList(el, connection, { ...host, ...rest });
  await expect.poll(() => el.querySelector(".iw-plist:not([aria-busy])")).toBeTruthy();
}

function rowElements(): HTMLElement[] {
  return [...el.querySelectorAll<HTMLElement>("[data-id]")].sort(
    (a, b) => Number(a.ariaRowIndex) - Number(b.ariaRowIndex),
  );
}

function rows(): string[] {
  return rowElements().map((row) => [...row.querySelectorAll(".a, .b, .c")].map(text).join(" | "));
}

function text(element: Element | null | undefined): string {
  return (element?.textContent ?? "").replaceAll("\u00a0", " ").replaceAll(/\s+/g, " ").trim();
}

function row(index: number): HTMLElement {
  const found = rowElements()[index];
  if (found === undefined) throw new Error(`no row ${index}`);
  return found;
}

function button(name: string): HTMLButtonElement {
  const found = [...el.querySelectorAll("button")].find(
    (one) => text(one).startsWith(name) || one.ariaLabel === name,
  );
  if (found === undefined) throw new Error(`no button ${name}`);
  return found;
}

function ticked(): string[] {
  return [
    ...el.querySelectorAll("[data-id][aria-selected=true] .a, [data-id][aria-selected=true] .who b"),
  ].map(text);
}

function grid(): HTMLElement {
  return el.querySelector("[role=grid]") as HTMLElement;
}

function calls(method: string): object[] {
  return connection.sent.filter((call) => call.method === method).map((call) => call.params);
}

function type(value: string): void {
  const field = el.querySelector("input") as HTMLInputElement;
  field.value = value;
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
}

function current(): string | undefined {
  return grid().getAttribute("aria-activedescendant")?.replace("iw-task-", "");
}

standStill(() => {
  mounted.dispose();
  el.remove();
}, "2026-11-21T13:02:05Z");
beforeEach(() => void vi.clearAllMocks());

// ---- what is shown ----

test("tasks stand by day, newest first, with what matters of each", async () => {
  await open([tasksList]);

  expect(rows().slice(0, 4)).toEqual([
    "OpenFOAM In Progress | 12 min 02 s | i4ir…w2an · c2-standard-4",
    "GROMACS In Queue | 3rd in queue | 67iu…mcn4 · c2d-highcpu-16",
    "SPlisHSPlasH In Progress | 2 min 48 s | hb3k…9dqe · c2-standard-4",
    "SPlisHSPlasH | 3 min 12 s | Success 59 min ago · US$ 0.02",
  ]);
  expect([...el.querySelectorAll(".iw-day b")].map(text)).toEqual(["Today", "Yesterday", "Tuesday"]);
  expect(text(el.querySelector(".iw-pfoot"))).toMatch(/^api.inductiva.ai\s*as of \d\d:02:05$/);
  expect(text(el.querySelector(".iw-end"))).toBe("The newest 10 of 214 tasks Load all");
});

test("a click opens the task and marks its row", async () => {
  await open([tasksList]);
  row(2).click();

  expect(host.onOpen).toHaveBeenCalledWith("hb3k0u7v1x4zq8mt2c5w69dqe");
  await expect.poll(() => text(el.querySelector(".iw-pl.open .b"))).toBe("2 min 48 s");
});

test("the code of a row goes where the user writes, or is dragged there", async () => {
  await open([tasksList]);
  row(0).querySelector<HTMLElement>("[data-act=insert]")?.click();
  const data = new DataTransfer();
  row(1).dispatchEvent(new DragEvent("dragstart", { dataTransfer: data, bubbles: true }));

  expect(host.onInsert).toHaveBeenCalledWith("i4ir3kvv62odsfrhko4y8w2an");
  expect(host.onOpen).not.toHaveBeenCalled();
  expect(data.getData("text/plain")).toMatch(/^iw\.Task\("67iu\w+"\)$/);
});

test("without a place for code there is no such button", async () => {
  await open([tasksList], { rest: { onInsert: undefined as never } });

  expect(el.querySelector("[data-act=insert]")).toBeNull();
});

test("no answer: open tasks go to the past tense, ended ones keep their truth", async () => {
  await open([tasksListStale]);

  expect(rows()[0]).toMatch(/^OpenFOAM \| {2}\| Was In Progress at \d\d:48$/);
  expect(rows()[3]).toContain("Success");
  expect(text(el.querySelector(".iw-ban"))).toMatch(
    /^api.inductiva.ai does not answer\. ?The list is 13 min old\. Next try in 15 s\. ?Retry now$/,
  );
});

test("a lost connection is reported, and the rows stay", async () => {
  await open([tasksList]);
  connection.disconnect();

  await expect.poll(() => text(el.querySelector(".iw-ban"))).toContain("Not connected.");
  expect(rows()).toHaveLength(10);
});

test("no tasks: what it is and how to get the first", async () => {
  await open([tasksListEmpty]);

  expect(text(el.querySelector(".iw-empty"))).toContain("iw.tasks.submit");
});

// ---- search over all ----

test("a search loads all tasks, shows that meanwhile, and finds in all", async () => {
  await open([tasksList, tasksAll], { hold: "tasks.all" });
  type("dualsph");
  await expect.poll(() => text(el.querySelector(".iw-psec .iw-m"))).toBe("0 found in 10; loading all 214…");
  mounted.dispose();
  el.remove();

  await open([tasksList, tasksAll]);
  type("dualsph coarse");
  await expect.poll(() => text(el.querySelector(".iw-psec .iw-m"))).toMatch(/^\d+ found in all 214$/);
  expect(rows().length).toBeGreaterThan(5);
  expect(rows().every((one) => one.startsWith("DualSPHysics"))).toBe(true);
  expect(calls("tasks.all")).toHaveLength(1);
});

test("chips count what is there, and say so until it is all", async () => {
  await open([tasksList, tasksAll]);
  expect(button("Failed").title).toBe("Counted in the newest 10 of 214");
  expect(text(button("All"))).toBe("All 214");

  button("Failed").click();
  await expect.poll(() => text(button("Failed"))).toBe("Failed 11");
  expect(button("Failed").title).toBe("");
  type("reclaimed");
  await expect.poll(rows).toEqual(["OpenFOAM | 1 h 02 min | Spot Reclaimed · US$ 1.31"]);
});

test("when all cannot be loaded, the search states what it covers", async () => {
  await open([tasksList]);
  type("openfoam");

  await expect.poll(() => text(el.querySelector(".iw-old"))).toContain("Only the newest 10 are here");
  expect(rows()).toHaveLength(4);
});

test("a list that is cut short never claims to be complete", async () => {
  await open([await listTranscript(makeTasks(300), 61_204)]);
  type("swash");

  await expect
    .poll(() => text(el.querySelector(".iw-psec .iw-m")))
    .toBe("75 found in the newest 300 of 61,204");
});

test("groups by project say how far they are", async () => {
  await open([tasksList, tasksAll]);
  button("Sort and group").click();
  await expect.poll(() => el.querySelector("[role=menu]")).toBeTruthy();
  button("Project").click();

  await expect
    .poll(() => text(el.querySelector(".iw-day")))
    .toMatch(/^default \d+ of \d+ done, \d+ failed, about .* left$/);
});

// ---- selection and keys ----

test("keys alone: find, move, open, select, extend, clear", async () => {
  await open([tasksList, tasksAll]);
  grid().focus();
  await userEvent.keyboard("{ArrowDown}{ArrowDown}");
  await expect.poll(current).toBe("hb3k0u7v1x4zq8mt2c5w69dqe");
  await userEvent.keyboard("{Enter}");
  expect(host.onOpen).toHaveBeenCalledWith("hb3k0u7v1x4zq8mt2c5w69dqe");

  await userEvent.keyboard(" {Shift>}{ArrowDown}{ArrowDown}{/Shift}");
  await expect
    .poll(ticked)
    .toEqual(
      ["SPlisHSPlasH In Progress", "SPlisHSPlasH", "OpenFOAM"].map((name) =>
        name.replace(" In Progress", ""),
      ),
    );
  expect(host.onSelect).toHaveBeenLastCalledWith([
    "hb3k0u7v1x4zq8mt2c5w69dqe",
    "p0wz8e4b6n2yt5r9cvj371qk0",
    "9tq0sxk2m4w7v1c8z5r3yc1fe",
  ]);
  await userEvent.keyboard("{Escape}");
  await expect.poll(ticked).toEqual([]);

  await userEvent.keyboard("/");
  expect(document.activeElement).toBe(el.querySelector("input"));
  await userEvent.keyboard("openfoam{Enter}");
  expect(document.activeElement).toBe(grid());
  await expect.poll(() => rows().length).toBe(4);
  await userEvent.keyboard("{Control>}a{/Control}");
  await expect.poll(() => ticked().length).toBe(4);
});

test("the list is one stop for Tab", async () => {
  await open([tasksList]);
  const stops = [...el.querySelectorAll<HTMLElement>(".iw-plist, .iw-plist *")].filter(
    (one) => one.tabIndex === 0 && !one.closest(".iw-end"),
  );

  expect(stops).toEqual([grid()]);
});

test("? shows the keys, Escape closes them", async () => {
  await open([tasksList]);
  grid().focus();
  await userEvent.keyboard("?");
  await expect.poll(() => text(el.querySelector(".iw-hotkeys"))).toContain("Extend the selection");
  await userEvent.keyboard("{Escape}");

  await expect.poll(() => el.querySelector(".iw-hotkeys")).toBeNull();
});

test("a shift-click ticks what lies between", async () => {
  await open([tasksList]);
  row(3).querySelector<HTMLElement>(".bx")?.click();
  row(6).dispatchEvent(new MouseEvent("click", { shiftKey: true, bubbles: true }));

  await expect.poll(() => ticked().length).toBe(4);
  expect(host.onOpen).not.toHaveBeenCalled();
});

// ---- kill ----

test("a kill asks first, with names and count, and the safe answer has the focus", async () => {
  await open([tasksList, tasksKill]);
  for (const index of [0, 1, 2, 3]) row(index).querySelector<HTMLElement>(".bx")?.click();
  await expect.poll(() => text(el.querySelector(".iw-psel b"))).toBe("4 selected");
  grid().focus();
  await userEvent.keyboard("k");

  await expect.poll(() => text(el.querySelector(".iw-ask strong"))).toBe("Kill 3 tasks on api.inductiva.ai?");
  expect([...el.querySelectorAll(".iw-ask .names li")].map(text)).toEqual([
    "OpenFOAM i4ir3k…w2an",
    "GROMACS 67iubp…mcn4",
    "SPlisHSPlasH hb3k0u…9dqe",
  ]);
  expect(text(el.querySelector(".iw-ask .more"))).toContain("1 other selected has already ended.");
  await expect.poll(() => text(document.activeElement)).toBe("Keep running");
  await userEvent.keyboard("{Escape}");
  await expect.poll(() => el.querySelector(".iw-ask")).toBeNull();
  await expect.poll(() => document.activeElement === grid()).toBe(true);
  expect(calls("tasks.kill")).toEqual([]);

  await userEvent.keyboard("k");
  await expect.poll(() => el.querySelector(".iw-ask .danger")).toBeTruthy();
  (el.querySelector(".iw-ask .danger") as HTMLElement).click();
  await expect.poll(() => text(el.querySelector(".iw-said"))).toBe("2 of 3 killed; 1 already finished");
  expect(calls("tasks.kill")).toEqual([
    {
      task_ids: ["i4ir3kvv62odsfrhko4y8w2an", "67iubpw0t3k9x2vd8qsy5mcn4", "hb3k0u7v1x4zq8mt2c5w69dqe"],
    },
  ]);
});

test("until the service agrees the rows say that they are being killed, no more", async () => {
  await open([tasksList], { hold: "tasks.kill" });
  row(0).querySelector<HTMLElement>(".bx")?.click();
  await expect.poll(() => el.querySelector(".iw-psel .danger")).toBeTruthy();
  button("Kill 1 task").click();
  await expect.poll(() => el.querySelector(".iw-ask .danger")).toBeTruthy();
  (el.querySelector(".iw-ask .danger") as HTMLElement).click();

  await expect.poll(() => rows()[0]).toContain("Killing…");
  expect(rows()[1]).not.toContain("Killing…");
});

test("a server of another version is reported above the rows as long as it runs", async () => {
  const server = signal<string | undefined>(VERSION);
  const place = {
    ...host,
    get trouble() {
      return versionTrouble(server.value);
    },
  };
  await open([tasksList]);
  mounted.dispose();
  mounted = mountTaskList(el, connection, place);
  await expect.poll(() => rowElements().length).toBeGreaterThan(0);
  expect(el.querySelector(".iw-ban")).toBeNull();
  server.value = "0.0.9";
  await expect
    .poll(() => text(el.querySelector(".iw-ban")))
    .toContain(
      `The Jupyter server runs inductiva_widgets 0.0.9, this page has version ${VERSION}. Restart the Jupyter server.`,
    );
  expect(rowElements().length).toBeGreaterThan(0);
  server.value = VERSION;
  await expect.poll(() => el.querySelector(".iw-ban")).toBeNull();
});

test("read-only: nothing kills", async () => {
  await open([tasksList], { rest: { readonly: true } });
  row(0).querySelector<HTMLElement>(".bx")?.click();
  await expect.poll(() => el.querySelector(".iw-psel")).toBeTruthy();
  grid().focus();
  await userEvent.keyboard("k");

  expect(el.querySelector(".iw-psel .danger")).toBeNull();
  expect(el.querySelector(".iw-ask")).toBeNull();
});

// ---- download ----

test("a download asks which files, states where to, and reports what failed", async () => {
  await open([tasksList, tasksDownload]);
  for (const index of [3, 4, 5]) row(index).querySelector<HTMLElement>(".bx")?.click();
  await expect.poll(() => el.querySelector(".iw-psel")).toBeTruthy();
  button("Download…").click();
  await expect
    .poll(() => text(el.querySelector(".iw-ask .more")))
    .toBe("To: inductiva_output/<task id>/outputs");
  el.querySelectorAll<HTMLElement>(".iw-ask [type=radio]")[1]?.click();
  await expect.poll(() => document.activeElement?.matches(".iw-text")).toBe(true);
  await userEvent.keyboard("stdout.txt, vtk/*.vtk{Enter}");

  await expect
    .poll(() => calls("tasks.download").at(-1))
    .toMatchObject({
      filenames: ["stdout.txt", "vtk/*.vtk"],
    });
  await expect.poll(() => el.querySelector(".iw-batch")).toBeTruthy();
  connection.play(3);
  await expect
    .poll(() => text(el.querySelector(".iw-batch .say")))
    .toBe("1 of 3 tasks downloaded14.2 MB · 8.1 MB/s");
  connection.play();
  await expect
    .poll(() => text(el.querySelector(".iw-said")))
    .toMatch(/^2 of 3 tasks downloaded to inductiva_output; 1 failed ?WhyGROMACS .*no stdout\.txt\.$/);
});

test("letters typed into a question are no commands", async () => {
  await open([tasksList, tasksDownload]);
  row(4).querySelector<HTMLElement>(".bx")?.click();
  await expect.poll(() => el.querySelector(".iw-psel")).toBeTruthy();
  button("Download…").click();
  await expect.poll(() => el.querySelector(".iw-ask")).toBeTruthy();
  await userEvent.keyboard("?k");

  expect(el.querySelector(".iw-hotkeys")).toBeNull();
  expect(text(el.querySelector(".iw-ask strong"))).toBe("Download from 1 task");
});

// ---- the first key ----

function accountWith(answers: ("saved" | "exists")[]) {
  return {
    setKey: vi.fn((_key: string, _replace: boolean) => Promise.resolve(answers.shift() ?? "saved")),
    startEngine: vi.fn(() => Promise.resolve()),
  };
}

test("a key is handed to the host, which is asked twice before one is replaced", async () => {
  const account = accountWith(["exists"]);
  await open([tasksListNoKey], { rest: { account } });
  button("Set API key").click();
  await expect.poll(() => document.activeElement?.matches("[type=password]")).toBe(true);
  await userEvent.keyboard("not-a-real-key{Enter}");
  await expect.poll(() => text(document.activeElement)).toBe("Keep it");
  expect(account.setKey).toHaveBeenLastCalledWith("not-a-real-key", false);

  button("Replace key").click();
  await expect.poll(() => calls("tasks.list").length).toBe(2);
  expect(account.setKey).toHaveBeenLastCalledWith("not-a-real-key", true);
  expect(el.querySelector("[type=password]")).toBeNull();
  expect(document.body.innerHTML).not.toContain("not-a-real-key");
});

test("a refused key is reported with the reason", async () => {
  const account = accountWith([]);
  account.setKey.mockRejectedValue(new Error("That is no API key."));
  await open([tasksListNoKey], { rest: { account } });
  button("Set API key").click();
  await expect.poll(() => document.activeElement?.matches("[type=password]")).toBe(true);
  await userEvent.keyboard("x{Enter}");

  await expect.poll(() => text(el.querySelector(".iw-key .err"))).toBe("That is no API key.");
});

test("the engine is started, and asked at once", async () => {
  const account = accountWith([]);
  await open([tasksListNoKey], { rest: { account } });
  button("Start the local engine").click();

  await expect.poll(() => calls("tasks.list").length).toBe(2);
  expect(account.startEngine).toHaveBeenCalledOnce();
});

test("without a host for keys: why, and what to do", async () => {
  await open([tasksListNoKey]);

  expect(text(el.querySelector(".iw-empty"))).toContain("There is no API key");
});

test("several backends can be chosen from", async () => {
  const choose = vi.fn();
  const known = [
    { id: "f51124d7652f", name: "api.inductiva.ai" },
    { id: "000000000000", name: "local engine" },
  ];
  await open([tasksList], { rest: { backends: { list: () => Promise.resolve(known), choose } } });
  await expect.poll(() => el.querySelector("select")).toBeTruthy();
  const picker = el.querySelector("select") as HTMLSelectElement;
  expect(picker.value).toBe("f51124d7652f");
  picker.value = "000000000000";
  picker.dispatchEvent(new Event("change", { bubbles: true }));

  expect(choose).toHaveBeenCalledWith("000000000000");
  await expect.poll(() => calls("tasks.list").length).toBe(2);
});

// ---- what stays as it is ----

test("a hidden panel sends no calls and gets no events; shown again it asks at once", async () => {
  const ticks = vi.spyOn(globalThis, "setInterval");
  const stops = vi.spyOn(globalThis, "clearInterval");
  await open([tasksList]);
  const clock = ticks.mock.results[ticks.mock.calls.findIndex(([, ms]) => ms === 1000)]?.value;
  expect(connection.topics).toEqual(["tasks"]);
  el.style.display = "none";
  vi.setSystemTime(new Date("2026-11-21T13:10:00Z"));

  await expect.poll(() => connection.topics).toEqual([]);
  expect(stops.mock.calls.flat()).toContain(clock);
  expect(connection.sent).toHaveLength(1);
  el.style.display = "";
  await expect.poll(() => connection.sent.length).toBe(2);
});

function tell(tasks: ReturnType<typeof makeTasks>, revision: number): void {
  const event = { kind: "tasks" as const, tasks: tasks.slice(0, 100), total: tasks.length };
  connection.deliver("tasks", revision, event);
}

test("new tasks and a reconnect leave scroll and selection as they are", async () => {
  const tasks = makeTasks(100);
  await open([await listTranscript(tasks)]);
  grid().scrollTop = 1000;
  await expect.poll(() => row(0).ariaRowIndex).not.toBe("1");
  const shown = rowElements().find((one) => one.offsetTop > 0) ?? row(5);
  shown.querySelector<HTMLElement>(".bx")?.click();
  await expect.poll(() => ticked().length).toBe(1);
  const before = shown.getBoundingClientRect().top;
  const { id } = shown.dataset;

  tell([makeTask({ task_id: "new1", created_at: "2026-11-21T12:30:00Z" }), ...tasks], 7);
  await expect.poll(() => grid().ariaRowCount).toBe("101");

  const again = rowElements().find((one) => one.dataset.id === id);
  expect(again?.getBoundingClientRect().top).toBe(before);
  expect(again?.ariaSelected).toBe("true");
});

test("an answer of the backend before is not shown any more", async () => {
  await open([tasksList]);
  let answer: (() => void) | undefined;
  const call = connection.call.bind(connection);
  connection.call = (async (...args: Parameters<typeof call>) => {
    const reply = await call(...args);
    if (answer === undefined) {
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return { ...reply, result: { tasks: [makeTask({ simulator: "of another" })], total: 1 } };
    }
    return reply;
  }) as typeof connection.call;
  button("Refresh").click();
  await expect.poll(() => answer).toBeTruthy();
  mounted.reset();
  answer?.();

  await expect.poll(() => rows().length).toBe(10);
  expect(text(el)).not.toContain("of another");
});

test("who looks at the top sees new tasks come", async () => {
  const tasks = makeTasks(50);
  await open([await listTranscript(tasks)]);
  tell([makeTask({ task_id: "new1", created_at: "2026-11-21T12:30:00Z" }), ...tasks], 1);

  await expect.poll(() => row(0).dataset.id).toBe("new1");
  expect(grid().scrollTop).toBe(0);
});

test("a change is announced once", async () => {
  await open([tasksList, tasksAll]);
  const said: string[] = [];
  const live = el.querySelector("[role=status].iw-vh") as HTMLElement;
  const observer = new MutationObserver(() => said.push(text(live)));
  observer.observe(live, { childList: true, characterData: true, subtree: true });
  type("openfoam");
  await expect.poll(() => said.length).toBeGreaterThan(0);
  await new Promise((resolve) => setTimeout(resolve, 100));
  observer.disconnect();

  expect(said).toEqual(["4 of 214 tasks found"]);
});

// ---- ten thousand ----

/** The most that a jump to anywhere changes in the page: what it costs, however busy the machine is. */
async function jumps(height: number): Promise<number> {
  let most = 0;
  let changes = 0;
  const observer = new MutationObserver((records) => {
    changes += records.length;
  });
  observer.observe(el, { attributes: true, characterData: true, childList: true, subtree: true });
  for (let i = 0; i < 30; i += 1) {
    changes = 0;
    grid().scrollTop = (i * 7919) % height;
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    most = Math.max(most, changes);
    expect(el.querySelectorAll("[data-id]").length).toBeLessThan(60);
  }
  observer.disconnect();
  return most;
}

test("10,000 tasks: found at once, and scrolled as easily as 100", async () => {
  await open([await listTranscript(makeTasks(10_000))]);
  await expect.poll(() => rows().length).toBeGreaterThan(10);
  const few = await jumps(4_000);
  button("Load all").click();
  await expect.poll(() => grid().ariaRowCount, { timeout: 5000 }).toBe("10000");

  const started = performance.now();
  type("t009999");
  await expect.poll(() => rows().length, { interval: 5 }).toBe(1);
  expect(performance.now() - started).toBeLessThan(2000);
  type("");
  await expect.poll(() => grid().ariaRowCount).toBe("10000");
  grid().focus();
  await userEvent.keyboard("{End}");
  await expect.poll(() => rowElements().at(-1)?.dataset.id).toMatch(/^t009999/);

  const many = await jumps(500_000);

  expect(many).toBeGreaterThan(0);
  expect(Math.max(few, many)).toBeLessThan(600); // some ten for each row in the window
});

// ---- as a table ----

test("wide: columns, sorted by their heads", async () => {
  await open([tasksList, tasksAll], { width: 1000, rest: { layout: "table" } });
  const cells = (name: string) => rowElements().map((one) => text(one.querySelector(name)));
  await expect.poll(() => el.querySelector(".iw-tr.head")).toBeTruthy();
  expect([...el.querySelectorAll("[role=columnheader]")].map(text).filter(Boolean)).toEqual([
    "Status",
    "Task",
    "Project",
    "Machine",
    "Runtime",
    "US$",
    "Created",
  ]);
  expect(cells(".stw").slice(0, 2)).toEqual(["In Progress", "In Queue, 3rd"]);
  expect(cells(".cost").slice(0, 2)).toEqual(["~0.11", "–"]);

  button("US$").click();
  await expect.poll(() => grid().ariaRowCount).toBe("214");
  const costs = cells(".cost").map(Number);
  expect(costs).toEqual([...costs].sort((a, b) => b - a));
  expect(el.querySelector("[aria-sort=descending]")?.textContent).toBe("US$");
  expect(el.querySelector(".iw-day")).toBeNull();
});

test("wide: the box in the head ticks all found", async () => {
  await open([tasksList], { width: 700, rest: { layout: "table" } });
  await expect.poll(() => el.querySelector(".iw-tr.head")).toBeTruthy();
  row(0).querySelector<HTMLElement>(".bx")?.click();
  const box = el.querySelector(".head .iw-ck") as HTMLElement;
  await expect.poll(() => box.ariaChecked).toBe("mixed");
  box.click();

  await expect.poll(() => host.onSelect.mock.lastCall?.[0].length).toBe(10);
  expect(text(el.querySelector(".iw-psel .say"))).toBe("10 selected2 running, 1 waiting, 7 ended · 3.2 MB");
});

test("480 px: two lines, and nothing is wider than its place", async () => {
  await open([tasksList], { width: 480, rest: { layout: "table" } });
  await expect.poll(() => row(0).offsetHeight).toBe(50);

  expect(el.querySelector(".iw-tr.head")).toBeNull();
  expect(grid().scrollWidth).toBe(grid().clientWidth);
});

test.each([240, 280, 400, 480, 600, 700, 899, 900, 1100])(
  "%i px: nothing is wider than its place",
  async (width) => {
    const long = makeTask({
      ...{ simulator: "a".repeat(80), project: "p".repeat(200), machine_type: "m".repeat(60) },
      status_alias: "Machine Terminated in Queue",
    });
    for (const layout of ["panel", "table"] as const) {
      await open([await listTranscript([long, ...makeTasks(5)])], { width, rest: { layout } });
      row(1).querySelector<HTMLElement>(".bx")?.click();
      await expect.poll(() => el.querySelector(".iw-psel")).toBeTruthy();
      for (const part of [".iw-tasks", ".iw-plist", ".iw-psel"]) {
        const element = el.querySelector(part) as HTMLElement;
        expect([layout, part, element.scrollWidth]).toEqual([layout, part, element.clientWidth]);
      }
      const inside = el.getBoundingClientRect();
      for (const cell of el.querySelectorAll("[data-id] > *")) {
        expect(cell.getBoundingClientRect().right).toBeLessThanOrEqual(inside.right);
      }
      if (layout === "panel") {
        mounted.dispose();
        el.remove();
      }
    }
  },
);
