/** The tab of files and its downloads. */
import detailsSuccess from "../../../tests/golden/protocol/details-success.json";
import downloadCancelled from "../../../tests/golden/protocol/download-cancelled.json";
import downloadConflict from "../../../tests/golden/protocol/download-conflict.json";
import downloadDone from "../../../tests/golden/protocol/download-done.json";
import downloadFailed from "../../../tests/golden/protocol/download-failed.json";
import outputsCheck from "../../../tests/golden/protocol/outputs-check.json";
import outputsList from "../../../tests/golden/protocol/outputs-list.json";
import outputsState from "../../../tests/golden/protocol/outputs-state.json";
import taskNoOutputs from "../../../tests/golden/protocol/task-no-outputs.json";
import taskSuccess from "../../../tests/golden/protocol/task-success.json";
import type { DownloadProgress } from "../../src/protocol";
import { answer, call } from "../../test/tasks";
import { choose, click, monitor, painted, type Scene, type State, type } from "../scene";

/** Ticks the file in each of these rows. */
export async function tick({ root, settled }: Scene, rows: readonly number[]): Promise<void> {
  await painted(root, ".iw-space [data-row]");
  for (const row of rows) await click(root, `.iw-space [data-row="${row}"]`);
  await settled();
}

/** Rows of the files in the recorded downloads. */
const DOWNLOADED = [2, 3, 4, 5, 6, 7, 8, 9];

/** The files as a list, or the folders of these rows opened, last one first. */
export async function arrange({ root, settled }: Scene, form: "list" | readonly number[]): Promise<void> {
  await painted(root, ".iw-space [data-row]");
  if (form === "list") await click(root, "[aria-label=List]");
  else for (const row of form) await click(root, `.iw-space [data-row="${row}"] .tw`);
  await settled();
}

function download(transcript: object, events: number): State {
  return monitor([taskSuccess, detailsSuccess, outputsList, transcript], {
    async after(scene) {
      await arrange(scene, "list");
      scene.connection.play(1);
      await tick(scene, DOWNLOADED);
      await click(scene.root, ".iw-foot .primary");
      await scene.settled();
      scene.connection.play(events);
    },
  });
}

/** What a reloaded page receives about the last download: its end, and the state of each file. */
function afterReload(progress: object): State {
  const messages = [call("1", "outputs.state"), answer("1", { downloads: [progress] })];
  return monitor([taskSuccess, detailsSuccess, outputsList, { about: "after a reload", messages }], {
    after: (scene) => arrange(scene, "list"),
  });
}

/** The last event of a recorded download, with the file states of all events before. */
function endOf(transcript: { messages: readonly object[] }): DownloadProgress {
  const told = (transcript.messages as Recorded[]).flatMap(({ message }) => message.event?.download ?? []);
  const last = told.at(-1);
  if (last === undefined) throw new Error("no download was recorded");
  return { ...last, changed: told.flatMap(({ changed }) => changed) };
}

interface Recorded {
  message: { event?: { download: DownloadProgress } };
}

/** A download of the archive as it is, in the middle of its way. */
function zipStarted(): object {
  const started: DownloadProgress = {
    ...endOf(downloadDone),
    state: "running",
    is_archive: true,
    files: 1,
    files_done: 0,
    bytes: 2_164_361,
    bytes_done: 1_392_640,
    bytes_per_s: 640_000,
    seconds_left: 1.2,
    changed: [],
  };
  return { about: "an archive", messages: [call("1", "outputs.download"), answer("1", started)] };
}

export const filesStates: Record<string, State> = {
  "loading-files": monitor([taskSuccess], { before: (connection) => connection.held.add("outputs.list") }),
  "waiting-files": monitor([taskSuccess], { before: (connection) => connection.waiting.add("outputs.list") }),
  success: monitor([taskSuccess, detailsSuccess, outputsList]),
  "success-selected": monitor([taskSuccess, detailsSuccess, outputsList], {
    async after(scene) {
      await arrange(scene, [1]);
      await tick(scene, [2, 4, 7, 9]);
    },
  }),
  "success-search": monitor([taskSuccess, detailsSuccess, outputsList], {
    after: (scene) => type(scene, ".iw-tools input", "alpha"),
  }),
  "search-nothing": monitor([taskSuccess, detailsSuccess, outputsList], {
    after: (scene) => type(scene, ".iw-tools input", "velocity"),
  }),
  "download-waiting": monitor([taskSuccess, detailsSuccess, outputsList], {
    before: (connection) => connection.waiting.add("outputs.download"),
    async after(scene) {
      await tick(scene, [4, 5, 7]);
      await click(scene.root, ".iw-foot .primary");
    },
  }),
  downloading: download(downloadDone, 2),
  "download-done": download(downloadDone, 4),
  "download-failed": download(downloadFailed, 3),
  "download-cancelled": download(downloadCancelled, 3),
  "download-second-view": monitor([taskSuccess, detailsSuccess, outputsList, outputsState], {
    after: (scene) => arrange(scene, [1, 0]),
  }),
  "download-paused": monitor([taskSuccess, detailsSuccess, outputsList, outputsState], {
    async after(scene) {
      await arrange(scene, [1, 0]);
      scene.connection.play();
    },
  }),
  "download-conflict": download(downloadConflict, 2),
  "download-folder": monitor([taskSuccess, detailsSuccess, outputsList], {
    after: ({ root }) => click(root, ".iw-foot .iw-link"),
  }),
  "download-zip": monitor([taskSuccess, detailsSuccess, outputsList, zipStarted()], {
    after: (scene) => choose(scene, "More ways to download", "All as zip"),
  }),
  "download-done-reloaded": afterReload(endOf(downloadDone)),
  "download-failed-reloaded": afterReload(endOf(downloadFailed)),
  "download-menu": monitor([taskSuccess, detailsSuccess, outputsList], {
    after: ({ root }) => click(root, ".iw-foot [aria-haspopup=menu]"),
  }),
  "files-on-disk": monitor([taskSuccess, detailsSuccess, outputsList, outputsCheck], {
    after: (scene) => arrange(scene, [1, 0]),
  }),
  "files-list": monitor([taskSuccess, detailsSuccess, outputsList], {
    after: (scene) => arrange(scene, "list"),
  }),
  "files-glob": monitor([taskSuccess, detailsSuccess, outputsList], {
    after: (scene) => type(scene, ".iw-tools input", "0.1*/*water"),
  }),
  "files-sort-menu": monitor([taskSuccess, detailsSuccess, outputsList], {
    after: ({ root }) => click(root, "[aria-label='Sort and form']"),
  }),
  "no-outputs": monitor([taskNoOutputs, detailsSuccess]),
  "stale-files": monitor([taskSuccess, detailsSuccess, outputsList], {
    // Files of a task that ended, then the network goes.
    after: ({ connection }) => connection.disconnect(),
  }),
};
