import { afterEach, beforeEach, vi } from "vitest";
import "../../gallery/gallery.css";
import { PANEL_WIDTH, type State, stage } from "../../gallery/scene";
import { standStill } from "./page";

/** How a state is looked at; the width in pixels. */
export interface Look {
  theme: "light" | "dark";
  width: number;
}

const ends: (() => void)[] = [];

/** Each test has the page for itself, and states side by side that remember nothing. */
export function clearStage(): void {
  standStill(() => {
    for (const end of ends.splice(0)) end();
    document.body.replaceChildren();
    delete document.body.dataset.theme;
  });
  beforeEach(() => {
    vi.spyOn(Storage.prototype, "setItem").mockImplementation(() => {});
  });
  afterEach(() => vi.restoreAllMocks());
}

/** Mounts a state of the gallery. All lie in the same place: what is not on screen does not load. */
export async function show(state: State, { width }: Look): Promise<HTMLElement> {
  const frame = document.createElement("div");
  const isPanel = state.panel === true;
  frame.style.cssText = `position: absolute; top: 0; width: ${isPanel ? Math.min(width, PANEL_WIDTH) : width}px;`;
  if (isPanel) frame.style.height = "640px";
  document.body.append(frame);
  ends.push(await stage(frame, state));
  return frame;
}

/** Takes away the other states. */
export function alone(frame: HTMLElement, { theme }: Look): void {
  document.body.dataset.theme = theme;
  document.body.replaceChildren(frame);
}
