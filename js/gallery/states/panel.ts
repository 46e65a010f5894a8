/** The list of tasks at the side. */
import tasksAll from "../../../tests/golden/protocol/tasks-all.json";
import tasksDownload from "../../../tests/golden/protocol/tasks-download.json";
import tasksKill from "../../../tests/golden/protocol/tasks-kill.json";
import tasksList from "../../../tests/golden/protocol/tasks-list.json";
import tasksListEmpty from "../../../tests/golden/protocol/tasks-list-empty.json";
import tasksListNoKey from "../../../tests/golden/protocol/tasks-list-no-key.json";
import tasksListStale from "../../../tests/golden/protocol/tasks-list-stale.json";
import type { TaskListHost } from "../../src/list/host";
import { choose, click, type Scene, type State, tickTasks, type } from "../scene";

/** What JupyterLab offers to the list at the side. */
const LAB: TaskListHost = {
  onOpen: () => {},
  onInsert: () => {},
  account: {
    setKey: (_, replace) => Promise.resolve(replace ? "saved" : "exists"),
    startEngine: () => new Promise(() => {}),
    documentation: "https://docs.inductiva.ai/",
  },
};

function panel(transcripts: readonly object[], rest: Partial<State> = {}): State {
  return { transcripts, taskId: "", list: LAB, panel: true, peer: "server", ...rest };
}

/** Events in the recorded list, before those of the download. */
const LISTED = 1;

/** Ticks three tasks that have ended, and asks for their download. */
async function askForDownload(scene: Scene): Promise<void> {
  await tickTasks(scene, [4, 5, 6]);
  await click(scene.root, ".iw-psel .iw-b:not(.ghost, .danger)");
  await scene.settled();
}

/** Chooses the same files of each. */
export async function askForSame(scene: Scene): Promise<void> {
  await askForDownload(scene);
  await click(scene.root, ".iw-ask label:nth-of-type(2) input");
  await scene.settled();
}

export async function downloadTasks(scene: Scene, events: number): Promise<void> {
  await askForDownload(scene);
  await click(scene.root, ".iw-ask .primary");
  await scene.settled();
  scene.connection.play(LISTED + events);
  await scene.settled();
}

export const panelStates: Record<string, State> = {
  panel: panel([tasksList, tasksAll], { after: ({ root }) => click(root, ".iw-pl") }),
  "panel-selected": panel([tasksList, tasksAll], {
    async after(scene) {
      await type(scene, ".iw-psec input", "openfoam");
      await tickTasks(scene, [1, 2]);
    },
  }),
  "panel-searching": panel([tasksList], {
    before: (connection) => connection.held.add("tasks.all"),
    after: (scene) => type(scene, ".iw-psec input", "gromacs"),
  }),
  "panel-nothing-found": panel([tasksList, tasksAll], {
    after: (scene) => type(scene, ".iw-psec input", "fluent"),
  }),
  "panel-kill-question": panel([tasksList, tasksKill], {
    async after(scene) {
      await tickTasks(scene, [1, 2, 3, 4]);
      await click(scene.root, ".iw-psel .danger");
    },
  }),
  "panel-killed": panel([tasksList, tasksKill], {
    async after(scene) {
      await tickTasks(scene, [1, 2, 3]);
      await click(scene.root, ".iw-psel .danger");
      await scene.settled();
      await click(scene.root, ".iw-ask .danger");
    },
  }),
  "panel-download-question": panel([tasksList, tasksDownload], {
    after: askForSame,
  }),
  "panel-downloading": panel([tasksList, tasksDownload], {
    after: (scene) => downloadTasks(scene, 2),
  }),
  "panel-download-failed": panel([tasksList, tasksDownload], {
    async after(scene) {
      await downloadTasks(scene, 3);
      await click(scene.root, ".iw-said summary");
    },
  }),
  "panel-menu": panel([tasksList], { after: ({ root }) => click(root, "[aria-label='Sort and group']") }),
  "panel-projects": panel([tasksList, tasksAll], {
    after: (scene) => choose(scene, "Sort and group", "Project"),
  }),
  "panel-longest": panel([tasksList, tasksAll], {
    after: (scene) => choose(scene, "Sort and group", "Longest"),
  }),
  "panel-keys": panel([tasksList], { after: (scene) => choose(scene, "More actions", "Keys") }),
  "panel-stale": panel([tasksListStale]),
  "panel-disconnected": panel([tasksList], { after: ({ connection }) => connection.disconnect() }),
  "panel-no-key": panel([tasksListNoKey]),
  "panel-key": panel([tasksListNoKey], {
    async after({ root, settled }) {
      await click(root, ".iw-hello .primary");
      await settled();
      const field = root.querySelector<HTMLInputElement>("[type=password]");
      if (field !== null) field.value = "not-a-key";
      await click(root, "[type=submit]");
    },
  }),
  "panel-no-key-kernel": panel([tasksListNoKey], { list: { onOpen: () => {} } }),
  "panel-empty": panel([tasksListEmpty]),
  "panel-loading": panel([tasksList], { before: (connection) => connection.held.add("tasks.list") }),
  "panel-backends": panel([tasksList], {
    list: {
      ...LAB,
      backends: {
        list: () =>
          Promise.resolve([
            { id: "f51124d7652f", name: "api.inductiva.ai" },
            { id: "000000000000", name: "local engine" },
          ]),
        choose: () => {},
      },
    },
  }),
};
