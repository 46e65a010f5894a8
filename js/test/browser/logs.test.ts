import { afterEach, describe, expect, test } from "vitest";
import { page } from "vitest/browser";
import detailsFailed from "../../../tests/golden/protocol/details-failed.json";
import detailsSuccess from "../../../tests/golden/protocol/details-success.json";
import downloadDone from "../../../tests/golden/protocol/download-done.json";
import logsFailed from "../../../tests/golden/protocol/logs-failed.json";
import logsSuccess from "../../../tests/golden/protocol/logs-success.json";
import machineMetrics from "../../../tests/golden/protocol/machine-metrics.json";
import outputsList from "../../../tests/golden/protocol/outputs-list.json";
import taskFailed from "../../../tests/golden/protocol/task-failed.json";
import taskRunning from "../../../tests/golden/protocol/task-running.json";
import taskSuccess from "../../../tests/golden/protocol/task-success.json";
import { ServiceFailure } from "../../src/connection";
import { gunzip, unpackListing } from "../../src/files/listing";
import { LINE_HEIGHT } from "../../src/logs/model";
import type { FileListing } from "../../src/protocol";
import { cutLogs, type MadePart, serveLogs, serveMeasures, solverLog } from "../logs";
import { fromBase64 } from "../replay-connection";
import { MonitorPage } from "./page";

const FAILED = "9tq0sxk2m4w7v1c8z5r3yc1fe";
let view: MonitorPage | undefined;

afterEach(() => {
  view?.close();
  view = undefined;
});

function open(
  transcripts: readonly object[],
  options: { taskId?: string; width?: number } = {},
): MonitorPage {
  view = new MonitorPage(transcripts, options);
  return view;
}

async function openTab(shown: MonitorPage, tab: string): Promise<void> {
  await expect.poll(() => shown.has(".iw-badge")).toBe(true);
  shown.find(`[data-tab=${tab}]`).click();
}

async function openLogs(logs: Record<string, MadePart[]>, width = 700): Promise<MonitorPage> {
  const shown = open([taskSuccess, detailsSuccess], { width });
  serveLogs(shown.connection, logs);
  await openTab(shown, "logs");
  await expect.poll(() => shown.has(".ln") || shown.has(".iw-empty")).toBe(true);
  return shown;
}

/** The rows on the page: number and text. */
function lines(shown: MonitorPage): [number, string][] {
  return [...shown.el.querySelectorAll<HTMLElement>(".ln")].map((line) => [
    Number(line.querySelector("i")?.textContent),
    line.querySelector("span")?.textContent ?? "",
  ]);
}

async function search(shown: MonitorPage, text: string): Promise<void> {
  const field = shown.find<HTMLInputElement>("[aria-label='Search log']");
  field.value = text;
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
}

function listed(transcript: {
  messages: { message: object; buffers?: string[] }[];
}): [FileListing, ArrayBuffer] {
  const answer = transcript.messages.find(({ buffers }) => buffers !== undefined);
  if (answer === undefined) throw new Error("no listing was recorded");
  const { result } = answer.message as { result: FileListing };
  return [result, fromBase64(answer.buffers?.[0] ?? "")];
}

