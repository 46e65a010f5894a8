import type { ComponentChildren } from "preact";
import {
  countOf,
  formatClock,
  formatCost,
  formatCount,
  formatDuration,
  formatSize,
  formatStamp,
  UNKNOWN,
} from "../format";
import { spanWords } from "../monitor/phases";
import type { MonitorStore } from "../monitor/store";
import type { MachineFacts, Phase, TaskDetails, TaskSummary } from "../protocol";
import { usualTime } from "./facts";
import { Icon } from "./icon";

type Row = [label: string, value: ComponentChildren, mono?: boolean];

/** The tab of all facts. */
export function Details({ store }: { store: MonitorStore }) {
  const task = store.task.value;
  const details = store.details.details.value;
  if (task === null) return <div class="iw-loading" aria-busy="true" />;
  return (
    <div class="iw-details">
      <Section about="Task" rows={taskRows(store.taskId, task, details)} />
      <Section about="Times" rows={timeRows(task, details, store.now.value)} />
      {details !== null && <Commands phases={details.phases} commands={details.commands} />}
      <Section about="Machine" rows={machineRows(task, details)} />
      {details === null ? (
        <NoDetails store={store} />
      ) : (
        <>
          <Section about="Inputs" rows={inputRows(details)} />
          <Section about="Metadata" rows={metadataRows(details)} />
        </>
      )}
    </div>
  );
}

