import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { countOf, formatCount, formatRate, formatSize, shortId } from "../format";
import type { Outcome, TaskActs } from "../list/acts";
import type { TaskListStore } from "../list/store";
import type { ListedTask } from "../list/tasks";
import type { BatchProgress } from "../protocol";
import { isQueued } from "../status";
import { FootLines, ProgressFoot } from "./foot";
import { Icon } from "./icon";
import { compareTicked } from "./task-list-hand";
import { KeyForm, type TaskListProps } from "./task-list-states";

/** Tasks named in a question; the rest is counted. */
const NAMED = 5;

/** All that happens to several tasks, at the foot of the list: the most urgent first. */
export function ActsBar({ store, host }: TaskListProps) {
  const { acts } = store;
  const question = acts.question.value;
  const isListed = store.tasks.value !== null;
  return (
    <>
      <OutcomeBar store={store} />
      {isListed && store.askingKey.value && host.account !== undefined && (
        <div class="iw-ask">
          <KeyForm store={store} account={host.account} close={() => {}} />
        </div>
      )}
      {acts.waiting.value && (
        <div class="iw-said warn" role="status">
          <Icon name="wait" />
          <span>Waiting for the {store.peer}. The tasks are killed as soon as it takes the message.</span>
        </div>
      )}
      <Batch store={store} />
      {question === "kill" && <KillQuestion store={store} />}
      {question === "download" && <DownloadQuestion store={store} />}
      {question === null && acts.selected.value.size > 0 && <SelectBar store={store} host={host} />}
    </>
  );
}

// ---- what is ticked ----

function SelectBar({ store, host }: TaskListProps) {
  const { acts } = store;
  const { size } = acts.selected.value;
  const killable = acts.killable.value;
  const ended = acts.ended.value;
  const isBusy = acts.batch.value?.state === "running";
  const kills = host.readonly !== true && killable.length > 0;
  return (
    <div class="iw-psel">
      <div class="say">
        <div>
          <b>{formatCount(size)} selected</b>
        </div>
        <div class="more iw-cut">{describe(acts.tasks.value)}</div>
      </div>
      <div class="acts">
        <button type="button" class="iw-b ghost clear" onClick={() => acts.clear()}>
          Clear
        </button>
        {size === 2 && host.onCompare !== undefined && (
          <button type="button" class="iw-b" title="Compare (C)" onClick={() => compareTicked(store, host)}>
            <Icon name="compare" className="s opt" />
            Compare
          </button>
        )}
        <button
          type="button"
          class="iw-b"
          disabled={ended.length === 0 || isBusy}
          title={ended.length === 0 ? "None of them has ended, so there are no files yet" : "Download (D)"}
          onClick={() => void acts.askDownload(ended)}
        >
          <Icon name="download" className="s opt" />
          Download…
        </button>
        {kills && (
          <button
            type="button"
            class="iw-b danger"
            disabled={!store.connected.value}
            title="Kill (K)"
            onClick={() => acts.askKill(acts.tasks.peek())}
          >
            <Icon name="stop" className="s opt" />
            Kill {countOf(killable.length, "task")}
          </button>
        )}
      </div>
    </div>
  );
}

/** `1 running, 1 waiting · no files to download yet`. */
function describe(tasks: readonly ListedTask[]): string {
  const ended = tasks.filter((task) => task.is_terminal);
  const waiting = tasks.filter(isQueued).length;
  const running = tasks.length - ended.length - waiting;
  const counts = [
    running > 0 ? `${running} running` : "",
    waiting > 0 ? `${waiting} waiting` : "",
    ended.length > 0 ? `${ended.length} ended` : "",
  ].filter(Boolean);
  const bytes = ended.reduce((sum, task) => sum + (task.output_packed_bytes ?? 0), 0);
  const files = ended.length === 0 ? "no files to download yet" : bytes > 0 ? formatSize(bytes) : "";
  return [counts.join(", "), files].filter(Boolean).join(" · ");
}

