/** A task: its state, its phases, its questions. */
import detailsFailed from "../../../tests/golden/protocol/details-failed.json";
import detailsKilled from "../../../tests/golden/protocol/details-killed.json";
import detailsQueued from "../../../tests/golden/protocol/details-queued.json";
import detailsRunning from "../../../tests/golden/protocol/details-running.json";
import detailsStale from "../../../tests/golden/protocol/details-stale.json";
import detailsSuccess from "../../../tests/golden/protocol/details-success.json";
import outputsList from "../../../tests/golden/protocol/outputs-list.json";
import taskFailed from "../../../tests/golden/protocol/task-failed.json";
import taskKill from "../../../tests/golden/protocol/task-kill.json";
import taskNotFound from "../../../tests/golden/protocol/task-not-found.json";
import taskQueued from "../../../tests/golden/protocol/task-queued.json";
import taskRunning from "../../../tests/golden/protocol/task-running.json";
import taskRunningLocal from "../../../tests/golden/protocol/task-running-local.json";
import taskStale from "../../../tests/golden/protocol/task-stale.json";
import taskStaleRefused from "../../../tests/golden/protocol/task-stale-refused.json";
import taskSuccess from "../../../tests/golden/protocol/task-success.json";
import taskUnknownStatus from "../../../tests/golden/protocol/task-unknown-status.json";
import { click, monitor, openTab, type State } from "../scene";

export const monitorStates: Record<string, State> = {
  loading: monitor([taskRunning, detailsRunning], {
    before: (connection) => connection.held.add("task.get"),
  }),
  queued: monitor([taskQueued, detailsQueued], { taskId: "67iubpw0t3k9x2vd8qsy5mcn4" }),
  running: monitor([taskRunning, detailsRunning]),
  "running-local": monitor([taskRunningLocal], { taskId: "w7e2k9r4t1y6u3i8o5p0a2s4d" }),
  "kill-question": monitor([taskRunning, detailsRunning], {
    after: ({ root }) => click(root, "button.kill"),
  }),
  "kill-waiting": monitor([taskRunning, detailsRunning], {
    before: (connection) => connection.waiting.add("task.kill"),
    async after({ root, settled }) {
      await click(root, "button.kill");
      await settled();
      await click(root, ".iw-ban .danger");
    },
  }),
  killing: monitor([taskKill, detailsKilled], {
    async after({ root, settled }) {
      await click(root, "button.kill");
      await settled();
      await click(root, ".iw-ban .danger");
    },
  }),
  killed: monitor([taskKill, detailsKilled, outputsList], {
    async after({ connection, root, settled }) {
      await click(root, "button.kill");
      await settled();
      await click(root, ".iw-ban .danger");
      await settled();
      connection.play();
    },
  }),
  "details-running": monitor([taskRunning, detailsRunning], { after: openTab("details") }),
  details: monitor([taskSuccess, detailsSuccess, outputsList], { after: openTab("details") }),
  menu: monitor([taskSuccess, detailsSuccess, outputsList], {
    after: ({ root }) => click(root, "[aria-haspopup=menu]"),
  }),
  keys: monitor([taskSuccess, detailsSuccess, outputsList], {
    async after({ root, settled }) {
      await click(root, "[aria-haspopup=menu]");
      await settled();
      await click(root, ".iw-menu > :last-child > :last-child");
    },
  }),
  failed: monitor([taskFailed, detailsFailed], { taskId: "9tq0sxk2m4w7v1c8z5r3yc1fe" }),
  stale: monitor([taskStale, detailsStale]),
  "stale-refused": monitor([taskStaleRefused]),
  disconnected: monitor([taskRunning, detailsRunning], {
    after: ({ connection }) => connection.disconnect(),
  }),
  "not-found": monitor([taskNotFound]),
  "unknown-status": monitor([taskUnknownStatus], { taskId: "p4c1zt8m0q7w2x9vb6k3j5d1s" }),
};
