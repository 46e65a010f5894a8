import { afterEach, describe, expect, test, vi } from "vitest";
import detailsRunning from "../../../tests/golden/protocol/details-running.json";
import taskRunning from "../../../tests/golden/protocol/task-running.json";
import taskSuccess from "../../../tests/golden/protocol/task-success.json";
import { MOST_ROWS } from "../../src/logs/live";
import type { ServiceError, TaskSummary } from "../../src/protocol";
import { MadeFeed, madeLines } from "../live";
import { type MadePart, serveLogs } from "../logs";
import { MonitorPage } from "./page";

const TASK = "i4ir3kvv62odsfrhko4y8w2an";
const SUCCESS = taskSuccess.messages.find(({ message }) => "result" in message)?.message as unknown as {
  result: TaskSummary;
};
let view: MonitorPage | undefined;

afterEach(() => {
  view?.close();
  view = undefined;
});

async function follow(): Promise<[MonitorPage, MadeFeed]> {
  view = new MonitorPage([taskRunning, detailsRunning]);
  const shown = view;
  await expect.poll(() => shown.has(".iw-badge")).toBe(true);
  shown.find("[data-tab=logs]").click();
  await expect.poll(() => shown.has(".iw-empty")).toBe(true);
  return [shown, new MadeFeed(shown.connection, TASK)];
}

/** Label and text of the lines on the page. */
function lines(shown: MonitorPage): string[] {
  return [...shown.el.querySelectorAll<HTMLElement>(".ln")]
    .sort((a, b) => a.offsetTop - b.offsetTop)
    .map((line) => `${line.querySelector("i")?.textContent}|${line.querySelector("span")?.textContent}`);
}

/** The text of the lines that can be seen, without those kept ready around them. */
function seen(shown: MonitorPage): string[] {
  const pane = shown.find(".iw-logs").getBoundingClientRect();
  return [...shown.el.querySelectorAll<HTMLElement>(".ln")]
    .filter((line) => {
      const { top, bottom } = line.getBoundingClientRect();
      return top >= pane.top - 1 && bottom <= pane.bottom + 1;
    })
    .sort((a, b) => a.offsetTop - b.offsetTop)
    .map((line) => line.querySelector("span")?.textContent ?? "");
}

function isAtEnd(shown: MonitorPage): boolean {
  const pane = shown.find(".iw-logs");
  return pane.scrollHeight - pane.scrollTop - pane.clientHeight < 2;
}

function end(shown: MonitorPage, logs: Record<string, MadePart[]>): void {
  serveLogs(shown.connection, logs);
  const server_now = new Date(Date.now() + 1e9).toISOString();
  shown.connection.deliver(`task/${TASK}`, 1, {
    kind: "task",
    task: { ...SUCCESS.result, task_id: TASK, server_now },
  });
}

