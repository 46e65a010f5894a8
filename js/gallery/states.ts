import downloadCancelled from "../../tests/golden/protocol/download-cancelled.json";
import downloadDone from "../../tests/golden/protocol/download-done.json";
import downloadFailed from "../../tests/golden/protocol/download-failed.json";
import outputsList from "../../tests/golden/protocol/outputs-list.json";
import taskFailed from "../../tests/golden/protocol/task-failed.json";
import taskKill from "../../tests/golden/protocol/task-kill.json";
import taskNoOutputs from "../../tests/golden/protocol/task-no-outputs.json";
import taskNotFound from "../../tests/golden/protocol/task-not-found.json";
import taskQueued from "../../tests/golden/protocol/task-queued.json";
import taskRunning from "../../tests/golden/protocol/task-running.json";
import taskRunningLocal from "../../tests/golden/protocol/task-running-local.json";
import taskStale from "../../tests/golden/protocol/task-stale.json";
import taskStaleRefused from "../../tests/golden/protocol/task-stale-refused.json";
import taskSuccess from "../../tests/golden/protocol/task-success.json";
import taskUnknownStatus from "../../tests/golden/protocol/task-unknown-status.json";
import tasksList from "../../tests/golden/protocol/tasks-list.json";
import tasksListEmpty from "../../tests/golden/protocol/tasks-list-empty.json";
import tasksListNoKey from "../../tests/golden/protocol/tasks-list-no-key.json";
import tasksListStale from "../../tests/golden/protocol/tasks-list-stale.json";
import type { ReplayConnection } from "../test/replay-connection";

interface Scene {
  connection: ReplayConnection;
  root: HTMLElement;
  settled(): Promise<void>;
}

export interface State {
  transcripts: readonly object[];
  taskId: string;
  /** The list of tasks instead of a monitor. */
  panel?: boolean;
  peer?: "kernel" | "server";
  before?(connection: ReplayConnection): void;
  after?(scene: Scene): void | Promise<void>;
}

const OPENFOAM = "i4ir3kvv62odsfrhko4y8w2an";

function monitor(transcripts: readonly object[], rest: Partial<State> = {}): State {
  return { transcripts, taskId: OPENFOAM, ...rest };
}

function panel(transcript: object, rest: Partial<State> = {}): State {
  return { transcripts: [transcript], taskId: "", panel: true, peer: "server", ...rest };
}

function click(root: HTMLElement, selector: string): void {
  const element = root.querySelector<HTMLElement>(selector);
  if (element === null) throw new Error(`nothing matches ${selector}`);
  element.click();
}

/** Ticks the file in each of these rows. */
async function tick({ root, settled }: Scene, rows: readonly number[]): Promise<void> {
  for (const row of rows) click(root, `.iw-space [data-row="${row}"]`);
  await settled();
}

/** Rows of the files in the recorded downloads. */
const DOWNLOADED = [2, 3, 4, 5, 6, 7, 8, 9];

function download(transcript: object, events: number): State {
  return monitor([taskSuccess, outputsList, transcript], {
    async after(scene) {
      scene.connection.play(1);
      await tick(scene, DOWNLOADED);
      click(scene.root, ".iw-foot .primary");
      await scene.settled();
      scene.connection.play(events);
    },
  });
}

export const states: Record<string, State> = {
  loading: monitor([taskRunning], { before: (connection) => connection.held.add("task.get") }),
  "loading-files": monitor([taskSuccess], { before: (connection) => connection.held.add("outputs.list") }),
  "waiting-files": monitor([taskSuccess], { before: (connection) => connection.waiting.add("outputs.list") }),
  queued: monitor([taskQueued], { taskId: "67iubpw0t3k9x2vd8qsy5mcn4" }),
  running: monitor([taskRunning]),
  "running-local": monitor([taskRunningLocal], { taskId: "w7e2k9r4t1y6u3i8o5p0a2s4d" }),
  "kill-question": monitor([taskRunning], { after: ({ root }) => click(root, "button.kill") }),
  "kill-waiting": monitor([taskRunning], {
    before: (connection) => connection.waiting.add("task.kill"),
    async after({ root, settled }) {
      click(root, "button.kill");
      await settled();
      click(root, ".iw-ban .danger");
    },
  }),
  killing: monitor([taskKill], {
    async after({ root, settled }) {
      click(root, "button.kill");
      await settled();
      click(root, ".iw-ban .danger");
    },
  }),
  success: monitor([taskSuccess, outputsList]),
  "success-selected": monitor([taskSuccess, outputsList], {
    async after(scene) {
      await tick(scene, [4, 5, 7, 9]);
      const grid = scene.root.querySelector<HTMLElement>(".iw-grid");
      grid?.focus();
      grid?.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowUp" }));
    },
  }),
  "success-search": monitor([taskSuccess, outputsList], {
    after({ root }) {
      const field = root.querySelector("input");
      if (field === null) throw new Error("no search field");
      field.value = "alpha";
      field.dispatchEvent(new InputEvent("input"));
    },
  }),
  "search-nothing": monitor([taskSuccess, outputsList], {
    after({ root }) {
      const field = root.querySelector("input");
      if (field === null) throw new Error("no search field");
      field.value = "velocity";
      field.dispatchEvent(new InputEvent("input"));
    },
  }),
  "download-waiting": monitor([taskSuccess, outputsList], {
    before: (connection) => connection.waiting.add("outputs.download"),
    async after(scene) {
      await tick(scene, [4, 5, 7]);
      click(scene.root, ".iw-foot .primary");
    },
  }),
  downloading: download(downloadDone, 2),
  "download-done": download(downloadDone, 4),
  "download-failed": download(downloadFailed, 3),
  "download-cancelled": download(downloadCancelled, 3),
  "no-outputs": monitor([taskNoOutputs]),
  failed: monitor([taskFailed], { taskId: "9tq0sxk2m4w7v1c8z5r3yc1fe" }),
  stale: monitor([taskStale]),
  "stale-files": monitor([taskSuccess, outputsList], {
    // Files of a task that ended, then the network goes.
    after: ({ connection }) => connection.disconnect(),
  }),
  "stale-refused": monitor([taskStaleRefused]),
  disconnected: monitor([taskRunning], { after: ({ connection }) => connection.disconnect() }),
  "not-found": monitor([taskNotFound]),
  "unknown-status": monitor([taskUnknownStatus], { taskId: "p4c1zt8m0q7w2x9vb6k3j5d1s" }),
  panel: panel(tasksList, { after: ({ root }) => click(root, ".iw-pl") }),
  "panel-stale": panel(tasksListStale),
  "panel-no-key": panel(tasksListNoKey),
  "panel-empty": panel(tasksListEmpty),
  "panel-loading": panel(tasksList, { before: (connection) => connection.held.add("tasks.list") }),
};
