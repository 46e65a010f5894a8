/** A task where nothing is live: a saved notebook, and the static form that Python writes. */
import staticHtml from "../../../tests/golden/static-html.json";
import type { Remembered, SavedCardProps } from "../../src/views/saved-card";
import { OPENFOAM, type State } from "../scene";

const SAVED: Remembered = {
  taskId: OPENFOAM,
  status: "success",
  isTerminal: true,
  computationSeconds: 192,
  outputFiles: 128,
  outputBytes: 262_000,
  asOf: Date.parse("2026-11-21T12:40:00Z"),
};

const UNKNOWN_SERVICE = {
  type: "UnknownBackendError",
  message: "This Jupyter server does not know the service of this task.",
  hint: "Set the API key that the notebook was made with.",
  retryable: false,
};

function saved(remembered: Partial<Remembered>, trouble: SavedCardProps["trouble"] = null): State {
  const props = { saved: { ...SAVED, ...remembered }, trouble, onRetry: () => {} };
  return { transcripts: [], taskId: OPENFOAM, saved: props };
}

const unfinished = { status: "computation-started", isTerminal: false, outputFiles: null, outputBytes: null };

export const savedStates: Record<string, State> = {
  "saved-card": saved({}),
  "saved-card-running": saved(unfinished),
  "saved-card-trouble": saved({}, UNKNOWN_SERVICE),
  ...Object.fromEntries(
    Object.entries(staticHtml).map(([name, html]) => [name, { transcripts: [], taskId: OPENFOAM, html }]),
  ),
};
