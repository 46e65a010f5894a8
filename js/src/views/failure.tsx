import type { MonitorStore } from "../monitor/store";
import type { Cause, TaskSummary } from "../protocol";
import { statusLook } from "../status";
import { Banner, sentence } from "./banner";
import { WithParts } from "./with-parts";

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
      {report?.tail != null && (
        <WithParts peer={store.peer} meanwhile={null}>
          {({ Tail }) => <Tail store={store} />}
        </WithParts>
      )}
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

/** The cause by the service's own words, as long as the details are not loaded. */
function causeOfSummary(task: TaskSummary): Cause | null {
  if (task.error_detail === null || task.error_detail === "") return null;
  // The first line states what happened, the rest how.
  const [first = "", ...rest] = task.error_detail.split("\n");
  return { kind: "told", sentence: first.trim(), detail: rest.join("\n").trim(), step: "" };
}
