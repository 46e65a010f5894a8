import type { ComponentChildren } from "preact";
import { formatCost, formatDuration, ordinal, UNKNOWN } from "../format";
import type { TaskSummary } from "../protocol";
import { isQueued } from "../status";
import type { MonitorStore } from "../store";
import { Icon } from "./icon";

export function Facts({ store }: { store: MonitorStore }) {
  const task = store.task.value;
  const old = store.isOld.value;
  return (
    <div class="iw-sub">
      <dl class={old ? "iw-facts frozen" : "iw-facts"}>
        {task === null
          ? LOADING_FACTS.map(([label, width]) => (
              <Fact key={label} label={label}>
                <span class="iw-sk" style={{ "--w": width }} />
              </Fact>
            ))
          : factsOf(task, store.now.value, old).map(([label, value, note]) => (
              <Fact key={label} label={label}>
                {value}
                {note !== undefined && <small> {note}</small>}
              </Fact>
            ))}
      </dl>
      <KillButton store={store} />
    </div>
  );
}

const LOADING_FACTS: readonly [string, string][] = [
  ["Runtime", "72px"],
  ["Machine", "88px"],
  ["Backend", "96px"],
];

function Fact({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

type FactRow = [label: string, value: string, note?: string];

function factsOf(task: TaskSummary, now: number, old: boolean): FactRow[] {
  const then = old ? Date.parse(task.as_of) : now;
  const rows: FactRow[] = [];
  if (isQueued(task)) {
    const since = task.submitted_at ?? task.created_at;
    rows.push([old ? "Waiting then" : "Waiting", formatDuration(secondsBetween(since, then))]);
    if (task.tasks_ahead !== null) {
      const ahead = task.tasks_ahead === 0 ? "next" : `${task.tasks_ahead} ahead`;
      rows.push(["Place in queue", ordinal(task.tasks_ahead + 1), `· ${ahead}`]);
    }
  } else {
    rows.push([old ? "Runtime then" : "Runtime", formatDuration(runtimeSeconds(task, then))]);
  }
  rows.push(["Machine", task.machine_type ?? UNKNOWN]);
  if (task.cost !== null) {
    const { amount, currency, is_final } = task.cost;
    const label = is_final ? "Cost" : old ? "Cost then" : "Cost so far";
    rows.push(
      is_final ? [label, formatCost(amount, currency), "final"] : [label, formatCost(amount, currency)],
    );
  }
  rows.push(["Backend", task.backend.name]);
  return rows;
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

function secondsBetween(start: string | null, end: number | null): number | null {
  return start === null || end === null ? null : (end - Date.parse(start)) / 1000;
}

function KillButton({ store }: { store: MonitorStore }) {
  const task = store.task.value;
  if (task === null || task.is_terminal) return null;
  const pending =
    store.killing.value !== "idle" || store.killAskedAt.value !== null || task.status === "pending-kill";
  if (!task.is_killable && !pending) return null;
  const asking = store.askingKill.value;
  return (
    <button
      type="button"
      class="iw-b danger kill"
      // An unanswered kill may be pressed again: it repeats the same message.
      disabled={asking || !store.connected.value || (pending && store.killing.value !== "waiting")}
      aria-expanded={asking}
      title="Kill task (K)"
      onClick={() => (store.killing.value === "waiting" ? void store.kill() : store.askKill())}
    >
      <Icon name="stop" className="s" />
      {pending ? "Killing…" : "Kill task"}
    </button>
  );
}