// ---- questions ----

interface AskProps {
  acts: TaskActs;
  label: string;
  tone: "err" | "";
  children: ComponentChildren;
}

/** A question in place of the bar; the grid has the focus again when it is answered. */
function Ask({ acts, label, tone, children }: AskProps) {
  const root = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const grid = root.current?.closest(".iw-tasks")?.querySelector<HTMLElement>("[role=grid]");
    return () => grid?.focus({ preventScroll: true });
  }, []);
  return (
    <div
      ref={root}
      class={`iw-ask ${tone}`}
      role="alertdialog"
      aria-label={label}
      onKeyDown={(event) => {
        if (event.key === "Escape") {
          event.preventDefault();
          acts.cancelQuestion();
        }
        // Letters typed here are no commands of the list.
        event.stopPropagation();
      }}
    >
      {children}
    </div>
  );
}

function KillQuestion({ store }: { store: TaskListStore }) {
  const { acts } = store;
  const keep = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => keep.current?.focus(), []);
  const asked = acts.asked.value;
  const doomed = asked.filter((task) => task.is_killable);
  const spared = asked.length - doomed.length;
  const [first] = doomed;
  if (first === undefined) return null;
  const what = doomed.length === 1 ? nameOf(first) : countOf(doomed.length, "task");
  return (
    <Ask acts={acts} label={`Kill ${what}?`} tone="err">
      <Icon name="warn" />
      <div>
        <strong>
          Kill {what} on {first.backend.name}?
        </strong>
        {doomed.length > 1 && <Names tasks={doomed} />}
        <p class="more">
          Files written until now are kept; killed tasks cannot be resumed.
          {spared > 0 &&
            ` ${countOf(spared, "other")} selected ${spared === 1 ? "has" : "have"} already ended.`}
        </p>
      </div>
      <div class="act">
        <button type="button" class="iw-b" ref={keep} onClick={() => acts.cancelQuestion()}>
          Keep running
        </button>
        <button type="button" class="iw-b danger full" onClick={() => void acts.kill()}>
          <Icon name="stop" className="s opt" />
          Kill {countOf(doomed.length, "task")}
        </button>
      </div>
    </Ask>
  );
}

function Names({ tasks }: { tasks: readonly ListedTask[] }) {
  const rest = tasks.length - NAMED;
  return (
    <ul class="names">
      {tasks.slice(0, rest === 1 ? NAMED + 1 : NAMED).map((task) => (
        <li key={task.task_id} class="iw-cut">
          {nameOf(task)}
        </li>
      ))}
      {rest > 1 && <li class="iw-m">and {formatCount(rest)} more</li>}
    </ul>
  );
}

function nameOf(task: ListedTask): string {
  return `${task.simulator ?? "task"} ${shortId(task.task_id)}`;
}

function DownloadQuestion({ store }: { store: TaskListStore }) {
  const { acts } = store;
  const [some, setSome] = useState(false);
  const names = useRef<HTMLInputElement>(null);
  const start = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => (some ? names.current : start.current)?.focus(), [some]);
  const asked = acts.asked.value;
  const bytes = asked.reduce((sum, task) => sum + (task.output_packed_bytes ?? 0), 0);
  const folder = acts.target.value;
  const go = () => {
    const filenames = some ? splitNames(names.current?.value ?? "") : null;
    if (filenames?.length === 0) names.current?.focus();
    else void acts.download(filenames);
  };
  return (
    <Ask acts={acts} label="Download" tone="">
      <Icon name="download" />
      <form
        class="what"
        onSubmit={(event) => {
          event.preventDefault();
          go();
        }}
      >
        <strong>Download from {countOf(asked.length, "task")}</strong>
        <label>
          <input type="radio" name="what" checked={!some} onChange={() => setSome(false)} />
          <span>All files {bytes > 0 && <span class="iw-m">{formatSize(bytes)} packed</span>}</span>
        </label>
        <label>
          <input type="radio" name="what" checked={some} onChange={() => setSome(true)} />
          <span>The same files from each</span>
        </label>
        {some && (
          <input
            ref={names}
            class="iw-text"
            type="text"
            placeholder="stdout.txt, vtk/*.vtk"
            aria-label="Names, folders or patterns, with commas between"
            spellcheck={false}
          />
        )}
        <p class="more">
          {folder === null ? "Into a folder for each task." : `To: ${folder}/<task id>/outputs`}
        </p>
      </form>
      <div class="act">
        <button type="button" class="iw-b" onClick={() => acts.cancelQuestion()}>
          Cancel
        </button>
        <button type="button" class="iw-b primary" ref={start} onClick={go}>
          Download
        </button>
      </div>
    </Ask>
  );
}

