import type { IconName } from "./icons";
import type { TaskSummary } from "./protocol";

export type Tone = "" | "run" | "ok" | "warn" | "err";

/** How a status looks; the word is the service's own. */
export interface StatusLook {
  icon: IconName;
  tone: Tone;
  turns: boolean;
}

const waiting: StatusLook = { icon: "wait", tone: "", turns: false };
const running: StatusLook = { icon: "run", tone: "run", turns: true };
const stopping: StatusLook = { icon: "stopping", tone: "warn", turns: false };
const done: StatusLook = { icon: "done", tone: "ok", turns: false };
const failed: StatusLook = { icon: "fail", tone: "err", turns: false };
// Requested by a user: not a fault, so not red.
const stopped: StatusLook = { icon: "user", tone: "", turns: false };
const limited: StatusLook = { icon: "limit", tone: "warn", turns: false };
const lost: StatusLook = { icon: "lost", tone: "warn", turns: false };
const unknown: StatusLook = { icon: "unknown", tone: "", turns: false };

const LOOKS: Record<string, StatusLook> = {
  "pending-input": waiting,
  submitted: waiting,
  started: running,
  "computation-started": running,
  "computation-ended": running,
  "pending-kill": stopping,
  success: done,
  failed: failed,
  "executer-failed": failed,
  killed: stopped,
  "executer-terminated-by-user": stopped,
  "ttl-exceeded": limited,
  "executer-terminated-ttl-exceeded": limited,
  "executer-terminated-credits-exhausted": limited,
  "spot-instance-preempted": lost,
  "executer-terminated": lost,
  zombie: lost,
};

export function statusLook(status: string): StatusLook {
  return LOOKS[status] ?? unknown;
}

export const UNKNOWN_LOOK = unknown;

/** The word for people: the service's alias, or the code when it sent none. */
export function statusWord(task: TaskSummary): string {
  return task.status_alias || task.status || "Not known yet";
}

/** The same for old data, in the past tense. */
export function pastWord(task: TaskSummary): string {
  return task.status === "" ? statusWord(task) : `Was ${statusWord(task)}`;
}

/** Whether the data are old and the task may have moved on. Those of an ended task stay true. */
export function isOld(task: TaskSummary, connected: boolean): boolean {
  return !task.is_terminal && (task.stale !== null || !connected);
}

export function isQueued(task: TaskSummary): boolean {
  return !task.is_terminal && statusLook(task.status) === waiting;
}

/** The service's figure once it has one, else counted from its stamps. */
export function runtimeSeconds(task: TaskSummary, now: number): number | null {
  if (task.computation_seconds !== null) return task.computation_seconds;
  const end = task.computation_ended_at ?? task.ended_at;
  return secondsBetween(
    task.computation_started_at,
    end === null ? (task.is_terminal ? null : now) : Date.parse(end),
  );
}

export function secondsBetween(start: string | null, end: number | null): number | null {
  return start === null || end === null ? null : (end - Date.parse(start)) / 1000;
}
