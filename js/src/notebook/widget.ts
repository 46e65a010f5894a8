import type { AnyModel, InitializeProps, RenderProps } from "@anywidget/types";
import { KernelConnection } from "../connection";
import { setPartsSource } from "../parts/part-loader";
import { partsOfKernel } from "./kernel-parts";
import { addStyle } from "./page-style";
import { pageWide } from "./page-wide";
import { STYLE } from "./shared-modules";

/** The synced traits of every widget. Python alone writes them. */
type Traits = {
  /** Random, per widget: by it an output finds its model among those of the page. */
  alive_key: string;
};

/** What one kind of widget does with the model of its traits `T`. */
interface Kind<T extends Traits, S> {
  /** What the views of one model share, beside its comm and so its subscriptions. */
  share(model: RenderProps<T>["model"]): S;
  /** Mounts a view; returns what undoes it. */
  show(el: HTMLElement, connection: KernelConnection, model: RenderProps<T>["model"], shared: S): () => void;
}

/** Models with a living kernel, for outputs that choose between the widget and the server's view. */
const alive = pageWide<Set<string>>("__inductivaWidgetsAlive", () => new Set());
const ALIVE_EVENT = "inductiva-widgets:alive";

/** The module of a widget, as anywidget wants it; `addStyle` is for hosts that do not add it themselves. */
export function makeWidget<T extends Traits, S>(kind: Kind<T, S>) {
  const models = new Map<string, { connection: KernelConnection; shared: S }>();

  // One module for all models of a page: any living kernel will do.
  setPartsSource((onWaiting) => {
    const connections = [...models.values()].map(({ connection }) => connection);
    const living = connections.find(({ connected }) => connected.peek()) ?? connections[0];
    if (living === undefined) throw new Error("No widget is left that could ask for this part.");
    return partsOfKernel(living, onWaiting);
  });

  function initialize({ model }: InitializeProps<T>): () => void {
    const key = model.get("alive_key");
    const connection = new KernelConnection(model as unknown as AnyModel);
    models.set(key, { connection, shared: kind.share(model) });
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

  function render({ model, el }: RenderProps<T>): () => void {
    const known = models.get(model.get("alive_key"));
    if (known === undefined) throw new Error("The widget's model is not initialised.");
    return kind.show(el, known.connection, model, known.shared);
  }

  return {
    initialize,
    render,
    addStyle: () => {
      addStyle("first", STYLE.first);
      addStyle("last", STYLE.last);
    },
  };
}
