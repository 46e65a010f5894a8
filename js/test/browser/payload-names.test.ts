/**
 * Forty names from elsewhere that try to be more than names, in every word of every state of the gallery.
 * `tests/unit/test_payload_names.py` tries them on what Python writes.
 */
import { beforeEach, expect, inject, test } from "vitest";
import detailsSuccess from "../../../tests/golden/protocol/details-success.json";
import outputsList from "../../../tests/golden/protocol/outputs-list.json";
import previewCsv from "../../../tests/golden/protocol/preview-csv.json";
import previewJson from "../../../tests/golden/protocol/preview-json.json";
import previewSvg from "../../../tests/golden/protocol/preview-svg.json";
import previewText from "../../../tests/golden/protocol/preview-text.json";
import taskSuccess from "../../../tests/golden/protocol/task-success.json";
import { click, monitor, type State } from "../../gallery/scene";
import { states } from "../../gallery/states";
import { arrange } from "../../gallery/states/files";
import { parseTaskId } from "../../src/lab/task-data";
import { codeFor } from "../../src/list/tasks";
import { serveLogs, serveMeasures } from "../logs";
import { ALL_PAYLOADS, fileName, PAYLOADS, poison } from "../payloads";
import { type Transcript, toBase64 } from "../replay-connection";
import { clearStage, type Look, show } from "./stage";

const WIDE: Look = { theme: "light", width: 1100 };
/** States at a time: their waits go side by side. */
const BATCH = 24;
const FORBIDDEN = "script, iframe, object, embed, base, link, meta, style, form[action], a[href^=javascript]";

declare global {
  interface Window {
    /** What the payloads set if they run. */
    __pwned?: number;
  }
}

clearStage();
beforeEach(() => {
  delete window.__pwned;
  performance.clearResourceTimings();
});

async function showPoisoned(state: State, look = WIDE): Promise<HTMLElement> {
  const transcripts = await Promise.all((state.transcripts as Transcript[]).map(poison));
  return show({ ...state, transcripts }, look);
}

