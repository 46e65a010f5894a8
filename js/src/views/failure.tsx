import type { MonitorStore } from "../monitor/store";
import type { Cause, TaskSummary } from "../protocol";
import { statusLook } from "../status";
import { Banner, sentence } from "./banner";
import { CopyButton } from "./copy";

/** Why a task ended badly: one sentence, what to do next, and the last lines of its log. */
export function FailureReport({ store }: { store: MonitorStore }) {
  const task = store.task.value;
  if (!task?.is_terminal || task.status === "success") return null;
  const report = store.details.failure.value;
  const cause = report?.cause ?? store.details.details.value?.cause ?? causeOfSummary(task);
  if (cause === null) return null;
  const { tone, icon } = statusLook(task.status);
  return (
    <>
      <Banner tone={tone === "err" ? "err" : tone === "" ? "" : "warn"} icon={icon}>
        <strong>{sentence(cause.sentence)}</strong>
        {cause.detail !== "" && <span class="more"> {sentence(cause.detail)}</span>}
        {cause.step !== "" && (
          <span class="more">
            {" "}
            <Marked text={sentence(cause.step)} />
          </span>
        )}
      </Banner>
      <Tail store={store} />
    </>
  );
}

/** Text with `names` set as such. */
function Marked({ text }: { text: string }) {
  // Every second part stood between two marks.
  return (
    <>{text.split("`").map((part, index) => (index % 2 === 1 ? <code key={part}>{part}</code> : part))}</>
  );
}

/** What the service's own words tell as long as nobody has looked closer. */
function causeOfSummary(task: TaskSummary): Cause | null {
  if (task.error_detail === null || task.error_detail === "") return null;
  // The first line says what happened, the rest how.
  const [first = "", ...rest] = task.error_detail.split("\n");
  return { kind: "told", sentence: first.trim(), detail: rest.join("\n").trim(), step: "" };
}

function Tail({ store }: { store: MonitorStore }) {
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
  if (total === lines) return lines === 1 ? "its one line" : `all ${lines} lines`;
  const last = lines === 1 ? "last line" : `last ${lines} lines`;
  return total === null ? last : `last ${lines} of ${total} lines`;
}
