import { afterEach, beforeEach, expect, test, vi } from "vitest";
import tasksList from "../../../tests/golden/protocol/tasks-list.json";
import tasksListNoKey from "../../../tests/golden/protocol/tasks-list-no-key.json";
import tasksListStale from "../../../tests/golden/protocol/tasks-list-stale.json";
import "../../src/style.css";
import { mountTaskList } from "../../src/view";
import { ReplayConnection, type Transcript } from "../replay-connection";

let el: HTMLElement;
let unmount: () => void;
const onOpen = vi.fn();

function open(transcript: object): ReplayConnection {
  el = document.createElement("div");
  el.style.cssText = "width: 280px; height: 600px";
  document.body.append(el);
  const connection = new ReplayConnection([transcript as Transcript], "server");
  unmount = mountTaskList(el, connection, onOpen);
  return connection;
}

function rows(): string[] {
  return [...el.querySelectorAll(".iw-pl[title]")].map((row) =>
    [...row.querySelectorAll("span")]
      .map((part) => part.textContent)
      .join(" | ")
      .replaceAll("\u00a0", " "),
  );
}

beforeEach(() => {
  vi.useFakeTimers({ now: new Date("2026-11-21T13:02:05Z"), toFake: ["Date"] });
});
afterEach(() => {
  unmount();
  el.remove();
  vi.useRealTimers();
});

test("tasks stand by day, newest first, with what matters of each", async () => {
  open(tasksList);
  await expect.poll(() => rows().length).toBe(10);
  expect(rows().slice(0, 4)).toEqual([
    "OpenFOAM | 12 min 02 s | i4ir…w2an · c2-standard-4",
    "GROMACS | 3rd in queue | 67iu…mcn4 · c2d-highcpu-16",
    "SPlisHSPlasH | 2 min 48 s | hb3k…9dqe · c2-standard-4",
    "SPlisHSPlasH | 3 min 12 s | Success 59 min ago · US$ 0.02",
  ]);
  expect([...el.querySelectorAll(".iw-day b")].map((day) => day.textContent)).toEqual([
    "Today",
    "Yesterday",
    "Tuesday",
  ]);
  expect(el.querySelector(".iw-end")?.textContent).toBe("The newest 10 of 214 tasks");
});

test("a click opens the task and marks its row", async () => {
  open(tasksList);
  await expect.poll(() => rows().length).toBe(10);
  el.querySelectorAll<HTMLElement>(".iw-pl")[2]?.click();
  expect(onOpen).toHaveBeenCalledWith("hb3k0u7v1x4zq8mt2c5w69dqe");
  await expect.poll(() => el.querySelector(".iw-pl.open .a")?.textContent).toBe("SPlisHSPlasH");
});

test("chips and search narrow the list", async () => {
  open(tasksList);
  await expect.poll(() => rows().length).toBe(10);
  [...el.querySelectorAll<HTMLElement>(".iw-chip")]
    .find((chip) => chip.textContent?.startsWith("Failed"))
    ?.click();
  await expect.poll(() => rows().length).toBe(3);
  const field = el.querySelector("input") as HTMLInputElement;
  field.value = "reclaimed";
  field.dispatchEvent(new InputEvent("input"));
  await expect.poll(() => rows()).toEqual(["OpenFOAM | 1 h 02 min | Spot Reclaimed 20 h ago · US$ 1.31"]);
});

test("no answer: open tasks go to the past tense, ended ones keep their truth", async () => {
  open(tasksListStale);
  await expect.poll(() => rows().length).toBe(10);
  expect(rows()[0]).toMatch(/^OpenFOAM \| {2}\| Was In Progress at \d\d:48$/);
  expect(rows()[3]).toContain("Success");
  expect(el.querySelector(".iw-ban")?.textContent).toContain("api.inductiva.ai does not answer");
});

test("without a key: why, and what to do", async () => {
  open(tasksListNoKey);
  await expect.poll(() => el.querySelector(".iw-empty")?.textContent).toContain("There is no API key");
});

test("a hidden panel asks and hears nothing, shown again it asks at once", async () => {
  const connection = open(tasksList);
  await expect.poll(() => rows().length).toBe(10);
  el.style.display = "none";
  await new Promise((resolve) => setTimeout(resolve, 100));
  vi.setSystemTime(new Date("2026-11-21T13:10:00Z"));
  await new Promise((resolve) => setTimeout(resolve, 1200));
  expect(connection.sent).toHaveLength(1);
  el.style.display = "";
  await expect.poll(() => connection.sent.length).toBe(2);
});
