import { Notification } from "@jupyterlab/apputils";
import type { BackendName, NoticeEvent, TaskSummary } from "../protocol";
import { statusLook, statusWord } from "../status";
import { awayText, taskName } from "./notice-text";
import type { Settings } from "./settings";

/** Each in the notification centre with its own *Open*; a longer list is better read in the panel. */
const MOST_LISTED = 10;
/** Kept in the notification centre, not shown as a toast. */
const CENTRE_ONLY = 0;
const TOAST_MS = 8000;

export interface NoticeActions {
  open(taskId: string, backend: BackendName): void;
  showTasks(): void;
}

/** Reports in JupyterLab's own notifications what became of tasks. */
export class Notices {
  readonly #settings: Settings;
  readonly #actions: NoticeActions;

  constructor(settings: Settings, actions: NoticeActions) {
    this.#settings = settings;
    this.#actions = actions;
  }

  /** Called by the feed, once for each notice over all pages. */
  readonly show = (notice: NoticeEvent): void => {
    const { awayNotice, endNotices } = this.#settings.values.peek();
    if (notice.kind === "away" && awayNotice) this.#away(notice);
    if (notice.kind === "ended" && endNotices) this.#ended(notice.task);
  };

  #away({ since, finished, failed }: Extract<NoticeEvent, { kind: "away" }>): void {
    const tasks = [...failed, ...finished];
    if (tasks.length === 0) return;
    for (const task of tasks.slice(0, MOST_LISTED).reverse()) {
      this.#emit(task, { autoClose: CENTRE_ONLY, actions: [this.#openAction(task)] });
    }
    const show = { label: "Show tasks", callback: () => this.#actions.showTasks() };
    const more = {
      label: "Don't show again",
      caption: "Switch off notices of this kind",
      callback: this.#never("awayNotice"),
    };
    Notification.emit(
      awayText(finished.length, failed.length, since),
      failed.length > 0 ? "warning" : "info",
      {
        autoClose: TOAST_MS,
        actions: [{ ...show, displayType: "accent" }, more],
      },
    );
  }

  #ended(task: TaskSummary): void {
    const more = {
      label: "Don't show again",
      caption: "Switch off notices of this kind",
      callback: this.#never("endNotices"),
    };
    this.#emit(task, { autoClose: TOAST_MS, actions: [this.#openAction(task), more] });
  }

  #emit(task: TaskSummary, options: Notification.IOptions<null>): void {
    const { tone } = statusLook(task.status);
    const type = tone === "ok" ? "success" : tone === "err" ? "error" : "warning";
    Notification.emit(`${taskName(task)}: ${statusWord(task)}`, type, options);
  }

  #openAction(task: TaskSummary): Notification.IAction {
    return {
      label: "Open",
      displayType: "accent",
      callback: () => this.#actions.open(task.task_id, task.backend),
    };
  }

  #never(setting: "awayNotice" | "endNotices"): () => void {
    return () => void this.#settings.set(setting, false);
  }
}
