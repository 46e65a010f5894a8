// biome-ignore-all lint/a11y/useSemanticElements: an ARIA grid, as a table cannot leave out the rows that are out of sight.
// biome-ignore-all lint/a11y/useFocusableInteractive: the grid has the focus and names the active row.
import {
  formatAgo,
  formatClock,
  formatCost,
  formatDuration,
  formatStamp,
  ordinal,
  shortId,
  UNKNOWN,
} from "../format";
import type { TaskListStore } from "../list/store";
import type { ListedTask } from "../list/tasks";
import { isQueued, pastWord, runtimeSeconds, statusWord } from "../status";
import { StatusIcon } from "./badge";

interface CellProps {
  task: ListedTask;
  store: TaskListStore;
  old: boolean;
  picking: boolean;
  killing: boolean;
}

/** Two lines: what it is and how long, then what matters of it now. */
export function NarrowCells({ task, store, old, picking, killing }: CellProps) {
  const now = store.now.value;
  const state = old ? pastState(task, now) : detailOf(task, now, picking);
  return (
    <>
      <span class="a iw-cut" role="gridcell">
        {task.simulator ?? shortId(task.task_id)}
        {!task.is_terminal && !old && !picking && <span class="iw-vh"> {statusWord(task)}</span>}
      </span>
      <span class="b" role="gridcell">
        {old ? "" : timeOf(task, now)}
      </span>
      <span class="c" role="gridcell">
        <span class="iw-cut">{killing ? "Killing…" : state}</span>
        {task.cost?.is_final && (
          <span class="iw-nw"> · {formatCost(task.cost.amount, task.cost.currency)}</span>
        )}
      </span>
    </>
  );
}

/** A cell a column; folded views place them in two lines. */
export function WideCells({ task, store, old, killing }: CellProps) {
  const now = store.now.value;
  const created = task.created_at === null ? null : Date.parse(task.created_at);
  const word = old ? pastWord(task) : statusWithPlace(task);
  return (
    <>
      <span class="stw" role="gridcell">
        <StatusIcon task={task} old={old} />
        <span class="iw-cut">{killing ? "Killing…" : word}</span>
      </span>
      <span class="who" role="gridcell">
        {task.simulator !== null && <b>{task.simulator}</b>}
        <span class="id">{shortId(task.task_id)}</span>
      </span>
      <span class="proj iw-m iw-cut" role="gridcell">
        {task.project ?? UNKNOWN}
      </span>
      <span class="mach iw-m iw-cut" role="gridcell">
        {task.machine_type ?? UNKNOWN}
      </span>
      <span class="dur" role="gridcell">
        {old ? UNKNOWN : formatDuration(waitedOrRun(task, now))}
      </span>
      <span class="cost" role="gridcell">
        {costOf(task)}
      </span>
      <span class="when iw-m" role="gridcell" title={created === null ? undefined : formatStamp(created)}>
        {created === null ? UNKNOWN : whenOf(created, now, isMixed(store))}
      </span>
    </>
  );
}

function statusWithPlace(task: ListedTask): string {
  const word = statusWord(task);
  return isQueued(task) && task.tasks_ahead !== null ? `${word}, ${ordinal(task.tasks_ahead + 1)}` : word;
}

function waitedOrRun(task: ListedTask, now: number): number | null {
  const since = task.submitted_at ?? task.created_at;
  if (isQueued(task) && since !== null) return (now - Date.parse(since)) / 1000;
  return runtimeSeconds(task, now);
}

/** The unit is in the head; what may still rise has a mark. */
function costOf({ cost }: ListedTask): string {
  if (cost === null) return UNKNOWN;
  const amount = cost.currency === "USD" ? cost.amount.toFixed(2) : formatCost(cost.amount, cost.currency);
  return cost.is_final ? amount : `~${amount}`;
}

/** The sections are not days. */
function isMixed(store: TaskListStore): boolean {
  return store.grouping.value !== "day" || store.order.value.key !== "created";
}

/** The time of day; the head of the section shows the day, unless rows of all days are mixed. */
function whenOf(created: number, now: number, mixed: boolean): string {
  const today = new Date(created).toDateString() === new Date(now).toDateString();
  if (mixed && !today) return formatClock(created, now).replace(/ \d\d:\d\d$/, "");
  return new Date(created).toTimeString().slice(0, 5);
}

function timeOf(task: ListedTask, now: number): string {
  if (isQueued(task)) return task.tasks_ahead === null ? "" : `${ordinal(task.tasks_ahead + 1)} in queue`;
  return formatDuration(runtimeSeconds(task, now));
}

/** `Success`, `Failed`, `Killed`. */
const SHORT_WORD = 8;

/** With boxes in place of icons the word has to say the state. */
function detailOf(task: ListedTask, now: number, picking: boolean): string {
  const state = statusWord(task);
  if (!task.is_terminal) {
    return [picking ? state : shortId(task.task_id, 4, 4), task.machine_type].filter(Boolean).join(" · ");
  }
  // A long word leaves no room for when, beside what it cost.
  if (task.ended_at === null || state.length > SHORT_WORD) return state;
  return `${state} ${formatAgo(Date.parse(task.ended_at), now)}`;
}

function pastState(task: ListedTask, now: number): string {
  return `${pastWord(task)} at ${formatClock(Date.parse(task.as_of), now).slice(0, 5)}`;
}
