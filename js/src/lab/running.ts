import { type ReadonlySignal, signal } from "@preact/signals";
import type { TaskSummary } from "../protocol";
import type { BackendEntry } from "./account";
import { eachBackend } from "./each-backend";
import type { ServerConnection } from "./server-connection";

/** As many as the server follows by itself. */
const LAST_N = 100;

/** Number of tasks that run, over all backends; a hidden page does not ask. */
export class RunningCount {
  readonly #count = signal(0);
  readonly #counts = new Map<string, number>();
  readonly #connection: ServerConnection;
  #leave: (() => void) | null = null;

  constructor(connection: ServerConnection) {
    this.#connection = connection;
    document.addEventListener("visibilitychange", this.#look);
    this.#look();
  }

  get count(): ReadonlySignal<number> {
    return this.#count;
  }

  dispose(): void {
    document.removeEventListener("visibilitychange", this.#look);
    this.#leave?.();
  }

  readonly #look = (): void => {
    if (document.hidden === (this.#leave === null)) return;
    this.#leave?.();
    this.#leave = document.hidden ? null : eachBackend(this.#connection.account, this.#enter);
  };

  readonly #enter = (entry: BackendEntry): (() => void) => {
    const backend = this.#connection.forBackend(entry);
    const left = new AbortController();
    const ask = () => {
      backend.call("tasks.list", { last_n: LAST_N }, left).then(
        ({ result }) => {
          // An answer may be on its way already when it is no longer wanted.
          if (!left.signal.aborted) this.#set(entry.id, result.tasks);
        },
        () => {}, // the number stays: the panel states what is wrong
      );
    };
    const leave = backend.subscribe(
      "tasks",
      (event) => {
        if (event.kind === "tasks") this.#set(entry.id, event.tasks);
      },
      ask,
    );
    ask();
    return () => {
      left.abort();
      leave();
      this.#set(entry.id, []);
    };
  };

  #set(backend: string, tasks: readonly TaskSummary[]): void {
    this.#counts.set(backend, tasks.filter((task) => !task.is_terminal).length);
    this.#count.value = [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }
}
