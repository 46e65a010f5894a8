/** A file looked into. */
import detailsSuccess from "../../../tests/golden/protocol/details-success.json";
import outputsList from "../../../tests/golden/protocol/outputs-list.json";
import previewBinary from "../../../tests/golden/protocol/preview-binary.json";
import previewCsv from "../../../tests/golden/protocol/preview-csv.json";
import previewImage from "../../../tests/golden/protocol/preview-image.json";
import previewImageLarge from "../../../tests/golden/protocol/preview-image-large.json";
import previewJson from "../../../tests/golden/protocol/preview-json.json";
import previewSvg from "../../../tests/golden/protocol/preview-svg.json";
import previewText from "../../../tests/golden/protocol/preview-text.json";
import previewVtk from "../../../tests/golden/protocol/preview-vtk.json";
import taskSuccess from "../../../tests/golden/protocol/task-success.json";
import { PAYLOADS } from "../../test/payloads";
import { toBase64 } from "../../test/replay-connection";
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

/** A drawing that would like to be more than one. */
const DRAWING = `<svg xmlns="http://www.w3.org/2000/svg" width="320" height="160" onload="parent.hacked=1">
<script>parent.hacked=1; document.documentElement.innerHTML="";</script>
<rect width="320" height="160" fill="#e8f1fa"/><path d="M0 160V60h90v100z" fill="#2f7fc1"/>
<path d="M90 100q60 0 110 40t120 15v5H90z" fill="#6bb0e4"/><text x="200" y="40" fill="#333">t = 0.25 s</text>
<image href="https://example.org/counted.png" width="1" height="1"/></svg>`;

/** Texts as cells of a table. */
function tableOf(texts: readonly string[]): string {
  const rows = texts.map((text, i) => `${i + 1},"${text.replaceAll('"', '""').replaceAll("\n", " ")}"`);
  return `row,name\n${rows.join("\n")}\n`;
}

/** The same answer about another content. */
function holding(transcript: object, text: string): object {
  const recorded = structuredClone(transcript) as unknown as {
    messages: { message: { result?: { size: number } }; buffers?: string[] }[];
  };
  const answer = recorded.messages.find(({ buffers }) => buffers !== undefined);
  if (answer?.message.result === undefined) throw new Error("no preview was recorded");
  answer.message.result.size = text.length;
  answer.buffers = [toBase64(new TextEncoder().encode(text).buffer)];
  return recorded;
}

export const previewStates: Record<string, State> = {
  "preview-text": preview(previewText),
  "preview-csv": preview(previewCsv),
  "preview-csv-text": preview(previewCsv, ".iw-pv .iw-seg > button + button"),
  "preview-json": preview(previewJson),
  "preview-json-folded": preview(
    holding(previewJson, JSON.stringify(SETTINGS)),
    '.iw-lines.fold [data-line="1"]',
  ),
  "preview-svg": preview(holding(previewSvg, DRAWING)),
  "preview-hostile": preview(holding(previewText, `${PAYLOADS.join("\n")}\n`)),
  "preview-hostile-csv": preview(holding(previewCsv, tableOf(PAYLOADS))),
  "preview-vtk": preview(previewVtk),
  "preview-image": preview(previewImage),
  "preview-image-large": preview(previewImageLarge),
  "preview-binary": preview(previewBinary),
};