function Section({ about, rows }: { about: string; rows: readonly Row[] }) {
  if (rows.length === 0) return null;
  return (
    <dl class="iw-kv" aria-label={about}>
      {rows.map(([label, value, mono]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd class={mono === true ? "iw-mono" : undefined}>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function taskRows(id: string, task: TaskSummary, details: TaskDetails | null): Row[] {
  const rows: Row[] = [
    ["Task id", id, true],
    ["Status", <Status key="s" task={task} />],
    ["Backend", task.backend.name],
    ["Project", task.project ?? UNKNOWN],
  ];
  if (details !== null) rows.push(["Container", imageName(details.container_image), true]);
  if (task.output_files !== null) rows.push(["Outputs", outputs(task)]);
  if (task.cost !== null) {
    const { amount, currency, is_final } = task.cost;
    rows.push([
      "Cost",
      <>
        {formatCost(amount, currency)} <span class="iw-m">{is_final ? "final" : "so far"}</span>
      </>,
    ]);
  }
  if (details !== null && details.fee !== null)
    rows.push(["Fee", formatCost(details.fee.amount, details.fee.currency)]);
  if (details !== null && details.retries !== null && details.retries > 0)
    rows.push(["Restarts", formatCount(details.retries)]);
  if (task.error_detail !== null && task.error_detail !== "") rows.push(["Reason", task.error_detail]);
  return rows;
}

/** The service's word, and its code where that adds something. */
function Status({ task }: { task: TaskSummary }) {
  const isSame = task.status.toLowerCase() === task.status_alias.toLowerCase();
  return (
    <>
      {task.status_alias} {!isSame && <code class="iw-m">{task.status}</code>}
    </>
  );
}

function imageName(image: string | null): string {
  return image?.replace(/^docker:\/\//, "") ?? UNKNOWN;
}

function outputs(task: TaskSummary): string {
  const files = countOf(task.output_files ?? 0, "file");
  const size = task.output_size_bytes === null ? "" : `, ${formatSize(task.output_size_bytes)}`;
  const packed = task.output_packed_bytes === null ? "" : ` (packed ${formatSize(task.output_packed_bytes)})`;
  return files + size + packed;
}

function timeRows(task: TaskSummary, details: TaskDetails | null, now: number): Row[] {
  const created = parse(task.created_at);
  const rows: Row[] = [];
  const add = (label: string, time: number | null, note = "") => {
    if (time === null) return;
    // The first one shows the day and the zone, the others only the time of that day.
    const text = rows.length === 0 || !sameDay(time, created) ? formatStamp(time) : clock(time);
    rows.push([
      label,
      <span key={label} title={formatStamp(time)}>
        {text}
        {note !== "" && <span class="iw-m"> {note}</span>}
      </span>,
    ]);
  };
  const [submitted, started] = [parse(task.submitted_at), parse(task.started_at)];
  const [computing, computed] = [parse(task.computation_started_at), parse(task.computation_ended_at)];
  const ended = parse(task.ended_at);
  add("Created", created);
  add("Queued", submitted, span("for", submitted, started ?? (task.is_terminal ? ended : now)));
  add("Started", started, span("after", created, started));
  add("Computing", computing, span("for", computing, computed ?? (task.is_terminal ? ended : now)));
  add("Computed", computed);
  add("Ended", ended, span("after", created, ended));
  const usual = usualTime(task, details);
  if (usual !== null) rows.push(["Usually", usual.replace(/^Usually /, "")]);
  return rows;
}

function parse(time: string | null): number | null {
  return time === null ? null : Date.parse(time);
}

function span(word: string, from: number | null, to: number | null): string {
  return from === null || to === null ? "" : `${word} ${formatDuration((to - from) / 1000)}`;
}

function sameDay(time: number, other: number | null): boolean {
  return other !== null && new Date(time).toDateString() === new Date(other).toDateString();
}

/** `13:51:02 CET`: every time with its zone. */
function clock(time: number): string {
  return `${formatClock(time, time)} ${formatStamp(time).split(" ").at(-1) ?? ""}`;
}

function Commands({ phases, commands }: { phases: readonly Phase[]; commands: readonly string[] }) {
  const begun = phases.filter((phase) => phase.kind === "command");
  const waiting = commands.slice(begun.length);
  if (begun.length + waiting.length === 0) return null;
  return (
    <section class="iw-cmds" aria-label="Commands">
      <h4>Commands</h4>
      <ol>
        {begun.map((phase) => (
          <li key={phase.start}>
            <Mark phase={phase} />
            <code>{phase.command}</code>
            <span class="x">{exitWords(phase)}</span>
            <span class="t">{phase.end === null ? "" : spanWords(phase.seconds)}</span>
          </li>
        ))}
        {waiting.map((command, index) => (
          <li key={index} class="next">
            <Icon name="wait" />
            <code>{command}</code>
            <span class="x" />
            <span class="t">–</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Mark({ phase }: { phase: Phase }) {
  if (phase.state === "failed") return <Icon name="fail" className="iw-st iw-tone-err" />;
  if (phase.state === "running") return <Icon name="run" className="iw-st iw-tone-run iw-turn" />;
  return phase.exit_code === 0 ? (
    <Icon name="done" className="iw-st iw-tone-ok" />
  ) : (
    <Icon name="unknown" className="iw-st" />
  );
}

function exitWords(phase: Phase): string {
  if (phase.exit_code !== null) return `exit ${phase.exit_code}`;
  return phase.state === "running" ? "running" : "";
}

function machineRows(task: TaskSummary, details: TaskDetails | null): Row[] {
  const machine = details?.machine ?? null;
  const rows: Row[] = [["Machine", task.machine_type ?? details?.machine_type ?? UNKNOWN]];
  if (task.machine_group !== null) rows.push(["Group", task.machine_group]);
  if (machine !== null) rows.push(...hardwareRows(machine));
  if (details !== null && details.region !== null) rows.push(["Region", details.region]);
  if (details !== null && details.cost_per_hour !== null) {
    const { amount, currency } = details.cost_per_hour;
    rows.push(["Price", `${formatCost(amount, currency)} per h for the group`]);
  }
  return rows;
}

function hardwareRows(machine: MachineFacts): Row[] {
  const rows: Row[] = [];
  if (machine.name !== null && machine.name !== machine.type) rows.push(["Name", machine.name, true]);
  if (machine.provider !== null) rows.push(["Provider", machine.provider]);
  if (machine.cpus !== null) {
    const cores = machine.cores === null ? "" : ` (${countOf(machine.cores, "core")})`;
    rows.push(["CPUs", formatCount(machine.cpus) + cores]);
  }
  if (machine.memory_bytes !== null) rows.push(["Memory", formatSize(machine.memory_bytes)]);
  if (machine.hosts !== null && machine.hosts > 1) rows.push(["Machines", formatCount(machine.hosts)]);
  return rows;
}

function inputRows(details: TaskDetails): Row[] {
  const rows: Row[] = [];
  if (details.input_size_bytes !== null) {
    const packed = details.input_packed_bytes;
    const more = packed === null ? "" : ` (packed ${formatSize(packed)})`;
    rows.push(["Input", formatSize(details.input_size_bytes) + more]);
  }
  if (details.input_files.length > 0)
    rows.push(["Resources", <Lines key="r" lines={details.input_files} />, true]);
  return rows;
}

function metadataRows(details: TaskDetails): Row[] {
  const lines = Object.entries(details.metadata).map(([key, value]) => `${key} = ${value}`);
  if (lines.length === 0)
    return [
      [
        "Metadata",
        <span key="m" class="iw-m">
          None
        </span>,
      ],
    ];
  return [["Metadata", <Lines key="m" lines={lines} />, true]];
}

function Lines({ lines }: { lines: readonly string[] }) {
  return (
    <>
      {lines.map((line, index) => (
        <div key={index}>{line}</div>
      ))}
    </>
  );
}

function NoDetails({ store }: { store: MonitorStore }) {
  if (!store.details.failed.value) return null;
  return (
    <div class="iw-empty">
      <b>The other details could not be read</b>
      <button type="button" class="iw-b" onClick={() => void store.details.load()}>
        <Icon name="refresh" className="s" />
        Try again
      </button>
    </div>
  );
}
