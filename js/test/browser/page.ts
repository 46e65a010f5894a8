import { afterEach, beforeEach, expect, vi } from "vitest";
import { userEvent } from "vitest/browser";
import "../../src/style.css";
import { type MountedMonitor, mount } from "../../src/monitor/mount";
import type { MonitorOptions } from "../../src/monitor/store";
import "../parts";
import { ReplayConnection, type Transcript } from "../replay-connection";

/**
 * A clock that stands while timers run, so that the recorded stamps stay "today", and nothing remembered from
 * another test. `close` ends what the test mounted.
 */
export function standStill(close: () => void, now = "2026-11-21T13:02:12Z"): void {
  beforeEach(() => {
    vi.useFakeTimers({ now: new Date(now), toFake: ["Date"] });
    localStorage.clear();
    sessionStorage.clear();
  });
  afterEach(() => {
    close();
    vi.useRealTimers();
  });
}

/** A mounted monitor and what a user can see and do in it. */
export class MonitorPage {
  readonly el = document.createElement("div");
  readonly connection: ReplayConnection;
  readonly monitor: MountedMonitor;

  constructor(
    transcripts: readonly object[],
    {
      taskId = "i4ir3kvv62odsfrhko4y8w2an",
      width = 700,
      hold = [] as string[],
      host = {} as MonitorOptions,
    } = {},
  ) {
    this.connection = new ReplayConnection(transcripts as Transcript[]);
    for (const method of hold) this.connection.waiting.add(method as never);
    this.el.style.width = `${width}px`;
    document.body.append(this.el);
    this.monitor = mount(this.el, this.connection, { ...host, taskId });
  }

  close(): void {
    this.monitor.dispose();
    this.el.remove();
  }

  find<E extends HTMLElement = HTMLElement>(selector: string): E {
    const element = this.el.querySelector<E>(selector);
    if (element === null) throw new Error(`nothing matches ${selector}`);
    return element;
  }

  text(selector: string): string {
    return visibleText(this.find(selector));
  }

  has(selector: string): boolean {
    return this.el.querySelector(selector) !== null;
  }

  get badge(): string {
    return this.text(".iw-badge");
  }

  get facts(): Record<string, string> {
    const shown = [...this.el.querySelectorAll<HTMLElement>(".iw-facts > div")].filter(
      (fact) => fact.offsetParent !== null,
    );
    const pairs = shown.map((fact) => [
      visibleText(fact.querySelector("dt")),
      visibleText(fact.querySelector("dd")),
    ]);
    return Object.fromEntries(pairs) as Record<string, string>;
  }

  get banner(): string {
    return this.text(".iw-ban");
  }

  get rows(): string[] {
    return [...this.el.querySelectorAll<HTMLElement>(".iw-space > .iw-fr:not([hidden])")]
      .sort((a, b) => Number(a.dataset.row) - Number(b.dataset.row))
      .map((row) => visibleText(row.querySelector(".nm")));
  }

  row(index: number): HTMLElement {
    return this.find(`.iw-space > [data-row="${index}"]`);
  }

  button(name: string): HTMLButtonElement {
    const found = [...this.el.querySelectorAll("button")].find(
      (button) => visibleText(button).startsWith(name) || button.ariaLabel === name,
    );
    if (found === undefined) throw new Error(`no button "${name}"`);
    return found;
  }

  hasButton(name: string): boolean {
    return [...this.el.querySelectorAll("button")].some((button) => visibleText(button).startsWith(name));
  }

  /** An entry of the menu `…`, which it opens. */
  async menuItem(name: string): Promise<HTMLButtonElement> {
    if (!this.has("[role=menu]")) this.button("More actions").click();
    await expect.poll(() => this.has("[role=menu]")).toBe(true);
    return this.button(name);
  }

  async press(keys: string): Promise<void> {
    await userEvent.keyboard(keys);
  }

  calls(method: string): object[] {
    return this.connection.sent.filter((call) => call.method === method).map((call) => call.params);
  }
}

function visibleText(element: Element | null): string {
  return (element?.textContent ?? "").replaceAll("\u00a0", " ").replaceAll(/\s+/g, " ").trim();
}
