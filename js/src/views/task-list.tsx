import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { formatAge, formatCount } from "../format";
import { savedChoice } from "../key-choice";
import { hasFiles } from "../list/acts";
import type { TaskListStore } from "../list/store";
import type { BackendName } from "../protocol";
import { Banner, ErrorText } from "./banner";
import { Icon } from "./icon";
import { compareTicked } from "./task-list-hand";
import { PanelFilters, PanelHead, TableFilters, TableHead } from "./task-list-head";
import { type Form, TaskRows } from "./task-list-rows";
import { AsOf, Keys, NoTasks, NotListed, type TaskListProps } from "./task-list-states";
import { WithParts } from "./with-parts";

/** Rows fold to two lines below this, and get column heads from it on. */
const WIDE_FROM = 600;
/** Below this there is room for what a side panel shows. */
const FOLDED_FROM = 440;

/** Every task of the account, newest first: at the side, or as a table in a page. */
export function TaskList({ store, host }: TaskListProps) {
  const root = useRef<HTMLElement>(null);
  const search = useRef<HTMLInputElement>(null);
  const [form, setForm] = useState<Form>("narrow");
  const [showsKeys, setShowsKeys] = useState(false);
  useLayoutEffect(() => {
    const element = root.current;
    if (element === null) return;
    const measure = () => {
      // A hidden tab has no width, and keeps the form that it had.
      const { clientWidth } = element;
      if (clientWidth > 0) setForm(formOf(clientWidth));
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    store.wide.value = form !== "narrow";
  }, [store, form]);
  useEffect(() => {
    let last = "";
    return store.acts.selected.subscribe((selected) => {
      const ids = [...selected];
      if (ids.join() !== last) host.onSelect?.(ids);
      last = ids.join();
    });
  }, [store, host]);

  const tasks = store.tasks.value;
  const isPanel = host.layout !== "table";
  const help = () => setShowsKeys(!showsKeys);
  const head = { store, host, showKeys: help };
  const Filters = isPanel ? PanelFilters : TableFilters;
  return (
    <section
      ref={root}
      class={`${isPanel ? "iw-panel" : "iw-card"} iw-tasks ${form}`}
      aria-label="Tasks"
      onKeyDown={(event) => onKey(event, { store, host, search, help })}
    >
      {isPanel ? <PanelHead {...head} /> : <TableHead {...head} />}
      {host.trouble && (
        <Banner tone="warn" icon="warn">
          <ErrorText error={host.trouble} />
        </Banner>
      )}
      <Trouble store={store} host={host} />
      {(tasks?.length ?? 0) > 0 && <Filters store={store} search={search} />}
      {tasks === null ? (
        <NotListed store={store} host={host} />
      ) : tasks.length === 0 ? (
        <NoTasks host={host} />
      ) : (
        <TaskRows store={store} host={host} form={form} />
      )}
      {showsKeys && <Keys host={host} close={help} />}
      {hasActs(store) && (
        <WithParts peer={store.peer}>{({ ActsBar }) => <ActsBar store={store} host={host} />}</WithParts>
      )}
      <Foot store={store} host={host} />
      <div class="iw-vh" role="status">
        {store.announcement.value}
      </div>
    </section>
  );
}

/** Whether the foot has more to say than what is listed. */
function hasActs({ acts, askingKey }: TaskListStore): boolean {
  return [
    acts.selected.value.size > 0,
    acts.question.value !== null,
    acts.batch.value !== null,
    acts.outcome.value !== null,
    acts.waiting.value,
    askingKey.value,
  ].some(Boolean);
}

function formOf(width: number): Form {
  return width >= WIDE_FROM ? "wide" : width >= FOLDED_FROM ? "folded" : "narrow";
}

interface KeyContext extends TaskListProps {
  search: { current: HTMLInputElement | null };
  help(): void;
}

/** Keys that mean the same everywhere in the list, unless the user types. */
function onKey(event: KeyboardEvent, { store, host, search, help }: KeyContext): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { target } = event;
  if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) return;
  if (savedChoice() === false) return;
  const act = {
    "/": () => search.current?.focus(),
    r: () => void store.refresh(true),
    k: () => host.readonly !== true && store.acts.askKill(chosen(store)),
    c: () => compareTicked(store, host),
    d: () => void store.acts.askDownload(chosen(store).filter(hasFiles)),
    "?": help,
  }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (act === undefined) return;
  event.preventDefault();
  act();
}

