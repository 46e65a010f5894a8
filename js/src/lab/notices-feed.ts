import type { EventListener } from "../connection";
import type { NoticeEvent, TaskSummary } from "../protocol";
import type { BackendEntry } from "./account";
import { eachBackend } from "./each-backend";
import type { ServerConnection } from "./server-connection";

/** What is to be shown, and the backend that its tasks run on. */
export type OnNotice = (notice: NoticeEvent, backend: BackendEntry) => void;

/**
 * Notices of all backends, each handed on once, whatever number of pages is open: the server
 * decides which page is the first. Data only; whether something is shown is the receiver's affair.
 */
export class NoticesFeed {
  readonly #connection: ServerConnection;
  readonly #onNotice: OnNotice;
  readonly #leave: () => void;

  constructor(connection: ServerConnection, onNotice: OnNotice) {
    this.#connection = connection;
    this.#onNotice = onNotice;
    this.#leave = eachBackend(connection.account, (backend) => this.#listen(backend));
  }

  /** Whether the end of a task is announced; those that are open in a page are, unless switched off. */
  async watch(task: TaskSummary, on: boolean): Promise<void> {
    await this.#connection.forBackend(task.backend).call("tasks.watch", { task_id: task.task_id, on });
  }

  dispose(): void {
    this.#leave();
  }

  #listen(backend: BackendEntry): () => void {
    const view = this.#connection.forBackend(backend);
    const onEvent: EventListener = (event) => {
      if (event.kind !== "away" && event.kind !== "ended") return;
      view.call("notices.seen", { notice_id: event.notice_id }).then(
        ({ result }) => {
          if (result.is_first) this.#onNotice(event, backend);
        },
        () => {}, // the server sends it again to the next stream
      );
    };
    return view.subscribe("notices", onEvent);
  }
}
