/** What a task shows that runs, and whose machine can be asked. */
import detailsRunning from "../../../tests/golden/protocol/details-running.json";
import liveFiles from "../../../tests/golden/protocol/live-files.json";
import liveTop from "../../../tests/golden/protocol/live-top.json";
import taskRunning from "../../../tests/golden/protocol/task-running.json";
import { MadeFeed } from "../../test/live";
import { solverLog } from "../../test/logs";
import { click, monitor, OPENFOAM, openTab, painted, pause, type Scene, type State } from "../scene";

const WARNING = "--> FOAM Warning : Maximum Courant number exceeded, deltaT was halved";

const UNAVAILABLE = {
  type: "LiveUnavailableError",
  message: "The machine of this task answered, but nothing comes through: UDP seems to be blocked here.",
  hint: "Try from another network.",
  retryable: false,
};

function live(after: (scene: Scene, feed: MadeFeed) => Promise<void>): State {
  return monitor([taskRunning, detailsRunning, liveFiles, liveTop], {
    after: async (scene) => {
      const progress = { value: 0.35214, end: 1, unit: "s", seconds_left: 118 };
      scene.connection.deliver(`progress/${OPENFOAM}`, 1, { kind: "progress", task_id: OPENFOAM, progress });
      await after(scene, new MadeFeed(scene.connection, OPENFOAM));
    },
  });
}

function logs(
  write: (feed: MadeFeed) => void,
  after: (scene: Scene) => Promise<void> = async () => {},
): State {
  return live(async (scene, feed) => {
    await click(scene.root, "[data-tab=logs]");
    await painted(scene.root, ".iw-tabpanel.logs .iw-empty");
    await scene.settled();
    write(feed);
    await pause(250);
    await scene.settled();
    await after(scene);
  });
}

function writeSolver(feed: MadeFeed): void {
  const lines = solverLog(40).split("\n").slice(0, -3);
  feed.write("stdout.txt", lines.slice(0, -8));
  feed.write("stderr.txt", ["# COMMAND: ['interFoam']", "# Env: {}", WARNING]);
  feed.write("stdout.txt", lines.slice(-8));
}

export const liveStates: Record<string, State> = {
  "logs-live": logs(writeSolver),
  "logs-live-paused": logs(writeSolver, async (scene) => {
    await click(scene.root, ".iw-follow .iw-link");
    const feed = new MadeFeed(scene.connection, OPENFOAM, "feed-2");
    feed.write("stdout.txt", solverLog(180).split("\n"));
    await pause(250);
  }),
  "logs-live-waiting": logs((feed) => feed.become("following")),
  "logs-live-unavailable": logs((feed) => feed.become("unavailable", UNAVAILABLE)),
  "logs-live-lost": logs((feed) => {
    writeSolver(feed);
    feed.become("unavailable", UNAVAILABLE);
  }),
  "files-live": live(async () => {}),
  "files-live-quiet": {
    ...live(async () => {}),
    before: (connection) => connection.handlers.set("live.files", () => quiet()),
  },
  "machine-live": live((scene) => openTab("machine")?.(scene) ?? Promise.resolve()),
};

function quiet() {
  const { message } = liveFiles.messages.at(-1) as unknown as { message: { result: object } };
  const newest = { name: "stdout.txt", seconds_ago: 843 };
  return { result: { ...message.result, newest }, buffers: [] };
}
