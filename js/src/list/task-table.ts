import type { Connection } from "../connection";
import { shortId } from "../format";
import { remember } from "../memory";
import type { TaskFilters } from "./host";
import { mountBelow, mountCompare, mountOpened, mountTaskList } from "./mount";

export interface TaskTableOptions {
  lastN?: number | null;
  filters?: TaskFilters;
  isChosen?: boolean;
  selected?: readonly string[];
  memory?: string;
  onSelect?(taskIds: readonly string[]): void;
}

export interface MountedTaskTable {
  /** Ticks these tasks and no others. */
  select(taskIds: readonly string[]): void;
  dispose(): void;
}

/** A table of tasks with room below it: for the task that is opened, or for two of them compared. */
export function mountTaskTable(
  el: HTMLElement,
  connection: Connection,
  options: TaskTableOptions = {},
): MountedTaskTable {
  const top = el.appendChild(document.createElement("div"));
  const below = el.appendChild(document.createElement("div"));
  /** Tasks below the table: one is opened, two are compared. */
  let shown: readonly string[] = [];
  let end = () => {};
  const close = () => {
    end();
    end = () => {};
    shown = [];
    top.querySelector<HTMLElement>("[role=grid]")?.focus({ preventScroll: true });
  };
  const show = (taskIds: readonly string[]) => {
    const [taskId, other] = taskIds;
    if (taskId === undefined) return;
    end();
    const head = mountBelow(below, other === undefined ? shortId(taskId) : "Comparison", close);
    const empty =
      other === undefined ? mountOpened(below, connection, taskId) : mountCompare(below, connection, taskIds);
    end = () => {
      empty();
      head();
    };
    shown = taskIds;
  };
  const open = (taskIds: readonly string[]) => {
    show(taskIds);
    below.querySelector("button")?.focus({ preventScroll: true });
    below.scrollIntoView({ block: "nearest" });
  };
  const list = mountTaskList(top, connection, {
    ...options,
    layout: "table",
    onOpen: (taskId) => open([taskId]),
    onCompare: (taskIds) => open(taskIds),
    onSelect: (taskIds) => options.onSelect?.(taskIds),
  });
  const forget = remember<{ shown: readonly string[] }>(
    options.memory && `${options.memory}:below`,
    () => ({ shown }),
    (saved) => show(saved.shown ?? []),
  );
  const onEscape = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    event.preventDefault();
    close();
  };
  below.addEventListener("keydown", onEscape);
  return {
    select: (taskIds) => list.select(taskIds),
    dispose: () => {
      below.removeEventListener("keydown", onEscape);
      forget();
      end();
      list.dispose();
      top.remove();
      below.remove();
    },
  };
}
