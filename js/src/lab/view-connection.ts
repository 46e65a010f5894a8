import type { ReadonlySignal } from "@preact/signals";
import {
  type CallOptions,
  type Connection,
  type EventListener,
  type Reply,
  ServiceFailure,
} from "../connection";
import type { BatchProgress, DownloadProgress, Method, Methods, ServiceError } from "../protocol";

/** Methods that change something: not for notebooks that are not trusted. */
const ACTS: ReadonlySet<Method> = new Set<Method>([
  "task.kill",
  "tasks.kill",
  "outputs.download",
  "outputs.cancel",
  "outputs.pause",
  "tasks.download",
  "batch.cancel",
]);
/** Methods whose files go below a folder. */
const WITH_FOLDER: ReadonlySet<Method> = new Set<Method>([
  "outputs.list",
  "outputs.download",
  "outputs.check",
  "tasks.download",
]);

const STARTS: ReadonlySet<Method> = new Set<Method>(["outputs.download", "tasks.download"]);

const NOT_TRUSTED: ServiceError = {
  type: "NotTrustedError",
  message: "This notebook is not trusted, so tasks can only be viewed in it",
  hint: "Trust the notebook, or open the task from the side panel.",
  retryable: false,
};

export interface ViewRights {
  /** False: the view only shows, and what it would send to act is refused here. */
  mayAct: boolean;
  /** Where downloads go, as a path of the file browser; `null`: the server's default. */
  folder(): string | null;
  /** A download was started; its events come on the connection. */
  onDownload?(connection: Connection, started: DownloadProgress | BatchProgress): void;
}

interface Subscription {
  topic: string;
  onEvent: EventListener;
  onGap: (() => void) | undefined;
  stop: (() => void) | null;
}

/** The page's connection as one view may use it, silent while the view is hidden. */
export class ViewConnection implements Connection {
  #page: Connection;
  readonly #rights: ViewRights;
  readonly #subscriptions = new Set<Subscription>();
  #seen = true;

  constructor(page: Connection, rights: ViewRights) {
    this.#page = page;
    this.#rights = rights;
  }

  get peer(): "kernel" | "server" {
    return this.#page.peer;
  }

  /** All backends are behind one server, and so one stream. */
  get connected(): ReadonlySignal<boolean> {
    return this.#page.connected;
  }

  async call<M extends Method>(
    method: M,
    params: Methods[M]["params"],
    options?: CallOptions,
  ): Promise<Reply<M>> {
    if (!this.#rights.mayAct && ACTS.has(method)) throw new ServiceFailure(NOT_TRUSTED);
    const folder = WITH_FOLDER.has(method) ? this.#rights.folder() : null;
    const reply = await this.#page.call(method, folder === null ? params : { folder, ...params }, options);
    if (STARTS.has(method))
      this.#rights.onDownload?.(this.#page, reply.result as DownloadProgress | BatchProgress);
    return reply;
  }

  subscribe(topic: string, onEvent: EventListener, onGap?: () => void): () => void {
    const subscription: Subscription = { topic, onEvent, onGap, stop: null };
    this.#subscriptions.add(subscription);
    if (this.#seen) this.#listen(subscription);
    return () => {
      this.#subscriptions.delete(subscription);
      subscription.stop?.();
    };
  }

  /** Whether the view is visible. Seen again, it asks for what it missed. */
  setSeen(seen: boolean): void {
    if (this.#seen === seen) return;
    this.#seen = seen;
    for (const subscription of [...this.#subscriptions]) {
      if (seen) {
        this.#listen(subscription);
        subscription.onGap?.();
      } else {
        subscription.stop?.();
        subscription.stop = null;
      }
    }
  }

  /** From now on another backend answers. What is shown must be asked for anew. */
  redirect(page: Connection): void {
    this.#page = page;
    for (const subscription of this.#subscriptions) {
      if (subscription.stop === null) continue;
      subscription.stop();
      this.#listen(subscription);
    }
  }

  /** The page's connection stays open for the others. */
  dispose(): void {
    for (const { stop } of this.#subscriptions) stop?.();
    this.#subscriptions.clear();
  }

  #listen(subscription: Subscription): void {
    const { topic, onEvent, onGap } = subscription;
    subscription.stop = this.#page.subscribe(topic, onEvent, onGap);
  }
}
