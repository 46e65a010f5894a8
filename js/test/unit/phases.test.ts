import { describe, expect, test } from "vitest";
import detailsFailed from "../../../tests/golden/protocol/details-failed.json";
import detailsKilled from "../../../tests/golden/protocol/details-killed.json";
import detailsQueued from "../../../tests/golden/protocol/details-queued.json";
import detailsRunning from "../../../tests/golden/protocol/details-running.json";
import detailsStale from "../../../tests/golden/protocol/details-stale.json";
import detailsSuccess from "../../../tests/golden/protocol/details-success.json";
import taskFailed from "../../../tests/golden/protocol/task-failed.json";
import taskQueued from "../../../tests/golden/protocol/task-queued.json";
import taskRunning from "../../../tests/golden/protocol/task-running.json";
import taskStale from "../../../tests/golden/protocol/task-stale.json";
import taskSuccess from "../../../tests/golden/protocol/task-success.json";
import {
  phasesOfSummary,
  programOf,
  type Segment,
  segmentsOf,
  spanWords,
  stripText,
} from "../../src/monitor/phases";
import type { Phase, PhaseKind, TaskDetails, TaskSummary } from "../../src/protocol";

interface Recorded {
  messages: { message: { kind: string; result?: unknown } }[];
}

function result<T>(transcript: Recorded, which = 0): T {
  const results = transcript.messages.filter(({ message }) => message.kind === "result");
  return results[which]?.message.result as T;
}

function strip(
  task: Recorded,
  details: Recorded,
  { isOld = false, patch = {} }: { isOld?: boolean; patch?: Partial<TaskSummary> } = {},
): Segment[] {
  const summary = { ...result<TaskSummary>(task), ...patch };
  const { phases, commands } = result<TaskDetails>(details);
  return segmentsOf({ phases, commands, task: summary, now: Date.parse(summary.server_now), isOld });
}

function words(segments: readonly Segment[]): string[] {
  return segments.map(({ look, label, value }) =>
    `${look}: ${label} ${value}`.replaceAll("\u00a0", " ").trim(),
  );
}

function phase(kind: PhaseKind, seconds: number, more: Partial<Phase> = {}): Phase {
  return {
    kind,
    label: kind,
    start: "2026-11-21T12:00:00Z",
    end: "2026-11-21T12:00:01Z",
    seconds,
    command: kind === "command" ? "solve" : null,
    exit_code: kind === "command" ? 0 : null,
    state: "done",
    ...more,
  };
}

function segments(phases: Phase[], patch: Partial<TaskSummary> = {}, commands: string[] = []): Segment[] {
  const task = { ...result<TaskSummary>(taskSuccess), ...patch };
  return segmentsOf({ phases, commands, task, now: Date.parse("2026-11-21T12:30:00Z"), isOld: false });
}

describe("the strip of recorded tasks", () => {
  test("running: small commands together, the present one now, what comes pale", () => {
    const drawn = strip(taskRunning, detailsRunning);
    expect(words(drawn)).toEqual([
      "wait: Queue 19 s",
      "prep: Prepare 7 s",
      "cmd: 3 commands 4 s",
      "run: interFoam 11 min 59 s",
      "next: Pack next",
    ]);
    expect(drawn.filter((one) => one.isMain).map((one) => one.label)).toEqual(["interFoam"]);
    expect(stripText(drawn)).toMatch(/^Phases: Queue 19 s, Prepare 7 s, /);
  });

  test("ended well: green commands", () => {
    expect(words(strip(taskSuccess, detailsSuccess))).toEqual([
      "wait: Queue 19 s",
      "prep: Prepare 7 s",
      "ok: 3 commands 4 s",
      "ok: interFoam 18 min 46 s",
      "ok: reconstructPar 26 s",
      "prep: Pack 1 min 18 s",
    ]);
  });

  test("failed: the command that did, with its exit code", () => {
    const drawn = strip(taskFailed, detailsFailed);
    expect(words(drawn)).toContain("bad: interFoam 2 min 51 s · exit 136");
    expect(drawn.find((one) => one.isMain)?.label).toBe("interFoam");
  });

  test("killed: the command that it hit is no fault", () => {
    const patch = { status: "killed", is_terminal: true };
    const phases = result<TaskDetails>(detailsKilled, 2).phases;
    expect(phases.at(-2)).toMatchObject({ exit_code: 143, state: "failed" });
    expect(words(segments(phases, patch))).toContain("prep: interFoam 12 min 11 s");
  });

  test.each(["ttl-exceeded", "spot-instance-preempted"])(
    "%s: cut off, which is no fault either",
    (status) => {
      const ended = { status, is_terminal: true };
      const looks = [null, 143, 1].map((exit_code) => {
        const [drawn] = segments([phase("command", 60, { state: "failed", exit_code })], ended);
        return [drawn?.look, drawn?.mark];
      });
      expect(looks).toEqual([
        ["cut", null],
        ["cut", null],
        ["bad", "close"],
      ]);
    },
  );

  test("queued: waiting now, all to come", () => {
    expect(words(strip(taskQueued, detailsQueued))).toEqual([
      "prep: Input 4 s",
      "wait: Queue 1 min 12 s",
      "next: Prepare next",
      "next: 3 commands",
      "next: Pack",
    ]);
  });

  test("stale: what lasted may have ended", () => {
    const drawn = strip(taskStale, detailsStale, { isOld: true });
    expect(drawn.find((one) => one.look === "unsure")?.value).toMatch(/^since \d\d:36:10, now unknown$/);
    expect(drawn.some((one) => one.look === "run" || one.isNow)).toBe(false);
  });
});

