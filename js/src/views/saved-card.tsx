import { render } from "preact";
import { formatClock, formatCount, formatDuration, formatSize, formatStamp, shortId } from "../format";
import type { ServiceError } from "../protocol";
import { statusLook } from "../status";
import { Banner, ErrorText } from "./banner";
import { Icon } from "./icon";

/** What a notebook file remembers of a task. */
export interface Remembered {
  taskId: string;
  /** Status code; `null`: none, or an unknown one. */
  status: string | null;
  isTerminal: boolean;
  computationSeconds: number | null;
  outputFiles: number | null;
  outputBytes: number | null;
  asOf: number | null;
}

export interface SavedCardProps {
  saved: Remembered;
  /** Why it is no live view; `null` while that is being found out. */
  trouble: ServiceError | null;
  onRetry: () => void;
}

/** As many as the table of files shows without scrolling. */
const MOST_ROWS = 13;

/** The static form of a task in JupyterLab: before the live view, or instead of it. */
export function paintSavedCard(el: HTMLElement, props: SavedCardProps): void {
  el.classList.add("iw");
  render(<SavedCard {...props} />, el);
}

function SavedCard({ saved, trouble, onRetry }: SavedCardProps) {
  const rows = Math.min(saved.outputFiles ?? 0, MOST_ROWS);
  return (
    <section
      class={trouble === null ? "iw-card iw-saved await" : "iw-card iw-saved"}
      style={{ "--iw-rows-saved": rows }}
      aria-label={`Task ${saved.taskId}`}
      aria-busy={trouble === null}
    >
      <header class="iw-head">
        <SavedBadge saved={saved} />
        <div class="iw-title">
          <h3 class="iw-m">Task</h3>
          <span class="iw-id" title={saved.taskId}>
            {shortId(saved.taskId)}
          </span>
        </div>
        <div class="iw-side">{saved.asOf !== null && <SavedAt time={saved.asOf} />}</div>
      </header>
      <div class="iw-sub">
        <dl class="iw-facts frozen">
          {factsOf(saved).map(([label, value]) => (
            <div key={label}>
              <dt>{label}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </div>
      {trouble === null ? <Coming /> : <Trouble error={trouble} onRetry={onRetry} />}
    </section>
  );
}

const COMING_WIDTHS = ["62%", "48%", "70%", "34%", "56%", "44%"];

/** Where the live view will be. */
function Coming() {
  return (
    <div class="iw-loading iw-logloading">
      {COMING_WIDTHS.map((width) => (
        <span key={width} class="iw-sk" style={{ "--w": width }} />
      ))}
    </div>
  );
}

function SavedBadge({ saved: { status, isTerminal } }: { saved: Remembered }) {
  if (status === null) {
    return (
      <span class="iw-badge stale">
        <Icon name="unknown" />
        Not known
      </span>
    );
  }
  const look = statusLook(status);
  const word = look.turns ? "In Progress" : status.replaceAll("-", " ");
  // What had ended has ended; anything else may have moved on since.
  return isTerminal ? (
    <span class={`iw-badge iw-tone-${look.tone}`}>
      <Icon name={look.icon} />
      {word.charAt(0).toUpperCase() + word.slice(1)}
    </span>
  ) : (
    <span class="iw-badge stale">
      <Icon name="unknown" />
      {`Was ${word}`}
    </span>
  );
}

function SavedAt({ time }: { time: number }) {
  return (
    <span class="iw-asof" title={formatStamp(time)}>
      saved {formatClock(time, Date.now())}
    </span>
  );
}

function factsOf({ computationSeconds, outputFiles, outputBytes }: Remembered): [string, string][] {
  const facts: [string, string][] = [];
  if (computationSeconds !== null) facts.push(["Runtime", formatDuration(computationSeconds)]);
  if (outputFiles !== null) {
    const size = outputBytes === null ? "" : `, ${formatSize(outputBytes)}`;
    facts.push(["Files", outputFiles === 0 ? "none" : formatCount(outputFiles) + size]);
  }
  return facts;
}

function Trouble({ error, onRetry }: { error: ServiceError; onRetry: () => void }) {
  const retry = (
    <button type="button" class="iw-b" onClick={onRetry}>
      <Icon name="refresh" className="s" />
      Try again
    </button>
  );
  return (
    <Banner tone="warn" icon="warn" actions={retry}>
      <ErrorText error={error} />
    </Banner>
  );
}