/** What is ticked, else the task under the keyboard. */
function chosen(store: TaskListStore) {
  const ticked = store.acts.tasks.peek();
  if (ticked.length > 0) return ticked;
  const current = store.current.peek();
  return (store.tasks.peek() ?? []).filter((task) => task.task_id === current);
}

/** Why the rows may be old. They stay usable. */
function Trouble({ store, host }: TaskListProps) {
  const tasks = store.tasks.value;
  if (tasks === null || !store.old.value) return null;
  if (!store.connected.value) {
    return (
      <Banner tone="warn" icon="warn">
        <strong>Not connected.</strong> <span class="more">{ageWords(store)}</span>
      </Banner>
    );
  }
  const stale = tasks.find((task) => task.stale !== null)?.stale ?? null;
  const error = store.error.value ?? stale?.error ?? null;
  if (error === null) return null;
  const isRefused = error.type === "AuthenticationError" || error.type === "ConfigurationError";
  const isTable = host.layout === "table";
  const look = isTable ? "iw-b" : "iw-link";
  const actions = (
    <>
      <button type="button" class={look} onClick={() => void store.refresh(true)}>
        {isTable && <Icon name="refresh" className="s" />}
        Retry now
      </button>
      {isRefused && host.account !== undefined && (
        <button type="button" class={look} onClick={() => store.askForKey()}>
          Set API key
        </button>
      )}
    </>
  );
  return (
    <Banner tone="warn" icon="warn" actions={actions}>
      <ErrorText error={isRefused ? error : { ...error, hint: "" }} /> {!isTable && <br />}
      <span class="more">
        {ageWords(store)}
        {isRefused ? " It goes on by itself with a new key." : ` ${nextTry(store)}`}
      </span>
    </Banner>
  );
}

function ageWords(store: TaskListStore): string {
  const seconds = (store.now.value - store.asOf.value) / 1000;
  return seconds < 10 ? "Listed just now." : `The list is ${formatAge(seconds)} old.`;
}

function nextTry(store: TaskListStore): string {
  const seconds = Math.ceil((store.refreshAt.value - Date.now()) / 1000);
  return seconds > 0 ? `Next try in ${formatAge(seconds)}.` : "Trying again now.";
}

function Foot({ store, host }: TaskListProps) {
  const [first] = store.tasks.value ?? [];
  const asOf = store.asOf.value;
  const isTable = host.layout === "table";
  if (isTable && store.acts.selected.value.size > 0) return null;
  return (
    <div class="iw-pfoot">
      <Backend store={store} host={host} shown={first?.backend ?? null} />
      <span class="iw-sp" />
      {asOf > 0 && !isTable && <AsOf store={store} />}
      {isTable && <Unlisted store={store} />}
    </div>
  );
}

function Unlisted({ store }: { store: TaskListStore }) {
  const count = store.tasks.value?.length ?? 0;
  if (count === 0) return null;
  return (
    <span>
      {formatCount(store.found.value.length)} of {formatCount(store.total.value)}
    </span>
  );
}

function Backend({ store, host, shown }: TaskListProps & { shown: BackendName | null }) {
  const [known, setKnown] = useState<readonly BackendName[]>([]);
  const { backends } = host;
  // Asked again when another one answers: engines come and go.
  const id = backends?.current ?? shown?.id;
  useEffect(() => {
    let gone = false;
    const take = (list: readonly BackendName[]) => {
      if (!gone) setKnown(list);
    };
    backends?.list().then(take, () => take([]));
    return () => {
      gone = true;
    };
  }, [backends, id]);
  if (backends === undefined || known.length < 2) {
    const none = store.error.value?.type === "ConfigurationError" ? "No backend" : "";
    return <span class="iw-cut">{shown?.name ?? known[0]?.name ?? none}</span>;
  }
  return (
    <select
      class="iw-pick"
      aria-label="Backend"
      value={id}
      onChange={(event) => {
        backends.choose(event.currentTarget.value);
        store.reset();
      }}
    >
      {known.map((backend) => (
        <option key={backend.id} value={backend.id}>
          {backend.name}
        </option>
      ))}
    </select>
  );
}