function splitNames(text: string): string[] {
  return text
    .split(/[,\n]/)
    .map((name) => name.trim())
    .filter(Boolean);
}

// ---- what came of it ----

function Batch({ store }: { store: TaskListStore }) {
  const batch = store.acts.batch.value;
  if (batch?.state !== "running") return null;
  const percent = progressOf(batch);
  const facts = [formatSize(batch.bytes_done)];
  if (batch.bytes_per_s !== null) facts.push(formatRate(batch.bytes_per_s));
  if (batch.failures.length > 0) facts.push(`${batch.failures.length} failed`);
  return (
    <ProgressFoot className="iw-batch" percent={percent}>
      <div class="say">
        <FootLines
          first={
            <b class="iw-cut">
              {formatCount(batch.tasks_done)} of {countOf(batch.tasks, "task")} downloaded
            </b>
          }
          second={<span class="iw-cut">{facts.join(" · ")}</span>}
        />
      </div>
      <div class="acts">
        <button type="button" class="iw-b" onClick={() => void store.acts.cancelDownload()}>
          Cancel
        </button>
      </div>
    </ProgressFoot>
  );
}

/** By tasks, as the bytes of those that wait are not known; the ones under way count by their bytes. */
function progressOf({ tasks, tasks_done, bytes, bytes_done }: BatchProgress): number {
  const begun = bytes === 0 ? 0 : bytes_done / bytes;
  return Math.min(
    99,
    Math.floor((100 * (tasks_done + (tasks_done < tasks ? begun : 0))) / Math.max(1, tasks)),
  );
}

function OutcomeBar({ store }: { store: TaskListStore }) {
  const { acts } = store;
  const outcome = acts.outcome.value;
  if (outcome === null) return null;
  return (
    <div class={`iw-said ${outcome.tone}`} role={outcome.tone === "err" ? "alert" : undefined}>
      <Icon name={{ ok: "check", warn: "warn", err: "fail" }[outcome.tone] as "check" | "warn" | "fail"} />
      <div>
        {outcome.text}
        <Failures store={store} outcome={outcome} />
      </div>
      <button
        type="button"
        class="iw-b icon ghost"
        aria-label="Dismiss"
        title="Dismiss"
        onClick={() => {
          acts.outcome.value = null;
        }}
      >
        <Icon name="close" />
      </button>
    </div>
  );
}

function Failures({ store, outcome }: { store: TaskListStore; outcome: Outcome }) {
  const { failures } = outcome;
  if (failures.length === 0) return null;
  const tasks = new Map(store.tasks.value?.map((task) => [task.task_id, task]));
  const names = (id: string) => {
    const task = tasks.get(id);
    return task === undefined ? shortId(id) : nameOf(task);
  };
  return (
    <details>
      <summary>
        <Icon name="chevron" className="s" />
        Why
      </summary>
      <ul class="names">
        {failures.slice(0, 20).map(({ task_id, error }) => (
          <li key={task_id}>
            {names(task_id)}: {error.message}
          </li>
        ))}
        {failures.length > 20 && <li>and {formatCount(failures.length - 20)} more</li>}
      </ul>
    </details>
  );
}
