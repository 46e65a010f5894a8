import { effect } from "@preact/signals";
import { render } from "preact";
import type { Connection } from "../connection";
import type { FilesMemory } from "../files/file-memory";
import { remember } from "../memory";
import { loadPartsSoon } from "../parts/part-loader";
import type { TaskSummary } from "../protocol";
import { makeRoot, removeRoot, watchVisibility } from "../root";
import { Monitor } from "../views/monitor";
import { type MonitorOptions, MonitorStore, TABS, type Tab } from "./store";

/** The parts do not wait longer for the files. */
const LATEST_MS = 2000;

export interface MountOptions extends MonitorOptions {
  taskId: string;
  /** Painted before the first answer, e.g. what a saved notebook remembers. */
  summary?: TaskSummary | null;
  /** Fills its parent, as a tab of its own does; otherwise as high as its content. */
  fill?: boolean;
}

export interface MountedMonitor {
  /** A summary that came by another way than the connection. */
  offer(summary: TaskSummary): void;
  dispose(): void;
}

/** Shows one task in `el`. Independent of the host: everything goes through `connection`. */
export function mount(el: HTMLElement, connection: Connection, options: MountOptions): MountedMonitor {
  const root = makeRoot(el, options.fill === true ? "iw fill" : "iw");
  const store = new MonitorStore(connection, options.taskId, options.summary ?? null, options);
  const seen = watchVisibility(root, (visible) => store.setVisible(visible));
  const forget = remember<{ tab: Tab } & Partial<FilesMemory>>(
    `task:${options.taskId}`,
    () => ({ tab: store.tab.peek(), ...store.files.note() }),
    ({ tab, ...files }) => {
      if (tab !== undefined && TABS.includes(tab)) store.tab.value = tab;
      store.files.recall(files);
    },
  );
  store.start();
  render(<Monitor store={store} />, root);
  const noParts = loadPartsAfter(store);
  return {
    offer: (summary) => store.offer(summary),
    dispose: () => {
      seen.disconnect();
      noParts();
      forget();
      store.dispose();
      removeRoot(root);
    },
  };
}

/** Asks for the parts of the view when the files are there: both at a time would delay these. */
function loadPartsAfter(store: MonitorStore): () => void {
  const timer = setTimeout(loadPartsSoon, LATEST_MS);
  const stop = effect(() => {
    const { kind } = store.files.state.value;
    if (store.task.value?.is_terminal === false || kind === "ready" || kind === "failed") loadPartsSoon();
  });
  return () => {
    clearTimeout(timer);
    stop();
  };
}
