import { render } from "preact";
import type { Connection } from "../connection";
import { remember } from "../memory";
import { loadPartsSoon } from "../parts/part-loader";
import type { TaskSummary } from "../protocol";
import { makeRoot, removeRoot, watchVisibility } from "../root";
import { Monitor } from "../views/monitor";
import { type MonitorOptions, MonitorStore, TABS, type Tab } from "./store";

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

/** Shows one task in `el`. Knows no host: everything goes through `connection`. */
export function mount(el: HTMLElement, connection: Connection, options: MountOptions): MountedMonitor {
  const root = makeRoot(el, options.fill === true ? "iw fill" : "iw");
  const store = new MonitorStore(connection, options.taskId, options.summary ?? null, options);
  const seen = watchVisibility(root, (visible) => store.setVisible(visible));
  const forget = remember<{ tab: Tab }>(
    `task:${options.taskId}`,
    () => ({ tab: store.tab.value }),
    ({ tab }) => {
      if (tab !== undefined && TABS.includes(tab)) store.tab.value = tab;
    },
  );
  store.start();
  render(<Monitor store={store} />, root);
  loadPartsSoon();
  return {
    offer: (summary) => store.offer(summary),
    dispose: () => {
      seen.disconnect();
      forget();
      store.dispose();
      removeRoot(root);
    },
  };
}
