import { Widget } from "@lumino/widgets";
import { effect, signal, untracked } from "@preact/signals";
import type { TaskListHost } from "../list/host";
import { type MountedTaskList, mountTaskList } from "../list/mount";
import type { BackendName } from "../protocol";
import type { BackendEntry } from "./account";
import { taskIcon } from "./icon";
import type { ServerConnection } from "./server-connection";
import { versionTrouble } from "./version";
import { ViewConnection, type ViewRights } from "./view-connection";

/** What the panel cannot do itself. */
export interface PanelActs {
  open(taskId: string, backend: BackendName | null): void;
  insert(taskId: string): void;
}

/** The list of tasks at the side, of one backend at a time. */
export class TaskPanel extends Widget {
  /** Ids of the ticked tasks. */
  selected: readonly string[] = [];
  readonly #server: ServerConnection;
  readonly #connection: ViewConnection;
  readonly #list: MountedTaskList;
  /** Chosen by the user, also before the last reload; `null`: the server's default. */
  readonly #chosen = signal(chosenBefore());
  readonly #stop: () => void;
  #shown = "";

  constructor(server: ServerConnection, rights: ViewRights, acts: PanelActs) {
    super();
    this.id = "inductiva-widgets-tasks";
    this.addClass("iw-host");
    this.title.icon = taskIcon;
    this.title.caption = "Simulation tasks";
    this.#server = server;
    const chosen = this.#chosen.peek();
    const first = chosen === null ? null : { id: chosen, name: "the backend chosen last" };
    this.#connection = new ViewConnection(server.forBackend(first), rights);
    this.#list = mountTaskList(this.node, this.#connection, this.#host(acts));
    this.#stop = effect(() => {
      const backend = this.#backend();
      untracked(() => this.#follow(backend));
    });
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.#stop();
    this.#list.dispose();
    this.#connection.dispose();
    super.dispose();
  }

  #host(acts: PanelActs): TaskListHost {
    const server = this.#server;
    const { account } = server;
    const shown = () => this.#backend();
    return {
      layout: "panel",
      memory: "panel",
      account,
      onOpen: (taskId) => acts.open(taskId, shown()),
      onInsert: (taskId) => acts.insert(taskId),
      onSelect: (taskIds) => {
        this.selected = taskIds;
      },
      backends: {
        get current() {
          return shown()?.id ?? null;
        },
        list: async () => (await account.load()).backends,
        choose: (id) => {
          this.#chosen.value = id;
          keepChoice(id);
        },
      },
      get readonly() {
        return server.isReadonly;
      },
      get trouble() {
        const known = account.backends.value;
        return known === null ? null : versionTrouble(known.version);
      },
    };
  }

  #backend(): BackendEntry | null {
    const known = this.#server.account.backends.value;
    const find = (id: string | null) => known?.backends.find((entry) => entry.id === id) ?? null;
    return find(this.#chosen.value) ?? find(known?.default ?? null);
  }

  /** Another backend or key: nothing of the one before may stay on screen. */
  #follow(backend: BackendEntry | null): void {
    const shown = backend === null ? "" : `${backend.id}:${backend.account}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#connection.redirect(this.#server.forBackend(backend));
    this.#list.reset();
  }
}

const CHOICE = "inductiva-widgets:backend";

function chosenBefore(): string | null {
  try {
    return localStorage.getItem(CHOICE);
  } catch {
    return null; // a browser that keeps nothing
  }
}

function keepChoice(id: string): void {
  try {
    localStorage.setItem(CHOICE, id);
  } catch {
    // As above: the choice lasts for the page.
  }
}
