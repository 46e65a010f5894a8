import { useEffect, useMemo } from "preact/hooks";
import { roundTop, type Summary, summaryOf, timeAxis } from "../chart";
import { formatCount, formatSize } from "../format";
import type { Measures } from "../monitor/machine-store";
import type { MonitorStore } from "../monitor/store";
import type { MachineColumn, TaskDetails } from "../protocol";
import { Banner, ErrorText } from "./banner";
import { Chart, type ChartSpec } from "./chart";
import { Empty } from "./empty";
import { Icon } from "./icon";
import { MachineNow } from "./machine-live";

/** The tab of the machine: what it did over time, and what it is. */
export function Machine({ store }: { store: MonitorStore }) {
  return (
    <div class="iw-machine">
      <Load store={store} />
      <Facts store={store} />
    </div>
  );
}

function Load({ store }: { store: MonitorStore }) {
  const { machine } = store;
  const task = store.task.value;
  const ended = task?.is_terminal === true;
  const begun = task?.computation_started_at != null;
  useEffect(() => {
    if (ended) void machine.load();
    return begun && !ended ? machine.follow() : undefined;
  }, [machine, begun, ended]);
  const state = machine.state.value;
  if (task === null) return <ChartSkeleton />;
  if (!begun && !ended) {
    return (
      <Empty
        icon="wait"
        title="No machine works on the task yet"
        text="The task has not begun to compute. The load of its machine comes then."
      />
    );
  }
  if (!ended) {
    const isDrawn = state.kind === "ready" && state.measures.times.length > 1;
    return (
      <>
        <MachineNow store={store} />
        {isDrawn && <Charts store={store} measures={state.measures} />}
      </>
    );
  }
  if (state.kind === "ready") {
    return state.measures.times.length === 0 ? (
      <NoMeasures text="There is no system_metrics.csv among its files, or it holds no samples." />
    ) : (
      <Charts store={store} measures={state.measures} />
    );
  }
  if (state.kind !== "failed") {
    const waiting = state.kind === "loading" && state.waiting;
    return (
      <>
        <ChartSkeleton />
        {waiting && <p class="iw-waiting">Waiting for the {store.peer}: it is busy.</p>}
      </>
    );
  }
  if (state.error.type === "OutputsNotReadyError") return <NoMeasures text={state.error.message} />;
  const again = (
    <button type="button" class="iw-b" onClick={() => void machine.load()}>
      <Icon name="refresh" className="s" />
      Try again
    </button>
  );
  return (
    <Banner tone="err" icon="fail" role="alert" actions={again}>
      <ErrorText error={state.error} />
    </Banner>
  );
}

function NoMeasures({ text }: { text: string }) {
  return <Empty icon="server" title="The machine's load was not recorded" text={text} />;
}

function Charts({ store, measures }: { store: MonitorStore; measures: Measures }) {
  const details = store.details.details.value;
  const specs = useMemo(() => specsOf(measures, details), [measures, details]);
  const axis = timeAxis(measures.times.at(-1) ?? 0);
  const columns = Math.min(3, specs.length);
  return (
    <>
      <div class="iw-charts" data-columns={columns}>
        {specs.map((spec) => (
          <Chart key={spec.name} machine={store.machine} spec={spec} times={measures.times} axis={axis} />
        ))}
      </div>
      <Numbers specs={specs} samples={measures.times.length} />
    </>
  );
}

