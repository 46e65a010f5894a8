import type { Connection } from "../connection";
import { shortId } from "../format";
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
  let end = () => {};
  const close = () => {
    end();
    end = () => {};
    top.querySelector<HTMLElement>("[role=grid]")?.focus({ preventScroll: true });
  };
  const show = (title: string, fill: (place: HTMLElement) => () => void) => {
    end();
    const head = mountBelow(below, title, close);
    const empty = fill(below);
    end = () => {
      empty();
      head();
    };
    below.scrollIntoView({ block: "nearest" });
  };
  const list = mountTaskList(top, connection, {
    ...options,
    layout: "table",
    onOpen: (taskId) => show(shortId(taskId), (place) => mountOpened(place, connection, taskId)),
    onCompare: (taskIds) => show("Comparison", (place) => mountCompare(place, connection, taskIds)),
    onSelect: (taskIds) => options.onSelect?.(taskIds),
  });
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
      end();
      list.dispose();
      top.remove();
      below.remove();
    },
  };
}
