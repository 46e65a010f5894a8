import { countOf, formatAge, formatCost } from "../format";
import type { TaskSummary } from "../protocol";
import { isQueued, runtimeSeconds, statusLook, statusWord } from "../status";
import type { ListedTask } from "./tasks";

/** `day`, `project`, `none`, or `note:<key>`. */
export type Grouping = "day" | "project" | "none" | `note:${string}`;
export type SortKey = "created" | "runtime" | "cost" | "status" | "task" | "machine" | "project";

export interface Order {
  key: SortKey;
  descending: boolean;
}

export interface Section {
  key: string;
  title: string;
  /** After the title: how many, how far. */
  summary: string;
  tasks: ListedTask[];
}

/** How one begins with a column: the newest, the longest, the dearest first, names from A. */
export function firstOrder(key: SortKey): Order {
  return { key, descending: key === "created" || key === "runtime" || key === "cost" };
}

/** Newest first comes from the service and is left as it is. */
export function sorted(tasks: ListedTask[], { key, descending }: Order, now: number): ListedTask[] {
  if (key === "created") return descending ? tasks : [...tasks].reverse();
  const values = new Map(tasks.map((task) => [task, sortValue(task, key, now)]));
  const sign = descending ? -1 : 1;
  // Stable, so equal ones stay newest first; unknown values come last in either direction.
  return [...tasks].sort((a, b) => {
    const [x, y] = [values.get(a) ?? null, values.get(b) ?? null];
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    return x < y ? -sign : x > y ? sign : 0;
  });
}

/** What asks for attention comes first. */
const STATUS_ORDER = ["stopping", "run", "wait", "fail", "lost", "limit", "unknown", "user", "done"];

function sortValue(task: ListedTask, key: SortKey, now: number): string | number | null {
  switch (key) {
    case "runtime":
      return runtimeSeconds(task, now);
    case "cost":
      return task.cost?.amount ?? null;
    case "status":
      return `${STATUS_ORDER.indexOf(statusLook(task.status).icon)} ${statusWord(task)}`;
    case "task":
      return task.simulator?.toLowerCase() ?? null;
    case "machine":
      return task.machine_type;
    case "project":
      return task.project?.toLowerCase() ?? null;
    case "created":
      return task.created_at;
  }
}

/** The tasks in sections, in the order of their first members. */
export function sections(
  tasks: readonly ListedTask[],
  grouping: Grouping,
  now: number,
  wide: boolean,
): Section[] {
  const found = new Map<string, ListedTask[]>();
  for (const task of tasks) {
    const key = groupOf(task, grouping, now);
    const members = found.get(key);
    if (members === undefined) found.set(key, [task]);
    else members.push(task);
  }
  return [...found].map(([key, members]) => ({
    key,
    tasks: members,
    title: grouping === "day" ? dayTitle(key, members, now, wide) : key,
    summary: grouping === "day" ? daySummary(members, wide) : groupSummary(members, now),
  }));
}

function groupOf(task: ListedTask, grouping: Grouping, now: number): string {
  if (grouping === "none") return "";
  if (grouping === "project") return task.project ?? "No project";
  if (grouping === "day") return dayName(Date.parse(task.created_at ?? task.as_of), now);
  const key = grouping.slice("note:".length);
  const value = task.metadata?.[key];
  return value === undefined ? `No ${key}` : `${key} = ${value}`;
}

/** Keys of notes that any task bears, the most frequent first. */
export function noteKeys(tasks: readonly ListedTask[], most = 8): string[] {
  const counts = new Map<string, number>();
  for (const { metadata } of tasks) {
    for (const key of Object.keys(metadata ?? {})) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .slice(0, most)
    .map(([key]) => key);
}

// ---- days ----

const DAY_MS = 86_400_000;
const WEEKDAY = new Intl.DateTimeFormat("en-GB", { weekday: "long" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const SHORT = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });

function dayName(time: number, now: number): string {
  const days = Math.round((startOfDay(now) - startOfDay(time)) / DAY_MS);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  return days < 7 ? WEEKDAY.format(time) : DATE.format(time);
}

export function startOfDay(time: number): number {
  return new Date(time).setHours(0, 0, 0, 0);
}

function dayTitle(name: string, members: readonly ListedTask[], now: number, wide: boolean): string {
  const created = members[0]?.created_at ?? null;
  if (!wide || created === null || name === "Today") return name;
  if (startOfDay(now) - startOfDay(Date.parse(created)) >= 7 * DAY_MS) return name;
  const date = SHORT.format(Date.parse(created)).replace(",", "");
  return name === "Yesterday" ? `${name}, ${date}` : date;
}

function daySummary(members: readonly ListedTask[], wide: boolean): string {
  if (!wide) return String(members.length);
  const cost = totalCost(members);
  return cost === null ? countOf(members.length, "task") : `${countOf(members.length, "task")}, ${cost}`;
}

function totalCost(members: readonly TaskSummary[]): string | null {
  const costs = members.flatMap(({ cost }) => (cost === null ? [] : [cost]));
  const [first] = costs;
  if (first === undefined || costs.some(({ currency }) => currency !== first.currency)) return null;
  const sum = costs.reduce((total, { amount }) => total + amount, 0);
  const open = costs.some(({ is_final }) => !is_final);
  return formatCost(sum, first.currency) + (open ? " so far" : "");
}

// ---- other groups ----

/** `8 of 10 done, 1 failed, about 14 min left`. */
export function groupSummary(members: readonly ListedTask[], now: number): string {
  const ended = members.filter((task) => task.is_terminal);
  const done = ended.filter((task) => statusLook(task.status).tone === "ok").length;
  const failed = ended.filter((task) => ["err", "warn"].includes(statusLook(task.status).tone)).length;
  const parts = [done === members.length ? `all ${done} done` : `${done} of ${members.length} done`];
  if (failed > 0) parts.push(`${failed} failed`);
  const left = secondsLeft(members, now);
  if (left !== null) parts.push(`about ${formatAge(left)} left`);
  return parts.join(", ");
}

/**
 * When the open tasks of a group may be done: each as long as the median of those that are, and as many
 * at a time as run now. `null`: nothing is open, or nothing has ended to judge by.
 */
export function secondsLeft(members: readonly ListedTask[], now: number): number | null {
  const open = members.filter((task) => !task.is_terminal);
  const times = members
    .filter((task) => task.is_terminal && statusLook(task.status).tone === "ok")
    .flatMap((task) => runtimeSeconds(task, now) ?? [])
    .sort((a, b) => a - b);
  const median = times[Math.floor(times.length / 2)];
  if (open.length === 0 || median === undefined) return null;
  const rest = open.map((task) => Math.max(0, median - (runtimeSeconds(task, now) ?? 0)));
  const running = open.filter((task) => !isQueued(task)).length;
  const work = rest.reduce((sum, seconds) => sum + seconds, 0) / Math.max(1, running);
  const left = Math.max(work, ...rest);
  return left > 0 ? left : null;
}
