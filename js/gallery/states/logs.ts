/** The tab of logs. */
import detailsFailed from "../../../tests/golden/protocol/details-failed.json";
import detailsRunning from "../../../tests/golden/protocol/details-running.json";
import detailsSuccess from "../../../tests/golden/protocol/details-success.json";
import outputsList from "../../../tests/golden/protocol/outputs-list.json";
import taskFailed from "../../../tests/golden/protocol/task-failed.json";
import taskRunning from "../../../tests/golden/protocol/task-running.json";
import taskSuccess from "../../../tests/golden/protocol/task-success.json";
import { ServiceFailure } from "../../src/connection";
import { LINE_HEIGHT } from "../../src/logs/model";
import { cutLogs, type MadePart, serveLogs, solverLog } from "../../test/logs";
import { click, monitor, openTab, pause, type Scene, type State, type } from "../scene";

async function openLogs({ root, settled }: Scene): Promise<void> {
  await click(root, "[data-tab=logs]");
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

export const logsStates: Record<string, State> = {
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
      await click(scene.root, "[aria-label='Wrap lines']");
      await scene.settled();
    },
  }),
  "logs-cut": logs(success([{ text: solverLog(850) }]), {
    before(connection) {
      serveLogs(connection, success([{ text: solverLog(850) }]));
      cutLogs(connection, 131_400_000);
    },
    after: async (scene) => {
      await openLogs(scene);
      const pane = scene.root.querySelector(".iw-logs");
      // After six blocks, of twelve, of 500 lines.
      if (pane !== null) pane.scrollTop = (3000 - 5) * LINE_HEIGHT;
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
};
