import { expect, test } from "vitest";
import tasksAll from "../../../tests/golden/protocol/tasks-all.json";
import { downloadOutcome, killOutcome } from "../../src/list/acts";
import {
  firstOrder,
  groupSummary,
  noteKeys,
  type Section,
  secondsLeft,
  sections,
  sorted,
} from "../../src/list/lines";
import {
  codeFor,
  isIn,
  type ListedTask,
  matches,
  mergeNewest,
  unpackTasks,
  wordsOf,
} from "../../src/list/tasks";
import { Layout } from "../../src/list/virtual";
import type { BatchProgress, TaskCollection } from "../../src/protocol";
import { fromBase64 } from "../replay-connection";
import { makeTask, makeTasks, RUNNING } from "../tasks";

const NOW = Date.parse("2026-11-21T13:02:05Z");

function ids(tasks: readonly ListedTask[]): string[] {
  return tasks.map((task) => task.task_id);
}

// ---- all tasks ----

test("the golden frame unpacks into whole tasks", async () => {
  const [, answer] = tasksAll.messages;
  const meta = answer?.message.result as unknown as TaskCollection;

  const tasks = await unpackTasks(meta, fromBase64(answer?.buffers?.[0] ?? ""));

  expect(tasks).toHaveLength(214);
  expect(tasks[0]).toMatchObject({
    task_id: "i4ir3kvv62odsfrhko4y8w2an",
    simulator: "OpenFOAM",
    status: "computation-started",
    backend: { name: "api.inductiva.ai" },
    as_of: meta.as_of,
    stale: null,
  });
  expect(new Set(tasks.flatMap((task) => Object.keys(task.metadata ?? {})))).toEqual(new Set(["case"]));
});

test("a frame with a column too short is refused", async () => {
  const [, answer] = tasksAll.messages;
  const meta = { ...(answer?.message.result as unknown as TaskCollection), count: 215 };

  await expect(unpackTasks(meta, fromBase64(answer?.buffers?.[0] ?? ""))).rejects.toThrow("damaged");
});

// ---- the newest and the rest ----

test("a newer list is put before what was known, each task once, with the notes known before", () => {
  const known: ListedTask[] = makeTasks(300).map((task) => ({ ...task, metadata: { case: "a" } }));
  const fresh = makeTask({ task_id: "new", created_at: "2026-11-21T12:30:00Z" });
  const newest = [fresh, ...makeTasks(300).slice(0, 99)];

  const merged = mergeNewest(newest, known, 301);

  expect(ids(merged)).toEqual(["new", ...ids(known)]);
  expect(merged[1]?.metadata).toEqual({ case: "a" });
});

test("a task missing among the newest has been deleted", () => {
  const known = makeTasks(300);
  const merged = mergeNewest([...known.slice(0, 3), ...known.slice(4, 101)], known, 299);

  expect(ids(merged)).toEqual(ids(known.filter((_, i) => i !== 3)));
});

test("a list that does not reach what was known leaves no hole behind it", () => {
  const newest = makeTasks(100).map((task) => ({ ...task, task_id: `n${task.task_id}` }));

  expect(mergeNewest(newest, makeTasks(300), 400)).toHaveLength(100);
});

// ---- chips and search ----

test("chips distinguish running from waiting, and what ended badly from what was stopped", () => {
  const waiting = makeTask({ ...RUNNING, status: "submitted" });
  const killed = makeTask({ status: "killed" });
  const lost = makeTask({ status: "spot-instance-preempted" });

  expect(["all", "open", "running", "waiting"].map((chip) => isIn(waiting, chip as "all"))).toEqual([
    true,
    true,
    false,
    true,
  ]);
  expect(isIn(makeTask(RUNNING), "running")).toBe(true);
  expect(isIn(killed, "failed") || isIn(killed, "done")).toBe(false);
  expect(isIn(lost, "failed")).toBe(true);
  expect(isIn(makeTask(), "done")).toBe(true);
});