describe("logs", () => {
  test("of more than 64 MB say how much of them can be read here, and where the rest is", async () => {
    const shown = open([taskSuccess, detailsSuccess, outputsList, downloadDone]);
    const text = Array.from({ length: 1000 }, (_, i) => `Time = ${i}\n`).join("");
    serveLogs(shown.connection, { "stdout.txt": [{ text }], "stderr.txt": [{ text: "" }] });
    cutLogs(shown.connection, 131_400_000);
    await openTab(shown, "logs");

    await expect
      .poll(() => shown.el.querySelector(".iw-cut-note")?.textContent?.replaceAll("\u00a0", " "))
      .toBe(
        "64.0 of 131.4 MB can be read and searched here: the beginning and the end. " +
          "Download stdout.txt for the rest.",
      );
    await expect.poll(() => lines(shown).at(-1)).toEqual([1_235_567, "Time = 999"]);
    shown.find(".iw-logs").scrollTop = 490 * LINE_HEIGHT;
    await expect
      .poll(() => shown.el.querySelector(".ln.note")?.textContent)
      .toBe("1,234,567 lines (67.4\u00a0MB) left out · Download the log");
    await expect.poll(() => lines(shown)).toContainEqual([500, "Time = 499"]);
    await expect.poll(() => lines(shown)).toContainEqual([1_235_068, "Time = 500"]);
    shown.find(".ln.note button").click();
    await expect.poll(() => shown.calls("outputs.download")).toHaveLength(1);
  });

  test("have tab stops every eight letters, as in a terminal", async () => {
    const shown = await openLogs({ "stdout.txt": [{ text: "a\tb\neight___\tc\n" }] });

    expect(lines(shown).map(([, text]) => text)).toEqual(["a       b", "eight___        c"]);
  });

  test("of a task that ended well are opened at the end of its longest command", async () => {
    const shown = open([taskSuccess, detailsSuccess, logsSuccess]);
    await openTab(shown, "logs");

    await expect.poll(() => lines(shown).at(-1)?.[1]).toBe("End");
    const commands = [...shown.el.querySelectorAll(".iw-cmd > .sum")];
    expect(commands.map((command) => command.getAttribute("aria-expanded"))).toEqual([
      "false",
      "false",
      "true",
    ]);
    expect(commands[2]?.textContent).toContain("exit 018\u00a0min 46\u00a0s".replaceAll("\u00a0", " "));
  });

  test("of a failed task are opened at the first error", async () => {
    const shown = open([taskFailed, detailsFailed, logsFailed], { taskId: FAILED });
    await openTab(shown, "logs");

    await expect.poll(() => shown.has(".ln.hit.bad")).toBe(true);
    expect(shown.text(".ln.hit span")).toBe("[3] #0 Foam::error::printStack(Foam::Ostream&)");
    expect(shown.text(".iw-seg [aria-pressed=true]")).toBe("stderr");
  });

  test("a first error far down a long log is in sight", async () => {
    const text = `${solverLog(3000)}--> FOAM FATAL ERROR: it broke\n${solverLog(3000)}`;
    const shown = open([taskFailed, detailsFailed], { taskId: FAILED });
    serveLogs(shown.connection, { "stdout.txt": [{ command: "solve", exit_code: 1, text }] });
    await openTab(shown, "logs");

    await expect.poll(() => shown.has(".ln.hit.bad")).toBe(true);
    const pane = shown.find(".iw-logs").getBoundingClientRect();
    const line = shown.find(".ln.hit").getBoundingClientRect();
    expect(line.top).toBeGreaterThan(pane.top);
    expect(line.bottom).toBeLessThan(pane.bottom);
  });

  test("an error after what is left out is in sight, with its number in the file", async () => {
    const text = `${solverLog(3000)}--> FOAM FATAL ERROR: it broke\nlast words\n`;
    const shown = open([taskFailed, detailsFailed], { taskId: FAILED });
    serveLogs(shown.connection, { "stdout.txt": [{ command: "solve", exit_code: 1, text }] });
    cutLogs(shown.connection, 131_400_000);
    await openTab(shown, "logs");

    await expect.poll(() => shown.has(".ln.hit.bad")).toBe(true);
    expect(shown.text(".ln.hit.bad > span")).toBe("--> FOAM FATAL ERROR: it broke");
    const number = 2 + text.split("\n").length - 2 + 1_234_567;
    expect(shown.text(".ln.hit.bad > i")).toBe(String(number));
    expect(lines(shown).at(-1)).toEqual([number + 1, "last words"]);
  });

  test("100,000 lines: few are on the page, few are fetched, each is reached", async () => {
    const shown = await openLogs({ "stdout.txt": [{ text: solverLog(14_300) }] });
    await expect.poll(() => lines(shown).at(-1)?.[1]).toBe("End");

    expect(lines(shown).length).toBeLessThan(120);
    expect(shown.calls("logs.read").length).toBeLessThan(4);
    shown.find(".iw-logs").scrollTop = 900_000;
    await expect
      .poll(() => lines(shown).some(([line, text]) => line > 49_900 && text.startsWith("deltaT")))
      .toBe(true);
    expect(shown.calls("logs.read").length).toBeLessThan(8);
  });

  test("scrolling through a long log paints a screenful at a time", async () => {
    const shown = await openLogs({ "stdout.txt": [{ text: solverLog(14_300) }] });
    const pane = shown.find(".iw-logs");
    const painted: number[] = [];
    const frames: number[] = [];
    for (let i = 0; i < 40; i += 1) {
      pane.scrollTop = i * 40_000;
      const began = performance.now();
      await new Promise(requestAnimationFrame);
      frames.push(performance.now() - began);
      await new Promise(requestAnimationFrame);
      painted.push(shown.el.querySelectorAll(".ln").length);
    }
    expect(Math.max(...painted)).toBeLessThan(120);
    // The median, because the machine that runs the tests may be busy with others.
    expect(frames.sort((a, b) => a - b)[20]).toBeLessThan(100);
  });

  test("a search goes from hit to hit, by button and by key", async () => {
    const shown = await openLogs({ "stdout.txt": [{ text: solverLog(2000) }] });
    await search(shown, "= 1.17647");
    await expect.poll(() => shown.text(".iw-hits")).toBe("1 of 1");
    await expect.poll(() => shown.text(".ln.hit mark")).toBe("= 1.17647");
    expect(shown.text(".ln.hit i")).toBe("6996");

    await search(shown, "end");
    await expect.poll(() => shown.text(".iw-hits")).toBe("1 of 1");
    await search(shown, "time = 0.00");
    await expect.poll(() => shown.text(".iw-hits")).toMatch(/of 8$/);
    const before = shown.text(".iw-hits");
    shown.find(".iw-logs").focus();
    await shown.press("n");
    await expect.poll(() => shown.text(".iw-hits")).not.toBe(before);
    await shown.press("{Shift>}N{/Shift}");
    await expect.poll(() => shown.text(".iw-hits")).toBe(before);
    await search(shown, "nowhere");
    await expect.poll(() => shown.text(".iw-hits")).toBe("none");
  });

  test("lines are wrapped by key, and none is lost", async () => {
    const shown = await openLogs({ "stdout.txt": [{ text: `${"x".repeat(1000)}end\nnext\n` }] }, 480);
    shown.find(".iw-logs").focus();
    await shown.press("w");

    await expect.poll(() => shown.find(".ln").offsetHeight).toBeGreaterThan(18 * 10);
    const text = shown.find(".ln > span");
    expect(text.scrollHeight).toBeLessThanOrEqual(shown.find(".ln").offsetHeight);
  });

  test("what is read stays in sight when lines are wrapped", async () => {
    const shown = await openLogs({ "stdout.txt": [{ text: solverLog(2000) }] }, 480);
    await expect.poll(() => lines(shown).at(-1)?.[1]).toBe("End"); // it has opened at its end
    shown.find(".iw-logs").scrollTop = 60_000;
    await expect.poll(() => lines(shown).some(([line, text]) => line === 3340 && text !== "")).toBe(true);
    const first = () => {
      const top = shown.find(".iw-logs").getBoundingClientRect().top + 33;
      const rows = [...shown.el.querySelectorAll<HTMLElement>(".ln")];
      const seen = rows.filter((row) => row.getBoundingClientRect().bottom > top);
      return Math.min(...seen.map((row) => Number(row.querySelector("i")?.textContent)));
    };
    const before = first();
    shown.button("Wrap lines").click();

    await expect.poll(() => shown.has(".wraps")).toBe(true);
    await expect.poll(() => Math.abs(first() - before)).toBeLessThan(3);
  });

  test("a command is folded and unfolded", async () => {
    const shown = open([taskSuccess, detailsSuccess, logsSuccess]);
    await openTab(shown, "logs");
    await expect.poll(() => lines(shown).length).toBeGreaterThan(0);
    for (const command of [...shown.el.querySelectorAll<HTMLElement>(".iw-cmd > .sum")].slice(2))
      command.click();

    await expect.poll(() => lines(shown)).toEqual([]);
  });

  test("the log is downloaded as a file, whatever is ticked", async () => {
    const shown = open([taskSuccess, detailsSuccess, outputsList, downloadDone, logsSuccess]);
    await openTab(shown, "logs");
    await expect.poll(() => shown.has("[aria-label='Download stdout.txt']")).toBe(true);
    shown.button("Download stdout.txt").click();

    const sent = () => shown.connection.sent.find((call) => call.method === "outputs.download");
    await expect.poll(() => sent()?.buffers.length).toBe(1);
    const bits = new Uint8Array(await gunzip(sent()?.buffers[0] ?? new ArrayBuffer(0)));
    const ticked = [...bits].flatMap((byte, i) =>
      [0, 1, 2, 3, 4, 5, 6, 7].filter((k) => byte & (1 << k)).map((k) => 8 * i + k),
    );
    const listing = await unpackListing(...listed(outputsList));
    expect(ticked.map((file) => listing.names.at(file))).toEqual(["stdout.txt"]);
  });

  test("hostile text stays text", async () => {
    const evil =
      "<img src=x onerror='window.hurt=1'>\x1b]8;;javascript:window.hurt=1\x07go\x1b]8;;\x07\x1b[31m<b>\n";
    const shown = await openLogs({ "stdout.txt": [{ command: evil, text: evil }] });

    await expect.poll(() => lines(shown)[0]?.[1]).toBe("<img src=x onerror='window.hurt=1'>go<b>");
    expect(shown.el.querySelector(".iw-logs :is(img, a, script)")).toBeNull();
    expect("hurt" in window).toBe(false);
  });

  test("empty, none, running and unreadable ones are reported as such", async () => {
    let shown = await openLogs({ "stdout.txt": [{ text: "" }] });
    expect(shown.text(".iw-empty b")).toBe("stdout.txt is empty");
    shown.close();
    shown = await openLogs({});
    expect(shown.text(".iw-empty b")).toBe("This task has no logs");
    shown.close();

    shown = open([taskRunning]);
    await openTab(shown, "logs");
    await expect.poll(() => shown.text(".iw-empty b")).toBe("Connecting to the machine…");
    expect(shown.calls("logs.open")).toEqual([]);
    shown.close();

    shown = open([taskSuccess, detailsSuccess]);
    const error = { type: "ServerError", message: "The storage failed (503)", hint: "", retryable: true };
    shown.connection.handlers.set("logs.open", () => Promise.reject(new ServiceFailure(error)));
    await openTab(shown, "logs");
    await expect.poll(() => shown.banner).toContain("The storage failed (503).");
    serveLogs(shown.connection, { "stdout.txt": [{ text: "there\n" }] });
    shown.button("Try again").click();
    await expect.poll(() => lines(shown)).toEqual([[1, "there"]]);
  });
});

