import detailsFailed from "../../tests/golden/protocol/details-failed.json";
import detailsKilled from "../../tests/golden/protocol/details-killed.json";
import detailsQueued from "../../tests/golden/protocol/details-queued.json";
import detailsRunning from "../../tests/golden/protocol/details-running.json";
import detailsStale from "../../tests/golden/protocol/details-stale.json";
import detailsSuccess from "../../tests/golden/protocol/details-success.json";
import downloadCancelled from "../../tests/golden/protocol/download-cancelled.json";
import downloadConflict from "../../tests/golden/protocol/download-conflict.json";
import downloadDone from "../../tests/golden/protocol/download-done.json";
import downloadFailed from "../../tests/golden/protocol/download-failed.json";
import outputsCheck from "../../tests/golden/protocol/outputs-check.json";
import outputsList from "../../tests/golden/protocol/outputs-list.json";
import outputsState from "../../tests/golden/protocol/outputs-state.json";
import previewBinary from "../../tests/golden/protocol/preview-binary.json";
import previewCsv from "../../tests/golden/protocol/preview-csv.json";
import previewImage from "../../tests/golden/protocol/preview-image.json";
import previewImageLarge from "../../tests/golden/protocol/preview-image-large.json";
import previewJson from "../../tests/golden/protocol/preview-json.json";
import previewText from "../../tests/golden/protocol/preview-text.json";
import previewVtk from "../../tests/golden/protocol/preview-vtk.json";
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
import tasksAll from "../../tests/golden/protocol/tasks-all.json";
import tasksCompare from "../../tests/golden/protocol/tasks-compare.json";
import tasksDownload from "../../tests/golden/protocol/tasks-download.json";
import tasksKill from "../../tests/golden/protocol/tasks-kill.json";
import tasksList from "../../tests/golden/protocol/tasks-list.json";
import tasksListEmpty from "../../tests/golden/protocol/tasks-list-empty.json";
import tasksListNoKey from "../../tests/golden/protocol/tasks-list-no-key.json";
import tasksListStale from "../../tests/golden/protocol/tasks-list-stale.json";
import { ServiceFailure } from "../src/connection";
import type { TaskListHost } from "../src/list/host";
import type { MachineColumn } from "../src/protocol";
import type { TaskTableOptions } from "../src/task-table";
import { type MadePart, serveLogs, serveMeasures, solverLog } from "../test/logs";
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
  list?: TaskListHost;
  /** The table of a notebook, with room below it. */
  table?: TaskTableOptions;
  /** Narrow and as high as a side panel. */
  panel?: boolean;
  peer?: "kernel" | "server";
  before?(connection: ReplayConnection): void;
  after?(scene: Scene): void | Promise<void>;
}

const OPENFOAM = "i4ir3kvv62odsfrhko4y8w2an";

function monitor(transcripts: readonly object[], rest: Partial<State> = {}): State {
  return { transcripts, taskId: OPENFOAM, ...rest };
}

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

function table(transcripts: readonly object[], rest: Partial<State> = {}): State {
  return { transcripts, taskId: "", list: { layout: "table", onOpen: () => {} }, ...rest };
}

/** Ticks these rows of the list. */
async function tickTasks({ root, settled }: Scene, rows: readonly number[]): Promise<void> {
  for (const row of rows) click(root, `[aria-rowindex="${row}"] .bx`);
  await settled();
}

async function type({ root, settled }: Scene, selector: string, text: string): Promise<void> {
  const field = root.querySelector<HTMLInputElement>(selector);
  if (field === null) throw new Error(`nothing matches ${selector}`);
  field.value = text;
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  await settled();
}

/** Chooses an entry of the menu with this name. */
async function choose({ root, settled }: Scene, menu: string, entry: string): Promise<void> {
  click(root, `[aria-label="${menu}"]`);
  await settled();
  const items = [...root.querySelectorAll<HTMLElement>("[role^=menuitem]")];
  items.find((item) => item.textContent?.startsWith(entry))?.click();
  await settled();
}

function click(root: HTMLElement, selector: string): void {
  const element = root.querySelector<HTMLElement>(selector);
  if (element === null) throw new Error(`nothing matches ${selector}`);
  element.click();
}

function openTab(name: string): State["after"] {
  return ({ root }) => click(root, `[data-tab=${name}]`);
}

