import { phasesOfSummary, type Segment, segmentsOf, stripText } from "../monitor/phases";
import type { MonitorStore } from "../monitor/store";
import { Icon } from "./icon";

/** Where the time went: a bar of phases with their names and times. */
export function PhaseStrip({ store }: { store: MonitorStore }) {
  const task = store.task.value;
  if (task === null || task.status === "") return <EmptyStrip />;
  const details = store.details.details.value;
  const segments = segmentsOf({
    phases: details?.phases ?? phasesOfSummary(task),
    commands: details?.commands ?? [],
    task,
    now: store.now.value,
    isOld: store.isOld.value,
  });
  if (segments.length === 0) return <EmptyStrip />;
  const letters = segments.reduce((sum, segment) => sum + lettersOf(segment), 0);
  const main = segments.find((segment) => segment.isMain) ?? segments[0];
  return (
    <div class="iw-phases" role="img" aria-label={stripText(segments)}>
      <div class="iw-strip">
        {segments.map((segment, index) => (
          // A phase keeps its place: what comes after it may change.
          <Phase key={index} segment={segment} share={lettersOf(segment) / letters} />
        ))}
      </div>
      <div class="iw-now">
        <span class="iw-cut">{main?.label}</span>
        <span class="iw-m iw-nw">{main?.value}</span>
      </div>
    </div>
  );
}

interface PhaseProps {
  segment: Segment;
  /** Of the strip, when the labels do not all fit. */
  share: number;
}

function Phase({ segment, share }: PhaseProps) {
  const { look, mark, label, value, isNow, weight, title } = segment;
  return (
    <div
      class={`iw-ph ${look} ${isNow ? "now" : ""}`}
      style={{ "--w": weight.toFixed(2), "--need": `${lettersOf(segment)}ch`, "--share": share.toFixed(3) }}
      title={title}
    >
      <b>
        {mark !== null && <Icon name={mark} />}
        {label}
      </b>
      <span>{value}</span>
    </div>
  );
}

/** Width that a phase asks for, in digits: its label with the mark and the gap to the next. */
function lettersOf({ label, mark, value }: Segment): number {
  const widest = Math.max(widthOf(label) + (mark === null ? 0 : 2.4), widthOf(value));
  return Math.min(30, widest + 1.9);
}

/** Width of a text in digits, near enough to share out room. */
function widthOf(text: string): number {
  let width = 0;
  for (const letter of text)
    width += /[\s.,:;'|ijlftrI]/.test(letter) ? 0.5 : /[mwMW]/.test(letter) ? 1.5 : 1;
  return width;
}

/** Keeps the room while nothing is known. */
function EmptyStrip() {
  return (
    <div class="iw-phases">
      <div class="iw-strip">
        <div class="iw-ph next">
          <b>{"\u00a0"}</b>
          <span>{"\u00a0"}</span>
        </div>
      </div>
      <div class="iw-now">{"\u00a0"}</div>
    </div>
  );
}
