import { useMemo } from "preact/hooks";
import { HEIGHT, nearest, pathsOf, type TimeAxis, WIDTH } from "../chart";
import { formatDuration } from "../format";
import type { MachineStore } from "../monitor/machine-store";

/** One measure, with how it is drawn and formatted. */
export interface ChartSpec {
  name: string;
  /** The large value with a word to it, and what stands at the right of the name. */
  value: string;
  word: string;
  note: string;
  values: Float64Array;
  top: number;
  format(value: number): string;
}

interface ChartProps {
  machine: MachineStore;
  spec: ChartSpec;
  times: Float64Array;
  axis: TimeAxis;
}

/** A small line chart. The pointer or the arrow keys show single values, in all charts at once. */
export function Chart({ machine, spec, times, axis }: ChartProps) {
  const { name, values, top, format } = spec;
  const paths = useMemo(() => pathsOf(times, values, { end: axis.end, top }), [times, values, top, axis.end]);
  const moment = machine.moment.value;
  const at = moment === null ? -1 : nearest(times, moment);
  const told = at < 0 ? null : tell(values[at], format);
  const when = at < 0 ? "" : `after ${formatDuration(times[at] ?? 0)}`;
  return (
    <div class="iw-ch">
      <div class="k">
        <span class="iw-cut">{name}</span>
        <span class="iw-cut">{spec.note}</span>
      </div>
      <div class="v">
        {told ?? spec.value} <small>{told === null ? spec.word : when}</small>
      </div>
      <div
        class="iw-plot"
        role="slider"
        tabIndex={0}
        aria-label={`${name} over time`}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, times.length - 1)}
        aria-valuenow={Math.max(0, at)}
        aria-valuetext={told === null ? `${spec.value} ${spec.word}` : `${told} ${when}`}
        onPointerMove={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          machine.moment.value = ((event.clientX - box.left) / Math.max(1, box.width)) * axis.end;
        }}
        onPointerLeave={() => {
          machine.moment.value = null;
        }}
        onBlur={() => {
          machine.moment.value = null;
        }}
        onKeyDown={(event) => {
          const next = stepped(event.key, at, times.length);
          if (next === null) return;
          event.preventDefault();
          event.stopPropagation();
          machine.moment.value = next < 0 ? null : (times[next] ?? null);
        }}
      >
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
          <path class="g2" d={`M0 0H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}`} />
          <path class="a" d={paths.area} />
          <path class="g" d={`M0 ${HEIGHT}H${WIDTH}`} />
          <path class={`l ${times.length === 1 ? "one" : ""}`} d={paths.line} />
          {at >= 0 && <Cursor x={((times[at] ?? 0) / axis.end) * WIDTH} value={values[at]} top={top} />}
        </svg>
        <span class="iw-top">{format(top).replace(".0", "")}</span>
      </div>
      <div class="iw-ax" aria-hidden="true">
        {axis.labels.map((label, i) => (
          <span key={i}>{label}</span>
        ))}
      </div>
    </div>
  );
}

function Cursor({ x, value, top }: { x: number; value: number | undefined; top: number }) {
  const isKnown = value !== undefined && !Number.isNaN(value);
  const y = (1 - Math.min(1, (value ?? 0) / top)) * HEIGHT;
  return (
    <>
      <path class="m" d={`M${x} 0V${HEIGHT}`} />
      {isKnown && <path class="d" d={`M${x} ${y}h0`} />}
    </>
  );
}

function tell(value: number | undefined, format: (value: number) => string): string {
  return value === undefined || Number.isNaN(value) ? "–" : format(value);
}

/** Where a key leads among the samples; -1: to none. */
function stepped(key: string, at: number, count: number): number | null {
  const page = Math.max(1, Math.round(count / 10));
  switch (key) {
    case "ArrowLeft":
    case "ArrowDown":
      return Math.max(0, at < 0 ? count - 1 : at - 1);
    case "ArrowRight":
    case "ArrowUp":
      return Math.min(count - 1, at + 1);
    case "PageDown":
      return Math.max(0, at - page);
    case "PageUp":
      return Math.min(count - 1, at + page);
    case "Home":
      return 0;
    case "End":
      return count - 1;
    case "Escape":
      return at < 0 ? null : -1;
    default:
      return null;
  }
}
