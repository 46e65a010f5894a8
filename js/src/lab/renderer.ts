import type { IRenderMime } from "@jupyterlab/rendermime-interfaces";
import type { Message } from "@lumino/messaging";
import { Panel, Widget } from "@lumino/widgets";
import { asServiceError } from "../connection";
import { mount } from "../monitor/mount";
import type { ServiceError, TaskSummary } from "../protocol";
import { paintSavedCard } from "../views/saved-card";
import { whenAlive, whenGone } from "./alive";
import { folderOf, rendermimeOf, sessionOf } from "./output-host";
import type { Page } from "./page";
import { type SavedTask, savedTask, TASK_MIME, WIDGET_MIME, widgetModelId } from "./task-data";
import { ViewConnection } from "./view-connection";

/** Before the widget view's -10, and safe: else untrusted notebooks show the HTML, trusted ones the widget. */
const RANK = -20;

/** Renders tasks in outputs of notebooks and consoles: one factory for all, see `output-host.ts`. */
export function taskRendererFactory(page: Page): IRenderMime.IRendererFactory {
  return {
    safe: true,
    mimeTypes: [TASK_MIME],
    defaultRank: RANK,
    createRenderer: () => new TaskOutput(page),
  };
}

/** A live widget announces itself within this time. */
const GRACE_MS = 300;

const NOT_READABLE = "This task was saved by another version of inductiva_widgets. Run the cell again.";

type Mode = "card" | "server" | "widget";

interface Output {
  saved: SavedTask;
  modelId: string | null;
  /** Only a trusted notebook may act, and run the widget's code. */
  trusted: boolean;
  /** For the widget's renderer. */
  model: IRenderMime.IMimeModel;
}

/** Stands in errors where the name of the backend would: a file's word for it is not repeated. */
const OTHER_BACKEND = "another service";

const ANOTHER_BACKEND: ServiceError = {
  type: "UnknownBackendError",
  message: "This task runs on a service that the Jupyter server does not know",
  hint: "",
  retryable: true,
};

/**
 * A task in an output. The card comes first, at once; then the Jupyter server's live view; if that
 * cannot be, the widget while its kernel lives; else the card, with the reason.
 */
class TaskOutput extends Panel implements IRenderMime.IRenderer {
  readonly #page: Page;
  readonly #attached: Promise<void>;
  #onAttached: () => void = () => {};
  /** Ends all that shows the present data. */
  #run = new AbortController();
  #shown = "";
  #whose = "";

