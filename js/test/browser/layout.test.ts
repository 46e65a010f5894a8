/** Where things stand with names of any length and writing, in narrow and zoomed views, and as readers prefer. */
import { afterEach, describe, expect, inject, test } from "vitest";
import { cdp } from "vitest/browser";
import taskSuccess from "../../../tests/golden/protocol/task-success.json";
import tasksList from "../../../tests/golden/protocol/tasks-list.json";
import type { State } from "../../gallery/scene";
import { states } from "../../gallery/states";
import { poison } from "../payloads";
import type { Transcript } from "../replay-connection";
import { clearStage, type Look, show } from "./stage";

const NAMES = {
  "of 255 letters": "x".repeat(255),
  "of one long word and an end": `${"Strömungs".repeat(28)}end`,
  "from right to left": "محاكاة تدفق الهواء שלום".repeat(6),
  "of pictures": "👩‍🔬🏳️‍🌈🌊".repeat(30),
  "of letters on letters": "Z͑ͫ̓ͪ̂ͫ̽a̴l̶g̷o".repeat(20),
};
const WIDE: Look = { theme: "light", width: 700 };
const CROWDED = [
  "running",
  "kill-question",
  "success-selected",
  "download-conflict",
  "downloading",
  "details",
  "machine",
  "logs-failed",
  "preview-csv",
  "stale",
  "table",
  "table-kill-question",
  "table-compared",
  "panel",
  "panel-kill-question",
  "panel-downloading",
] as const;
/** Boxes whose controls stand beside or below one another. */
const BOXES =
  ".iw-head, .iw-tabs, .iw-tools, .iw-foot, .iw-ban, .iw-ptop, .iw-psec, .iw-psel, .iw-ask, .iw-pfoot";
const CONTROLS = "button, input, select, a, [role=tab]";

clearStage();

function stateOf(name: string): State {
  const state = states[name];
  if (state === undefined) throw new Error(`no state ${name}`);
  return state;
}

function box(element: Element): DOMRect {
  return element.getBoundingClientRect();
}

function seen(element: Element): boolean {
  return element.checkVisibility({ opacityProperty: true }) && box(element).width > 1;
}

function nameOf(element: Element): string {
  return `${element.className} “${(element.getAttribute("aria-label") ?? element.textContent ?? "").slice(0, 40)}”`;
}

/** Controls beyond the edge of their card, and those that lie on one another. */
function clashes(frame: HTMLElement): string[] {
  const found: string[] = [];
  for (const card of frame.querySelectorAll<HTMLElement>(".iw-card, .iw-panel")) {
    if (card.scrollWidth > card.clientWidth) found.push(`${beyond(card)} goes beyond`);
    const edge = box(card);
    for (const place of card.querySelectorAll(BOXES)) {
      const controls = [...place.querySelectorAll(CONTROLS)].filter(seen);
      for (const [i, one] of controls.entries()) {
        const { left, right, top, bottom } = box(one);
        if (left < edge.left - 0.5 || right > edge.right + 0.5) found.push(`${nameOf(one)} beyond the edge`);
        for (const other of controls.slice(i + 1)) {
          if (one.contains(other) || other.contains(one) || isInside(one, other)) continue;
          const b = box(other);
          const overlap = Math.min(right, b.right) - Math.max(left, b.left);
          const height = Math.min(bottom, b.bottom) - Math.max(top, b.top);
          if (overlap > 1 && height > 1) found.push(`${nameOf(one)} on ${nameOf(other)}`);
        }
      }
    }
  }
  return found;
}

/** The innermost of the elements that make a card wider than it is. */
function beyond(card: HTMLElement): string {
  const { right } = box(card);
  const wide = [...card.querySelectorAll("*")].filter((one) => {
    for (let parent = one.parentElement; parent !== card && parent !== null; parent = parent.parentElement) {
      if (getComputedStyle(parent).overflowX !== "visible") return false;
    }
    return box(one).right > right;
  });
  const last = wide.at(-1);
  return last === undefined ? "something" : `${last.localName}.${nameOf(last)}`;
}

/** The button that clears a field stands in it. */
function isInside(one: Element, other: Element): boolean {
  return one.closest(".iw-search") !== null && one.closest(".iw-search") === other.closest(".iw-search");
}

async function showCrowded(look: Look): Promise<string[]> {
  const found = CROWDED.map(async (name) => {
    const state = stateOf(name);
    const transcripts = await Promise.all((state.transcripts as Transcript[]).map(poison));
    const frame = await show({ ...state, transcripts }, look);
    return clashes(frame).map((clash) => `${name}: ${clash}`);
  });
  return (await Promise.all(found)).flat();
}