describe("folding", () => {
  test("neighbouring commands under 2 % stand together; one that failed stands alone", () => {
    const small = phase("command", 1);
    const bad = phase("command", 1, { state: "failed", exit_code: 2 });
    const drawn = segments([small, small, bad, small, phase("command", 500), small, small, small]);
    expect(drawn.map((one) => one.label)).toEqual(["2 commands", "solve", "solve", "solve", "3 commands"]);
  });

  test("many small ones make one piece, however long together", () => {
    const drawn = segments([phase("queue", 10), ...Array.from({ length: 300 }, () => phase("command", 1))]);
    expect(drawn.map((one) => one.label)).toEqual(["queue", "300 commands"]);
  });

  test("moments between commands are not drawn, pauses are", () => {
    const drawn = segments([
      phase("command", 100),
      phase("computing", 0.5),
      phase("command", 100),
      phase("computing", 50),
      phase("command", 100),
    ]);
    expect(drawn.map((one) => one.label)).toEqual(["solve", "solve", "computing", "solve"]);
  });

  test.each([9, 40, 400])("%i long commands fit", (count) => {
    const drawn = segments(Array.from({ length: count }, () => phase("command", 100)));
    expect(drawn.length).toBeLessThanOrEqual(8);
    const told = drawn.map((one) => Number.parseInt(one.label, 10) || 1);
    expect(told.reduce((sum, n) => sum + n, 0)).toBe(count);
  });

  test("a task that lost many machines shows the last ones, the first ones together", () => {
    const round = [phase("queue", 60), phase("preparing", 20), phase("computing", 300), phase("lost", 5)];
    const drawn = segments([...round, ...round, ...round, phase("queue", 60)]);
    expect(drawn.length).toBe(8);
    expect(drawn[0]?.label).toBe("Earlier");
    expect(drawn.at(-1)?.label).toBe("queue");
  });

  test("a weight follows the square root of the time", () => {
    const [short, long] = segments([phase("queue", 100), phase("computing", 400)]);
    expect((long?.weight ?? 0) / (short?.weight ?? 1)).toBeCloseTo(2);
  });

  test("no phases: nothing but what comes", () => {
    expect(segments([])).toEqual([]);
    const coming = segments([], { is_terminal: false, status: "pending-input" }, ["a", "b"]);
    expect(coming.map((one) => one.label)).toEqual(["Queue", "Prepare", "2 commands", "Pack"]);
  });
});

test("after a lost machine the commands are to come again", () => {
  const again = [
    phase("queue", 9),
    phase("command", 90),
    phase("lost", 5),
    phase("queue", 9, { state: "running", end: null }),
  ];
  const drawn = segments(again, { is_terminal: false, status: "submitted" }, ["a", "b"]);
  expect(drawn.filter((one) => one.look === "next").map((one) => one.label)).toEqual([
    "Prepare",
    "2 commands",
    "Pack",
  ]);
});

test("without the service's phases they are derived from the task's own stamps", () => {
  const running = phasesOfSummary(result<TaskSummary>(taskRunning));
  expect(running.map(({ kind, state }) => `${kind} ${state}`)).toEqual([
    "waiting done",
    "queue done",
    "preparing done",
    "computing running",
  ]);
  expect(phasesOfSummary(result<TaskSummary>(taskSuccess)).at(-1)).toMatchObject({
    kind: "packing",
    seconds: 78.8,
  });
});

test.each([
  ["mpirun -np 4 interFoam -parallel", "interFoam"],
  ["/usr/bin/mpirun --oversubscribe -np 8 /opt/gmx mdrun", "gmx"],
  ["srun lmp", "lmp"],
  ["./SPHSimulator config.json", "SPHSimulator config.json"],
  ["mpirun -np 4", "mpirun -np 4"],
  ["", ""],
  ["python run.py", "python run.py"],
])("the program of %j is %j", (command, program) => {
  expect(programOf(command)).toBe(program);
});

test("what took a moment did not take none", () => {
  expect(spanWords(0.2)).toBe("< 1\u00a0s");
  expect(spanWords(0)).toBe("0 s");
  expect(spanWords(1)).toBe("1 s");
});
