import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import { asServiceError, type Connection, isAbort, type TopicEvent } from "./connection";
import { formatCount } from "./format";
import type { DownloadProgress, ServiceError, TaskSummary } from "./protocol";
import { isOld, statusWord } from "./status";
import { FileModel } from "./table/file-model";
import { gzip, unpackListing } from "./table/listing";

/** Where an act of the user stands. `waiting`: the kernel or server has not taken it yet. */
export type Act = "idle" | "sent" | "waiting";

export type FilesState =
  | { kind: "none" }
  | { kind: "loading"; waiting: boolean }
  | { kind: "ready"; model: FileModel }
  | { kind: "failed"; error: ServiceError };

/** A failed act of the user, until it is dismissed or tried again. */
export interface Failure {
  act: "kill" | "download" | "cancel" | "refresh";
  error: ServiceError;
}

/** Python hears of a selection when the user pauses, not at each tick. */
const SELECTION_PAUSE_MS = 50;

/** State of one monitor. Everything that need not survive the page lives here, nothing else does. */
export class MonitorStore {
  readonly task = signal<TaskSummary | null>(null);
  /** The task could not be asked for at all. */
  readonly loadError = signal<ServiceError | null>(null);
  readonly refreshing = signal<Act>("idle");
  readonly files = signal<FilesState>({ kind: "none" });
  /** Counts changes inside the file model, which is not made of signals. */
  readonly filesVersion = signal(0);
  readonly download = signal<DownloadProgress | null>(null);
  readonly downloading = signal<Act>("idle");
  readonly cancelling = signal(false);
  readonly killing = signal<Act>("idle");
  /** The service's time at which the user's kill was taken. */
  readonly killAskedAt = signal<number | null>(null);
  readonly askingKill = signal(false);
  readonly failure = signal<Failure | null>(null);
  /** Said once to screen readers. */
  readonly announcement = signal("");
  /** The service's clock, in ms; ticks while something on screen depends on it. */
  readonly now = signal(Date.now());
  readonly connected: ReadonlySignal<boolean>;
  readonly isOld: ReadonlySignal<boolean>;

  readonly #connection: Connection;
  readonly #stops: (() => void)[] = [];
  readonly #abort = new AbortController();
  /** The service's clock minus ours, in ms. */
  #clockOffset = 0;
  #selectionTimer: ReturnType<typeof setTimeout> | undefined;
  /** File states that came before the listing they count in. */
  #earlyChanges: DownloadProgress[] = [];
  #visible = true;

  constructor(
    connection: Connection,
    readonly taskId: string,
    remembered: TaskSummary | null = null,
  ) {
    this.#connection = connection;
    this.connected = connection.connected;
    this.task.value = remembered;
    this.isOld = computed(() => this.task.value !== null && isOld(this.task.value, this.connected.value));
  }

  get peer(): "kernel" | "server" {
    return this.#connection.peer;
  }

  /** Number of ticked files. Read it beside `filesVersion`. */
  get selectedFiles(): number {
    const files = this.files.peek();
    return files.kind === "ready" ? files.model.selection.files : 0;
  }

