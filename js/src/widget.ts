import type { AnyModel, InitializeProps, RenderProps } from "@anywidget/types";
import { KernelConnection } from "./connection";
import type { TaskSummary } from "./protocol";
import { mount } from "./view";

/** The synced traits that the view reads. Python alone writes them. */
interface Traits {
  task_id: string;
  summary: TaskSummary | null;
  /** Random, per widget: tells an output which of the page's models belongs to it. */
  alive_key: string;
}

/** Views of one model share its connection: they share its comm, and so its subscriptions. */
const connections = new Map<string, KernelConnection>();

/** Models with a living kernel, for outputs that choose between the widget and the server's view. */
const alive = pageWide<Set<string>>("__inductivaWidgetsAlive", () => new Set());
const ALIVE_EVENT = "inductiva-widgets:alive";

function initialize({ model }: InitializeProps<Traits>): () => void {
  const key = model.get("alive_key");
  const connection = new KernelConnection(model as unknown as AnyModel);
  connections.set(key, connection);
  const stop = connection.connected.subscribe((connected) => {
    if (connected) alive.add(key);
    else alive.delete(key);
    document.dispatchEvent(new CustomEvent(ALIVE_EVENT, { detail: key }));
  });
  return () => {
    stop();
    alive.delete(key);
    connections.delete(key);
    connection.dispose();
  };
}

function render({ model, el }: RenderProps<Traits>): () => void {
  const connection = connections.get(model.get("alive_key"));
  if (connection === undefined) throw new Error("The widget's model is not initialised.");
  const monitor = mount(el, connection, { taskId: model.get("task_id"), summary: model.get("summary") });
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