test.each(inject("full") ? [200, 280, 440, 700] : [200, 700])(
  "long and odd names move no control at %i px",
  { timeout: 300_000 },
  async (width) => {
    expect(await showCrowded({ theme: "light", width })).toEqual([]);
  },
);

test("nothing is cut off when a page is zoomed to 200 %", { timeout: 300_000 }, async () => {
  document.documentElement.style.setProperty("zoom", "2");
  try {
    expect(await showCrowded({ theme: "dark", width: 560 / 2 })).toEqual([]);
  } finally {
    document.documentElement.style.removeProperty("zoom");
  }
});

/** The same conversation about a simulator of this name. */
function named(transcript: object, name: string): object {
  const text = JSON.stringify(transcript).replaceAll(
    /"simulator":"[^"]*"/g,
    `"simulator":${JSON.stringify(name)}`,
  );
  return JSON.parse(text);
}

describe.each(Object.entries(NAMES))("a name %s", (_, name) => {
  test.each([200, 700])("has one line, an end that is cut, and is whole on hover at %i px", async (width) => {
    const look: Look = { theme: "light", width };
    const running = { ...stateOf("success"), transcripts: [named(taskSuccess, name)] };
    const panel = { ...stateOf("panel-disconnected"), transcripts: [named(tasksList, name)] };

    const [card, list] = await Promise.all([show(running, look), show(panel, look)]);

    const title = card.querySelector<HTMLElement>("h3");
    expect(title?.title).toBe(name);
    expect(title?.textContent).toBe(name);
    expect(title?.scrollWidth).toBeGreaterThan(title?.clientWidth ?? Number.NaN);
    expect(title?.offsetHeight).toBeLessThanOrEqual(24);
    const row = list.querySelector<HTMLElement>(".iw-pl .a");
    expect(row?.closest<HTMLElement>("[title]")?.title).toContain(name);
    expect(row?.offsetHeight).toBeLessThanOrEqual(24);
    expect([...clashes(card), ...clashes(list)]).toEqual([]);
  });
});

describe("what readers prefer", () => {
  const media = (name: string, value: string) =>
    cdp().send("Emulation.setEmulatedMedia", { features: [{ name, value }] });
  afterEach(() => cdp().send("Emulation.setEmulatedMedia", { features: [] }));

  test("less motion: nothing moves", async () => {
    const moving = ["running", "downloading", "loading-files", "panel-loading", "killing"];
    const frames = await Promise.all(moving.map((name) => show(stateOf(name), WIDE)));
    const runs = () => document.getAnimations().filter(({ playState }) => playState === "running");
    expect(runs().length).toBeGreaterThan(0);

    await media("prefers-reduced-motion", "reduce");

    await expect.poll(() => runs().length).toBe(0);
    expect(frames.every((frame) => frame.querySelector(".iw-card, .iw-panel"))).toBe(true);
  });

  test("forced colours: what is chosen, ticked, done or in focus has an edge or a fill", async () => {
    await media("forced-colors", "active");
    const frame = await show(stateOf("success-selected"), WIDE);
    const bar = await show(stateOf("downloading"), WIDE);
    const panel = await show(stateOf("panel-selected"), WIDE);

    const canvas = getComputedStyle(frame).getPropertyValue("background-color");
    const fill = (selector: string, pseudo?: string) => {
      const element = document.querySelector(selector);
      if (element === null) throw new Error(`nothing matches ${selector}`);
      return getComputedStyle(element, pseudo).backgroundColor;
    };
    const outline = (root: HTMLElement, selector: string) => {
      const element = root.querySelector(selector);
      if (element === null) throw new Error(`nothing matches ${selector}`);
      return getComputedStyle(element).outlineStyle;
    };
    expect(matchMedia("(forced-colors: active)").matches).toBe(true);
    expect(outline(frame, ".iw-badge")).toBe("solid");
    expect(outline(frame, ".iw-space .sel")).toBe("solid");
    expect(outline(panel, ".iw-pl.sel")).toBe("solid");
    expect(fill(".iw-tab[aria-selected=true]", "::after")).not.toBe(canvas);
    expect(fill(".iw-foot .edge > i")).not.toBe(
      getComputedStyle(bar.querySelector(".iw-foot") as Element).backgroundColor,
    );
  });
});