  constructor(page: Page) {
    super();
    this.#page = page;
    this.#attached = new Promise((resolve) => {
      this.#onAttached = resolve;
    });
    this.addClass("iw-output");
  }

  /** Called again on the same object for an updated display, and when trust changes. */
  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const saved = savedTask(model.data[TASK_MIME]);
    const modelId = widgetModelId(model.data[WIDGET_MIME]);
    const shown = JSON.stringify([saved, modelId, model.trusted]);
    const whose = JSON.stringify([{ ...saved, snapshot: null }, modelId, model.trusted]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    // A live view has more than a newer snapshot, and what is ticked in it.
    if (whose === this.#whose && this.node.dataset.mode !== "card") return;
    this.#whose = whose;
    this.#run.abort();
    this.#run = new AbortController();
    if (saved === null) {
      this.#host("card").node.textContent = NOT_READABLE;
      return;
    }
    this.#card(saved, null);
    // Not awaited: the cell shows its output after this promise, and no server may delay that.
    void this.#improve({ saved, modelId, trusted: model.trusted, model }, this.#run.signal);
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.#run.abort();
    super.dispose();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.#onAttached();
  }

  async #improve(output: Output, signal: AbortSignal): Promise<void> {
    await this.#attached;
    await whenSeen(this.node, signal);
    while (!signal.aborted) {
      const trouble = await this.#serve(output, signal);
      if (trouble === null || signal.aborted) return;
      const stop = childOf(signal);
      const alive = this.#whenAlive(output, stop.signal);
      const next = await Promise.race([alive, this.#troubled(output.saved, trouble, stop.signal)]);
      stop.abort();
      if (signal.aborted) return;
      if (next === "alive") await this.#handOver(output, signal);
      // Without its kernel the widget would stay painted and dead; the server may serve by now.
      if (!signal.aborted) this.#card(output.saved, null);
    }
  }

  /** Shows why there is no live view, until it is worth another try. */
  async #troubled(saved: SavedTask, trouble: ServiceError, signal: AbortSignal): Promise<"retry"> {
    // A widget that is there comes first: no flash of a card with a complaint.
    await new Promise((resolve) => setTimeout(resolve, GRACE_MS));
    if (signal.aborted) return "retry";
    return new Promise((resolve) => {
      this.#card(saved, trouble, () => resolve("retry"));
      const { backends } = this.#page.connection.account;
      const known = backends.peek();
      const stop = backends.subscribe((now) => {
        if (now !== known) resolve("retry");
      });
      signal.addEventListener("abort", stop);
    });
  }

  /** Shows the live view of the Jupyter server, or states why it is unavailable. */
  async #serve(output: Output, signal: AbortSignal): Promise<ServiceError | null> {
    const { saved, trusted } = output;
    const connection = new ViewConnection(
      this.#page.connection.forBackend({ id: saved.backendId, name: OTHER_BACKEND }),
      { mayAct: trusted, folder: () => folderOf(this), onDownload: this.#page.downloads.follow },
    );
    let summary: TaskSummary;
    try {
      const { result } = await connection.call("task.get", { task_id: saved.taskId }, { signal });
      summary = result;
    } catch (error) {
      return asServiceError(error);
    }
    if (signal.aborted) return null;
    // Never asked with success: the reason, and not a view full of dashes.
    if (summary.status === "" && summary.stale !== null) return summary.stale.error;
    if (summary.backend.id !== saved.backendId) return ANOTHER_BACKEND;
    this.#mount(connection, output, summary, signal);
    return null;
  }

  #mount(
    connection: ViewConnection,
    { trusted, model }: Output,
    summary: TaskSummary,
    signal: AbortSignal,
  ): void {
    const options = this.#page.monitorOptions({
      taskId: summary.task_id,
      summary,
      readonly: !trusted,
      downloads: trusted,
      reload: () => {
        this.#shown = this.#whose = "";
        void this.renderModel(model);
      },
    });
    const monitor = mount(this.#host("server").node, connection, options);
    const observer = new IntersectionObserver((entries) => {
      connection.setSeen(entries.at(-1)?.isIntersecting === true);
    });
    observer.observe(this.node);
    signal.addEventListener("abort", () => {
      observer.disconnect();
      monitor.dispose();
      connection.dispose();
    });
  }

  /** Pending for ever where no widget may be shown. */
  async #whenAlive({ saved, modelId, trusted }: Output, signal: AbortSignal): Promise<"alive"> {
    if (!trusted || modelId === null) return new Promise(() => {});
    await whenAlive({ modelId, aliveKey: saved.aliveKey }, rendermimeOf(this), signal);
    return "alive";
  }

  /** Shows the widget until its kernel is gone. */
  async #handOver({ saved, model }: Output, signal: AbortSignal): Promise<void> {
    const widget = rendermimeOf(this)?.createRenderer(WIDGET_MIME);
    if (widget === undefined) return;
    await widget.renderModel(model);
    if (signal.aborted) {
      widget.dispose();
      return;
    }
    this.#show("widget", widget);
    await whenGone(sessionOf(this), saved.aliveKey, signal);
  }

  #card(saved: SavedTask, trouble: ServiceError | null, onRetry = () => {}): void {
    const { taskId, snapshot } = saved;
    const { node } = this.#host("card");
    paintSavedCard(node, { saved: { taskId, ...snapshot }, trouble, onRetry });
  }

  #host(mode: Mode): Widget {
    const host = new Widget();
    this.#show(mode, host);
    return host;
  }

  /** In place of what was shown before. */
  #show(mode: Mode, widget: Widget): void {
    const before = [...this.widgets];
    this.addWidget(widget);
    for (const old of before) old.dispose();
    this.node.dataset.mode = mode;
  }
}

/** Resolves when something of the node is on screen: a long notebook asks for what is looked at. */
function whenSeen(node: HTMLElement, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const observer = new IntersectionObserver((entries) => {
      if (entries.at(-1)?.isIntersecting === true) end();
    });
    const end = () => {
      observer.disconnect();
      resolve();
    };
    signal.addEventListener("abort", end);
    observer.observe(node);
  });
}

/** A controller that its parent aborts, and that can be aborted before. */
function childOf(parent: AbortSignal): AbortController {
  const child = new AbortController();
  parent.addEventListener("abort", () => child.abort(), { signal: child.signal });
  return child;
}
