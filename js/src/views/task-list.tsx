import { useRef } from "preact/hooks";
import {
  formatAgo,
  formatClock,
  formatCost,
  formatCount,
  formatDuration,
  formatStamp,
  ordinal,
  shortId,
} from "../format";
import type { TaskSummary } from "../protocol";
import { isOld, isQueued, pastWord, statusWord } from "../status";
import type { Group, TaskListStore } from "../task-list-store";
import { StatusIcon } from "./badge";
import { Banner, ErrorText } from "./banners";
import { runtimeSeconds } from "./facts";
import { Icon } from "./icon";

interface Props {
  store: TaskListStore;
  onOpen(taskId: string): void;
}

const GROUPS: readonly [Group, string][] = [
  ["all", "All"],
  ["running", "Running"],
  ["failed", "Failed"],
  ["done", "Done"],
];

/** The side panel: every task of the account, newest first. */
export function TaskList({ store, onOpen }: Props) {
  const tasks = store.tasks.value;
  const search = useRef<HTMLInputElement>(null);
  return (
    <section
      class="iw-panel"
      aria-label="Tasks"
      onKeyDown={(event) => {
        if (event.key !== "/" || event.target === search.current) return;
        search.current?.focus();
        event.preventDefault();
      }}
    >
      <div class="iw-ptop">
        <h3>Tasks</h3>
        <button
          type="button"
          class="iw-b icon ghost"
          aria-label="Refresh"
          title="Refresh"
          onClick={() => void store.refresh()}
        >
          <Icon name="refresh" />
        </button>
      </div>
      {tasks !== null && <Trouble store={store} />}
      {tasks !== null && tasks.length > 0 && <Filters store={store} search={search} />}
      <Rows store={store} onOpen={onOpen} />
      <Foot store={store} />
    </section>
  );
}

function Trouble({ store }: { store: TaskListStore }) {
  const error =
    store.error.value ?? store.tasks.value?.find((task) => task.stale !== null)?.stale?.error ?? null;
  if (error === null) return null;
  return (
    <Banner tone="warn" icon="warn">
      <ErrorText error={error} />
      <br />
      <button type="button" class="iw-link" onClick={() => void store.refresh()}>
        Retry now
      </button>
    </Banner>
  );
}

function Filters({ store, search }: { store: TaskListStore; search: { current: HTMLInputElement | null } }) {
  return (
    <div class="iw-psec">
      <label class="iw-search">
        <Icon name="search" className="s" />
        <input
          ref={search}
          type="text"
          inputMode="search"
          placeholder="Id, simulator, machine"
          aria-label="Search tasks by id, simulator or machine"
          value={store.query.value}
          spellcheck={false}
          onInput={(event) => {
            store.query.value = event.currentTarget.value;
          }}
          onKeyDown={(event) => {
            if (event.key === "Escape") store.query.value = "";
          }}
        />
        {store.query.value === "" && <span class="iw-kbd">/</span>}
      </label>
      <fieldset class="iw-chips" aria-label="Filter by state">
        {GROUPS.map(([group, label]) => (
          <button
            type="button"
            key={group}
            class="iw-chip"
            aria-pressed={store.group.value === group}
            onClick={() => {
              store.group.value = group;
            }}
          >
            {label} <b>{formatCount(store.count(group))}</b>
          </button>
        ))}
      </fieldset>
    </div>
  );
}

function Rows({ store, onOpen }: Props) {
  const tasks = store.tasks.value;
  if (tasks === null) return <NoList store={store} />;
  if (tasks.length === 0) {
    return (
      <div class="iw-plist iw-empty">
        <Icon name="task" />
        <b>No tasks yet</b>
        <span>Simulations that you submit from any notebook or terminal appear here.</span>
      </div>
    );
  }
  const days = byDay(store.shown.value, store.now.value);
  return (
    <div class="iw-plist">
      {days.length === 0 && (
        <div class="iw-empty">
          <b>No task matches</b>
        </div>
      )}
      {days.map(([day, members]) => (
        <section key={day} aria-label={day}>
          <div class="iw-day">
            <b>{day}</b>
            <span>{formatCount(members.length)}</span>
          </div>
          {members.map((task) => (
            <TaskRow key={task.task_id} task={task} store={store} onOpen={onOpen} />
          ))}
        </section>
      ))}
      {tasks.length < store.total.value && (
        <p class="iw-end">
          The newest {formatCount(tasks.length)} of {formatCount(store.total.value)} tasks
        </p>
      )}
    </div>
  );
}

