import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { asServiceError, type Connection, isAbort } from "./connection";
import type { ServiceError, TaskSummary } from "./protocol";
import { statusLook } from "./status";

/** Enough for a side panel: what is older is found by the search of the task table. */
const LAST_N = 100;

/** Events tell of known tasks at once; this finds new ones too, also where nobody sends events. */
const REFRESH_MS = 15_000;
/** Longest pause while the service does not answer. */
const LONGEST_REFRESH_MS = 120_000;

export type Group = "all" | "running" | "failed" | "done";

/** State of the list of tasks. */
export class TaskListStore {
  readonly tasks = signal<TaskSummary[] | null>(null);
  readonly total = signal(0);
  readonly error = signal<ServiceError | null>(null);
  readonly loading = signal(false);
  readonly query = signal("");
  readonly group = signal<Group>("all");
  /** Task last opened from here. */
  readonly opened = signal<string | null>(null);
  readonly now = signal(Date.now());
  readonly shown: ReadonlySignal<TaskSummary[]>;
  readonly #connection: Connection;
  readonly #abort = new AbortController();
  #unsubscribe: () => void = () => {};
  #timer: ReturnType<typeof setInterval> | undefined;
  #clockOffset = 0;
  #refreshAt = 0;
  #pause = REFRESH_MS;
  #visible = false;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.shown = computed(() => {
      const query = this.query.value.trim().toLowerCase();
      return (this.tasks.value ?? []).filter((task) => isIn(task, this.group.value) && matches(task, query));
    });
  }

  dispose(): void {
    this.#abort.abort();
    this.setVisible(false);
  }

  /** A panel that nobody sees asks and hears nothing; shown again, it asks at once if it is old. */
  setVisible(visible: boolean): void {
    if (visible === this.#visible) return;
    this.#visible = visible;
    clearInterval(this.#timer);
    this.#unsubscribe();
    this.#unsubscribe = () => {};
    if (!visible) return;
    this.#unsubscribe = this.#connection.subscribe(
      "tasks",
      (event) => {
        if (event.kind === "tasks") this.#accept(event.tasks, event.total);
      },
      () => void this.refresh(),
    );
    this.#timer = setInterval(this.#tick, 1000);
    this.#tick();
  }

  count(group: Group): number {
    return (this.tasks.value ?? []).filter((task) => isIn(task, group)).length;
  }

  async refresh(): Promise<void> {
    if (this.loading.peek()) return;
    this.loading.value = true;
    try {
      const { result } = await this.#connection.call(
        "tasks.list",
        { last_n: LAST_N },
        { signal: this.#abort.signal },
      );
      this.#accept(result.tasks, result.total);
      this.error.value = null;
      this.#pause = REFRESH_MS;
    } catch (error) {
      if (!isAbort(error)) this.error.value = asServiceError(error);
      this.#pause = Math.min(2 * this.#pause, LONGEST_REFRESH_MS);
    } finally {
      this.loading.value = false;
      this.#refreshAt = Date.now() + this.#pause;
    }
  }

  readonly #tick = (): void => {
    if (document.hidden) return;
    this.now.value = Date.now() + this.#clockOffset;
    if (Date.now() >= this.#refreshAt) void this.refresh();
  };

  #accept(tasks: TaskSummary[], total: number): void {
    this.tasks.value = tasks;
    this.total.value = total;
    const newest = Math.max(...tasks.map((task) => Date.parse(task.server_now)));
    if (Number.isFinite(newest)) this.#clockOffset = newest - Date.now();
    this.now.value = Date.now() + this.#clockOffset;
  }
}

function isIn(task: TaskSummary, group: Group): boolean {
  if (group === "all") return true;
  if (group === "running") return !task.is_terminal;
  const { tone } = statusLook(task.status);
  return task.is_terminal && (group === "done" ? tone === "ok" : tone === "err" || tone === "warn");
}

function matches(task: TaskSummary, query: string): boolean {
  if (query === "") return true;
  const words = [task.task_id, task.simulator, task.machine_type, task.project, task.status_alias];
  return words.some((word) => word?.toLowerCase().includes(query));
}