/** The charts in numbers, for those who do not see them. */
function Numbers({ specs, samples }: { specs: readonly ChartSpec[]; samples: number }) {
  return (
    <div class="iw-vh">
      <table>
        <caption>The machine's load in {formatCount(samples)} samples</caption>
        <thead>
          <tr>
            <th scope="col">Measure</th>
            <th scope="col">Least</th>
            <th scope="col">Mean</th>
            <th scope="col">Most</th>
            <th scope="col">Last</th>
          </tr>
        </thead>
        <tbody>
          {specs.map(({ name, values, format }) => {
            const { least, mean, most, last } = summaryOf(values);
            return (
              <tr key={name}>
                <th scope="row">{name}</th>
                {[least, mean, most, last].map((value, i) => (
                  <td key={i}>{format(value)}</td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

type Column = Measures["columns"][number];

function specsOf({ columns }: Measures, details: TaskDetails | null): ChartSpec[] {
  const of = (kind: MachineColumn["kind"]) => columns.find((column) => column.kind === kind);
  const specs = [
    cpu(of("cpu"), details?.machine?.cpus ?? null),
    memory(of("memory"), details?.machine?.memory_bytes ?? null),
    pair(of("disk-written"), of("disk-read"), "Disk written", "Disk read", "read"),
    pair(of("received"), of("sent"), "Received", "Sent", "sent"),
    ...columns.filter(({ kind }) => kind === null).map(other),
  ];
  return specs.filter((spec) => spec !== null);
}

function cpu(column: Column | undefined, cpus: number | null): ChartSpec | null {
  if (column === undefined) return null;
  const { mean, most } = summaryOf(column.values);
  return {
    name: "CPU",
    value: percent(mean),
    word: cpus === null ? "mean" : `mean of ${formatCount(cpus)} vCPU`,
    note: `peak ${percent(most)}`,
    values: column.values,
    top: most > 100.5 ? roundTop(most) : 100,
    format: percent,
  };
}

function memory(column: Column | undefined, machineBytes: number | null): ChartSpec | null {
  if (column === undefined) return null;
  const { most, mean } = summaryOf(column.values);
  const isShare = most <= 100.5;
  if (!isShare || machineBytes === null) {
    const format = isShare ? percent : formatSize;
    const top = isShare ? 100 : roundTop(most);
    return { name: "Memory", ...peak(column.values, format, top), note: `mean ${format(mean)}` };
  }
  const bytes = column.values.map((share) => (share / 100) * machineBytes);
  return {
    name: "Memory",
    ...peak(bytes, formatSize, machineBytes),
    note: `${percent(most)} of the machine`,
  };
}

function peak(values: Float64Array, format: (value: number) => string, top: number) {
  return { value: format(summaryOf(values).most), word: "peak", values, top, format };
}

/** Two counts that belong together: the first is drawn, the second written beside it. */
function pair(
  main: Column | undefined,
  beside: Column | undefined,
  name: string,
  otherName: string,
  word: string,
): ChartSpec | null {
  const drawn = main ?? beside;
  if (drawn === undefined) return null;
  const { most } = summaryOf(drawn.values);
  const format = (value: number) => (Number.isNaN(value) ? "–" : formatSize(value));
  return {
    name: main === undefined ? otherName : name,
    value: format(most),
    word: "",
    note:
      main === undefined || beside === undefined ? "" : `${word} ${format(summaryOf(beside.values).most)}`,
    values: drawn.values,
    top: roundTop(most),
    format,
  };
}

function other({ name, values }: Column): ChartSpec {
  const { least, most }: Summary = summaryOf(values);
  const isShare = least >= 0 && most <= 100 && /%|percent|usage|util/i.test(name);
  const format = isShare ? percent : plain;
  return { name, ...peak(values, format, isShare ? 100 : roundTop(most)), note: `least ${format(least)}` };
}

function percent(value: number): string {
  if (Number.isNaN(value)) return "–";
  return `${value > 0 && value < 10 ? value.toFixed(1) : Math.round(value)}\u00a0%`;
}

function plain(value: number): string {
  return Number.isNaN(value) ? "–" : String(Number(value.toPrecision(3)));
}

function Facts({ store }: { store: MonitorStore }) {
  const task = store.task.value;
  const details = store.details.details.value;
  if (task === null) return null;
  const rows = factsOf(task.machine_type, task.machine_group, details);
  if (rows.length === 0) return null;
  return (
    <dl class="iw-kv two" aria-label="Machine">
      {rows.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function factsOf(type: string | null, group: string | null, details: TaskDetails | null): [string, string][] {
  const machine = details?.machine ?? null;
  const facts: [string, string | null][] = [
    ["Machine type", type ?? details?.machine_type ?? null],
    ["Provider", [machine?.provider, details?.region].filter(Boolean).join(", ") || null],
    ["Processors", processors(machine?.cpus ?? null, machine?.cores ?? null)],
    ["Machine group", group],
    ["Memory", machine?.memory_bytes == null ? null : formatSize(machine.memory_bytes)],
    ["Machines", (machine?.hosts ?? 1) > 1 ? formatCount(machine?.hosts ?? 1) : null],
  ];
  return facts.filter((fact): fact is [string, string] => fact[1] !== null);
}

function processors(cpus: number | null, cores: number | null): string | null {
  if (cpus === null) return null;
  const more = cores === null ? "" : `, ${formatCount(cores)} core${cores === 1 ? "" : "s"}`;
  return `${formatCount(cpus)} vCPU${more}`;
}

function ChartSkeleton() {
  return (
    <div class="iw-charts iw-loading" data-columns={3} aria-busy="true">
      {[0, 1, 2].map((i) => (
        <div class="iw-ch" key={i}>
          <span class="iw-sk" style={{ "--w": "40%" }} />
          <span class="iw-sk" style={{ "--w": "60%" }} />
          <div class="iw-plot" />
        </div>
      ))}
    </div>
  );
}
