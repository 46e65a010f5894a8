/**
 * Accessibility of the states of the gallery. One of each kind is looked at in one of six looks, light or dark
 * and of three widths, in turn; `npm run test:full` looks at all states in all of them.
 */
import axe from "axe-core";
import { describe, expect, inject, test } from "vitest";
import { states } from "../../gallery/states";
import { alone, clearStage, type Look, show } from "./stage";

const LOOKS: readonly Look[] = (["light", "dark"] as const).flatMap((theme) =>
  [280, 700, 1100].map((width) => ({ theme, width })),
);
const TURNS = inject("full") ? LOOKS.length : 1;
const KINDS = new Set([
  ...[
    "loading",
    "queued",
    "running",
    "kill-question",
    "killing",
    "menu",
    "keys",
    "failed",
    "stale",
    "details",
  ],
  ...[
    "success-selected",
    "success-search",
    "search-nothing",
    "files-live",
    "downloading",
    "download-conflict",
  ],
  ...["download-folder", "download-failed", "preview-text", "preview-csv", "preview-vtk", "logs-search"],
  ...[
    "logs-failed",
    "logs-live",
    "machine",
    "machine-live",
    "saved-card-trouble",
    "static-card",
    "static-list",
  ],
  ...["table", "table-kill-question", "table-compared", "table-opened", "panel", "panel-menu", "panel-keys"],
  ...["failed-spot", "preview-hostile-csv", "table-killed", "table-download-question", "table-keys"],
  ...["panel-kill-question", "panel-download-question", "panel-key", "panel-empty", "panel-nothing-found"],
]);
const chosen = Object.entries(states).filter(([name]) => inject("full") || KINDS.has(name));

/** States at a time: their waits go side by side. */
const BATCH = 24;

clearStage();

/** What axe finds, a line for each element. */
async function violations(frame: HTMLElement): Promise<string[]> {
  const found = await axe.run(frame, { resultTypes: ["violations"] });
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, any, all, none }) => {
      const why = [...any, ...all, ...none].map(({ message }) => message).join("; ");
      return `${id}: ${html.slice(0, 200)}: ${why}`;
    }),
  );
}

describe.each(Array.from({ length: TURNS }, (_, turn) => turn))("turn %i", (turn) => {
  const all = chosen.map(
    ([name, state], i) => [name, state, LOOKS[(i + turn) % LOOKS.length] as Look] as const,
  );
  const batches = Array.from({ length: Math.ceil(all.length / BATCH) }, (_, i) => ({
    part: i + 1,
    batch: all.slice(i * BATCH, (i + 1) * BATCH),
  }));

  test.each(batches)("axe finds nothing, part $part", { timeout: 300_000 }, async ({ batch }) => {
    const frames = await Promise.all(batch.map(([, state, look]) => show(state, look)));
    const found: string[] = [];
    for (const [i, [name, , look]] of batch.entries()) {
      const frame = frames[i] as HTMLElement;
      alone(frame, look);
      for (const one of await violations(frame)) found.push(`${name} ${look.theme} ${look.width}: ${one}`);
    }
    expect(found).toEqual([]);
  });
});
