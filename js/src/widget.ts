import type { AnyModel, InitializeProps, RenderProps } from "@anywidget/types";
import { KernelConnection } from "./connection";
import type { FilesStore } from "./files-store";
import type { TaskFilters } from "./list/host";
import type { TaskSummary } from "./protocol";
import { type MountedTaskTable, mountTaskTable } from "./task-table";
import { mount } from "./view";

/** The synced traits that the view reads. Python alone writes them. */
interface Traits {
  view: "monitor" | "table";
  /** Random, per widget: tells an output which of the page's models belongs to it. */
  alive_key: string;
  /** Of a monitor. */
  task_id: string;
  summary: TaskSummary | null;
  /** Of a table. */
  last_n: number | null;
  filters: TaskFilters;
  is_chosen: boolean;
  selected_ids: string[];
}

/** What the views of one model share: its comm, and so its subscriptions, and what is ticked. */
interface Shared {
  connection: KernelConnection;
  inStep: Set<FilesStore>;
  tables: Set<MountedTaskTable>;
  /** Ids of the ticked tasks, as Python was told. */
  ticked: string;
}
const models = new Map<string, Shared>();

/** Models with a living kernel, for outputs that choose between the widget and the server's view. */
const alive = pageWide<Set<string>>("__inductivaWidgetsAlive", () => new Set());
const ALIVE_EVENT = "inductiva-widgets:alive";

function initialize({ model }: InitializeProps<Traits>): () => void {
  const key = model.get("alive_key");
  const connection = new KernelConnection(model as unknown as AnyModel);
  const ticked = (model.get("selected_ids") ?? []).join();
  models.set(key, { connection, inStep: new Set(), tables: new Set(), ticked });
  const stop = connection.connected.subscribe((connected) => {
    if (connected) alive.add(key);
    else alive.delete(key);
    document.dispatchEvent(new CustomEvent(ALIVE_EVENT, { detail: key }));
  });
  return () => {
    stop();
    alive.delete(key);
    models.delete(key);
    connection.dispose();
  };
}

function render({ model, el }: RenderProps<Traits>): () => void {
  const shared = models.get(model.get("alive_key"));
  if (shared === undefined) throw new Error("The widget's model is not initialised.");
  return model.get("view") === "table" ? renderTable(model, el, shared) : renderMonitor(model, el, shared);
}

type Model = RenderProps<Traits>["model"];

function renderTable(model: Model, el: HTMLElement, shared: Shared): () => void {
  const table = mountTaskTable(el, shared.connection, {
    lastN: model.get("last_n"),
    filters: model.get("filters"),
    isChosen: model.get("is_chosen"),
    selected: shared.ticked === "" ? [] : shared.ticked.split(","),
    onSelect: (taskIds) => {
      const ticked = taskIds.join();
      if (ticked === shared.ticked) return;
      shared.ticked = ticked;
      // Nobody to tell is no news here: the view itself says that its kernel is gone.
      shared.connection.call("tasks.select", { task_ids: [...taskIds] }).catch(() => {});
      for (const other of shared.tables) if (other !== table) other.select(taskIds);
    },
  });
  shared.tables.add(table);
  return () => {
    shared.tables.delete(table);
    table.dispose();
  };
}

function renderMonitor(model: Model, el: HTMLElement, shared: Shared): () => void {
  const monitor = mount(el, shared.connection, {
    taskId: model.get("task_id"),
    summary: model.get("summary"),
    inStep: shared.inStep,
  });
  const onSummary = () => {
    const summary = model.get("summary");
    if (summary !== null) monitor.offer(summary);
  };
  model.on("change:summary", onSummary);
  return () => {
    model.off("change:summary", onSummary);
    monitor.dispose();
  };
}

function pageWide<T>(name: string, make: () => T): T {
  const page = globalThis as unknown as Record<string, T | undefined>;
  page[name] ??= make();
  return page[name];
}

export default { initialize, render };
