import { afterEach, describe, expect, test } from "vitest";
import detailsRunning from "../../../tests/golden/protocol/details-running.json";
import liveFiles from "../../../tests/golden/protocol/live-files.json";
import liveLogs from "../../../tests/golden/protocol/live-logs.json";
import liveTop from "../../../tests/golden/protocol/live-top.json";
import liveUnavailable from "../../../tests/golden/protocol/live-unavailable.json";
import taskRunning from "../../../tests/golden/protocol/task-running.json";
import { ServiceFailure } from "../../src/connection";
import type { LiveFiles, SimulatedTime } from "../../src/protocol";
import { serveMeasures } from "../logs";
import { MonitorPage } from "./page";

const TASK = "i4ir3kvv62odsfrhko4y8w2an";
const NO_WAY = {
  type: "LiveUnavailableError",
  message: "WebRTC is not installed here.",
  hint: "Install inductiva_widgets[live].",
  retryable: false,
};
let view: MonitorPage | undefined;

afterEach(() => {
  view?.close();
  view = undefined;
});

async function open(...more: object[]): Promise<MonitorPage> {
  view = new MonitorPage([taskRunning, detailsRunning, ...more]);
  const shown = view;
  await expect.poll(() => shown.has(".iw-badge")).toBe(true);
  return shown;
}

/** Answers with the recorded files, as far as they are not given. */
function serveFiles(shown: MonitorPage, given: Partial<LiveFiles>): void {
  const { message } = liveFiles.messages.at(-1) as unknown as { message: { result: LiveFiles } };
  const result = { ...message.result, ...given };
  shown.connection.handlers.set("live.files", () => ({ result, buffers: [] }));
}

function rows(shown: MonitorPage): string[] {
  return [...shown.el.querySelectorAll<HTMLElement>(".iw-livelist .row")].map((row) =>
    [...row.querySelectorAll(":scope > :not(svg)")]
      .map((part) => (part.textContent ?? "").replaceAll("\u00a0", " "))
      .join("|"),
  );
}

describe("files of a running task", () => {
  test("are a tree, with the newest one marked, folded or not", async () => {
    const shown = await open(liveFiles);
    await expect.poll(() => rows(shown).length).toBeGreaterThan(5);
    expect(rows(shown).slice(0, 2)).toEqual(["0|4 files|126.7KB", "0.05|4 files|126.7KB"]);
    expect(rows(shown)).toContain("stdout.txt|1.9MB");
    expect(rows(shown).filter((row) => row.includes("written"))).toEqual([
      expect.stringMatching(/^0\.35\|4 files\|written .* ago\|\d+\.\dKB$/),
    ]);

    const folders = shown.el.querySelectorAll<HTMLButtonElement>(".iw-livelist button");
    folders[7]?.click();
    await expect
      .poll(() => rows(shown).filter((row) => row.includes("written")))
      .toEqual([expect.stringMatching(/^alpha\.water\|written/)]);
    expect(folders[7]?.ariaExpanded).toBe("true");
  });

  test("that have not been written for long are worth a warning", async () => {
    const shown = await open();
    serveFiles(shown, { newest: { name: "stdout.txt", seconds_ago: 843 } });
    shown.find("[data-tab=logs]").click();
    shown.find("[data-tab=files]").click();
    await expect.poll(() => shown.has(".quiet")).toBe(true);
    expect(shown.text(".quiet")).toMatch(
      /^Nothing has been written for .*\. Usually a file is written every 18 s\.$/,
    );
  });

  test("that are unavailable are reported where they will come", async () => {
    const shown = await open();
    shown.connection.handlers.set("live.files", () => Promise.reject(new ServiceFailure(NO_WAY)));
    shown.find("[data-tab=logs]").click();
    shown.find("[data-tab=files]").click();
    await expect.poll(() => shown.text(".iw-empty")).toContain("WebRTC is not installed here. Install");
    expect(shown.text(".iw-empty b")).toBe("No output files yet");
    expect(shown.has(".iw-ban")).toBe(false);
  });

  test("a great many are shown in part", async () => {
    const shown = await open();
    const files = Array.from({ length: 20_000 }, (_, i) => `out_${i}.vtk`);
    serveFiles(shown, {
      files,
      sizes: null,
      left_out: 5000,
      newest: { name: "out_19999.vtk", seconds_ago: 1 },
    });
    shown.find("[data-tab=logs]").click();
    shown.find("[data-tab=files]").click();
    await expect.poll(() => rows(shown).length).toBeGreaterThan(5);
    expect(rows(shown).length).toBeLessThan(310);
    expect(rows(shown).some((row) => row.startsWith("out_19999.vtk|written"))).toBe(true);
    expect(shown.text(".iw-cut-note")).toContain("25,000 files by now, the first 20,000 are shown");
    expect(shown.text(".iw-livelist .more")).toBe("19,699 more");
  });
});

