/** The tab of the machine. */
import detailsRunning from "../../../tests/golden/protocol/details-running.json";
import detailsSuccess from "../../../tests/golden/protocol/details-success.json";
import taskRunning from "../../../tests/golden/protocol/task-running.json";
import taskSuccess from "../../../tests/golden/protocol/task-success.json";
import type { MachineColumn } from "../../src/protocol";
import { serveMeasures } from "../../test/logs";
import { click, monitor, openTab, type State } from "../scene";

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

export const machineStates: Record<string, State> = {
  machine: monitor([taskSuccess, detailsSuccess], {
    before: (connection) => serveMeasures(connection, ...LOAD),
    after: openTab("machine"),
  }),
  "machine-readout": monitor([taskSuccess, detailsSuccess], {
    before: (connection) => serveMeasures(connection, ...LOAD),
    async after({ root, settled }) {
      await click(root, "[data-tab=machine]");
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
};