/** Lists and logs are unpacked before they are painted, which takes a busy machine longer than a turn. */
async function painted(root: HTMLElement, selector: string): Promise<void> {
  for (let turn = 0; turn < 300 && root.querySelector(selector) === null; turn += 1) {
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
}

/** Ticks the file in each of these rows. */
async function tick({ root, settled }: Scene, rows: readonly number[]): Promise<void> {
  await painted(root, ".iw-space [data-row]");
  for (const row of rows) click(root, `.iw-space [data-row="${row}"]`);
  await settled();
}

/** Rows of the files in the recorded downloads. */
const DOWNLOADED = [2, 3, 4, 5, 6, 7, 8, 9];

/** The files as a list, or the folders of these rows opened, last one first. */
async function arrange({ root, settled }: Scene, form: "list" | readonly number[]): Promise<void> {
  await painted(root, ".iw-space [data-row]");
  if (form === "list") click(root, "[aria-label=List]");
  else for (const row of form) click(root, `.iw-space [data-row="${row}"] .tw`);
  await settled();
}

/** Looks into the first file of the second folder. */
function preview(transcript: object, index = 0): State {
  return monitor([taskSuccess, detailsSuccess, outputsList, transcript], {
    async after(scene) {
      await arrange(scene, [1]);
      await tick(scene, [3, 4, 8]);
      click(scene.root, '.iw-space [data-row="3"] .iw-name');
      await scene.settled();
      if (index > 0) click(scene.root, ".iw-pv .iw-seg > button + button");
    },
  });
}

function download(transcript: object, events: number): State {
  return monitor([taskSuccess, detailsSuccess, outputsList, transcript], {
    async after(scene) {
      await arrange(scene, "list");
      scene.connection.play(1);
      await tick(scene, DOWNLOADED);
      click(scene.root, ".iw-foot .primary");
      await scene.settled();
      scene.connection.play(events);
    },
  });
}

/** Events in the recorded list, before those of the download. */
const LISTED = 1;

async function downloadTasks(scene: Scene, events: number): Promise<void> {
  await tickTasks(scene, [4, 5, 7]);
  click(scene.root, ".iw-psel .iw-b:not(.ghost, .danger)");
  await scene.settled();
  click(scene.root, ".iw-ask .primary");
  await scene.settled();
  scene.connection.play(LISTED + events);
  await scene.settled();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function openLogs({ root, settled }: Scene): Promise<void> {
  click(root, "[data-tab=logs]");
  await settled();
  await settled();
}

function logs(made: Record<string, MadePart[]>, rest: Partial<State> = {}): State {
  return monitor([taskSuccess, detailsSuccess, outputsList], {
    before: (connection) => serveLogs(connection, made),
    after: openLogs,
    ...rest,
  });
}

/** The commands before and after the one that computes. */
function success([main]: [{ text: string }]): Record<string, MadePart[]> {
  return {
    "stdout.txt": [
      { command: "blockMesh", seconds: 1.1, exit_code: 0, text: "Creating block mesh\nEnd\n" },
      { command: "setFields", seconds: 0.9, exit_code: 0, text: "Setting field values\nEnd\n" },
      { command: "decomposePar", seconds: 2, exit_code: 0, text: "Number of processors: 4\nEnd\n" },
      { command: "mpirun -np 4 interFoam -parallel", seconds: 1111.2, exit_code: 0, ...main },
      { command: "reconstructPar", seconds: 26, exit_code: 0, text: "Time = 1\nEnd\n" },
    ],
    "stderr.txt": [{ text: "" }],
  };
}

function failedLogs(): Record<string, MadePart[]> {
  const main = { command: "mpirun -np 4 interFoam -parallel", seconds: 171.4, exit_code: 136 };
  const frames = [
    "Foam::error::printStack(Foam::Ostream&)",
    "Foam::sigFpe::sigHandler(int)",
    "?? in /lib/x86_64-linux-gnu/libpthread.so.0",
    "Foam::symGaussSeidelSmoother::smooth(Foam::word const&, Foam::Field<double>&, Foam::lduMatrix const&, int)",
    "Foam::smoothSolver::solve(Foam::Field<double>&, Foam::Field<double> const&, unsigned char)",
    "Foam::fvMatrix<Foam::Vector<double> >::solveSegregated(Foam::dictionary const&)",
  ];
  const trace = frames.map((name, i) => `[3] #${i}  ${name}`).join("\n");
  const said = "mpirun noticed that process rank 3 exited on signal 8 (Floating point exception).";
  return {
    "stdout.txt": [
      { command: "blockMesh", seconds: 1.1, exit_code: 0, text: "Creating block mesh\nEnd\n" },
      { ...main, text: solverLog(400) },
    ],
    "stderr.txt": [
      { command: "blockMesh", seconds: 1.1, exit_code: 0, text: "" },
      { ...main, text: `[3] using libfabric over tcp\n${trace}\n${"-".repeat(74)}\n${said}\n` },
    ],
  };
}

const COLOURS = [
  "\x1b[1m[ 25%]\x1b[0m \x1b[32mBuilding CXX object\x1b[0m src/solver.cpp.o",
  "\x1b[1m[ 50%]\x1b[0m \x1b[32;1mLinking CXX executable\x1b[0m solver",
  "\x1b[33mwarning:\x1b[0m unused variable \x1b[1m'dt'\x1b[0m",
  "\x1b[31;1merror:\x1b[0m no matching function for call to \x1b[36mstep(double)\x1b[0m",
  [0, 1, 2, 3, 4, 5, 6, 7].map((n) => `\x1b[3${n}mcolour ${n}\x1b[0m `).join(""),
  [0, 1, 2, 3, 4, 5, 6, 7].map((n) => `\x1b[4${n}mcolour ${n}\x1b[0m `).join(""),
  "\x1b[7minverse\x1b[0m \x1b[4munderlined\x1b[0m \x1b[3mitalic\x1b[0m \x1b[2mdim\x1b[0m \x1b[38;2;255;100;0morange\x1b[0m",
  "  0 %|          | 0/3\r 33 %|###       | 1/3\r100 %|##########| 3/3",
  "Simulating day: 0\b1\b2\b3",
  "<img src=x onerror=alert(1)> \x1b]8;;file:///etc/passwd\x1b\\a link\x1b]8;;\x1b\\ \u202eright to left",
].join("\n");

const DAMAGED = {
  type: "CorruptMemberError",
  message: "stdout.txt does not match its CRC-32.",
  hint: "The archive itself may be damaged: run the task again to be sure.",
  retryable: false,
};

/** Half a minute apart, as the published runner samples. */
const LOAD = load(39);

function load(
  samples: number,
): [number[], { name: string; kind: MachineColumn["kind"]; values: number[] }[]] {
  const at = Array.from({ length: samples }, (_, i) => i);
  const wobble = (i: number) => ((i * 7919) % 5) - 2;
  const isBusy = (i: number) => i > 2 && i < samples - 3;
  return [
    at.map((i) => i * 30),
    [
      {
        name: "cpu-usage",
        kind: "cpu",
        values: at.map((i) => (isBusy(i) ? 95 + wobble(i) : 5 + 8 * (i % 3))),
      },
      {
        name: "memory",
        kind: "memory",
        values: at.map((i) => (isBusy(i) ? 18 + i / 6 : 6) + (i === 34 ? 11 : 0)),
      },
      { name: "disk-input", kind: "disk-read", values: at.map((i) => Math.min(41.2e6, 2e7 * i)) },
      { name: "disk-output", kind: "disk-written", values: at.map((i) => Math.max(0, i - 4) * 5.25e6) },
    ],
  ];
}

export const states: Record<string, State> = {
  loading: monitor([taskRunning, detailsRunning], {
    before: (connection) => connection.held.add("task.get"),
  }),
  "loading-files": monitor([taskSuccess], { before: (connection) => connection.held.add("outputs.list") }),
  "waiting-files": monitor([taskSuccess], { before: (connection) => connection.waiting.add("outputs.list") }),
  queued: monitor([taskQueued, detailsQueued], { taskId: "67iubpw0t3k9x2vd8qsy5mcn4" }),
  running: monitor([taskRunning, detailsRunning]),
  "running-local": monitor([taskRunningLocal], { taskId: "w7e2k9r4t1y6u3i8o5p0a2s4d" }),
  "kill-question": monitor([taskRunning, detailsRunning], {
    after: ({ root }) => click(root, "button.kill"),
  }),
  "kill-waiting": monitor([taskRunning, detailsRunning], {
    before: (connection) => connection.waiting.add("task.kill"),
    async after({ root, settled }) {
      click(root, "button.kill");
      await settled();
      click(root, ".iw-ban .danger");
    },
  }),
  killing: monitor([taskKill, detailsKilled], {
    async after({ root, settled }) {
      click(root, "button.kill");
      await settled();
      click(root, ".iw-ban .danger");
    },
  }),
  killed: monitor([taskKill, detailsKilled, outputsList], {
    async after({ connection, root, settled }) {
      click(root, "button.kill");
      await settled();
      click(root, ".iw-ban .danger");
      await settled();
      connection.play();
    },
  }),
  "details-running": monitor([taskRunning, detailsRunning], { after: openTab("details") }),
  details: monitor([taskSuccess, detailsSuccess, outputsList], { after: openTab("details") }),
  logs: logs(success([{ text: solverLog(13_333) }])),
  "logs-search": logs(success([{ text: solverLog(850) }]), {
    after: async (scene) => {
      await openLogs(scene);
      await type(scene, "[aria-label='Search log']", "time =");
      await pause(350);
    },
  }),
  "logs-failed": logs(failedLogs(), {
    transcripts: [taskFailed, detailsFailed],
    taskId: "9tq0sxk2m4w7v1c8z5r3yc1fe",
  }),
  "logs-colours": logs({ "stdout.txt": [{ text: COLOURS }] }),
  "logs-wrapped": logs(success([{ text: solverLog(50) }]), {
    after: async (scene) => {
      await openLogs(scene);
      click(scene.root, "[aria-label='Wrap lines']");
      await scene.settled();
    },
  }),
  "logs-empty": logs({ "stdout.txt": [{ text: "" }], "stderr.txt": [{ text: "" }] }),
  "logs-none": logs({}),
  "logs-running": monitor([taskRunning, detailsRunning], { after: openTab("logs") }),
  "logs-loading": monitor([taskSuccess, detailsSuccess], {
    before: (connection) => connection.held.add("logs.open"),
    after: openTab("logs"),
  }),
  "logs-error": monitor([taskSuccess, detailsSuccess], {
    before: (connection) =>
      connection.handlers.set("logs.open", () => Promise.reject(new ServiceFailure(DAMAGED))),
    after: openTab("logs"),
  }),
  machine: monitor([taskSuccess, detailsSuccess], {
    before: (connection) => serveMeasures(connection, ...LOAD),
    after: openTab("machine"),
  }),
  "machine-readout": monitor([taskSuccess, detailsSuccess], {
    before: (connection) => serveMeasures(connection, ...LOAD),
    async after({ root, settled }) {
      click(root, "[data-tab=machine]");
      await settled();
      const plot = root.querySelector<HTMLElement>(".iw-plot");
      plot?.focus();
      for (const key of ["PageUp", "PageUp", "PageUp", "ArrowRight"]) {
        plot?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        await settled();
      }
    },
  }),
  "machine-short": monitor([taskSuccess, detailsSuccess], {
    before: (connection) =>
      serveMeasures(
        connection,
        [0.4],
        LOAD[1].map((column) => ({ ...column, values: column.values.slice(12, 13) })),
      ),
    after: openTab("machine"),
  }),
  "machine-none": monitor([taskSuccess, detailsSuccess], {
    before: (connection) => serveMeasures(connection, [], []),
    after: openTab("machine"),
  }),
  "machine-running": monitor([taskRunning, detailsRunning], { after: openTab("machine") }),
  menu: monitor([taskSuccess, detailsSuccess, outputsList], {
    after: ({ root }) => click(root, "[aria-haspopup=menu]"),
  }),
  keys: monitor([taskSuccess, detailsSuccess, outputsList], {
    async after({ root, settled }) {
      click(root, "[aria-haspopup=menu]");
      await settled();
      click(root, ".iw-menu > :last-child > :last-child");
    },
  }),
  success: monitor([taskSuccess, detailsSuccess, outputsList]),
  "success-selected": monitor([taskSuccess, detailsSuccess, outputsList], {
    async after(scene) {
      await arrange(scene, [1]);
      await tick(scene, [2, 4, 7, 9]);
      const grid = scene.root.querySelector<HTMLElement>(".iw-grid");
      grid?.focus();
      grid?.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowUp" }));
    },
  }),
  "success-search": monitor([taskSuccess, detailsSuccess, outputsList], {
    after({ root }) {
      const field = root.querySelector("input");
      if (field === null) throw new Error("no search field");
      field.value = "alpha";
      field.dispatchEvent(new InputEvent("input"));
    },
  }),
  "search-nothing": monitor([taskSuccess, detailsSuccess, outputsList], {
    after({ root }) {
      const field = root.querySelector("input");
      if (field === null) throw new Error("no search field");
      field.value = "velocity";
      field.dispatchEvent(new InputEvent("input"));
    },
  }),
  "download-waiting": monitor([taskSuccess, detailsSuccess, outputsList], {
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
  "preview-text": preview(previewText),
  "preview-csv": preview(previewCsv),
  "preview-csv-text": preview(previewCsv, 1),
  "preview-json": preview(previewJson),
  "preview-vtk": preview(previewVtk),
  "preview-image": preview(previewImage),
  "preview-image-large": preview(previewImageLarge),
  "preview-binary": preview(previewBinary),
  "no-outputs": monitor([taskNoOutputs, detailsSuccess]),
  failed: monitor([taskFailed, detailsFailed], { taskId: "9tq0sxk2m4w7v1c8z5r3yc1fe" }),
  stale: monitor([taskStale, detailsStale]),
  "stale-files": monitor([taskSuccess, detailsSuccess, outputsList], {
    // Files of a task that ended, then the network goes.
    after: ({ connection }) => connection.disconnect(),
  }),
  "stale-refused": monitor([taskStaleRefused]),
  disconnected: monitor([taskRunning, detailsRunning], {
    after: ({ connection }) => connection.disconnect(),
  }),
  "not-found": monitor([taskNotFound]),
  "unknown-status": monitor([taskUnknownStatus], { taskId: "p4c1zt8m0q7w2x9vb6k3j5d1s" }),
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
      click(scene.root, ".iw-psel .danger");
    },
  }),
  "panel-killed": panel([tasksList, tasksKill], {
    async after(scene) {
      await tickTasks(scene, [1, 2, 3]);
      click(scene.root, ".iw-psel .danger");
      await scene.settled();
      click(scene.root, ".iw-ask .danger");
    },
  }),
  "panel-download-question": panel([tasksList, tasksDownload], {
    async after(scene) {
      await tickTasks(scene, [4, 5, 7]);
      click(scene.root, ".iw-psel .iw-b:not(.ghost, .danger)");
      await scene.settled();
      click(scene.root, ".iw-ask label:nth-of-type(2) input");
    },
  }),
  "panel-downloading": panel([tasksList, tasksDownload], {
    after: (scene) => downloadTasks(scene, 2),
  }),
  "panel-download-failed": panel([tasksList, tasksDownload], {
    async after(scene) {
      await downloadTasks(scene, 3);
      click(scene.root, ".iw-said summary");
    },
  }),
  "panel-menu": panel([tasksList], { after: ({ root }) => click(root, "[aria-label='Sort and group']") }),
  "panel-projects": panel([tasksList, tasksAll], {
    after: (scene) => choose(scene, "Sort and group", "Project"),
  }),
  "panel-longest": panel([tasksList, tasksAll], {
    after: (scene) => choose(scene, "Sort and group", "Longest"),
  }),
  "panel-keys": panel([tasksList], { after: (scene) => choose(scene, "More actions", "Keyboard") }),
  "panel-stale": panel([tasksListStale]),
  "panel-disconnected": panel([tasksList], { after: ({ connection }) => connection.disconnect() }),
  "panel-no-key": panel([tasksListNoKey]),
  "panel-key": panel([tasksListNoKey], {
    async after({ root, settled }) {
      click(root, ".iw-hello .primary");
      await settled();
      const field = root.querySelector<HTMLInputElement>("[type=password]");
      if (field !== null) field.value = "not-a-key";
      click(root, "[type=submit]");
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
  table: table([tasksList, tasksAll]),
  "table-selected": table([tasksList], { after: (scene) => tickTasks(scene, [1, 2]) }),
  "table-kill-question": table([tasksList], {
    async after(scene) {
      await tickTasks(scene, [1, 2, 3, 4]);
      click(scene.root, ".iw-psel .danger");
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
    after: ({ root }) => click(root, ".iw-tr:not(.head)"),
  },
  "table-compared": {
    transcripts: [tasksList, tasksCompare],
    taskId: OPENFOAM,
    table: {},
    after: async (scene) => {
      await tickTasks(scene, [1, 2]);
      await scene.settled();
      click(scene.root, "[title='Compare (C)']");
    },
  },
  "table-stale": table([tasksListStale]),
  "table-empty": table([tasksListEmpty]),
  "table-loading": table([tasksList], { before: (connection) => connection.held.add("tasks.list") }),
};
