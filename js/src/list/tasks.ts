import { gunzip } from "../files/listing";
import { TASK_COLUMNS, type TaskCollection, type TaskSummary } from "../protocol";
import { isQueued, statusLook } from "../status";
import type { TaskFilters } from "./host";

/** A task as the list has it. Notes come with all tasks only, not with the newest ones. */
export interface ListedTask extends TaskSummary {
  metadata?: Record<string, string> | null;
}

const BARE = {
  tasks_ahead: null,
  machine_group: null,
  started_at: null,
  error_detail: null,
  output_size_bytes: null,
  stale: null,
} as const;

/** Unpacks the frame described at `TaskCollection`. */
export async function unpackTasks(meta: TaskCollection, frame: ArrayBuffer): Promise<ListedTask[]> {
  const text = new TextDecoder().decode(await gunzip(frame));
  const columns = JSON.parse(text) as Record<string, unknown[]>;
  const { backend, as_of, server_now } = meta;
  const names = [...TASK_COLUMNS, "metadata"];
  for (const name of names) {
    if (columns[name]?.length !== meta.count) throw new Error(`The list of tasks is damaged: ${name}.`);
  }
  return Array.from({ length: meta.count }, (_, row) => {
    const task: Record<string, unknown> = { ...BARE, backend, as_of, server_now };
    for (const name of names) task[name] = columns[name]?.[row];
    return task as unknown as ListedTask;
  });
}

/**
 * The newest tasks as just received, then the older ones known before, each once. Tasks that should be among
 * the newest and are not have been deleted.
 */
export function mergeNewest(
  newest: readonly ListedTask[],
  known: readonly ListedTask[],
  total: number,
): ListedTask[] {
  const byId = new Map(known.map((task) => [task.task_id, task]));
  const merged = newest.map((task) => {
    const before = byId.get(task.task_id);
    return before?.metadata === undefined ? task : { ...task, metadata: before.metadata };
  });
  const oldest = newest.at(-1)?.created_at ?? null;
  // Nothing known among the newest: how many lie in between is unknown.
  const isJoined = newest.some((task) => byId.has(task.task_id));
  // No task received though there are some: they are not among the newest ones of all.
  if (newest.length === 0 && total > 0) return [...known];
  if (newest.length >= total || oldest === null || !isJoined) return merged;
  const told = new Set(newest.map((task) => task.task_id));
  const older = known.filter((task) => !told.has(task.task_id) && (task.created_at ?? "") <= oldest);
  return [...merged, ...older];
}

/** `open`: all that have not ended. */
export type Chip = "all" | "open" | "running" | "waiting" | "failed" | "done";

export function isIn(task: TaskSummary, chip: Chip): boolean {
  switch (chip) {
    case "all":
      return true;
    case "open":
      return !task.is_terminal;
    case "running":
      return !task.is_terminal && !isQueued(task);
    case "waiting":
      return isQueued(task);
    case "done":
      return task.is_terminal && statusLook(task.status).tone === "ok";
    case "failed":
      return task.is_terminal && ["err", "warn"].includes(statusLook(task.status).tone);
  }
}

export function passes(task: TaskSummary, { status, project }: TaskFilters): boolean {
  return (status === null || task.status === status) && (project === null || task.project === project);
}

const texts = new WeakMap<TaskSummary, string>();

/** All words of the query occur in the task's id, simulator, machine, project, status or notes. */
export function matches(task: ListedTask, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  let text = texts.get(task);
  if (text === undefined) {
    const notes = Object.entries(task.metadata ?? {}).flat();
    text = [task.task_id, task.simulator, task.machine_type, task.project, task.status_alias, ...notes]
      .join("\n")
      .toLowerCase();
    texts.set(task, text);
  }
  return words.every((word) => text.includes(word));
}

export function wordsOf(query: string): string[] {
  return query.toLowerCase().split(/\s+/).filter(Boolean);
}

/** Code that gives the tasks in a cell. */
export function codeFor(taskIds: readonly string[]): string {
  return taskIds.map((id) => `iw.Task(${JSON.stringify(id)})`).join("\n");
}
