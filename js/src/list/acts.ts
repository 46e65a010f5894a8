import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { asServiceError, type Connection, isAbort } from "../connection";
import { countOf, formatCount } from "../format";
import type { BatchProgress, ServiceError, TaskKill } from "../protocol";
import type { ListedTask } from "./tasks";

/** What an act on several tasks came to, until it is dismissed. */
export interface Outcome {
  tone: "ok" | "warn" | "err";
  text: string;
  /** Of each task that it did not work for. */
  failures: { task_id: string; error: ServiceError }[];
}

export type Question = "kill" | "download" | null;

/** Ticked tasks, and what is done with all of them: killed, downloaded. */
export class TaskActs {
  readonly selected = signal<ReadonlySet<string>>(new Set());
  readonly tasks: ReadonlySignal<ListedTask[]>;
  readonly killable: ReadonlySignal<ListedTask[]>;
  /** Ended, so there may be files. */
  readonly ended: ReadonlySignal<ListedTask[]>;
  readonly question = signal<Question>(null);
  /** Tasks that the next question is about. */
  readonly asked = signal<readonly ListedTask[]>([]);
  /** Killed here, and not yet seen to have ended. */
  readonly killing = signal<ReadonlySet<string>>(new Set());
  /** The kernel or server has not taken the kill yet. */
  readonly waiting = signal(false);
  readonly outcome = signal<Outcome | null>(null);
  readonly batch = signal<BatchProgress | null>(null);
  /** Where downloads go, once the service has reported it. */
  readonly target = signal<string | null>(null);
  readonly #connection: Connection;
  /** Ends with what is shown: what comes later is of another backend or key. */
  #abort = new AbortController();
  readonly #announce: (text: string) => void;
  #unsubscribe: () => void = () => {};

  constructor(
    connection: Connection,
    all: ReadonlySignal<ListedTask[] | null>,
    announce: (text: string) => void,
  ) {
    this.#connection = connection;
    this.#announce = announce;
    this.tasks = computed(() => {
      const selected = this.selected.value;
      return selected.size === 0 ? [] : (all.value ?? []).filter((task) => selected.has(task.task_id));
    });
    this.killable = computed(() => this.tasks.value.filter((task) => task.is_killable));
    this.ended = computed(() => this.tasks.value.filter(hasFiles));
  }

  dispose(): void {
    this.#abort.abort();
    this.#unsubscribe();
  }

  /** Forgets all, as when another backend is shown. */
  reset(): void {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.waiting.value = false;
    this.selected.value = new Set();
    this.killing.value = new Set();
    this.question.value = null;
    this.outcome.value = null;
    this.batch.value = null;
    this.target.value = null;
    this.#unsubscribe();
  }

  // ---- ticking ----

  select(taskIds: Iterable<string>, on: boolean): void {
    const next = new Set(this.selected.peek());
    for (const id of taskIds) on ? next.add(id) : next.delete(id);
    this.selected.value = next;
    if (this.outcome.peek()?.tone === "ok") this.outcome.value = null;
  }

  /** Ticks these and no others. */
  tick(taskIds: Iterable<string>): void {
    this.selected.value = new Set(taskIds);
  }

  clear(): void {
    this.selected.value = new Set();
  }

  // ---- kill ----

  askKill(tasks: readonly ListedTask[]): void {
    if (!tasks.some((task) => task.is_killable)) return;
    this.asked.value = tasks;
    this.question.value = "kill";
  }

  cancelQuestion(): void {
    this.question.value = null;
  }

