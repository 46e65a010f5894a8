import { useEffect } from "preact/hooks";
import { countOf, formatSize, formatSizeOf } from "../format";
import type { MonitorStore } from "../monitor/store";
import type { LiveTop } from "../protocol";
import { Empty } from "./empty";
import { Icon } from "./icon";

/** What the machine of a running task does now: `top`, while it is visible. */
export function MachineNow({ store }: { store: MonitorStore }) {
  const { top } = store.machine;
  useEffect(() => top.start(), [top]);
  const told = top.answer.value;
  const error = top.error.value;
  if (told === null && error === null) {
    return top.waiting.value ? (
      <Empty icon="wait" title={`Waiting for the ${store.peer}…`} text="It is busy." />
    ) : (
      <Empty
        icon="wait"
        title="Connecting to the machine…"
        text="Its load comes from there while the task runs."
      />
    );
  }
  if (told === null) {
    return (
      <Empty
        icon="server"
        title="The machine cannot be asked now"
        text={`${error?.message} ${error?.hint} What was recorded can be read here once the task has ended.`}
      >
        <button type="button" class="iw-b" onClick={() => top.start()}>
          <Icon name="refresh" className="s" />
          Try again
        </button>
      </Empty>
    );
  }
  return (
    <>
      {error !== null && (
        <p class="iw-cut-note">
          {error.message} {error.hint} This is how it was.
        </p>
      )}
      <Whole told={told} />
      <Processes told={told} />
      {told.left_out > 0 && <p class="iw-more-threads">{countOf(told.left_out, "more thread")}</p>}
    </>
  );
}

function Whole({ told: { cpu_percent, memory_bytes, memory_used_bytes, load } }: { told: LiveTop }) {
  const facts: [string, string][] = [];
  if (cpu_percent !== null) facts.push(["Processors", `${percent(cpu_percent)} busy`]);
  if (memory_bytes !== null)
    facts.push([
      "Memory",
      memory_used_bytes === null ? formatSize(memory_bytes) : formatSizeOf(memory_used_bytes, memory_bytes),
    ]);
  if (load.length > 0)
    facts.push(["Load, 1, 5 and 15 min", load.map((value) => value.toFixed(2)).join(" · ")]);
  if (facts.length === 0) return null;
  return (
    <dl class="iw-now-facts" aria-label="Machine now">
      {facts.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Processes({ told: { processes } }: { told: LiveTop }) {
  if (processes.length === 0) return <p class="iw-waiting">No process is busy now.</p>;
  return (
    <table class="iw-top-table">
      <caption class="iw-vh">Leading processes</caption>
      <thead>
        <tr>
          <th scope="col">Command</th>
          <th scope="col" class="n" title="Percent of one processor">
            CPU
          </th>
          <th scope="col" class="n">
            Memory
          </th>
          <th scope="col" class="n opt">
            CPU time
          </th>
        </tr>
      </thead>
      <tbody>
        {processes.map(({ pid, user, command, cpu, memory, time }) => (
          <tr key={pid}>
            <td class="iw-cut" title={`${command}, ${user}, process ${pid}`}>
              {command}
            </td>
            <td class="n">{percent(cpu)}</td>
            <td class="n">{percent(memory)}</td>
            <td class="n opt">{time}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function percent(value: number): string {
  return `${value.toFixed(value < 100 ? 1 : 0)}\u00a0%`;
}