/** Nothing was ever listed: without a key, or without an answer. */
function NoList({ store }: { store: TaskListStore }) {
  const error = store.error.value;
  if (error === null) return <ListSkeleton />;
  return (
    <div class="iw-plist iw-empty">
      <Icon name={error.type === "ConfigurationError" ? "key" : "warn"} />
      <b>{error.message}</b>
      {error.hint !== "" && <span>{error.hint}</span>}
      <button type="button" class="iw-b" onClick={() => void store.refresh()}>
        <Icon name="refresh" className="s" />
        Try again
      </button>
    </div>
  );
}

function TaskRow({ task, store, onOpen }: Props & { task: TaskSummary }) {
  const old = isOld(task, true);
  const open = store.opened.value === task.task_id;
  return (
    <button
      type="button"
      class={open ? "iw-pl open" : "iw-pl"}
      title={`${statusWord(task)} · ${task.task_id}`}
      onClick={() => {
        store.opened.value = task.task_id;
        onOpen(task.task_id);
      }}
    >
      <StatusIcon task={task} old={old} />
      <span class="a iw-cut">{task.simulator ?? shortId(task.task_id)}</span>
      <span class="b">{old ? "" : timeOf(task, store.now.value)}</span>
      <span class="c iw-cut">{old ? pastState(task, store.now.value) : detailOf(task, store.now.value)}</span>
    </button>
  );
}

function timeOf(task: TaskSummary, now: number): string {
  if (isQueued(task)) return task.tasks_ahead === null ? "" : `${ordinal(task.tasks_ahead + 1)} in queue`;
  return formatDuration(runtimeSeconds(task, now));
}

function detailOf(task: TaskSummary, now: number): string {
  if (!task.is_terminal) return [shortId(task.task_id, 4, 4), task.machine_type].filter(Boolean).join(" · ");
  const state = statusWord(task);
  const ended = task.ended_at === null ? state : `${state} ${formatAgo(Date.parse(task.ended_at), now)}`;
  return task.cost === null ? ended : `${ended} · ${formatCost(task.cost.amount, task.cost.currency)}`;
}

function pastState(task: TaskSummary, now: number): string {
  return `${pastWord(task)} at ${formatClock(Date.parse(task.as_of), now).slice(0, 5)}`;
}

function byDay(tasks: TaskSummary[], now: number): [string, TaskSummary[]][] {
  const days = new Map<string, TaskSummary[]>();
  for (const task of tasks) {
    const day = dayName(Date.parse(task.created_at ?? task.as_of), now);
    const members = days.get(day);
    if (members === undefined) days.set(day, [task]);
    else members.push(task);
  }
  return [...days];
}

const DAY_MS = 86_400_000;
const WEEKDAY = new Intl.DateTimeFormat("en-GB", { weekday: "long" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

function dayName(time: number, now: number): string {
  const days = Math.round((startOfDay(now) - startOfDay(time)) / DAY_MS);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  return days < 7 ? WEEKDAY.format(time) : DATE.format(time);
}

function startOfDay(time: number): number {
  return new Date(time).setHours(0, 0, 0, 0);
}

function ListSkeleton() {
  return (
    <div class="iw-plist" aria-busy="true">
      {["70%", "50%", "62%", "44%", "58%"].map((width) => (
        <div class="iw-pl" key={width}>
          <span />
          <span class="iw-sk" style={{ "--w": width }} />
          <span />
          <span class="c">
            <span class="iw-sk" style={{ "--w": "80%" }} />
          </span>
        </div>
      ))}
    </div>
  );
}

function Foot({ store }: { store: TaskListStore }) {
  const tasks = store.tasks.value ?? [];
  const [first] = tasks;
  if (first === undefined) return null;
  const asOf = Math.max(...tasks.map((task) => Date.parse(task.as_of)));
  const old = store.error.value !== null || tasks.some((task) => task.stale !== null);
  return (
    <div class="iw-pfoot">
      <span class="iw-cut">{first.backend.name}</span>
      <span class="iw-sp" />
      <span class={old ? "iw-asof old" : "iw-asof"} title={formatStamp(asOf)}>
        as of {formatClock(asOf, store.now.value)}
      </span>
    </div>
  );
}
