import type { JupyterFrontEnd } from "@jupyterlab/application";
import { effect } from "@preact/signals";
import type { MountOptions } from "../monitor/mount";
import { DownloadToasts } from "./download-toasts";
import { ServerConnection } from "./server-connection";
import { Settings } from "./settings";

const REFRESH_FILES = "filebrowser:refresh";
const GO_TO_FOLDER = "filebrowser:go-to-path";

/** What all views of a page share: one connection with one event stream, and the user's settings. */
export class Page {
  readonly connection: ServerConnection;
  readonly downloads: DownloadToasts;
  readonly settings = new Settings();
  readonly #commands: JupyterFrontEnd["commands"];

  constructor({ commands, serviceManager }: JupyterFrontEnd) {
    this.#commands = commands;
    this.connection = new ServerConnection(serviceManager.serverSettings);
    effect(() => this.connection.setMinInterval(this.settings.values.value.pollInterval));
    // By itself the file browser looks once in a while only.
    this.downloads = new DownloadToasts(() => this.#run(REFRESH_FILES));
  }

  /** Options of a view, with what JupyterLab adds to them. */
  monitorOptions(options: MountOptions): MountOptions {
    const { settings, connection } = this;
    return {
      ...options,
      openFolder: (path) => this.#run(GO_TO_FOLDER, { path }),
      // Read when it matters: settings and backends change while views live.
      get singleKeys() {
        return settings.values.peek().singleKeys;
      },
      get readonly() {
        return options.readonly === true || connection.isReadonly;
      },
    };
  }

  #run(command: string, args: Record<string, string> = {}): void {
    if (this.#commands.hasCommand(command)) void this.#commands.execute(command, args);
  }
}
