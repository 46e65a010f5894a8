import { formatLeft, formatSimulated } from "../format";
import type { MonitorStore } from "../monitor/store";

/** How far the simulation is in its own time; nothing where its log does not state it. */
export function Simulated({ store }: { store: MonitorStore }) {
  const progress = store.progress.value;
  if (progress === null || store.isOld.value) return null;
  const { value, end, unit, seconds_left } = progress;
  const text = formatSimulated(value, end, unit);
  const left = seconds_left === null ? "" : formatLeft(seconds_left);
  const percent = end === null || end <= 0 ? null : Math.min(100, Math.max(0, (100 * value) / end));
  return (
    <div class="iw-simulated" title="Simulated time, as the log tells it">
      <span>{text}</span>
      {percent !== null && (
        <span
          class="bar"
          role="progressbar"
          aria-label="Simulated time"
          aria-valuenow={Math.round(percent)}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuetext={left === "" ? text : `${text}, ${left}`}
          style={{ "--p": `${percent.toFixed(1)}%` }}
        />
      )}
      {left !== "" && <span class="iw-m">{left}</span>}
    </div>
  );
}