  start(): void {
    const unsubscribe = this.#connection.subscribe(
      `task/${this.taskId}`,
      this.#onEvent,
      () => void this.refresh(false),
    );
    this.#stops.push(unsubscribe, this.#keepTime(), this.#loadFilesAtTheEnd());
    void this.refresh(false);
  }

  dispose(): void {
    this.#abort.abort();
    clearTimeout(this.#selectionTimer);
    for (const stop of this.#stops) stop();
  }

  /** A view that nobody sees keeps its clock still. */
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
      const { result } = await this.#connection.call(
        "task.get",
        { task_id: this.taskId, refresh: byUser },
        { signal: this.#abort.signal, onWaiting: (waiting) => setAct(this.refreshing, waiting) },
      );
      this.#accept(result);
      if (byUser && this.files.peek().kind !== "none") await this.loadFiles(true);
    } catch (error) {
      if (isAbort(error)) return;
      const detail = asServiceError(error);
      if (this.task.peek() === null) this.loadError.value = detail;
      else if (byUser && this.connected.peek()) this.failure.value = { act: "refresh", error: detail };
    } finally {
      this.refreshing.value = "idle";
    }
  }

  async loadFiles(refresh = false): Promise<void> {
    const before = this.files.peek();
    const older = before.kind === "ready" ? before.model : null;
    if (before.kind === "loading") return;
    // Rows that are there stay until better ones have come.
    if (older === null) this.files.value = { kind: "loading", waiting: false };
    try {
      const { result, buffers } = await this.#connection.call(
        "outputs.list",
        { task_id: this.taskId, refresh },
        {
          signal: this.#abort.signal,
          onWaiting: (waiting) => {
            if (this.files.peek().kind === "loading") this.files.value = { kind: "loading", waiting };
          },
        },
      );
      if (older?.listing.meta.revision === result.revision) return;
      const frame = buffers[0];
      if (frame === undefined) throw new Error("The file list came without its data.");
      const model = new FileModel(await unpackListing(result, frame));
      if (this.#abort.signal.aborted) return;
      if (older !== null) model.inherit(older);
      for (const progress of this.#earlyChanges) this.#applyChanges(model, progress);
      this.#earlyChanges = [];
      this.files.value = { kind: "ready", model };
      this.filesVersion.value += 1;
    } catch (error) {
      if (isAbort(error)) return;
      if (older === null) this.files.value = { kind: "failed", error: asServiceError(error) };
      else this.failure.value = { act: "refresh", error: asServiceError(error) };
    }
  }

  askKill(): void {
    if (this.task.peek()?.is_killable && this.connected.peek() && this.killing.peek() === "idle") {
      this.askingKill.value = true;
    }
  }

  keepRunning(): void {
    this.askingKill.value = false;
  }

  async kill(): Promise<void> {
    this.askingKill.value = false;
    this.failure.value = null;
    setAct(this.killing, false);
    try {
      const { result } = await this.#connection.call(
        "task.kill",
        { task_id: this.taskId },
        { intent: "kill", signal: this.#abort.signal, onWaiting: (waiting) => setAct(this.killing, waiting) },
      );
      this.#accept(result.task);
      if (result.outcome === "already-ended") this.announcement.value = "The task had already ended.";
      else if (!result.task.is_terminal) this.killAskedAt.value = Date.parse(result.task.server_now);
    } catch (error) {
      if (!isAbort(error)) this.#fail("kill", error);
    } finally {
      this.killing.value = "idle";
    }
  }

  async startDownload(what: "selection" | "all"): Promise<void> {
    const files = this.files.peek();
    if (files.kind !== "ready") return;
    const { model } = files;
    this.failure.value = null;
    if (this.downloading.peek() === "idle") this.downloading.value = "sent";
    try {
      const buffers = what === "all" ? [] : [await gzip(model.packSelection())];
      const { result } = await this.#connection.call(
        "outputs.download",
        { task_id: this.taskId, revision: model.listing.meta.revision },
        {
          buffers,
          intent: "download",
          signal: this.#abort.signal,
          onWaiting: (waiting) => setAct(this.downloading, waiting),
        },
      );
      // Events of this download may have overtaken the answer: they know more.
      if (this.download.peek()?.download_id !== result.download_id) this.#follow(result);
    } catch (error) {
      if (!isAbort(error)) this.#fail("download", error);
    } finally {
      this.downloading.value = "idle";
    }
  }

  async cancelDownload(): Promise<void> {
    const download = this.download.peek();
    if (download?.state !== "running") return;
    this.cancelling.value = true;
    try {
      await this.#connection.call(
        "outputs.cancel",
        { download_id: download.download_id },
        { intent: "cancel", signal: this.#abort.signal },
      );
    } catch (error) {
      this.cancelling.value = false;
      if (!isAbort(error)) this.#fail("cancel", error);
    }
  }

  dismissFailure(): void {
    this.failure.value = null;
  }

  /** The file model changed under the user's hand. `selection`: what is ticked did. */
  filesChanged(selection: boolean): void {
    this.filesVersion.value += 1;
    if (!selection) return;
    if (this.download.peek()?.state !== "running") this.download.value = null;
    clearTimeout(this.#selectionTimer);
    if (this.peer === "kernel") this.#selectionTimer = setTimeout(this.#tellSelection, SELECTION_PAUSE_MS);
  }

  // ---- what comes in ----

  /** A summary from elsewhere, e.g. the synced trait. */
  offer(summary: TaskSummary): void {
    this.#accept(summary);
  }

  readonly #onEvent = (event: TopicEvent): void => {
    if (event.kind === "task") this.#accept(event.task);
    else if (event.kind === "download") this.#follow(event.download);
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
    if (before !== null && before.status !== next.status)
      this.announcement.value = `Task is now ${statusWord(next)}.`;
  }

  #follow(progress: DownloadProgress): void {
    const before = this.download.peek();
    this.download.value = progress;
    const files = this.files.peek();
    if (files.kind === "ready") {
      this.#applyChanges(files.model, progress);
      this.filesVersion.value += 1;
    } else {
      this.#earlyChanges.push(progress);
    }
    if (progress.state === "running") return;
    this.cancelling.value = false;
    if (progress.state === "failed" && progress.error !== null) {
      this.failure.value = { act: "download", error: progress.error };
    }
    if (before?.state === "running") this.announcement.value = downloadOutcome(progress);
  }

  #applyChanges(model: FileModel, progress: DownloadProgress): void {
    if (progress.revision !== model.listing.meta.revision) return;
    model.applyChanges(progress.changed, progress.reasons);
    if (progress.state !== "running") model.forgetUnfinished();
  }

  #fail(act: Failure["act"], error: unknown): void {
    this.failure.value = { act, error: asServiceError(error) };
  }

  readonly #tellSelection = async (): Promise<void> => {
    const files = this.files.peek();
    if (files.kind !== "ready" || !this.connected.peek()) return;
    const { model } = files;
    const { revision } = model.listing.meta;
    const buffers = [await gzip(model.packSelection())];
    const params = { task_id: this.taskId, revision, count: model.count };
    // Nothing on screen hangs on this call: a lost one is mended by the next tick.
    await this.#connection
      .call("outputs.select", params, { buffers, signal: this.#abort.signal })
      .catch(() => {});
  };

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
        if (this.#visible && !document.hidden) this.#readClock();
      }, 1000);
    });
    return () => {
      stop();
      clearInterval(timer);
    };
  }

  #loadFilesAtTheEnd(): () => void {
    return effect(() => {
      const task = this.task.value;
      if (task?.is_terminal && task.output_files !== 0 && this.files.peek().kind === "none")
        void this.loadFiles();
    });
  }
}

function setAct(act: { value: Act }, waiting: boolean): void {
  act.value = waiting ? "waiting" : "sent";
}

function downloadOutcome({ state, files, files_done, target }: DownloadProgress): string {
  if (state === "done") return `${formatCount(files)} files verified in ${target}.`;
  if (state === "cancelled") return "Download cancelled.";
  return `Download failed, ${formatCount(files_done)} of ${formatCount(files)} files delivered.`;
}
