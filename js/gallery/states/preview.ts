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

/** Looks into the first file of the second folder. */
function preview(transcript: object, index = 0): State {
  return monitor([taskSuccess, detailsSuccess, outputsList, transcript], {
    async after(scene) {
      await arrange(scene, [1]);
      await tick(scene, [3, 4, 8]);
      await click(scene.root, '.iw-space [data-row="3"] .iw-name');
      await scene.settled();
      if (index > 0) await click(scene.root, ".iw-pv .iw-seg > button + button");
    },
  });
}

export const previewStates: Record<string, State> = {
  "preview-text": preview(previewText),
  "preview-csv": preview(previewCsv),
  "preview-csv-text": preview(previewCsv, 1),
  "preview-json": preview(previewJson),
  "preview-vtk": preview(previewVtk),
  "preview-image": preview(previewImage),
  "preview-image-large": preview(previewImageLarge),
  "preview-binary": preview(previewBinary),
};
