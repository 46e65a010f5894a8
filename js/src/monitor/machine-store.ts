import { signal } from "@preact/signals";
import { asServiceError, isAbort } from "../connection";
import { gunzip } from "../files/listing";
import type { MachineColumn, MachineMetrics, ServiceError } from "../protocol";
import { LiveLook } from "./live-look";
import type { MonitorStore } from "./store";

/** Samples of the machine by column, in the order of time. */
export interface Measures {
  readonly start: string | null;
  /** Seconds since `start`. */
  readonly times: Float64Array;
  readonly columns: readonly (MachineColumn & { readonly values: Float64Array })[];
}

export type MachineState =
  | { kind: "none" }
  | { kind: "loading"; waiting: boolean }
  | { kind: "ready"; measures: Measures }
  | { kind: "failed"; error: ServiceError };

const SAMPLES_MS = 15_000;

/** What the machine of a monitor's task did over time. */
export class MachineStore {
  readonly state = signal<MachineState>({ kind: "none" });
  /** The moment whose values all charts show, in seconds since the start. */
  readonly moment = signal<number | null>(null);
  /** What the machine does now, while the task runs. */
  readonly top: LiveLook<"live.top">;
  readonly #monitor: MonitorStore;
  #isFinal = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(monitor: MonitorStore) {
    this.#monitor = monitor;
    this.top = new LiveLook(monitor, "live.top");
  }

  dispose(): void {
    clearTimeout(this.#timer);
  }

  /** Asks for the samples of a running task now and then. Returns what ends it. */
  follow(): () => void {
    let isOver = false;
    const look = async () => {
      if (this.#monitor.isSeen) await this.load();
      clearTimeout(this.#timer);
      if (!isOver && !this.#monitor.isClosed)
        this.#timer = setTimeout(look, this.#monitor.isSeen ? SAMPLES_MS : 1000);
    };
    void look();
    return () => {
      isOver = true;
      clearTimeout(this.#timer);
    };
  }

  /** Asks for the samples: those so far, or all once the task has ended. Older ones stay meanwhile. */
  async load(): Promise<void> {
    const { kind } = this.state.peek();
    const isFinal = this.#monitor.task.peek()?.is_terminal === true;
    if (kind === "loading" || this.#isFinal) return;
    if (kind !== "ready") this.state.value = { kind: "loading", waiting: false };
    try {
      const { result, buffers } = await this.#monitor.call(
        "machine.metrics",
        { task_id: this.#monitor.taskId },
        {
          onWaiting: (waiting) => {
            if (this.state.peek().kind === "loading") this.state.value = { kind: "loading", waiting };
          },
        },
      );
      const frame = buffers[0];
      if (frame === undefined) throw new Error("The measures came without their data.");
      const measures = await unpackMeasures(result, frame);
      if (this.#monitor.isClosed) return;
      this.#isFinal = isFinal;
      this.state.value = { kind: "ready", measures };
    } catch (error) {
      const isShown = this.state.peek().kind === "ready" && !isFinal;
      if (!isAbort(error) && !isShown) this.state.value = { kind: "failed", error: asServiceError(error) };
    }
  }
}

/** Unpacks the frame described at `MachineMetrics`. */
async function unpackMeasures(meta: MachineMetrics, frame: ArrayBuffer): Promise<Measures> {
  const raw = await gunzip(frame);
  const { rows } = meta;
  if (raw.byteLength !== 8 * rows * (rows === 0 ? 0 : meta.columns.length + 1))
    throw new Error("The measures are damaged: their size is not what was announced.");
  const column = (place: number) => new Float64Array(raw, 8 * rows * place, rows);
  return {
    start: meta.start,
    times: rows === 0 ? new Float64Array(0) : column(0),
    columns: rows === 0 ? [] : meta.columns.map((told, i) => ({ ...told, values: column(i + 1) })),
  };
}