test.each(["openfoam", "AAAA", "c2-stan", "default", "success", "dam", "foam  success"])(
  "%s is found",
  (query) => {
    expect(matches({ ...makeTask(), metadata: { case: "dam" } }, wordsOf(query))).toBe(true);
  },
);

test("all words have to be found", () => {
  expect(matches(makeTask(), wordsOf("openfoam failed"))).toBe(false);
  expect(matches(makeTask(), wordsOf("  "))).toBe(true);
});

// ---- order and sections ----

test("unknown values come last in either direction, equal ones stay newest first", () => {
  const tasks = [
    makeTask({ task_id: "short", computation_seconds: 1 }),
    makeTask({ ...RUNNING, task_id: "none", computation_started_at: null }),
    makeTask({ task_id: "long", computation_seconds: 9 }),
    makeTask({ task_id: "long2", computation_seconds: 9 }),
  ];

  expect(ids(sorted(tasks, firstOrder("runtime"), NOW))).toEqual(["long", "long2", "short", "none"]);
  expect(ids(sorted(tasks, { key: "runtime", descending: false }, NOW))).toEqual([
    "short",
    "long",
    "long2",
    "none",
  ]);
});

test("by status, what asks for attention comes first", () => {
  const tasks = [makeTask({ task_id: "done" }), makeTask({ ...RUNNING, task_id: "run" })];

  expect(ids(sorted(tasks, firstOrder("status"), NOW))).toEqual(["run", "done"]);
});

test("days have the names that people use", () => {
  const days = ["2026-11-21", "2026-11-20", "2026-11-18", "2026-10-02"];
  const tasks = days.map((day, i) => makeTask({ task_id: String(i), created_at: `${day}T12:00:00Z` }));

  const titles = (wide: boolean) => sections(tasks, "day", NOW, wide).map(({ title }) => title);

  expect(titles(false)).toEqual(["Today", "Yesterday", "Wednesday", "2 Oct 2026"]);
  expect(titles(true)).toEqual(["Today", "Yesterday, Fri 20 Nov", "Wed 18 Nov", "2 Oct 2026"]);
});

test("a wide day shows what it cost, unless the currencies differ", () => {
  const euro = makeTask({ cost: { amount: 1, currency: "EUR", is_final: true } });
  const open = makeTask({ cost: { amount: 0.5, currency: "USD", is_final: false } });

  const summary = (tasks: ListedTask[]) => sections(tasks, "day", NOW, true)[0]?.summary;

  expect(summary([makeTask(), open])).toBe("2 tasks, US$\u00a00.52 so far");
  expect(summary([makeTask(), euro])).toBe("2 tasks");
});

test("tasks group by project and by a note", () => {
  const tasks: ListedTask[] = [
    { ...makeTask({ project: "a" }), metadata: { case: "fine" } },
    { ...makeTask({ project: null }), metadata: null },
    { ...makeTask({ project: "a" }), metadata: { case: "coarse" } },
  ];

  const titles = (grouping: "project" | "note:case") =>
    sections(tasks, grouping, NOW, true).map(({ title, tasks: members }) => [title, members.length]);

  expect(titles("project")).toEqual([
    ["a", 2],
    ["No project", 1],
  ]);
  expect(titles("note:case")).toEqual([
    ["case = fine", 1],
    ["No case", 1],
    ["case = coarse", 1],
  ]);
  expect(noteKeys(tasks)).toEqual(["case"]);
});

test("a group shows how far it is", () => {
  const done = Array.from({ length: 8 }, () => makeTask({ computation_seconds: 840 }));
  const failed = makeTask({ status: "failed" });
  const running = makeTask({ ...RUNNING, computation_started_at: new Date(NOW).toISOString() });

  expect(groupSummary([...done, failed, running], NOW)).toBe("8 of 10 done, 1 failed, about 14 min left");
  expect(groupSummary(done, NOW)).toBe("all 8 done");
});

