import { MainAreaWidget } from "@jupyterlab/apputils";
import { Widget } from "@lumino/widgets";
import { shortId } from "../format";
import { type MountedMonitor, mount } from "../monitor/mount";
import type { BackendName } from "../protocol";
import { taskIcon } from "./icon";
import type { Page } from "./page";
import { ViewConnection, type ViewRights } from "./view-connection";

/** A task and where it runs: what is needed to open it, and to open it again after a reload. */
export interface TaskPlace {
  taskId: string;
  /** `null`: the server's default. */
  backend: BackendName | null;
}

/** One task in a tab of its own. */
export class TaskTab extends Widget {
  readonly #rights: ViewRights;
  readonly #page: Page;
  #shown: Shown;

  constructor(
    readonly place: TaskPlace,
    rights: ViewRights,
    page: Page,
  ) {
    super();
    this.addClass("iw-host");
    this.#rights = rights;
    this.#page = page;
    this.#shown = this.#show();
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.#hide();
    super.dispose();
  }

  protected override onAfterShow(): void {
    this.#shown.connection.setSeen(true);
  }

  /** Behind another tab nothing is asked for. */
  protected override onAfterHide(): void {
    this.#shown.connection.setSeen(false);
  }

  #show(): Shown {
    const { backend, taskId } = this.place;
    const connection = new ViewConnection(this.#page.connection.forBackend(backend), this.#rights);
    const reload = () => {
      this.#hide();
      this.#shown = this.#show();
    };
    const options = this.#page.monitorOptions({ taskId, fill: true, reload });
    return { connection, monitor: mount(this.node, connection, options) };
  }

  #hide(): void {
    this.#shown.monitor.dispose();
    this.#shown.connection.dispose();
  }
}

interface Shown {
  connection: ViewConnection;
  monitor: MountedMonitor;
}

export function tabId({ taskId, backend }: TaskPlace): string {
  return `inductiva-widgets-task-${backend?.id ?? "default"}-${taskId}`;
}

export function makeTab(place: TaskPlace, rights: ViewRights, page: Page): MainAreaWidget<TaskTab> {
  const tab = new MainAreaWidget({ content: new TaskTab(place, rights, page) });
  tab.id = tabId(place);
  tab.title.label = `Task ${shortId(place.taskId)}`;
  tab.title.caption = place.backend === null ? place.taskId : `${place.taskId} on ${place.backend.name}`;
  tab.title.icon = taskIcon;
  tab.title.closable = true;
  tab.toolbar.hide(); // empty, it would still draw a line
  return tab;
}