describe("the log of a running task", () => {
  test("shows both logs as they come, distinguished by label, and each alone", async () => {
    const [shown, feed] = await follow();
    expect(shown.text(".iw-empty b")).toBe("Connecting to the machine…");
    feed.become("following");
    await expect.poll(() => shown.text(".iw-empty b")).toBe("Nothing has been written yet");

    feed.write("stdout.txt", ["Starting time loop", "Time = 0.1"]);
    feed.write("stderr.txt", ["\u001b[31mwarning\u001b[0m: coarse mesh"]);

    await expect
      .poll(() => lines(shown))
      .toEqual(["out|Starting time loop", "out|Time = 0.1", "err|warning: coarse mesh"]);
    expect(shown.find(".ln.err .f1").textContent).toBe("warning");
    expect(shown.text(".iw-follow b")).toBe("Following");
    shown.button("stderr").click();
    await expect.poll(() => lines(shown)).toEqual(["err|warning: coarse mesh"]);
    shown.button("stdout").click();
    await expect.poll(() => lines(shown).length).toBe(2);
  });

  test("keeps to its end until the user scrolls up, and goes on by the button", async () => {
    const [shown, feed] = await follow();
    feed.write("stdout.txt", madeLines(500));
    await expect.poll(() => seen(shown).at(-1)).toBe(madeLines(1, 499)[0]);
    feed.write("stdout.txt", madeLines(10, 500));
    await expect.poll(() => seen(shown).at(-1)).toBe(madeLines(1, 509)[0]);
    expect(isAtEnd(shown)).toBe(true);

    const pane = shown.find(".iw-logs");
    pane.dispatchEvent(new WheelEvent("wheel", { deltaY: -100 }));
    pane.scrollTop = 18 * 400 + 8;
    await expect.poll(() => shown.text(".iw-follow b")).toBe("Paused");
    await expect.poll(() => seen(shown)[0]).toBe(madeLines(1, 400)[0]);
    feed.write("stdout.txt", madeLines(1234, 510));
    await expect.poll(() => shown.hasButton("1,234 new lines")).toBe(true);
    expect(seen(shown)[0]).toBe(madeLines(1, 400)[0]);

    shown.button("1,234 new lines").click();
    await expect.poll(() => seen(shown).at(-1)).toBe(madeLines(1, 1743)[0]);
    expect(isAtEnd(shown)).toBe(true);
    shown.find(".iw-logs").focus();
    await shown.press("f");
    await expect.poll(() => shown.text(".iw-follow b")).toBe("Paused");
    await shown.press("f");
    await expect.poll(() => shown.text(".iw-follow b")).toBe("Following");
  });

  test("10 MB a second are few paints, little memory, and nothing lost silently", async () => {
    const [shown, feed] = await follow();
    const paints: number[] = [];
    const observer = new MutationObserver(() => paints.push(performance.now()));
    feed.write("stdout.txt", madeLines(100));
    await expect.poll(() => shown.has(".ln")).toBe(true);
    observer.observe(shown.find(".iw-logs"), { subtree: true, childList: true, characterData: true });
    const began = performance.now();
    const batch = madeLines(4000).map((line) => line.padEnd(64, "."));

    let fed = 0;
    for (let i = 0; i < 40; i += 1) {
      feed.write("stdout.txt", batch);
      fed += batch.length;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    const seconds = (performance.now() - began) / 1000;
    observer.disconnect();

    await expect.poll(() => shown.has(".iw-cut-note")).toBe(true);
    // One paint is several mutations in one task; a scroll after it is another frame.
    const apart = paints.filter((at, i) => i === 0 || at - (paints[i - 1] ?? 0) > 60);
    expect(apart.length).toBeLessThanOrEqual(Math.ceil(seconds * 5) + 2);
    await expect
      .poll(() =>
        Number(
          shown
            .text(".iw-cut-note")
            .match(/^[\d,]+/)?.[0]
            .replaceAll(",", ""),
        ),
      )
      .toBeGreaterThanOrEqual(fed + 100 - MOST_ROWS - 1);
    const kept = Math.round(shown.find(".iw-log").offsetHeight / 18);
    expect(kept).toBeLessThanOrEqual(MOST_ROWS + 1001);
    expect(lines(shown).length).toBeLessThan(200);
    expect(isAtEnd(shown)).toBe(true);
  });

  test("holds little while it is paused for long, and reports what it dropped", async () => {
    const [shown, feed] = await follow();
    feed.write("stdout.txt", madeLines(10));
    await expect.poll(() => lines(shown).length).toBe(10);
    shown.find(".iw-logs").focus();
    await shown.press("f");
    await expect.poll(() => shown.text(".iw-follow b")).toBe("Paused");
    const batch = madeLines(10_000).map((line) => line.padEnd(99, "."));
    for (let i = 0; i < 12; i += 1) feed.write("stdout.txt", batch);

    await expect.poll(() => shown.hasButton("80,000 new lines")).toBe(true);
    shown.button("80,000 new lines").click();
    await expect.poll(() => isAtEnd(shown)).toBe(true);
    expect(Math.round(shown.find(".iw-log").offsetHeight / 18)).toBeLessThanOrEqual(MOST_ROWS + 1001);
    shown.find(".iw-logs").scrollTop = 0;
    await expect.poll(() => shown.has(".iw-cut-note")).toBe(true);
  });

  test("shows what the machine frames commands with as no text of theirs", async () => {
    const [shown, feed] = await follow();
    feed.write("stderr.txt", ["# COMMAND: ['solve']", "# Env: {}", "a warning"]);
    await expect.poll(() => lines(shown)).toEqual(["|# COMMAND: ['solve']", "|# Env: {}", "err|a warning"]);
    expect(getComputedStyle(shown.find(".ln.note span")).fontStyle).toBe("italic");
  });

  test("reports what was too much to be sent", async () => {
    const [shown, feed] = await follow();
    feed.write("stdout.txt", ["one"]);
    feed.write("stdout.txt", ["two"], 1234);
    await expect
      .poll(() => lines(shown))
      .toEqual(["out|one", "|1,234 lines were left out: too many came at once.", "out|two"]);
  });

  test("goes on where it was after the service has followed anew", async () => {
    const [shown, feed] = await follow();
    feed.write("stdout.txt", ["one", "two", "three", "four"]);
    feed.restart("feed-2");
    feed.write("stdout.txt", ["two", "three", "four", "five"]);
    await expect.poll(() => lines(shown).at(-1)).toBe("out|five");
    expect(lines(shown)).toEqual(["out|one", "out|two", "out|three", "out|four", "out|five"]);

    feed.restart("feed-3");
    feed.write("stdout.txt", ["nine", "ten"]);
    await expect.poll(() => lines(shown).at(-1)).toBe("out|ten");
    expect(lines(shown).at(-3)).toBe("|Lines that were written meanwhile may be missing here.");
  });

  test("is searched where it stands, and stays there", async () => {
    const [shown, feed] = await follow();
    feed.write("stdout.txt", madeLines(3000));
    await expect.poll(() => shown.has(".ln")).toBe(true);
    const field = shown.find<HTMLInputElement>("[aria-label='Search log']");
    field.value = "STEP 1234";
    field.dispatchEvent(new InputEvent("input", { bubbles: true }));
    await expect.poll(() => shown.has(".ln.hit mark")).toBe(true);
    expect(shown.text(".iw-hits")).toBe("1 of 1");
    expect(shown.text(".iw-follow b")).toBe("Paused");
  });

  test("copies what is kept", async () => {
    const [shown, feed] = await follow();
    const write = vi.spyOn(navigator.clipboard, "writeText").mockResolvedValue();
    feed.write("stdout.txt", ["one", "two"]);
    await expect.poll(() => shown.has(".ln")).toBe(true);
    shown.button("Copy the selection, or all text that is loaded").click();
    await expect.poll(() => write.mock.calls).toEqual([["one\ntwo"]]);
    write.mockRestore();
  });

  test("that cannot be had is one sentence with a next step, no banner", async () => {
    const [shown, feed] = await follow();
    const error: ServiceError = {
      type: "LiveUnavailableError",
      message: "WebRTC is not installed beside this kernel.",
      hint: "pip install 'inductiva_widgets[live]'.",
      retryable: false,
    };
    feed.become("unavailable", error);
    await expect.poll(() => shown.text(".iw-empty b")).toBe("The log cannot be followed");
    expect(shown.text(".iw-empty")).toContain("WebRTC is not installed beside this kernel. pip install");
    expect(shown.has(".iw-ban")).toBe(false);
    shown.button("Try again").click();
    await expect.poll(() => shown.text(".iw-empty b")).toBe("Connecting to the machine…");
  });

  test("keeps its text when the connection is lost for good, and reports that below", async () => {
    const [shown, feed] = await follow();
    feed.write("stdout.txt", ["one"]);
    await expect.poll(() => lines(shown)).toEqual(["out|one"]);
    feed.become("lost");
    await expect.poll(() => shown.text(".iw-follow b")).toBe("Connection lost, trying again");
    feed.become("unavailable", {
      type: "LiveUnavailableError",
      message: "No answer.",
      hint: "",
      retryable: false,
    });
    await expect.poll(() => shown.text(".iw-follow .say")).toBe("No answer.");
    expect(lines(shown)).toEqual(["out|one"]);
  });

  test("becomes the final log at its end, where the reader is", async () => {
    const [shown, feed] = await follow();
    const all = madeLines(3000);
    feed.write("stdout.txt", all.slice(2000));
    await expect.poll(() => seen(shown).at(-1)).toBe(all.at(-1));
    feed.become("ended");
    await expect.poll(() => shown.text(".iw-follow b")).toContain("All was written");
    end(shown, { "stdout.txt": [{ text: `${all.join("\n")}\n` }] });

    await expect.poll(() => shown.has(".iw-follow")).toBe(false);
    await expect.poll(() => seen(shown).at(-1)).toBe(all.at(-1));
    expect(shown.text(".ln:last-child i")).toMatch(/^\d+$/);
  });

  test("becomes the final log at its end, where the reader has paused", async () => {
    const [shown, feed] = await follow();
    const all = madeLines(3000);
    feed.write("stdout.txt", all.slice(1000));
    await expect.poll(() => seen(shown).at(-1)).toBe(all.at(-1));
    const pane = shown.find(".iw-logs");
    pane.dispatchEvent(new WheelEvent("wheel", { deltaY: -100 }));
    pane.scrollTop = 18 * 700 + 8;
    await expect.poll(() => seen(shown)[0]).toBe(all[1700]);
    end(shown, { "stdout.txt": [{ text: `${all.join("\n")}\n` }] });

    await expect.poll(() => shown.has(".iw-follow")).toBe(false);
    await expect.poll(() => seen(shown).slice(0, 4)).toContain(all[1700]);
  });
});
