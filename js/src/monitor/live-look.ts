import { signal } from "@preact/signals";
import { asServiceError, isAbort } from "../connection";
import type { Method, Methods, ServiceError } from "../protocol";
import type { MonitorStore } from "./store";

/** Methods about a task that runs, of which only the task has to be named. */
type LiveMethod = Extract<Method, `live.${string}`>;

const PAUSE_MS = 5000;
/** A machine that cannot be reached is asked less often. */
const FAILED_PAUSE_MS = 20_000;
const HIDDEN_MS = 1000;

/** What is asked of a running task's machine again and again, as long as the view is visible. */
export class LiveLook<M extends LiveMethod> {
  readonly answer = signal<Methods[M]["result"] | null>(null);
  readonly error = signal<ServiceError | null>(null);
  readonly waiting = signal(false);
  readonly #monitor: MonitorStore;
  readonly #method: M;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isRunning = false;

  constructor(monitor: MonitorStore, method: M) {
    this.#monitor = monitor;
    this.#method = method;
  }

  /** Asks from now on. Returns what ends it; the last answer stays. */
  start(): () => void {
    this.#isRunning = true;
    clearTimeout(this.#timer);
    void this.#look();
    return () => {
      this.#isRunning = false;
      clearTimeout(this.#timer);
    };
  }

  async #look(): Promise<void> {
    let pause = HIDDEN_MS;
    if (this.#monitor.isSeen) pause = (await this.#ask()) ? PAUSE_MS : FAILED_PAUSE_MS;
    clearTimeout(this.#timer);
    if (this.#isRunning && !this.#monitor.isClosed) this.#timer = setTimeout(() => void this.#look(), pause);
  }

  async #ask(): Promise<boolean> {
    try {
      const { result } = await this.#monitor.call(
        this.#method,
        { task_id: this.#monitor.taskId },
        {
          intent: this.#method,
          onWaiting: (waiting) => {
            this.waiting.value = waiting;
          },
        },
      );
      this.answer.value = result;
      this.error.value = null;
      return true;
    } catch (error) {
      if (!isAbort(error)) this.error.value = asServiceError(error);
      return false;
    }
  }
}
