import type { CallOptions } from "../connection";
import type { MonitorStore } from "../monitor/store";
import type { LogsOpened } from "../protocol";

/** Where the text of logs comes from; the view is the same for all. */
export interface LogSource {
  open(refresh: boolean, options: CallOptions): Promise<LogsOpened>;
  read(name: string, offset: number, length: number): Promise<ArrayBuffer>;
  /** Numbers of the lines that hold the query, in order. */
  search(name: string, query: string): Promise<Float64Array>;
}

/** Logs of a task that has ended, read by ranges of its archive. */
export class RecordedLogs implements LogSource {
  readonly #monitor: MonitorStore;
  #revision = "";

  constructor(monitor: MonitorStore) {
    this.#monitor = monitor;
  }

  async open(refresh: boolean, options: CallOptions): Promise<LogsOpened> {
    const { result } = await this.#monitor.call("logs.open", { ...this.#task, refresh }, options);
    this.#revision = result.revision;
    return result;
  }

  async read(name: string, offset: number, length: number): Promise<ArrayBuffer> {
    const { buffers } = await this.#monitor.call("logs.read", { ...this.#log(name), offset, length });
    return buffers[0] ?? new ArrayBuffer(0);
  }

  async search(name: string, query: string): Promise<Float64Array> {
    const { buffers } = await this.#monitor.call("logs.search", { ...this.#log(name), query });
    return new Float64Array(buffers[0] ?? new ArrayBuffer(0));
  }

  get #task() {
    return { task_id: this.#monitor.taskId };
  }

  #log(name: string) {
    return { ...this.#task, revision: this.#revision, name };
  }
}
