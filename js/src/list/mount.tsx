import { render } from "preact";
import type { Connection } from "../connection";
import { loadPartsSoon, partsState } from "../parts/part-loader";
import { makeRoot, removeRoot, watchVisibility } from "../root";
import { Icon } from "../views/icon";
import { TaskList } from "../views/task-list";
import { WithParts } from "../views/with-parts";
import type { TaskListHost } from "./host";
import { TaskListStore } from "./store";

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
  loadPartsSoon();
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
      <WithParts peer={connection.peer}>
        {({ Compare }) => <Compare connection={connection} taskIds={taskIds} />}
      </WithParts>
    </section>,
    root,
  );
  return () => removeRoot(root);
}

/** Shows one task, as soon as the parts are there. Returns what undoes it. */
export function mountOpened(el: HTMLElement, connection: Connection, taskId: string): () => void {
  const root = makeRoot(el, "iw");
  render(
    <section class="iw-card" aria-label={`Task ${taskId}`}>
      <WithParts peer={connection.peer}>{() => null}</WithParts>
    </section>,
    root,
  );
  let end = () => removeRoot(root);
  const stop = partsState.subscribe((state) => {
    if (state.kind !== "ready") return;
    end();
    end = state.parts.mount(el, connection, { taskId, inStep: new Set() }).dispose;
  });
  return () => {
    stop();
    end();
  };
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
  return () => removeRoot(root);
}
