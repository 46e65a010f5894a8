import { signal } from "@preact/signals";
import { asServiceError, isAbort } from "../connection";
import { formatCount } from "../format";
import type { Act, MonitorStore } from "../monitor/store";
import { setAct } from "../monitor/store";
import { PreviewStore } from "../preview/store";
import type { DownloadProgress, Overwrite, ServiceError } from "../protocol";
import { type FilesMemory, noteFiles, recallFiles } from "./file-memory";
import { FileModel, type Form, packBits } from "./file-model";
import { gzip, unpackListing } from "./listing";

export type FilesState =
  | { kind: "none" }
  | { kind: "loading"; waiting: boolean }
  | { kind: "ready"; model: FileModel }
  | { kind: "failed"; error: ServiceError };

/** What to fetch: what is ticked, all files, the archive as it is, or what the last download did not deliver. */
export type Wanted = "selection" | "all" | "zip" | "rest";

/** The service's word for "a file with another content is there": a question, not a fault. */
export const CONFLICT = "FileConflictError";

/** Others are notified of a selection when the user pauses, not at each tick. */
const SELECTION_PAUSE_MS = 50;
const FORM = "inductiva-widgets:files-form";

/** The output files of a monitor's task: their listing, what is ticked, and the download. */
export class FilesStore {
  readonly state = signal<FilesState>({ kind: "none" });
  /** Counts changes inside the file model, which is not made of signals. */
  readonly version = signal(0);
  readonly download = signal<DownloadProgress | null>(null);
  readonly downloading = signal<Act>("idle");
  readonly cancelling = signal(false);
  /** Folder that the user chose; `null`: the usual one. */
  readonly folder = signal<string | null>(null);
  /** Where files go, as the service reports it. */
  readonly target = signal("");
  /** The field for another folder is open; what is wrong with the last one given. */
  readonly changing = signal(false);
  readonly folderError = signal<ServiceError | null>(null);
  readonly preview: PreviewStore;
  /** Pixels that the list is scrolled. */
  top = 0;

  readonly #monitor: MonitorStore;
  #selectionTimer: ReturnType<typeof setTimeout> | undefined;
  /** File states that came before the listing they count in. */
  #earlyChanges: DownloadProgress[] = [];
  /** What was chosen before the page was loaded again, until the listing is there. */
  #kept: Partial<FilesMemory> = {};

  constructor(monitor: MonitorStore) {
    this.#monitor = monitor;
    this.preview = new PreviewStore(monitor);
    monitor.options.inStep?.add(this);
  }

  /** Number of ticked files. Read it beside `version`. */
  get selected(): number {
    const files = this.state.peek();
    return files.kind === "ready" ? files.model.selection.files : 0;
  }