describe("machine", () => {
  test("shows large values and draws a line for each measure", async () => {
    const shown = open([taskSuccess, detailsSuccess, machineMetrics]);
    await openTab(shown, "machine");
    await expect.poll(() => shown.el.querySelectorAll(".iw-ch .l").length).toBe(3);

    const charts = [...shown.el.querySelectorAll(".iw-ch")].map(
      (chart) => chart.querySelector(".k")?.textContent,
    );
    expect(charts[0]).toMatch(/^CPUpeak 98/);
    expect(shown.text(".iw-ch:nth-child(3) .v")).toBe("176.4 MB");
    // The line is broken where a sample has no value.
    expect(shown.find(".iw-ch").querySelector(".l")?.getAttribute("d")?.match(/M/g)).toHaveLength(2);
    expect(shown.el.querySelectorAll(".iw-vh tbody tr").length).toBe(3);
  });

  test("keys show single values, in all charts at once", async () => {
    const shown = open([taskSuccess, detailsSuccess, machineMetrics]);
    await openTab(shown, "machine");
    await expect.poll(() => shown.has(".iw-plot[role=slider]")).toBe(true);
    shown.find(".iw-plot").focus();
    await shown.press("{Home}{ArrowRight}{ArrowRight}");

    await expect.poll(() => shown.text(".iw-ch:nth-child(2) small")).toBe("after 1 min 02 s");
    expect(shown.find(".iw-plot").getAttribute("aria-valuetext")).toContain("after 1 min 02 s");
    await shown.press("{Escape}");
    await expect.poll(() => shown.text(".iw-ch:nth-child(2) small")).toBe("peak");
  });

  test("one sample is shown, the absence of any is reported", async () => {
    let shown = open([taskSuccess, detailsSuccess]);
    serveMeasures(shown.connection, [0.5], [{ name: "cpu", kind: "cpu", values: [50] }]);
    await openTab(shown, "machine");
    await expect.poll(() => shown.text(".iw-ch .v")).toContain("50 %");
    shown.close();

    shown = open([taskSuccess, detailsSuccess]);
    serveMeasures(shown.connection, [], []);
    await openTab(shown, "machine");
    await expect.poll(() => shown.text(".iw-empty b")).toBe("The machine's load was not recorded");
    await page.viewport(800, 600);
  });
});
