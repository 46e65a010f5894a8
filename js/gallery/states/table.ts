/** The list of tasks as a table. */
import detailsRunning from "../../../tests/golden/protocol/details-running.json";
import taskRunning from "../../../tests/golden/protocol/task-running.json";
import tasksAll from "../../../tests/golden/protocol/tasks-all.json";
import tasksCompare from "../../../tests/golden/protocol/tasks-compare.json";
import tasksDownload from "../../../tests/golden/protocol/tasks-download.json";
import tasksKill from "../../../tests/golden/protocol/tasks-kill.json";
import tasksList from "../../../tests/golden/protocol/tasks-list.json";
import tasksListEmpty from "../../../tests/golden/protocol/tasks-list-empty.json";
import tasksListStale from "../../../tests/golden/protocol/tasks-list-stale.json";
import tasksProjects from "../../../tests/golden/protocol/tasks-projects.json";
import type { TaskListHost } from "../../src/list/host";
import type { TaskSummary } from "../../src/protocol";
import { choose, click, OPENFOAM, type Scene, type State, tickTasks, type } from "../scene";
import { askForSame, downloadTasks } from "./panel";

function table(transcripts: readonly object[], rest: Partial<State> = {}): State {
  return { transcripts, taskId: "", list: { layout: "table", onOpen: () => {} }, ...rest };
}

/** The newest of the recorded projects at first. */
const SIX: TaskListHost = { layout: "table", onOpen: () => {}, lastN: 6 };

/** Kills the three that run or wait; the last one has ended by itself. */
async function kill(scene: Scene): Promise<void> {
  await tickTasks(scene, [1, 2, 3]);
  await click(scene.root, ".iw-psel .danger");
  await scene.settled();
  await click(scene.root, ".iw-ask .danger");
  await scene.settled();
  const { tasks, total } = tasksKilled();
  scene.connection.deliver("tasks", 1, { kind: "tasks", tasks, total });
}

/** The recorded list after the recorded kill. */
function tasksKilled(): { tasks: TaskSummary[]; total: number } {
  const { message } = tasksList.messages[3] as unknown as {
    message: { result: { tasks: TaskSummary[]; total: number } };
  };
  const { tasks, total } = message.result;
  const ended = {
    is_terminal: true,
    is_killable: false,
    tasks_ahead: null,
    ended_at: "2026-11-21T13:02:11Z",
  };
  const killed = { ...ended, status: "killed", status_alias: "Killed" };
  const done = { ...ended, status: "success", status_alias: "Success" };
  return {
    tasks: tasks.map((task, row) => (row > 2 ? task : { ...task, ...(row < 2 ? killed : done) })),
    total,
  };
}

export const tableStates: Record<string, State> = {
  table: table([tasksList, tasksAll]),
  "table-selected": table([tasksList], { after: (scene) => tickTasks(scene, [1, 2]) }),
  "table-kill-question": table([tasksList], {
    async after(scene) {
      await tickTasks(scene, [1, 2, 3, 4]);
      await click(scene.root, ".iw-psel .danger");
    },
  }),
  "table-killed": table([tasksList, tasksKill], { after: kill }),
  "table-download-question": table([tasksList, tasksDownload], {
    async after(scene) {
      await askForSame(scene);
      await type(scene, ".iw-ask .iw-text", "stdout.txt, vtk/*.vtk");
    },
  }),
  "table-downloading": table([tasksList, tasksDownload], { after: (scene) => downloadTasks(scene, 2) }),
  "table-download-failed": table([tasksList, tasksDownload], {
    async after(scene) {
      await downloadTasks(scene, 3);
      await click(scene.root, ".iw-said summary");
    },
  }),
  "table-keys": table([tasksList, tasksAll], { after: (scene) => choose(scene, "More actions", "Keys") }),
  "table-search": table([tasksList, tasksAll], {
    after: (scene) => type(scene, ".iw-filters input", "openfoam"),
  }),
  "table-projects": table([tasksProjects], {
    list: SIX,
    after: (scene) => choose(scene, "More actions", "Project"),
  }),
  "table-notes": table([tasksProjects], {
    list: SIX,
    async after(scene) {
      // Notes are known once all tasks are.
      await choose(scene, "More actions", "Project");
      await choose(scene, "More actions", "case");
    },
  }),
  "table-filtered": {
    transcripts: [tasksList, tasksAll],
    taskId: OPENFOAM,
    table: { filters: { status: "success", project: "default" } },
  },
  "table-opened": {
    transcripts: [tasksList, taskRunning, detailsRunning],
    taskId: OPENFOAM,
    table: { lastN: 100 },
    after: ({ root }) => click(root, ":is(.iw-pl, .iw-tr:not(.head))"),
  },
  "table-compared": {
    transcripts: [tasksList, tasksCompare],
    taskId: OPENFOAM,
    table: {},
    after: async (scene) => {
      await tickTasks(scene, [1, 2]);
      await scene.settled();
      await click(scene.root, "[title='Compare (C)']");
    },
  },
  "table-stale": table([tasksListStale]),
  "table-empty": table([tasksListEmpty]),
  "table-loading": table([tasksList], { before: (connection) => connection.held.add("tasks.list") }),
};
