import { signal } from "@preact/signals";
import { asServiceError, isAbort } from "../connection";
import type { FileModel } from "../files/file-model";
import type { MonitorStore } from "../monitor/store";
import type { FilePreview, ServiceError } from "../protocol";

/** A file that is looked into, and its bytes as far as they have come. */
export interface Opened {
  index: number;
  name: string;
  size: number;
  revision: string;
  /** `null` until the first bytes are there. */
  part: { meta: FilePreview; bytes: Uint8Array<ArrayBuffer> } | null;
  /** The last bytes of a long file, when they are looked at. */
  end: Uint8Array<ArrayBuffer> | null;
  busy: boolean;
  waiting: boolean;
  error: ServiceError | null;
}

/** Text is read on up to here; then there is its end. */
const TEXT_LIMIT = 1_000_000;

/** Looks into one file at a time, by ranges: nothing is downloaded. */
export class PreviewStore {
  readonly opened = signal<Opened | null>(null);
  readonly #monitor: MonitorStore;
  #abort = new AbortController();

  constructor(monitor: MonitorStore) {
    this.#monitor = monitor;
  }

  open(model: FileModel, index: number): void {
    this.close();
    this.opened.value = {
      index,
      name: model.name(index),
      size: model.size(index),
      revision: model.listing.meta.revision,
      part: null,
      end: null,
      busy: false,
      waiting: false,
      error: null,
    };
    void this.#read({});
  }

  close(): void {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.opened.value = null;
  }

  again(): void {
    void this.#read({});
  }

  /** The next bytes of a text: twice as many as are there. */
  async more(): Promise<void> {
    const part = this.opened.peek()?.part;
    if (part === null || part === undefined || part.bytes.length >= this.limit) return;
    const length = Math.min(this.limit - part.bytes.length, part.bytes.length);
    await this.#read({ offset: part.bytes.length, length });
  }

  showEnd(): Promise<void> {
    return this.#read({ end: true });
  }

  showStart(): void {
    this.#change({ end: null });
  }

  /** Bytes that `more` goes up to. */
  get limit(): number {
    return Math.min(this.opened.peek()?.size ?? 0, TEXT_LIMIT);
  }

  async #read(which: { offset?: number; length?: number; end?: boolean }): Promise<void> {
    const opened = this.opened.peek();
    if (opened === null || opened.busy) return;
    const { signal: abort } = this.#abort;
    this.#change({ busy: true, error: null });
    const params = {
      task_id: this.#monitor.taskId,
      revision: opened.revision,
      index: opened.index,
      ...which,
    };
    try {
      const { result, buffers } = await this.#monitor.call("outputs.preview", params, {
        signal: abort,
        onWaiting: (waiting) => {
          if (!abort.aborted) this.#change({ waiting });
        },
      });
      if (!abort.aborted)
        this.#take(result, new Uint8Array(buffers[0] ?? new ArrayBuffer(0)), which.end === true);
    } catch (error) {
      if (!abort.aborted && !isAbort(error)) this.#change({ error: asServiceError(error) });
    } finally {
      if (!abort.aborted) this.#change({ busy: false, waiting: false });
    }
  }

  #take(meta: FilePreview, bytes: Uint8Array<ArrayBuffer>, isEnd: boolean): void {
    if (isEnd) {
      this.#change({ end: bytes });
      return;
    }
    const before = meta.offset === 0 ? undefined : this.opened.peek()?.part?.bytes;
    if (before === undefined) {
      this.#change({ part: { meta, bytes }, size: meta.size });
      return;
    }
    const all = new Uint8Array(before.length + bytes.length);
    all.set(before);
    all.set(bytes, before.length);
    this.#change({ part: { meta: { ...meta, offset: 0 }, bytes: all } });
  }

  #change(rest: Partial<Opened>): void {
    const opened = this.opened.peek();
    if (opened !== null) this.opened.value = { ...opened, ...rest };
  }
}
