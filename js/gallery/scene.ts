/** What a state of the gallery is made of, and what its actor may do. */
import type { TaskListHost } from "../src/list/host";
import { mountTaskList } from "../src/list/mount";
import { mountTaskTable, type TaskTableOptions } from "../src/list/task-table";
import { mount } from "../src/monitor/mount";
import { setPartsSource } from "../src/parts/part-loader";
import * as parts from "../src/parts/table-parts";
import { paintSavedCard, type SavedCardProps } from "../src/views/saved-card";
import { ReplayConnection, type Transcript } from "../test/replay-connection";

setPartsSource(() => Promise.resolve(parts));

export interface Scene {
  connection: ReplayConnection;
  root: HTMLElement;
  settled(): Promise<void>;
}

export interface State {
  transcripts: readonly object[];
  taskId: string;
  /** The list of tasks instead of a monitor. */
  list?: TaskListHost;
  /** The table of a notebook, with room below it. */
  table?: TaskTableOptions;
  /** The card of a saved notebook. */
  saved?: SavedCardProps;
  /** The static form, as Python writes it. */
  html?: string;
  /** Narrow and as high as a side panel. */
  panel?: boolean;
  peer?: "kernel" | "server";
  before?(connection: ReplayConnection): void;
  after?(scene: Scene): void | Promise<void>;
}

export const OPENFOAM = "i4ir3kvv62odsfrhko4y8w2an";

const LIVE = ["live.files", "live.top"] as const;

/** Pixels that a side panel is never shown wider than. */
export const PANEL_WIDTH = 400;

export function monitor(transcripts: readonly object[], rest: Partial<State> = {}): State {
  return { transcripts, taskId: OPENFOAM, ...rest };
}

/** Mounts a state in `root`, and lets its actor act. Returns what undoes it. */
export async function stage(root: HTMLElement, state: State): Promise<() => void> {
  const connection = new ReplayConnection(state.transcripts as Transcript[], state.peer);
  // A machine that was not recorded has not answered yet.
  const recorded = JSON.stringify(state.transcripts);
  for (const method of LIVE) if (!recorded.includes(`"${method}"`)) connection.held.add(method);
  state.before?.(connection);
  const end = mountState(root, state, connection);
  const settled = () => quiet(root);
  await settled();
  await state.after?.({ connection, root, settled });
  await settled();
  return end;
}

function mountState(root: HTMLElement, state: State, connection: ReplayConnection): () => void {
  if (state.html !== undefined) {
    root.innerHTML = state.html;
    return () => root.replaceChildren();
  }
  if (state.saved !== undefined) {
    paintSavedCard(root, state.saved);
    return () => root.replaceChildren();
  }
  if (state.table !== undefined) return mountTaskTable(root, connection, state.table).dispose;
  if (state.list !== undefined) return mountTaskList(root, connection, state.list).dispose;
  return mount(root, connection, { taskId: state.taskId }).dispose;
}

/** Answers, unzipping and painting are done when nothing has changed for a while. */
async function quiet(root: HTMLElement): Promise<void> {
  let changed = true;
  const observer = new MutationObserver(() => {
    changed = true;
  });
  observer.observe(root, { attributes: true, characterData: true, childList: true, subtree: true });
  for (let turn = 0; changed && turn < 20; turn += 1) {
    changed = false;
    await pause(80);
  }
  observer.disconnect();
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const PATIENCE_MS = 60_000;

/** Lists and logs are unpacked before they are painted, which takes a busy machine longer than a turn. */
export async function painted(root: HTMLElement, selector: string): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (root.querySelector(selector) === null && performance.now() < end) {
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
}

async function find<E extends HTMLElement>(root: HTMLElement, selector: string): Promise<E> {
  await painted(root, selector);
  const element = root.querySelector<E>(selector);
  if (element === null) throw new Error(`nothing matches ${selector}`);
  return element;
}

export async function click(root: HTMLElement, selector: string): Promise<void> {
  (await find(root, selector)).click();
}

export async function type({ root, settled }: Scene, selector: string, text: string): Promise<void> {
  const field = await find<HTMLInputElement>(root, selector);
  field.value = text;
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  await settled();
}

/** Chooses the entry with these words of the menu with this name. */
export async function choose({ root, settled }: Scene, menu: string, entry: string): Promise<void> {
  await click(root, `[aria-label="${menu}"]`);
  await settled();
  const items = [...root.querySelectorAll<HTMLElement>("[role^=menuitem]")];
  const item = items.find(({ textContent }) => textContent?.includes(entry));
  if (item === undefined) throw new Error(`no entry ${entry}`);
  item.click();
  await settled();
}

export function openTab(name: string): State["after"] {
  return ({ root }) => click(root, `[data-tab=${name}]`);
}

/** Ticks these rows of the list of tasks. */
export async function tickTasks({ root, settled }: Scene, rows: readonly number[]): Promise<void> {
  for (const row of rows) await click(root, `[aria-rowindex="${row}"] .bx`);
  await settled();
}
