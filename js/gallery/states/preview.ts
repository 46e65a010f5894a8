/** A file looked into. */
import detailsSuccess from "../../../tests/golden/protocol/details-success.json";
import outputsList from "../../../tests/golden/protocol/outputs-list.json";
import previewBinary from "../../../tests/golden/protocol/preview-binary.json";
import previewCsv from "../../../tests/golden/protocol/preview-csv.json";
import previewImage from "../../../tests/golden/protocol/preview-image.json";
import previewImageLarge from "../../../tests/golden/protocol/preview-image-large.json";
import previewJson from "../../../tests/golden/protocol/preview-json.json";
import previewText from "../../../tests/golden/protocol/preview-text.json";
import previewVtk from "../../../tests/golden/protocol/preview-vtk.json";
import taskSuccess from "../../../tests/golden/protocol/task-success.json";
import { click, monitor, type State } from "../scene";
import { arrange, tick } from "./files";

/** Looks into the first file of the second folder, and clicks on what `then` finds there. */
function preview(transcript: object, then?: string): State {
  return monitor([taskSuccess, detailsSuccess, outputsList, transcript], {
    async after(scene) {
      await arrange(scene, [1]);
      await tick(scene, [3, 4, 8]);
      await click(scene.root, '.iw-space [data-row="3"] .iw-name');
      await scene.settled();
      if (then !== undefined) await click(scene.root, then);
    },
  });
}

/** The settings of a solver, with objects in objects. */
const SETTINGS = {
  solver: { name: "DualSPHysics", scheme: "symplectic", cfl: 0.2, tolerance: 1e-6, steps: 4000 },
  fluid: { density_kg_m3: 1000, speed_of_sound_m_s: 39.6, viscosity: { kind: "artificial", alpha: 0.02 } },
  domain: { lower: [0, 0, -0.05], upper: [1.6, 0.67, 0.4], periodic: [false, true, false] },
  output: { files: ["stdout.txt", "results.csv"], every_s: 0.025, binary: true },
};

/** The same answer about another JSON file. */
function jsonOf(value: unknown): object {
  const text = JSON.stringify(value);
  const recorded = structuredClone(previewJson) as unknown as {
    messages: { message: { result?: { size: number } }; buffers?: string[] }[];
  };
  const answer = recorded.messages.find(({ buffers }) => buffers !== undefined);
  if (answer?.message.result === undefined) throw new Error("no preview was recorded");
  answer.message.result.size = text.length;
  answer.buffers = [btoa(text)];
  return recorded;
}

export const previewStates: Record<string, State> = {
  "preview-text": preview(previewText),
  "preview-csv": preview(previewCsv),
  "preview-csv-text": preview(previewCsv, ".iw-pv .iw-seg > button + button"),
  "preview-json": preview(previewJson),
  "preview-json-folded": preview(jsonOf(SETTINGS), '.iw-lines.fold [data-line="1"]'),
  "preview-vtk": preview(previewVtk),
  "preview-image": preview(previewImage),
  "preview-image-large": preview(previewImageLarge),
  "preview-binary": preview(previewBinary),
};
