import { useEffect, useState } from "preact/hooks";
import { asServiceError, type Connection, isAbort } from "../connection";
import {
  countOf,
  formatCost,
  formatCount,
  formatDuration,
  formatSize,
  formatStamp,
  shortId,
  UNKNOWN,
} from "../format";
import type { ComparedInputs, ServiceError, TaskComparison, TaskDetails, TaskSummary } from "../protocol";
import { runtimeSeconds, statusWord } from "../status";
import { StatusIcon } from "./badge";
import { Banner, ErrorText } from "./banner";
import { Icon } from "./icon";

interface Props {
  connection: Connection;
  taskIds: readonly string[];
}

/** Two tasks beside each other: what differs is marked. */
export function Compare({ connection, taskIds }: Props) {
  const [found, setFound] = useState<TaskComparison | null>(null);
  const [error, setError] = useState<ServiceError | null>(null);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    setError(null);
    connection
      .call("tasks.compare", { task_ids: [...taskIds] }, { signal: abort.signal })
      .then(({ result }) => setFound(result))
      .catch((reason: unknown) => {
        if (!isAbort(reason)) setError(asServiceError(reason));
      });
    return () => abort.abort();
  }, [connection, taskIds, tries]);
  if (error !== null) {
    return (
      <Banner tone="err" icon="warn">
        <ErrorText error={error} />{" "}
        <button type="button" class="iw-link" onClick={() => setTries(tries + 1)}>
          Try again
        </button>
      </Banner>
    );
  }
  if (found === null) return <div class="iw-cmp-wait">Reading both tasks…</div>;
  return <Table found={found} />;
}

type Cells = readonly [string, string];

function Table({ found }: { found: TaskComparison }) {
  const [a, b] = found.tasks;
  const [first, second] = found.details;
  if (a === undefined || b === undefined || first === undefined || second === undefined) return null;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys.
    // biome-ignore lint/a11y/useSemanticElements: no fieldset: it only scrolls.
    <div class="iw-cmp" role="group" aria-label="Comparison of two tasks" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <td />
            {[a, b].map((task) => (
              <th key={task.task_id} scope="col" title={task.task_id}>
                <StatusIcon task={task} old={false} /> <b>{task.simulator ?? "Task"}</b>{" "}
                <code>{shortId(task.task_id)}</code>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {factRows(a, b, first, second).map(([label, cells, mono]) => (
            <Row key={label} label={label} cells={cells} mono={mono} />
          ))}
          <InputRows inputs={found.inputs} />
        </tbody>
      </table>
    </div>
  );
}

interface RowProps {
  label: string;
  cells: Cells;
  mono?: boolean | undefined;
  same?: boolean;
}

function Row({ label, cells, mono = false, same = cells[0] === cells[1] }: RowProps) {
  return (
    <tr class={same ? "" : "differs"}>
      <th scope="row" title={label}>
        {label}
        {!same && <span class="mark" role="img" aria-label="differs" title="Differs" />}
      </th>
      {cells.map((text, place) => (
        <td key={place} class={mono ? "iw-mono" : ""}>
          {text}
        </td>
      ))}
    </tr>
  );
}

type Fact = [label: string, cells: Cells, mono?: boolean];

function factRows(a: TaskSummary, b: TaskSummary, first: TaskDetails, second: TaskDetails): Fact[] {
  const both = (read: (task: TaskSummary, details: TaskDetails) => string | null): Cells => [
    read(a, first) ?? UNKNOWN,
    read(b, second) ?? UNKNOWN,
  ];
  const rows: Fact[] = [
    ["Status", both(statusWord)],
    ["Simulator", both((task) => task.simulator)],
    ["Project", both((task) => task.project)],
    ["Machine", both((task, details) => task.machine_type ?? details.machine_type)],
    ["Container", both((_, details) => details.container_image), true],
    ["Created", both((task) => stamp(task.created_at))],
    ["Runtime", both((task) => formatDuration(runtimeSeconds(task, Date.parse(task.server_now))))],
    ["Cost", both(costOf)],
    ["Outputs", both(outputsOf)],
    ["Input size", both((_, details) => sizeOf(details.input_size_bytes))],
    ...commandRows(first.commands, second.commands),
    ...noteRows(first.metadata, second.metadata),
  ];
  // What neither of them reports is no row.
  return rows.filter(([, cells]) => cells.some((text) => text !== UNKNOWN));
}

function stamp(text: string | null): string | null {
  return text === null ? null : formatStamp(Date.parse(text));
}

function sizeOf(bytes: number | null): string | null {
  return bytes === null ? null : formatSize(bytes);
}

function costOf({ cost }: TaskSummary): string | null {
  if (cost === null) return null;
  return formatCost(cost.amount, cost.currency) + (cost.is_final ? "" : " so far");
}

function outputsOf({ output_files, output_size_bytes }: TaskSummary): string | null {
  if (output_files === null) return null;
  const files = countOf(output_files, "file");
  return output_size_bytes === null ? files : `${files}, ${formatSize(output_size_bytes)}`;
}

function commandRows(a: readonly string[], b: readonly string[]): Fact[] {
  const count = Math.max(a.length, b.length);
  return Array.from({ length: count }, (_, i) => [
    count === 1 ? "Command" : `Command ${i + 1}`,
    [a[i] ?? UNKNOWN, b[i] ?? UNKNOWN],
    true,
  ]);
}

function noteRows(a: Record<string, string>, b: Record<string, string>): Fact[] {
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
  return keys.map((key) => [`Note ${key}`, [a[key] ?? UNKNOWN, b[key] ?? UNKNOWN]]);
}

function InputRows({ inputs }: { inputs: ComparedInputs }) {
  const { same, differences, left_out, error } = inputs;
  const differing = differences.length + left_out;
  const summary =
    differing === 0
      ? `The same ${countOf(same, "file")}, by name and CRC-32`
      : `${countOf(differing, "file")} ${differing === 1 ? "differs" : "differ"}, ${formatCount(same)} the same`;
  return (
    <>
      <tr class={differing > 0 ? "head differs" : "head"}>
        <th scope="row">
          Inputs
          {differing > 0 && <span class="mark" role="img" aria-label="differ" title="Differ" />}
        </th>
        <td colSpan={2}>
          {error === null ? (
            summary
          ) : (
            <>
              <Icon name="warn" className="s" /> {error.message}
            </>
          )}
        </td>
      </tr>
      {differences.map(({ name, sizes }) => (
        <tr key={name} class="file">
          <th scope="row" class="iw-mono" title={name}>
            {name}
          </th>
          {/* Without a size the other task has no such file. */}
          <td>{sizes[0] == null ? "not there" : formatSize(sizes[0])}</td>
          <td>{sizes[1] == null ? "not there" : formatSize(sizes[1])}</td>
        </tr>
      ))}
      {left_out > 0 && (
        <tr class="file">
          <th scope="row" colSpan={3}>
            and {formatCount(left_out)} more
          </th>
        </tr>
      )}
    </>
  );
}
