import { countOf } from "../format";
import type { MonitorStore } from "../monitor/store";
import { CopyButton } from "./copy";

/** The last lines of the log of a task that ended badly. */
export function Tail({ store }: { store: MonitorStore }) {
  const tail = store.details.failure.value?.tail;
  if (tail === null || tail === undefined || tail.lines.length === 0) return null;
  const text = tail.lines.join("\n");
  return (
    <section class="iw-tail" aria-label={`End of ${tail.file}`}>
      <header>
        <b class="iw-cut" title={tail.file}>
          {tail.file}
        </b>
        <span class="iw-nw">{tailWords(tail.lines.length, tail.total)}</span>
        <span class="iw-sp" />
        <button
          type="button"
          class="iw-link"
          onClick={() => {
            store.tab.value = "logs";
          }}
        >
          Open log
        </button>
        <CopyButton store={store} text={text} label="Copy these lines" said="Lines copied." />
      </header>
      {/* Long lines are scrolled to: a stop for the keyboard. */}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls needs a stop */}
      <pre tabIndex={0}>{text}</pre>
    </section>
  );
}

function tailWords(lines: number, total: number | null): string {
  if (total === lines) return countOf(lines, "line");
  const last = lines === 1 ? "last line" : `last ${lines} lines`;
  return total === null ? last : `last ${lines} of ${total} lines`;
}
