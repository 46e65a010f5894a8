import { gzip } from "../src/files/listing";
import { TASK_COLUMNS, type TaskSummary } from "../src/protocol";
import { type Transcript, toBase64 } from "./replay-connection";

const ENDED = Date.parse("2026-11-21T12:00:00Z");

/** A task that ended well, 50 s long, unless given otherwise. */
export function makeTask(rest: Partial<TaskSummary> = {}): TaskSummary {
  return {
    task_id: "a".repeat(25),
    backend: { id: "f51124d7652f", name: "api.inductiva.ai" },
    simulator: "OpenFOAM",
    project: "default",
    status: "success",
    status_alias: "Success",
    is_terminal: true,
    is_killable: false,
    tasks_ahead: null,
    machine_type: "c2-standard-4",
    machine_group: null,
    created_at: "2026-11-21T11:58:00Z",
    submitted_at: "2026-11-21T11:58:02Z",
    started_at: null,
    computation_started_at: "2026-11-21T11:59:00Z",
    computation_ended_at: "2026-11-21T11:59:50Z",
    ended_at: "2026-11-21T12:00:00Z",
    computation_seconds: 50,
    cost: { amount: 0.02, currency: "USD", is_final: true },
    error_detail: null,
    output_files: 3,
    output_size_bytes: 3000,
    output_packed_bytes: 1000,
    as_of: "2026-11-21T13:02:05Z",
    server_now: "2026-11-21T13:02:05Z",
    stale: null,
    ...rest,
  };
}

export const RUNNING = {
  status: "computation-started",
  status_alias: "In Progress",
  is_terminal: false,
  is_killable: true,
  computation_ended_at: null,
  ended_at: null,
  computation_seconds: null,
} as const;

/** Many tasks, newest first, one each ten minutes. */
export function makeTasks(count: number): TaskSummary[] {
  const simulators = ["OpenFOAM", "GROMACS", "SWASH", "DualSPHysics"];
  return Array.from({ length: count }, (_, i) =>
    makeTask({
      task_id: `t${String(i).padStart(6, "0")}${"x".repeat(18)}`,
      simulator: simulators[i % 4] ?? null,
      project: `project-${i % 5}`,
      created_at: new Date(ENDED - i * 600_000).toISOString(),
      computation_seconds: 10 + ((i * 7919) % 5000),
    }),
  );
}

/** A recorded list: the newest hundred, and all of them, with their notes, when asked for. */
export async function listTranscript(
  tasks: TaskSummary[],
  total = tasks.length,
  notes: Record<string, string> | null = null,
): Promise<Transcript> {
  const columns: Record<string, unknown[]> = { metadata: tasks.map(() => notes) };
  for (const name of TASK_COLUMNS) columns[name] = tasks.map((task) => task[name]);
  const packed = await gzip(new TextEncoder().encode(JSON.stringify(columns)));
  const { backend, as_of, server_now } = tasks[0] ?? makeTask();
  return {
    about: "made for a test",
    messages: [
      call("1", "tasks.list"),
      answer("1", { tasks: tasks.slice(0, 100), total }),
      call("2", "tasks.all"),
      {
        ...answer("2", { count: tasks.length, total, backend, as_of, server_now }),
        buffers: [toBase64(packed)],
      },
    ],
  };
}

export function call(id: string, method: string) {
  return { to: "service", message: { kind: "call", id, method, params: {} } };
}

export function answer(id: string, value: object) {
  return { to: "view", message: { kind: "result", id, result: value } };
}
