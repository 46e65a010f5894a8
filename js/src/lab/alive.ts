import type { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import type { ISignal } from "@lumino/signaling";
import { WIDGET_MIME } from "./task-data";

/** Filled by `widget.ts`, which is another bundle: the page is all that the two share. */
const ALIVE_SET = "__inductivaWidgetsAlive";
const ALIVE_EVENT = "inductiva-widgets:alive";

export interface SavedWidget {
  modelId: string;
  aliveKey: string | null;
}

/** What we use of a notebook's or a console's session. */
export interface Session {
  readonly path: string;
  readonly statusChanged: ISignal<unknown, string>;
  readonly kernelChanged: ISignal<unknown, unknown>;
}

/** After these the models of the page have no kernel to talk to, though the widget manager keeps them. */
const GONE = new Set(["restarting", "autorestarting", "terminating", "dead"]);

/** Resolves once a model is alive in this page: perhaps never, at the latest with `signal`. */
export function whenAlive(
  { modelId, aliveKey }: SavedWidget,
  rendermime: IRenderMimeRegistry | null,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve());
    const look = () => {
      if (isAlive(aliveKey)) resolve();
    };
    document.addEventListener(ALIVE_EVENT, look, { signal });
    look();
    if (rendermime !== null) askManager(rendermime, modelId, resolve, signal);
  });
}

/** Resolves once the kernel of a session is gone, or the model has lost it; at the latest with `signal`. */
export function whenGone(
  session: Session | null,
  aliveKey: string | null,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const onStatus = (_: unknown, status: string) => {
      if (GONE.has(status)) gone();
    };
    const wasAlive = isAlive(aliveKey);
    const onModel = () => {
      if (wasAlive && !isAlive(aliveKey)) gone();
    };
    const gone = () => {
      session?.statusChanged.disconnect(onStatus);
      session?.kernelChanged.disconnect(gone);
      document.removeEventListener(ALIVE_EVENT, onModel);
      resolve();
    };
    session?.statusChanged.connect(onStatus);
    session?.kernelChanged.connect(gone);
    document.addEventListener(ALIVE_EVENT, onModel);
    signal.addEventListener("abort", gone);
  });
}

function isAlive(aliveKey: string | null): boolean {
  const alive = (globalThis as unknown as Record<string, Set<string> | undefined>)[ALIVE_SET];
  return aliveKey !== null && alive?.has(aliveKey) === true;
}

/** The widget manager, as far as it shows itself. */
interface Manager {
  has_model?(id: string): boolean;
  get_model(id: string): Promise<{ comm_live?: boolean }>;
  restored?: ISignal<unknown, unknown>;
}

/**
 * Second opinion, for models that our module has not seen yet: no token leads to the widget manager,
 * so it is read off a renderer of it, a private field of ipywidgets 8; if that goes, nothing is lost
 * but this opinion.
 */
function askManager(
  rendermime: IRenderMimeRegistry,
  id: string,
  found: () => void,
  signal: AbortSignal,
): void {
  const probe = rendermime.createRenderer(WIDGET_MIME) as unknown as {
    _manager?: { promise?: Promise<Manager> };
    dispose(): void;
  };
  signal.addEventListener("abort", () => probe.dispose());
  // Pending for as long as there is no kernel.
  void probe._manager?.promise?.then((manager) => {
    const look = async () => {
      // `get_model` of an unknown id waits two seconds and throws. A model outlives its kernel.
      if (signal.aborted || manager.has_model?.(id) !== true) return;
      const model = await manager.get_model(id).catch(() => null);
      if (model !== null && model.comm_live !== false) found();
    };
    const onRestored = () => void look();
    manager.restored?.connect(onRestored);
    signal.addEventListener("abort", () => manager.restored?.disconnect(onRestored));
    void look();
  });
}