test("what is left is shared by those that run, and unknown without a finished one", () => {
  const start = new Date(NOW).toISOString();
  const running = makeTask({ ...RUNNING, computation_started_at: start });
  const waiting = makeTask({ ...RUNNING, status: "submitted", computation_started_at: null });
  const done = makeTask({ computation_seconds: 100 });

  expect(secondsLeft([done, running, running, waiting, waiting], NOW)).toBe(200);
  expect(secondsLeft([done, running], NOW + 30_000)).toBe(70);
  expect(secondsLeft([running], NOW)).toBeNull();
  expect(secondsLeft([done], NOW)).toBeNull();
  expect(secondsLeft([done, running], NOW + 500_000)).toBeNull();
});

// ---- places ----

test("the window holds exactly what is between two heights", () => {
  const tasks = makeTasks(200);
  const made: Section[] = [3, 1, 90, 6, 100].map((count, i) => ({
    key: String(i),
    title: "",
    summary: "",
    tasks: tasks.slice(i, i + count),
  }));
  for (const head of [0, 24]) {
    const layout = new Layout(made, 50, head);
    const places: [section: number, row: number, top: number][] = [];
    let top = 0;
    made.forEach((section, s) => {
      top += head;
      section.tasks.forEach((_, row) => {
        places.push([s, row, top]);
        top += 50;
      });
    });
    expect(layout.height).toBe(top);
    expect(layout.count).toBe(200);
    places.forEach(([, , at], index) => {
      expect(layout.topOf(index)).toBe(at);
      expect(layout.indexAt(at)).toBe(index);
    });
    for (const from of [-500, 0, 1, 49, 130, 199, 230, 5000, 9990]) {
      const to = from + 600;
      const wanted = places.filter(([, , at]) => at + 50 > from && at < to).map(([s, row]) => [s, row]);
      const got = layout
        .window(from, to)
        .flatMap(([s, first, end]) => Array.from({ length: end - first }, (_, i) => [s, first + i]));
      expect(got).toEqual(wanted);
    }
  }
});

test("nothing has no height", () => {
  const layout = new Layout([], 50, 24);

  expect([layout.height, layout.count, layout.window(0, 100), layout.indexAt(0)]).toEqual([0, 0, [], 0]);
});

// ---- outcomes ----

test.each([
  [["killed"], "1 task killed", "ok"],
  [["killed", "killed", "killed", "killed", "already-ended"], "4 of 5 killed; 1 already finished", "warn"],
  [["pending", "killed"], "1 of 2 killed; kill of 1 asked, not confirmed yet", "warn"],
  [["failed", "killed"], "1 of 2 killed; 1 could not be killed", "err"],
] as const)("%j is reported as %s", (outcomes, text, tone) => {
  const told = outcomes.map((outcome, i) => ({ task_id: String(i), outcome, error: null }));

  expect(killOutcome(told)).toMatchObject({ text, tone });
});

test("a download reports what came and what did not", () => {
  const batch: BatchProgress = {
    batch_id: "b",
    state: "done",
    tasks: 3,
    tasks_done: 3,
    files_done: 6,
    bytes: 9,
    bytes_done: 9,
    bytes_per_s: null,
    target: "inductiva_output",
    failures: [],
  };
  const error = { type: "NotFoundError", message: "no", hint: "", retryable: false };

  expect(downloadOutcome(batch).text).toBe("6 files of 3 tasks verified in inductiva_output");
  expect(downloadOutcome({ ...batch, state: "failed", failures: [{ task_id: "a", error }] }).text).toBe(
    "2 of 3 tasks downloaded to inductiva_output; 1 failed",
  );
  expect(downloadOutcome({ ...batch, state: "cancelled", tasks_done: 1 }).text).toBe(
    "Download cancelled; 1 of 3 tasks are in inductiva_output",
  );
});

test("code of several tasks has a line for each", () => {
  expect(codeFor(["a", "b"])).toBe('iw.Task("a")\niw.Task("b")');
});
