import type { IStatusBar } from "@jupyterlab/statusbar";
import { Signal } from "@lumino/signaling";
import { Widget } from "@lumino/widgets";
import { effect, type ReadonlySignal, untracked } from "@preact/signals";
import { countOf } from "../format";
import { taskIcon } from "./icon";
import type { Page } from "./page";
import { RunningCount } from "./running";

/** Puts the number of running tasks into the status bar, for as long as the setting is on. */
export function showRunning(statusBar: IStatusBar, page: Page, onClick: () => void): void {
  let remove: (() => void) | null = null;
  effect(() => {
    const wanted = page.settings.values.value.statusBar;
    if (wanted === (remove !== null)) return;
    remove?.();
    // Its own signals are none of this effect's business.
    remove = wanted ? untracked(() => addItem(statusBar, page, onClick)) : null;
  });
}

function addItem(statusBar: IStatusBar, page: Page, onClick: () => void): () => void {
  const running = new RunningCount(page.connection);
  const item = new RunningItem(running.count, onClick);
  const registered = item.register(statusBar);
  return () => {
    registered.dispose();
    item.dispose();
    running.dispose();
  };
}

/** Shows how many tasks run; nothing while none does. */
class RunningItem extends Widget {
  readonly #changed = new Signal<this, void>(this);
  readonly #stop: () => void;
  #running = 0;

  constructor(running: ReadonlySignal<number>, onClick: () => void) {
    super();
    const button = document.createElement("button");
    const label = document.createElement("span");
    button.type = "button";
    button.className = "iw-status";
    button.title = "Show simulation tasks";
    button.addEventListener("click", onClick);
    button.append(taskIcon.element({ stylesheet: "statusBar", tag: "span" }), label);
    this.addClass("jp-mod-highlighted");
    this.node.append(button);
    this.#stop = effect(() => {
      this.#running = running.value;
      label.textContent = `${countOf(this.#running, "task")} running`;
      this.#changed.emit();
    });
  }

  /** Puts the item into the status bar; what is returned takes it out again. */
  register(statusBar: IStatusBar): { dispose(): void } {
    return statusBar.registerStatusItem("inductiva-widgets:running", {
      item: this,
      align: "left",
      rank: 60,
      isActive: () => this.#running > 0,
      activeStateChanged: this.#changed,
    });
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.#stop();
    super.dispose();
  }
}
