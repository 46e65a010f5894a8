import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { formatCount } from "../format";
import { type MonitorStore, TABS, type Tab } from "../monitor/store";
import { Download } from "./download";
import { Files } from "./files";
import { WithParts } from "./with-parts";

const LABELS: Record<Tab, string> = { files: "Files", logs: "Logs", machine: "Machine", details: "Details" };

/** The tabs; one stop of the Tab key, the arrows move between them. */
export function Tabs({ store }: { store: MonitorStore }) {
  const list = useRef<HTMLDivElement>(null);
  const current = store.tab.value;
  const move = (event: KeyboardEvent) => {
    const next = neighbour(current, event.key);
    if (next === null) return;
    event.preventDefault();
    event.stopPropagation();
    store.tab.value = next;
    list.current?.querySelector<HTMLElement>(`[data-tab=${next}]`)?.focus();
  };
  return (
    <div class="iw-tabs" role="tablist" aria-label="Parts of the task" ref={list} onKeyDown={move}>
      {TABS.map((tab) => (
        <button
          key={tab}
          type="button"
          class="iw-tab"
          role="tab"
          id={`${store.uid}-${tab}`}
          data-tab={tab}
          aria-selected={tab === current}
          aria-controls={`${store.uid}-panel`}
          tabIndex={tab === current ? 0 : -1}
          onClick={() => {
            store.tab.value = tab;
          }}
        >
          <span data-bold={LABELS[tab]}>{LABELS[tab]}</span>
          {tab === "files" && <FileCount store={store} />}
        </button>
      ))}
    </div>
  );
}

function neighbour(tab: Tab, key: string): Tab | null {
  const at = TABS.indexOf(tab);
  switch (key) {
    case "ArrowLeft":
      return TABS[(at + TABS.length - 1) % TABS.length] ?? null;
    case "ArrowRight":
      return TABS[(at + 1) % TABS.length] ?? null;
    case "Home":
      return TABS[0];
    case "End":
      return TABS.at(-1) ?? null;
    default:
      return null;
  }
}

function FileCount({ store }: { store: MonitorStore }) {
  const files = store.files.state.value;
  const count = files.kind === "ready" ? files.model.count : (store.task.value?.output_files ?? 0);
  return count > 0 ? <span class="iw-cnt">{formatCount(count)}</span> : null;
}

/** The open tab. A download that runs is seen from every tab. */
export function TabPanel({ store }: { store: MonitorStore }) {
  const tab = store.tab.value;
  const listed = store.files.state.value.kind === "ready";
  return (
    <div
      class={`iw-tabpanel ${tab}`}
      role="tabpanel"
      id={`${store.uid}-panel`}
      aria-labelledby={`${store.uid}-${tab}`}
      // What scrolls must be reached by keys; file list and log text are stops of their own.
      tabIndex={(tab === "files" && listed) || tab === "logs" ? undefined : 0}
    >
      {bodyOf(tab, store)}
      {tab !== "files" && store.files.download.value?.state === "running" && <Download store={store} />}
    </div>
  );
}

function bodyOf(tab: Tab, store: MonitorStore): ComponentChildren {
  if (tab === "files") return <Files store={store} />;
  return (
    <WithParts peer={store.peer}>
      {({ Logs, Machine, Details }) => {
        const Body = { logs: Logs, machine: Machine, details: Details }[tab];
        return <Body store={store} />;
      }}
    </WithParts>
  );
}