  async kill(): Promise<void> {
    const tasks = this.asked.peek().filter((task) => task.is_killable);
    const task_ids = tasks.map((task) => task.task_id);
    this.question.value = null;
    this.outcome.value = null;
    this.killing.value = new Set([...this.killing.peek(), ...task_ids]);
    const { signal } = this.#abort;
    try {
      const { result } = await this.#connection.call(
        "tasks.kill",
        { task_ids },
        {
          intent: `kill ${task_ids.join()}`,
          signal,
          onWaiting: (waiting) => {
            this.waiting.value = waiting;
          },
        },
      );
      if (signal.aborted) return;
      const unconfirmed = result.outcomes.filter(({ outcome }) => outcome === "pending");
      this.#stopKilling(
        task_ids,
        unconfirmed.map(({ task_id }) => task_id),
      );
      this.#tell(killOutcome(result.outcomes));
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      this.#stopKilling(task_ids, []);
      this.#tell(failed(error));
    } finally {
      if (!signal.aborted) this.waiting.value = false;
    }
  }

  #stopKilling(taskIds: readonly string[], except: readonly string[]): void {
    const left = new Set(this.killing.peek());
    for (const id of taskIds) if (!except.includes(id)) left.delete(id);
    this.killing.value = left;
  }

  // ---- download ----

  async askDownload(tasks: readonly ListedTask[]): Promise<void> {
    const ended = tasks.filter(hasFiles);
    if (ended.length === 0 || this.batch.peek()?.state === "running") return;
    this.asked.value = ended;
    this.question.value = "download";
    const { signal } = this.#abort;
    try {
      const task_ids = ended.map((task) => task.task_id);
      const params = { task_ids, filenames: null, plan: true };
      const { result } = await this.#connection.call("tasks.download", params, { signal });
      if (!signal.aborted) this.target.value = result.target;
    } catch {
      // The place is an extra here; what is wrong is reported when the download starts.
    }
  }

  /** `filenames`: names, folders or patterns; `null` for all files. */
  async download(filenames: string[] | null): Promise<void> {
    const task_ids = this.asked.peek().map((task) => task.task_id);
    this.question.value = null;
    this.outcome.value = null;
    const { signal } = this.#abort;
    try {
      const { result } = await this.#connection.call(
        "tasks.download",
        { task_ids, filenames },
        { intent: `download ${task_ids.join()}`, signal },
      );
      if (signal.aborted) return;
      this.batch.value = result;
      this.#unsubscribe();
      this.#unsubscribe = this.#connection.subscribe(`batch/${result.batch_id}`, (event) => {
        if (event.kind === "batch") this.#follow(event.batch);
      });
    } catch (error) {
      if (!isAbort(error) && !signal.aborted) this.#tell(failed(error));
    }
  }

  async cancelDownload(): Promise<void> {
    const batch = this.batch.peek();
    if (batch?.state !== "running") return;
    const params = { batch_id: batch.batch_id };
    // Its end comes as an event; a cancel that is lost can be pressed again.
    await this.#connection
      .call("batch.cancel", params, { intent: "cancel", signal: this.#abort.signal })
      .catch(() => {});
  }

  #follow(batch: BatchProgress): void {
    this.batch.value = batch.state === "running" ? batch : null;
    if (batch.state === "running") return;
    this.#unsubscribe();
    this.#unsubscribe = () => {};
    this.#tell(downloadOutcome(batch));
  }

  #tell(outcome: Outcome): void {
    this.outcome.value = outcome;
    this.#announce(outcome.text);
  }
}

export function hasFiles(task: ListedTask): boolean {
  return task.is_terminal && task.output_files !== 0;
}

/** `4 of 5 killed; 1 already finished`. */
export function killOutcome(outcomes: readonly TaskKill[]): Outcome {
  const count = (wanted: TaskKill["outcome"]) => outcomes.filter(({ outcome }) => outcome === wanted).length;
  const [killed, pending, late, refused] = [
    count("killed"),
    count("pending"),
    count("already-ended"),
    count("failed"),
  ];
  const all = outcomes.length;
  const parts: string[] = [];
  if (killed > 0)
    parts.push(killed === all ? `${countOf(killed, "task")} killed` : `${killed} of ${all} killed`);
  if (pending > 0) parts.push(`kill of ${formatCount(pending)} asked, not confirmed yet`);
  if (late > 0) parts.push(`${formatCount(late)} already finished`);
  if (refused > 0) parts.push(`${formatCount(refused)} could not be killed`);
  const failures = outcomes.flatMap(({ task_id, error }) => (error === null ? [] : [{ task_id, error }]));
  return { tone: refused > 0 ? "err" : killed === all ? "ok" : "warn", text: parts.join("; "), failures };
}

export function downloadOutcome(batch: BatchProgress): Outcome {
  const { state, tasks, tasks_done, failures, target, files_done } = batch;
  const good = tasks_done - failures.length;
  const where = `in ${target}`;
  if (state === "cancelled") {
    return { tone: "warn", text: `Download cancelled; ${good} of ${tasks} tasks are ${where}`, failures };
  }
  const files = countOf(files_done, "file");
  const text =
    failures.length === 0
      ? `${files} of ${countOf(tasks, "task")} verified ${where}`
      : `${good} of ${tasks} tasks downloaded to ${target}; ${failures.length} failed`;
  return { tone: failures.length === 0 ? "ok" : "err", text, failures };
}

function failed(error: unknown): Outcome {
  const detail = asServiceError(error);
  return { tone: "err", text: `${detail.message} ${detail.hint}`.trim(), failures: [] };
}