  dispose(): void {
    clearTimeout(this.#selectionTimer);
    this.preview.close();
    this.#monitor.options.inStep?.delete(this);
  }

  /** What a reload of the page should leave as it is. */
  note(): Partial<FilesMemory> {
    const files = this.state.peek();
    return files.kind === "ready" ? noteFiles(files.model, this.top) : this.#kept;
  }

  /** Takes what `note` gave, before the listing is asked for. */
  recall(kept: Partial<FilesMemory>): void {
    this.#kept = kept;
    this.top = kept.top ?? 0;
  }

  async load(refresh = false): Promise<void> {
    const before = this.state.peek();
    const older = before.kind === "ready" ? before.model : null;
    if (before.kind === "loading") return;
    // Rows that are there stay until better ones have come.
    if (older === null) this.state.value = { kind: "loading", waiting: false };
    try {
      const { result, buffers } = await this.#monitor.call(
        "outputs.list",
        { task_id: this.#monitor.taskId, refresh },
        {
          onWaiting: (waiting) => {
            if (this.state.peek().kind === "loading") this.state.value = { kind: "loading", waiting };
          },
        },
      );
      if (older?.listing.meta.revision === result.revision) return;
      const frame = buffers[0];
      if (frame === undefined) throw new Error("The file list came without its data.");
      const model = new FileModel(await unpackListing(result, frame), savedForm());
      if (this.#monitor.isClosed) return;
      if (older !== null) model.inherit(older);
      else recallFiles(model, this.#kept);
      for (const progress of this.#earlyChanges) this.#applyChanges(model, progress);
      this.#earlyChanges = [];
      this.target.value = result.target;
      this.state.value = { kind: "ready", model };
      this.version.value += 1;
      for (const other of this.#others()) this.#take(other.state.peek());
      if (older === null && this.selected > 0) this.changed(true);
      await Promise.all([this.#askDownloads(), this.#check()]);
    } catch (error) {
      if (isAbort(error)) return;
      if (older === null) this.state.value = { kind: "failed", error: asServiceError(error) };
      else this.#monitor.fail("refresh", error);
    }
  }

  /** `overwrite`: what becomes of files with another content; asked for when there are some. */
  async startDownload(what: Wanted, overwrite: Overwrite = "error"): Promise<void> {
    const files = this.state.peek();
    if (files.kind !== "ready" || !this.#monitor.mayDownload) return;
    const { model } = files;
    this.#monitor.dismissFailure();
    this.changing.value = false;
    if (this.downloading.peek() === "idle") this.downloading.value = "sent";
    try {
      const { result } = await this.#monitor.call(
        "outputs.download",
        {
          task_id: this.#monitor.taskId,
          revision: model.listing.meta.revision,
          ...(this.folder.peek() === null ? {} : { folder: this.folder.peek() ?? "" }),
          ...(overwrite === "error" ? {} : { overwrite }),
          ...(this.#isZip(what) ? { uncompress: false } : {}),
        },
        {
          buffers: await bitsOf(model, what),
          intent: "download",
          onWaiting: (waiting) => setAct(this.downloading, waiting),
        },
      );
      // Events of this download may have overtaken the answer: they are newer.
      if (this.download.peek()?.download_id !== result.download_id) this.follow(result);
    } catch (error) {
      if (!isAbort(error)) this.#monitor.fail("download", error);
    } finally {
      this.downloading.value = "idle";
    }
  }

  /** Whether it is the archive itself that is fetched, or fetched again. */
  #isZip(what: Wanted): boolean {
    const last = this.download.peek();
    return what === "zip" || (what === "rest" && last !== null && last.is_archive);
  }

  async pauseDownload(paused: boolean): Promise<void> {
    const download = this.download.peek();
    if (download?.state !== "running") return;
    const params = { download_id: download.download_id, paused };
    try {
      await this.#monitor.call("outputs.pause", params);
    } catch (error) {
      if (!isAbort(error)) this.#monitor.fail("pause", error);
    }
  }

  /** What trying again means: what is missing, else as the buttons say. */
  retryOf(): Wanted {
    const files = this.state.peek();
    if (files.kind === "ready" && files.model.local.undelivered.length > 0) return "rest";
    return this.selected > 0 ? "selection" : "all";
  }

  /** Forgets how the last download ended. */
  dismissDownload(): void {
    if (this.download.peek()?.state !== "running") this.download.value = null;
    this.#monitor.dismissFailure();
  }

  async cancelDownload(): Promise<void> {
    const download = this.download.peek();
    if (download?.state !== "running") return;
    this.cancelling.value = true;
    try {
      const params = { download_id: download.download_id };
      await this.#monitor.call("outputs.cancel", params, { intent: "cancel" });
    } catch (error) {
      this.cancelling.value = false;
      if (!isAbort(error)) this.#monitor.fail("cancel", error);
    }
  }

  /** Looks into the target folder; with `folder`, into that one, which then is the target. */
  async changeFolder(folder: string): Promise<void> {
    const before = this.folder.peek();
    this.folderError.value = null;
    this.folder.value = folder.trim() === "" ? null : folder.trim();
    try {
      await this.#check(true);
      this.changing.value = false;
      this.dismissDownload();
    } catch (error) {
      if (isAbort(error)) return;
      this.folder.value = before;
      this.folderError.value = asServiceError(error);
    }
  }

  setForm(form: Form): void {
    const files = this.state.peek();
    if (files.kind !== "ready" || files.model.form === form) return;
    files.model.setForm(form);
    saveForm(form);
    this.version.value += 1;
  }

  /** The user changed the file model. `selection`: what is ticked changed, too. */
  changed(selection: boolean): void {
    this.version.value += 1;
    if (!selection) return;
    if (this.download.peek()?.state !== "running") this.download.value = null;
    clearTimeout(this.#selectionTimer);
    this.#selectionTimer = setTimeout(this.#tellSelection, SELECTION_PAUSE_MS);
  }

  /** Takes the news of a download. */
  follow(progress: DownloadProgress): void {
    const before = this.download.peek();
    this.download.value = progress;
    const files = this.state.peek();
    if (files.kind === "ready") {
      this.#applyChanges(files.model, progress);
      this.version.value += 1;
    } else {
      this.#earlyChanges.push(progress);
    }
    if (progress.state === "running") return;
    this.cancelling.value = false;
    if (progress.state === "failed" && progress.error !== null && progress.error.type !== CONFLICT) {
      this.#monitor.failure.value = { act: "download", error: progress.error };
    }
    if (before?.state === "running") this.#monitor.announce(downloadOutcome(progress));
  }

  #applyChanges(model: FileModel, progress: DownloadProgress): void {
    if (progress.revision !== model.listing.meta.revision) return;
    model.local.apply(progress.changed, progress.reasons, progress.percents);
    if (progress.state !== "running") model.local.settle();
  }

  /**
   * What downloads did before this view came: its topic may have been listened to already, by another
   * view of the page, and then its events are not sent again.
   */
  async #askDownloads(): Promise<void> {
    const { result } = await this.#monitor
      .call("outputs.state", { task_id: this.#monitor.taskId })
      .catch(() => ({ result: { downloads: [] } }));
    const files = this.state.peek();
    for (const progress of result.downloads) {
      const known = this.download.peek();
      const isKnown = known?.download_id === progress.download_id;
      if (known === null || (!isKnown && known.state !== "running")) {
        this.follow(progress);
      } else if (
        isKnown &&
        files.kind === "ready" &&
        progress.revision === files.model.listing.meta.revision
      ) {
        // Events came meanwhile and are newer, but lack what happened before them.
        files.model.local.fill(progress.changed, progress.reasons);
        if (known.state !== "running") files.model.local.settle();
        this.version.value += 1;
      }
    }
  }

  /** Compares the target folder with the listing. What cannot be looked at is shown as not there. */
  async #check(isAnother = false): Promise<void> {
    const files = this.state.peek();
    if (files.kind !== "ready") return;
    const { model } = files;
    const folder = this.folder.peek();
    const { revision } = model.listing.meta;
    try {
      const { result } = await this.#monitor.call("outputs.check", {
        task_id: this.#monitor.taskId,
        revision,
        ...(folder === null ? {} : { folder }),
      });
      if (isAnother) model.local.clear();
      model.local.setChecked(result.changed);
      this.target.value = result.target;
      this.version.value += 1;
    } catch (error) {
      if (isAnother) throw error;
    }
  }

  *#others(): Iterable<FilesStore> {
    for (const other of this.#monitor.options.inStep ?? []) if (other !== this) yield other;
  }

  /** Ticks what is ticked in another view of the same listing. */
  #take(theirs: FilesState): void {
    const ours = this.state.peek();
    if (ours.kind !== "ready" || theirs.kind !== "ready") return;
    const [model, other] = [ours.model, theirs.model];
    if (model.listing.meta.revision !== other.listing.meta.revision) return;
    for (let i = 0; i < model.count; i += 1) {
      const ticked = other.isSelected(i);
      if (model.isSelected(i) !== ticked) model.select(i, ticked);
    }
    this.version.value += 1;
    if (this.download.peek()?.state !== "running") this.download.value = null;
  }

  readonly #tellSelection = async (): Promise<void> => {
    const files = this.state.peek();
    if (files.kind !== "ready") return;
    for (const other of this.#others()) other.#take(files);
    if (this.#monitor.peer !== "kernel" || !this.#monitor.connected.peek()) return;
    const { model } = files;
    const { revision } = model.listing.meta;
    const buffers = [await gzip(model.packSelection())];
    const params = { task_id: this.#monitor.taskId, revision, count: model.count };
    // Nothing on screen hangs on this call: a lost one is mended by the next tick.
    await this.#monitor.call("outputs.select", params, { buffers }).catch(() => {});
  };
}

function downloadOutcome({ state, files, files_done, target, is_archive }: DownloadProgress): string {
  if (state === "done" && is_archive) return `The archive is in ${target}.`;
  if (state === "done") return `${formatCount(files)} files verified in ${target}.`;
  if (state === "cancelled") return "Download cancelled.";
  return `Download failed, ${formatCount(files_done)} of ${formatCount(files)} files delivered.`;
}

/** Buffers that name the files. */
async function bitsOf(model: FileModel, what: Wanted): Promise<ArrayBuffer[]> {
  if (what === "selection") return [await gzip(model.packSelection())];
  const rest = new Set(what === "rest" ? model.local.undelivered : []);
  return rest.size === 0 ? [] : [await gzip(packBits(model.count, (file) => rest.has(file)))];
}

/** The form that the user chose last, in whatever view. */
function savedForm(): Form {
  try {
    return localStorage.getItem(FORM) === "list" ? "list" : "tree";
  } catch {
    return "tree"; // a frame without storage
  }
}

function saveForm(form: Form): void {
  try {
    localStorage.setItem(FORM, form);
  } catch {
    // As above.
  }
}