describe("the machine of a running task", () => {
  test("is shown by its leading processes, and by the samples so far", async () => {
    const shown = await open(liveTop);
    serveMeasures(shown.connection, [0, 1, 2], [{ name: "cpu", kind: "cpu", values: [1, 50, 99] }]);
    shown.find("[data-tab=machine]").click();

    await expect.poll(() => shown.el.querySelectorAll(".iw-top-table tbody tr").length).toBe(6);
    expect(shown.text(".iw-top-table tbody tr")).toBe("interFoam99.7 %6.1 %11:51.20");
    expect(shown.text(".iw-now-facts")).toContain("98.9 % busy");
    await expect.poll(() => shown.el.querySelectorAll(".iw-ch").length).toBe(1);
  });

  test("that cannot be asked is reported in place", async () => {
    const shown = await open();
    shown.connection.handlers.set("live.top", () => Promise.reject(new ServiceFailure(NO_WAY)));
    shown.find("[data-tab=machine]").click();
    await expect.poll(() => shown.text(".iw-empty b")).toBe("The machine cannot be asked now");
    expect(shown.has(".iw-ban")).toBe(false);
  });
});

describe("progress in simulated time", () => {
  function tell(shown: MonitorPage, progress: SimulatedTime | null): void {
    shown.connection.deliver(`progress/${TASK}`, 1, { kind: "progress", task_id: TASK, progress });
  }

  test("is a thin line with what is done and what is left", async () => {
    const shown = await open();
    expect(shown.has(".iw-simulated")).toBe(false);
    tell(shown, { value: 0.3512, end: 1, unit: "s", seconds_left: 118 });
    await expect.poll(() => shown.has(".iw-simulated")).toBe(true);
    expect(shown.text(".iw-simulated")).toBe("0.35 of 1 sabout 2 min left");
    expect(shown.find("[role=progressbar]").ariaValueNow).toBe("35");
    tell(shown, { value: 0.3512, end: null, unit: "s", seconds_left: null });
    await expect.poll(() => shown.has(".iw-simulated .bar")).toBe(false);
    tell(shown, null);
    await expect.poll(() => shown.has(".iw-simulated")).toBe(false);
  });

  test("and the log are read from recorded messages", async () => {
    const shown = await open(liveLogs);
    shown.find("[data-tab=logs]").click();
    await expect.poll(() => shown.has(".iw-empty")).toBe(true);
    shown.connection.play();
    await expect.poll(() => shown.text(".iw-simulated")).toBe("0.4 of 1 sabout 2 min left");
    await expect.poll(() => shown.text(".iw-follow b")).toBe("All was written, the outputs are being stored");
    expect(shown.text(".iw-log")).toContain("1,200 lines were left out");
  });

  test("a log that cannot be followed is recorded as well", async () => {
    const shown = await open(liveUnavailable);
    shown.find("[data-tab=logs]").click();
    await expect.poll(() => shown.has(".iw-empty")).toBe(true);
    shown.connection.play();
    await expect.poll(() => shown.text(".iw-empty b")).toBe("The log cannot be followed");
  });
});
