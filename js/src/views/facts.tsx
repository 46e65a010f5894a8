import type { ComponentChildren } from "preact";
import { countOf, formatCost, formatCount, formatDuration, formatSize, ordinal, UNKNOWN } from "../format";
import type { MonitorStore } from "../monitor/store";
import type { TaskDetails, TaskSummary } from "../protocol";
import { isQueued, runtimeSeconds, secondsBetween } from "../status";
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
                {store.loadError.value === null ? <span class="iw-sk" style={{ "--w": width }} /> : UNKNOWN}
              </Fact>
            ))
          : factsOf(task, store.details.details.value, store.now.value, old).map((row) => (
              <Fact key={row.label} {...row}>
                {row.value}
                {row.note !== undefined && <small> {row.note}</small>}
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

export interface FactProps {
  label: string;
  title?: string;
  wide?: boolean;
  children: ComponentChildren;
}

export function Fact({ label, title, wide, children }: FactProps) {
  return (
    <div class={wide === true ? "wide" : undefined}>
      <dt>{label}</dt>
      <dd title={title}>{children}</dd>
    </div>
  );
}

interface FactRow {
  label: string;
  value: string;
  note?: string;
  title?: string;
  /** Only where there is room. */
  wide?: boolean;
}

function factsOf(task: TaskSummary, details: TaskDetails | null, now: number, old: boolean): FactRow[] {
  const then = old ? Date.parse(task.as_of) : now;
  const rows: FactRow[] = [];
  if (isQueued(task)) {
    const since = task.submitted_at ?? task.created_at;
    const label = old ? "Waiting then" : "Waiting";
    rows.push({ label, value: formatDuration(secondsBetween(since, then)) });
    if (task.tasks_ahead !== null) {
      const ahead = task.tasks_ahead === 0 ? "next" : `${countOf(task.tasks_ahead, "task")} ahead`;
      rows.push({ label: "Place in queue", value: ordinal(task.tasks_ahead + 1), note: `· ${ahead}` });
    }
  } else {
    const row: FactRow = {
      label: old ? "Runtime then" : "Runtime",
      value: formatDuration(runtimeSeconds(task, then)),
    };
    const usual = usualTime(task, details);
    if (usual !== null) row.title = usual;
    rows.push(row);
  }
  rows.push({ label: "Machine", value: task.machine_type ?? details?.machine_type ?? UNKNOWN });
  if (task.cost !== null) rows.push(costFact(task, details, old));
  rows.push({ label: "Backend", value: task.backend.name });
  if (task.project !== null) rows.push({ label: "Project", value: task.project, wide: true });
  if (task.output_files !== null) {
    const { output_files: files, output_size_bytes: bytes } = task;
    const size = bytes === null ? "" : `, ${formatSize(bytes)}`;
    rows.push({ label: "Files", value: files === 0 ? "none" : formatCount(files) + size, wide: true });
  }
  return rows;
}

/** The cost as the service reports it; the price of an hour only while it applies, and only if reported. */
function costFact(task: TaskSummary, details: TaskDetails | null, old: boolean): FactRow {
  const { amount, currency, is_final } = task.cost ?? { amount: 0, currency: "", is_final: false };
  const value = formatCost(amount, currency);
  if (is_final) return { label: "Cost", value, note: "final" };
  const hour = old ? null : (details?.cost_per_hour ?? null);
  if (hour === null) return { label: old ? "Cost then" : "Cost so far", value };
  const price = hour.currency === currency ? hour.amount.toFixed(2) : formatCost(hour.amount, hour.currency);
  return { label: "Cost so far", value, note: `· ${price} per h` };
}

/** `Usually 2 min 50 s for GROMACS on c2d-highcpu-16`; `null` when the listed runs give no estimate. */
export function usualTime(task: TaskSummary, details: TaskDetails | null): string | null {
  const machine = task.machine_type ?? details?.machine_type ?? null;
  if (details === null || details.usual_seconds === null || task.simulator === null || machine === null)
    return null;
  return `Usually ${formatDuration(details.usual_seconds)} for ${task.simulator} on ${machine}`;
}

function KillButton({ store }: { store: MonitorStore }) {
  const task = store.task.value;
  if (task === null || task.is_terminal) return null;
  const pending =
    store.killing.value !== "idle" || store.killAskedAt.value !== null || task.status === "pending-kill";
  if (!store.mayKill && !pending) return null;
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
