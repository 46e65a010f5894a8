import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import {
  asServiceError,
  type CallOptions,
  type Connection,
  type EventListener,
  isAbort,
  type Reply,
  type TopicEvent,
} from "../connection";
import { FilesStore } from "../files/store";
import type { LogsStore } from "../logs/store";
import { loadedParts } from "../parts/part-loader";
import type { Method, Methods, ServiceError, SimulatedTime, TaskSummary } from "../protocol";
import { isOld, statusWord } from "../status";
import { DetailsStore } from "./details-store";
import type { MachineStore } from "./machine-store";

/** Where an act of the user stands. `waiting`: the kernel or server has not taken it yet. */
export type Act = "idle" | "sent" | "waiting";

/** A failed act of the user, until it is dismissed or tried again. */
export interface Failure {
  act: "kill" | "download" | "cancel" | "pause" | "refresh";
  error: ServiceError;
}

export const TABS = ["files", "logs", "machine", "details"] as const;
export type Tab = (typeof TABS)[number];

/** Acts by key, as `KeyboardEvent.key` names it. */
export type KeyMap = Readonly<Record<string, () => void>>;

/** Errors that no further try of this view can mend. */
const ORPHANED: ReadonlySet<string> = new Set(["AccountChangedError", "UnknownBackendError"]);

/** What a host may change in a monitor. */
export interface MonitorOptions {
  /** Whether keys without Ctrl or Alt act, e.g. K; hosts with such keys of their own switch them off. */
  singleKeys?: boolean;
  /** Opens a folder of downloads; no host, no menu entry. */
  openFolder?: (path: string) => void;
  /** Nothing can be killed here. */
  readonly?: boolean;
  /** False: nothing can be downloaded either, as in a notebook that is not trusted. */
  downloads?: boolean;
  /** Shows the task anew, as the service and account are by now; no host, no such button. */
  reload?: () => void;
  /** Shared by several views of one task, which then tick the same files. */
  inStep?: Set<FilesStore>;
}

/**
 * State of one monitor. Everything that need not survive the page lives here, nothing else does.
 * What only one tab shows lives in a store of its own, made when it is first asked for.
 */
export class MonitorStore {
  readonly task = signal<TaskSummary | null>(null);
  /** The task could not be asked for at all. */
  readonly loadError = signal<ServiceError | null>(null);
  /** Calls of this view are no longer answered: the key or the service is another one by now. */
  readonly orphaned = signal<ServiceError | null>(null);
  readonly refreshing = signal<Act>("idle");
  readonly tab = signal<Tab>("files");
  /** What keys do at present: the view's own, then those of the tab that is open. */
  readonly keys = new Set<KeyMap>();
  readonly killing = signal<Act>("idle");
  /** The service's time at which the user's kill was taken. */
  readonly killAskedAt = signal<number | null>(null);
  readonly askingKill = signal(false);
  /** The list of keys is open. */
  readonly showingKeys = signal(false);
  /** How far the simulation is in its own time, when its log states it. */
  readonly progress = signal<SimulatedTime | null>(null);
  /** The view was there while the task computed: it keeps the room that a growing log wants. */
  readonly hasComputed = signal(false);
  readonly failure = signal<Failure | null>(null);
  /** Announced once to screen readers. */
  readonly announcement = signal("");
  /** The service's clock, in ms; ticks while something on screen depends on it. */
  readonly now = signal(Date.now());
  readonly connected: ReadonlySignal<boolean>;
  readonly isOld: ReadonlySignal<boolean>;
  readonly details: DetailsStore;
  /** Distinguishes the ids of one monitor's elements from another's. */
  readonly uid: string;

  readonly #connection: Connection;
  readonly #stops: (() => void)[] = [];
  readonly #abort = new AbortController();
  /** The service's clock minus ours, in ms. */
  #clockOffset = 0;
  #visible = true;
  #files: FilesStore | undefined;
  #logs: LogsStore | undefined;
  #machine: MachineStore | undefined;

