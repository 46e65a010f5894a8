import type { ISettingRegistry } from "@jupyterlab/settingregistry";
import { type ReadonlySignal, signal } from "@preact/signals";

/** Values of `schema/plugin.json`; these here hold where there is no setting registry. */
const DEFAULTS = {
  awayNotice: true,
  endNotices: true,
  downloadFolder: "",
  pollInterval: 1,
  statusBar: true,
  singleKeys: true,
};

type Values = typeof DEFAULTS;

/** The user's settings, as signals. */
export class Settings {
  readonly #values = signal<Values>(DEFAULTS);
  #registered: ISettingRegistry.ISettings | null = null;

  get values(): ReadonlySignal<Values> {
    return this.#values;
  }

  /** Follows the settings of a plugin. Until they are read, the defaults hold. */
  async follow(registry: ISettingRegistry, plugin: string): Promise<void> {
    const registered = await registry.load(plugin);
    const read = () => {
      this.#values.value = { ...DEFAULTS, ...(registered.composite as Partial<Values>) };
    };
    this.#registered = registered;
    registered.changed.connect(read);
    read();
  }

  /** As the settings editor would. */
  async set<K extends keyof Values>(name: K, value: Values[K]): Promise<void> {
    this.#values.value = { ...this.#values.peek(), [name]: value };
    await this.#registered?.set(name, value);
  }
}
