/** The list of tasks as a table. */
import detailsSuccess from "../../../tests/golden/protocol/details-success.json";
import outputsList from "../../../tests/golden/protocol/outputs-list.json";
import taskSuccess from "../../../tests/golden/protocol/task-success.json";
import tasksAll from "../../../tests/golden/protocol/tasks-all.json";
import tasksCompare from "../../../tests/golden/protocol/tasks-compare.json";
import tasksList from "../../../tests/golden/protocol/tasks-list.json";
import tasksListEmpty from "../../../tests/golden/protocol/tasks-list-empty.json";
import tasksListStale from "../../../tests/golden/protocol/tasks-list-stale.json";
import { choose, click, OPENFOAM, type State, tickTasks, type } from "../scene";

function table(transcripts: readonly object[], rest: Partial<State> = {}): State {
  return { transcripts, taskId: "", list: { layout: "table", onOpen: () => {} }, ...rest };
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
  "table-search": table([tasksList, tasksAll], {
    after: (scene) => type(scene, ".iw-filters input", "openfoam"),
  }),
  "table-projects": table([tasksList, tasksAll], {
    after: (scene) => choose(scene, "More actions", "Project"),
  }),
  "table-filtered": {
    transcripts: [tasksList, tasksAll],
    taskId: OPENFOAM,
    table: { filters: { status: "success", project: "default" } },
  },
  "table-opened": {
    transcripts: [tasksList, taskSuccess, detailsSuccess, outputsList],
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