  constructor(
    connection: Connection,
    readonly taskId: string,
    remembered: TaskSummary | null = null,
    readonly options: MonitorOptions = {},
  ) {
    this.#connection = connection;
    this.connected = connection.connected;
    this.task.value = remembered;
    this.isOld = computed(
      () =>
        this.task.value !== null &&
        isOld(this.task.value, this.connected.value && this.orphaned.value === null),
    );
    this.details = new DetailsStore(this);
    monitors += 1;
    this.uid = `iw${monitors}`;
  }

  get peer(): "kernel" | "server" {
    return this.#connection.peer;
  }

  get files(): FilesStore {
    this.#files ??= new FilesStore(this);
    return this.#files;
  }

  get logs(): LogsStore {
    this.#logs ??= new (loadedParts().LogsStore)(this);
    return this.#logs;
  }

  get machine(): MachineStore {
    this.#machine ??= new (loadedParts().MachineStore)(this);
    return this.#machine;
  }

  get isClosed(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Whether the monitor is visible now. */
  get isSeen(): boolean {
    return this.#visible && !document.hidden;
  }

  start(): void {
    const unsubscribe = this.#connection.subscribe(
      `task/${this.taskId}`,
      this.#onEvent,
      () => void this.refresh(false),
    );
    this.#stops.push(unsubscribe, this.#keepTime(), this.#loadFilesAtTheEnd(), this.#followProgress());
    void this.refresh(false);
    this.#stops.push(this.details.start());
  }

