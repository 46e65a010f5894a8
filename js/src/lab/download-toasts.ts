import { Notification } from "@jupyterlab/apputils";
import type { Connection, TopicEvent } from "../connection";
import { countOf, formatSize } from "../format";
import type { BatchProgress, DownloadProgress } from "../protocol";

/** A success has been read by then; errors stay until they are closed. */
const SUCCESS_MS = 5000;

type Progress = DownloadProgress | BatchProgress;

/** One toast for each download, of a task or of several, from its start to its end. */
export class DownloadToasts {
  readonly #followed = new Set<string>();
  readonly #onEnd: () => void;

  /** `onEnd`: a download has ended, and files may have appeared. */
  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  /** Follows a download from its start. Twice does no harm. */
  readonly follow = (connection: Connection, started: Progress): void => {
    const key = idOf(started);
    if (started.state === "planned" || this.#followed.has(key)) return;
    this.#followed.add(key);
    const id = Notification.emit(progressText(started), "in-progress", { autoClose: false });
    let leave = () => {};
    const tell = (progress: Progress) => {
      if (!this.#followed.has(key)) return;
      if (progress.state === "running") {
        Notification.update({ id, message: progressText(progress), progress: share(progress) });
        return;
      }
      leave();
      this.#followed.delete(key);
      Notification.update({ id, ...ending(progress) });
      this.#onEnd();
    };
    if (started.state !== "running") {
      tell(started);
      return;
    }
    const hear = (progress: Progress | null) => {
      if (progress !== null && idOf(progress) === key) tell(progress);
    };
    const ask = () => void downloadsOf(connection, started).then((known) => known.forEach(hear));
    leave = connection.subscribe(topicOf(started), (event) => hear(progressOf(event)), ask);
    ask(); // it may have ended before we heard of its start
  };
}

/** A task's downloads as the service reports them; a new listener of a batch gets its state by the topic. */
async function downloadsOf(connection: Connection, progress: Progress): Promise<Progress[]> {
  if (isBatch(progress)) return [];
  const answer = connection.call("outputs.state", { task_id: progress.task_id });
  return answer.then(({ result }) => result.downloads).catch(() => []);
}

function isBatch(progress: Progress): progress is BatchProgress {
  return "batch_id" in progress;
}

function idOf(progress: Progress): string {
  return isBatch(progress) ? progress.batch_id : progress.download_id;
}

function topicOf(progress: Progress): string {
  return isBatch(progress) ? `batch/${progress.batch_id}` : `task/${progress.task_id}`;
}

function progressOf(event: TopicEvent): Progress | null {
  if (event.kind === "download") return event.download;
  return event.kind === "batch" ? event.batch : null;
}

interface Ending {
  message: string;
  type: Notification.TypeOptions;
  autoClose: number | false;
}

function ending(progress: Progress): Ending {
  const { state } = progress;
  if (state === "done") {
    const files = isBatch(progress) ? progress.files_done : progress.files;
    const message = `${countOf(files, "file")} verified in ${folderName(progress.target)}`;
    return { message, type: "success", autoClose: SUCCESS_MS };
  }
  if (state === "cancelled") return { message: "Download cancelled", type: "info", autoClose: SUCCESS_MS };
  return { message: `Download failed: ${reason(progress)}`, type: "error", autoClose: false };
}

function reason(progress: Progress): string {
  if (!isBatch(progress)) return progress.error?.message ?? "no reason given";
  const [first] = progress.failures;
  return `${progress.failures.length} of ${countOf(progress.tasks, "task")}. ${first?.error.message ?? ""}`;
}

function progressText(progress: Progress): string {
  const what = isBatch(progress) ? countOf(progress.tasks, "task") : countOf(progress.files, "file");
  return `Downloading ${what}, ${formatSize(progress.bytes)}`;
}

function share({ bytes, bytes_done }: Progress): number {
  return bytes === 0 ? 0 : bytes_done / bytes;
}

/** The end of a path is its most useful part, and notifications hold 140 letters. */
function folderName(target: string): string {
  return target.length <= 80 ? target : `…${target.slice(-79)}`;
}
