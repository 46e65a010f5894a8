import { effect, signal } from "@preact/signals";
import { isAbort } from "../connection";
import type { TaskDetails, TaskFailure } from "../protocol";
import type { MonitorStore } from "./store";

/**
 * What a monitor shows of its task beyond the summary: phases, facts, and why it failed. Asked for
 * when the status changes; what is there stays until better has come.
 */
export class DetailsStore {
  readonly details = signal<TaskDetails | null>(null);
  /** `null` until the end of a failed task's log was read. */
  readonly failure = signal<TaskFailure | null>(null);
  /** The details could not be asked for; the next status change tries again. */
  readonly failed = signal(false);

  readonly #monitor: MonitorStore;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked = 0;
  #failureAsked = false;

  constructor(monitor: MonitorStore) {
    this.#monitor = monitor;
  }

  /** Follows the task; returns what ends that. */
  start(): () => void {
    let status: string | undefined;
    return effect(() => {
      const task = this.#monitor.task.value;
      // The task itself comes first: the details are derived from its answer.
      if (this.#monitor.refreshing.value !== "idle") return;
      // An outage ends with an answer; what was asked for meanwhile may have failed.
      const fresh = task?.stale === null && this.#monitor.connected.value;
      if (task === null || task.status === "" || (task.status === status && !(fresh && this.failed.peek())))
        return;
      status = task.status;
      void this.load();
    });
  }

  dispose(): void {
    clearTimeout(this.#timer);
  }

  /** `refresh`: asks the service too, unless it did so lately. */
  async load(refresh = false): Promise<void> {
    clearTimeout(this.#timer);
    this.#asked += 1;
    const asked = this.#asked;
    try {
      const { result } = await this.#monitor.call("task.details", {
        task_id: this.#monitor.taskId,
        refresh,
      });
      // The answer to a later call is newer.
      if (asked !== this.#asked) return;
      this.details.value = result;
      this.failed.value = false;
      if (result.refresh_in_s !== null) this.#refreshAfter(result.refresh_in_s);
      if (result.cause !== null) void this.#readFailure();
    } catch (error) {
      if (!isAbort(error) && asked === this.#asked) this.failed.value = true;
    }
  }

  /** Commands of a running task come and go without a change of its status. */
  #refreshAfter(seconds: number): void {
    this.#timer = setTimeout(() => {
      // Out of sight: the next round asks.
      if (this.#monitor.isSeen && this.#monitor.connected.peek()) void this.load(true);
      else this.#refreshAfter(seconds);
    }, seconds * 1000);
  }

  async #readFailure(): Promise<void> {
    if (this.#failureAsked) return;
    this.#failureAsked = true;
    try {
      const { result } = await this.#monitor.call("task.failure", { task_id: this.#monitor.taskId });
      this.failure.value = result;
    } catch (error) {
      // The sentence by status stands; a log that cannot be read is shown by the logs themselves.
      if (!isAbort(error)) this.#failureAsked = false;
    }
  }
}
