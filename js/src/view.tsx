import { render } from "preact";
import type { Connection } from "./connection";
import type { TaskListHost } from "./list/host";
import type { TaskSummary } from "./protocol";
import { type MonitorOptions, MonitorStore } from "./store";
import { TaskListStore } from "./task-list-store";
import { Compare } from "./views/compare";
import { Icon } from "./views/icon";
import { Monitor } from "./views/monitor";
import { TaskList } from "./views/task-list";

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
  store.start();
  render(<Monitor store={store} />, root);
  return {
    offer: (summary) => store.offer(summary),
    dispose: () => {
      seen.disconnect();
      store.dispose();
      removeRoot(root);
    },
  };
}

export interface MountedTaskList {
  /** Another key or backend answers from now on: forgets all, and asks anew. */
  reset(): void;
  /** Ticks these tasks and no others. */
  select(taskIds: readonly string[]): void;
  dispose(): void;
}

/** Shows the list of tasks in `el`, as `host` wants it. */
export function mountTaskList(el: HTMLElement, connection: Connection, host: TaskListHost): MountedTaskList {
  const root = makeRoot(el, host.layout === "table" ? "iw" : "iw fill");
  const store = new TaskListStore(connection, host);
  const seen = watchVisibility(root, (visible) => store.setVisible(visible));
  render(<TaskList store={store} host={host} />, root);
  return {
    reset: () => store.reset(),
    select: (taskIds) => store.acts.tick(taskIds),
    dispose: () => {
      seen.disconnect();
      store.dispose();
      removeRoot(root);
    },
  };
}

/** Shows two tasks beside each other. Returns what undoes it. */
export function mountCompare(
  el: HTMLElement,
  connection: Connection,
  taskIds: readonly string[],
): () => void {
  const root = makeRoot(el, "iw");
  render(
    <section class="iw-card" aria-label="Comparison">
      <Compare connection={connection} taskIds={taskIds} />
    </section>,
    root,
  );
  return () => removeRoot(root);
}

/** The line above what is shown below a table, with its way back. Returns what undoes it. */
export function mountBelow(el: HTMLElement, title: string, close: () => void): () => void {
  const root = makeRoot(el, "iw");
  render(
    <div class="iw-under">
      <b class="iw-cut">{title}</b>
      <button
        type="button"
        class="iw-b icon ghost"
        aria-label={`Close ${title}`}
        title="Close (Esc)"
        onClick={close}
      >
        <Icon name="close" />
      </button>
    </div>,
    root,
  );
  root.querySelector("button")?.focus({ preventScroll: true });
  return () => removeRoot(root);
}

function watchVisibility(root: HTMLElement, tell: (visible: boolean) => void): IntersectionObserver {
  const observer = new IntersectionObserver((entries) => tell(entries.at(-1)?.isIntersecting === true));
  observer.observe(root);
  return observer;
}

const keyGuards = new WeakMap<HTMLElement, AbortController>();

function makeRoot(el: HTMLElement, className: string): HTMLElement {
  const root = document.createElement("div");
  root.className = className;
  el.append(root);
  const guard = new AbortController();
  keyGuards.set(root, guard);
  // JupyterLab listens on the document, before any element: there D D deletes the cell and C copies it.
  // It leaves alone an element with this attribute; keys that are not ours still reach it.
  const claim = (event: KeyboardEvent) => {
    const [target] = event.composedPath();
    if (target instanceof HTMLElement && root.contains(target)) {
      target.toggleAttribute("data-lm-suppress-shortcuts", isOurKey(event));
    }
  };
  window.addEventListener("keydown", claim, { capture: true, signal: guard.signal });
  return root;
}

function removeRoot(root: HTMLElement): void {
  keyGuards.get(root)?.abort();
  render(null, root);
  root.remove();
}

function isOurKey({ key, ctrlKey, metaKey, altKey, shiftKey }: KeyboardEvent): boolean {
  if (altKey) return false;
  if (ctrlKey || metaKey) return key === "a" || key === "i";
  if (key === "Enter") return !shiftKey;
  return key.length === 1 || /^(Arrow|Page|Home|End|Escape)/.test(key);
}