/** Nothing ran, nothing was made of the names, nothing was asked for because of them. */
function expectTextOnly(root: HTMLElement): void {
  expect(window.__pwned).toBeUndefined();
  expect([...root.querySelectorAll(FORBIDDEN)]).toEqual([]);
  for (const element of root.querySelectorAll("*")) {
    const acts = element.getAttributeNames().filter((name) => name.startsWith("on"));
    expect(acts, element.outerHTML.slice(0, 200)).toEqual([]);
  }
  for (const image of root.querySelectorAll("img")) expect(image.src).toMatch(/^blob:/);
  for (const link of root.querySelectorAll("a")) expect(link.href).toMatch(/^https:\/\/docs\./);
  const asked = performance.getEntriesByType("resource").map(({ name }) => name);
  expect(asked.filter((name) => /:9\/|\/x(["?#]|$)/.test(name))).toEqual([]);
}

/** What each of these elements must show or announce: every payload as it is. */
const SURFACES: Record<string, Record<string, string>> = {
  running: { head: "h3", facts: ".iw-facts", phases: ".iw-phases", badge: ".iw-badge" },
  "kill-question": { question: ".iw-ban" },
  failed: { reason: ".iw-fail, .iw-why, .iw-ban", lines: ".iw-tail pre" },
  "failed-machine": { reason: ".iw-ban" },
  details: { facts: ".iw-details, .iw-kv" },
  "machine-none": { machine: ".iw-machine" },
  stale: { reason: ".iw-ban" },
  "not-found": { reason: ".iw-card" },
  "download-conflict": { folder: ".iw-foot" },
  "download-failed": { reason: ".iw-foot, .iw-ban" },
  "download-folder": { folder: ".iw-card" },
  table: { row: ".iw-tr:not(.head)" },
  "table-kill-question": { question: ".iw-ask" },
  "table-projects": { group: ".iw-day" },
  "table-notes": { group: ".iw-day" },
  "table-compared": { cells: ".iw-cmp" },
  panel: { row: ".iw-pl" },
  "panel-kill-question": { question: ".iw-ask" },
  "panel-download-failed": { told: ".iw-said" },
  "panel-stale": { reason: ".iw-ban" },
};

/** All texts of an element: its content, its tooltips, and what screen readers announce. */
function said(element: Element): string {
  const within = [element, ...element.querySelectorAll("*")];
  const told = within.flatMap((one) =>
    ["title", "aria-label", "value"].map((name) => one.getAttribute(name)),
  );
  return [element.textContent, ...told].join("\n");
}

/** States with words on them; the others as well when everything is tried. */
const staged = Object.entries(states).filter(
  ([name, { html }]) => html === undefined && (inject("full") || name in SURFACES),
);
const batches = Array.from({ length: Math.ceil(staged.length / BATCH) }, (_, i) => ({
  part: i + 1,
  batch: staged.slice(i * BATCH, (i + 1) * BATCH),
}));

test.each(batches)(
  "hostile names stay text in all views, part $part",
  { timeout: 300_000 },
  async ({ batch }) => {
    const frames = await Promise.all(batch.map(([, state]) => showPoisoned(state)));
    const missing: string[] = [];
    for (const [i, [name]] of batch.entries()) {
      const frame = frames[i] as HTMLElement;
      expectTextOnly(frame);
      for (const [what, selector] of Object.entries(SURFACES[name] ?? {})) {
        const told = [...frame.querySelectorAll(selector)].map(said).join("\n");
        if (!told.includes(ALL_PAYLOADS)) missing.push(`${name}: ${what}: ${told.slice(0, 300)}`);
      }
    }
    expect(missing).toEqual([]);
  },
);

const FILES: State = monitor([taskSuccess, detailsSuccess, outputsList, previewText], {
  after: (scene) => arrange(scene, "list"),
});

test("hostile names of files are whole: as rows, on hover and found", async () => {
  const frame = await showPoisoned(FILES);
  const names = () => [...frame.querySelectorAll<HTMLElement>(".iw-space .iw-name")];
  const grid = frame.querySelector<HTMLElement>(".iw-grid");
  const seen = new Set<string>();
  for (let top = 0; top < 206 * 28; top += 300) {
    grid?.scrollTo(0, top);
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    for (const name of names()) seen.add(name.title);
    for (const name of names()) expect(name.textContent).toBe(name.title);
  }
  const whole = [...seen].join("\n");
  for (const place of PAYLOADS.keys()) expect(whole).toContain(fileName(place));
  expectTextOnly(frame);

  const field = frame.querySelector<HTMLInputElement>(".iw-tools input");
  if (field === null) throw new Error("no search");
  field.value = "<img src=x onerror";
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  await expect.poll(() => frame.querySelector(".iw-space mark")?.textContent).toBe("<img src=x onerror");
  expectTextOnly(frame);
});

test("hostile contents of files are shown, not run", async () => {
  const holds = (transcript: object, text: string): Transcript => {
    const changed = structuredClone(transcript) as Transcript;
    for (const each of changed.messages) {
      if (each.buffers !== undefined) each.buffers = [toBase64(new TextEncoder().encode(text).buffer)];
    }
    return changed;
  };
  const quoted = PAYLOADS.map((text) => `"${text.replaceAll('"', '""')}"`);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" onload="parent.__pwned=1"><script>parent.__pwned=1</script></svg>`;
  const open = (transcript: Transcript): State => ({
    ...FILES,
    transcripts: [taskSuccess, detailsSuccess, outputsList, transcript],
    after: async (scene) => {
      await arrange(scene, "list");
      await click(scene.root, '.iw-space [data-row="3"] .iw-name');
    },
  });
  const [text, table, json, picture] = await Promise.all(
    [
      open(holds(previewText, ALL_PAYLOADS)),
      open(holds(previewCsv, `name,value\n${quoted.map((one, i) => `${one},${i}`).join("\n")}\n`)),
      open(holds(previewJson, JSON.stringify(PAYLOADS))),
      open(holds(previewSvg, svg)),
    ].map((state) => show(state, WIDE)),
  );

  expect(text?.querySelector(".iw-preview")?.textContent).toContain(PAYLOADS[0]);
  expect(table?.querySelector(".iw-preview")?.textContent).toContain(PAYLOADS[1]);
  expect(json?.querySelector(".iw-preview")?.textContent).toContain("onerror=window.__pwned=1");
  await expect.poll(() => picture?.querySelector(".iw-preview img")).not.toBeNull();
  for (const frame of [text, table, json, picture]) expectTextOnly(frame as HTMLElement);
});

test("hostile lines, commands and measures are text", async () => {
  const lines = PAYLOADS.map((text) => text.replaceAll(/[\n\r\u2028\u2029]/g, " ")).join("\n");
  const logs = monitor([taskSuccess, detailsSuccess, outputsList], {
    before: (connection) =>
      serveLogs(connection, {
        "stdout.txt": [{ command: ALL_PAYLOADS, seconds: 1, exit_code: 1, text: lines }],
      }),
    after: (scene) => click(scene.root, "[data-tab=logs]"),
  });
  const machine = monitor([taskSuccess, detailsSuccess], {
    before: (connection) =>
      serveMeasures(connection, [0, 30], [{ name: ALL_PAYLOADS, kind: null, values: [1, 2] }]),
    after: (scene) => click(scene.root, "[data-tab=machine]"),
  });

  const [log, measures] = await Promise.all([show(logs, WIDE), show(machine, WIDE)]);

  await expect.poll(() => log.textContent).toContain(PAYLOADS[1]);
  expectTextOnly(log);
  expectTextOnly(measures);
});

test("code for a notebook holds an id as a string, and no other text is an id", () => {
  for (const text of PAYLOADS) {
    const [, literal = ""] = /^iw\.Task\((".*")\)$/s.exec(codeFor([text])) ?? [];
    expect(JSON.parse(literal)).toBe(text);
    if (text !== "__proto__") expect(parseTaskId(text)).toBeNull();
  }
});