  dispose(): void {
    this.#abort.abort();
    for (const stop of this.#stops) stop();
    for (const part of [this.details, this.#files, this.#logs, this.#machine]) part?.dispose();
  }

  /** Whether the task can be killed, and the view may do it. */
  get mayKill(): boolean {
    return this.options.readonly !== true && this.task.value?.is_killable === true && !this.orphaned.value;
  }

  get mayDownload(): boolean {
    return this.options.downloads !== false;
  }

  /** A call that ends with the monitor. Monitors of other tasks may use the same connection: an intent is of this. */
  async call<M extends Method>(
    method: M,
    params: Methods[M]["params"],
    options: CallOptions = {},
  ): Promise<Reply<M>> {
    const intent = options.intent && { intent: `${options.intent} ${this.taskId}` };
    try {
      const all = { signal: this.#abort.signal, ...options, ...intent };
      const reply = await this.#connection.call(method, params, all);
      this.orphaned.value = null;
      return reply;
    } catch (error) {
      const detail = asServiceError(error);
      if (ORPHANED.has(detail.type)) this.orphaned.value = detail;
      throw error;
    }
  }

  /** Who subscribes ends that, with the monitor if not before. */
  subscribe(topic: string, onEvent: EventListener): () => void {
    return this.#connection.subscribe(topic, onEvent);
  }

  /** Announces a text to screen readers. Only the last of several is read: one change, one message. */
  announce(text: string): void {
    this.announcement.value = text;
  }

  fail(act: Failure["act"], error: unknown): void {
    const detail = asServiceError(error);
    if (!ORPHANED.has(detail.type)) this.failure.value = { act, error: detail }; // else a banner states it
  }

  /** A hidden view stops its clock. */
  setVisible(visible: boolean): void {
    this.#visible = visible;
    if (visible) this.#readClock();
  }

  // ---- acts ----

  /** Asks for the task. `byUser`: not satisfied with what the service remembers. */
  async refresh(byUser: boolean): Promise<void> {
    if (this.refreshing.peek() !== "idle") return;
    this.refreshing.value = "sent";
    if (this.failure.peek()?.act === "refresh") this.failure.value = null;
    try {
      const { result } = await this.call(
        "task.get",
        { task_id: this.taskId, refresh: byUser },
        { onWaiting: (waiting) => setAct(this.refreshing, waiting) },
      );
      this.#accept(result);
      if (!byUser) return;
      void this.details.load();
      if (this.files.state.peek().kind !== "none") await this.files.load(true);
    } catch (error) {
      if (isAbort(error)) return;
      const detail = asServiceError(error);
      if (this.task.peek() === null) this.loadError.value = detail;
      else if (byUser && this.connected.peek()) this.fail("refresh", error);
    } finally {
      this.refreshing.value = "idle";
    }
  }

  askKill(): void {
    if (this.mayKill && this.connected.peek() && this.killing.peek() === "idle") this.askingKill.value = true;
  }

  keepRunning(): void {
    this.askingKill.value = false;
  }

  async kill(): Promise<void> {
    this.askingKill.value = false;
    this.failure.value = null;
    setAct(this.killing, false);
    try {
      const { result } = await this.call(
        "task.kill",
        { task_id: this.taskId },
        { intent: "kill", onWaiting: (waiting) => setAct(this.killing, waiting) },
      );
      this.#accept(result.task);
      if (result.outcome === "already-ended") this.announce("The task had already ended.");
      else if (!result.task.is_terminal) this.killAskedAt.value = Date.parse(result.task.server_now);
    } catch (error) {
      if (!isAbort(error)) this.fail("kill", error);
    } finally {
      this.killing.value = "idle";
    }
  }

  dismissFailure(): void {
    this.failure.value = null;
  }

  // ---- what comes in ----

  /** A summary from elsewhere, e.g. the synced trait. */
  offer(summary: TaskSummary): void {
    this.#accept(summary);
  }

  readonly #onEvent = (event: TopicEvent): void => {
    if (event.kind === "task") this.#accept(event.task);
    else if (event.kind === "download") this.files.follow(event.download);
  };

  #accept(next: TaskSummary): void {
    const before = this.task.peek();
    if (next.task_id !== this.taskId) return;
    // Answers and events travel on their own ways and may arrive out of order.
    if (before !== null && Date.parse(next.server_now) < Date.parse(before.server_now)) return;
    this.#clockOffset = Date.parse(next.server_now) - Date.now();
    this.#readClock();
    this.loadError.value = null;
    this.task.value = next;
    if (next.is_terminal) {
      this.killAskedAt.value = null;
      this.askingKill.value = false;
    }
    if (before !== null && before.status !== next.status) this.announce(`Task is now ${statusWord(next)}.`);
  }

  // ---- time and files ----

  #readClock(): void {
    this.now.value = Date.now() + this.#clockOffset;
  }

  #keepTime(): () => void {
    let timer: ReturnType<typeof setInterval> | undefined;
    const stop = effect(() => {
      clearInterval(timer);
      if (this.task.value?.is_terminal === true) return;
      timer = setInterval(() => {
        if (this.isSeen) this.#readClock();
      }, 1000);
    });
    return () => {
      stop();
      clearInterval(timer);
    };
  }

  /** Listens to the progress while the task computes. */
  #followProgress(): () => void {
    const computes = computed(
      () =>
        this.task.value?.computation_started_at != null &&
        this.task.value.computation_ended_at === null &&
        !this.task.value.is_terminal,
    );
    return effect(() => {
      if (!computes.value) {
        this.progress.value = null;
        return undefined;
      }
      this.hasComputed.value = true;
      return this.#connection.subscribe(`progress/${this.taskId}#${this.uid}`, (event) => {
        if (event.kind === "progress") this.progress.value = event.progress;
      });
    });
  }

  #loadFilesAtTheEnd(): () => void {
    return effect(() => {
      const task = this.task.value;
      if (task?.is_terminal && task.output_files !== 0 && this.files.state.peek().kind === "none")
        void this.files.load();
    });
  }
}

let monitors = 0;

export function setAct(act: { value: Act }, waiting: boolean): void {
  act.value = waiting ? "waiting" : "sent";
}
