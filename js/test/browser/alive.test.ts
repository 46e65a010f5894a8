import type { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import { afterEach, expect, test, vi } from "vitest";
import { type Session, whenAlive, whenGone } from "../../src/lab/alive";

const KEY = "0123456789abcdef0123456789abcdef";
const WIDGET = { modelId: "model", aliveKey: KEY };
const page = globalThis as unknown as { __inductivaWidgetsAlive: Set<string> };
let stop = new AbortController();

afterEach(() => {
  stop.abort();
  stop = new AbortController();
  page.__inductivaWidgetsAlive = new Set();
});

function tell(isAlive: boolean, key = KEY): void {
  page.__inductivaWidgetsAlive ??= new Set();
  if (isAlive) page.__inductivaWidgetsAlive.add(key);
  else page.__inductivaWidgetsAlive.delete(key);
  document.dispatchEvent(new CustomEvent("inductiva-widgets:alive", { detail: key }));
}

/** Whether a promise has settled by now. */
async function isDone(promise: Promise<void>): Promise<boolean> {
  let done = false;
  void promise.then(() => {
    done = true;
  });
  for (let i = 0; i < 10; i += 1) await Promise.resolve();
  return done;
}

/** A slot of Lumino, as far as it is used here. */
class FakeSignal {
  readonly slots = new Set<(sender: unknown, value: unknown) => void>();
  connect = (slot: (sender: unknown, value: unknown) => void) => Boolean(this.slots.add(slot));
  disconnect = (slot: (sender: unknown, value: unknown) => void) => this.slots.delete(slot);
  emit(value: unknown): void {
    for (const slot of [...this.slots]) slot(null, value);
  }
}

function fakeManager(model: { comm_live?: boolean } | null) {
  const restored = new FakeSignal();
  const manager = { has_model: () => model !== null, get_model: async () => model, restored };
  const probe = { _manager: { promise: Promise.resolve(manager) }, dispose: vi.fn() };
  const rendermime = { createRenderer: () => probe } as unknown as IRenderMimeRegistry;
  return { manager, probe, rendermime, restored };
}

test("a model that is alive already is found at once", async () => {
  tell(true);
  expect(await isDone(whenAlive(WIDGET, null, stop.signal))).toBe(true);
});

test("a model that comes later is found then, and another one is not taken for it", async () => {
  const found = whenAlive(WIDGET, null, stop.signal);
  tell(true, "f".repeat(32));
  expect(await isDone(found)).toBe(false);

  tell(true);

  expect(await isDone(found)).toBe(true);
});

test("the widget manager is believed as well, but not about a model without its kernel", async () => {
  const living = fakeManager({ comm_live: true });
  const orphan = fakeManager({ comm_live: false });
  const missing = fakeManager(null);
  expect(await isDone(whenAlive(WIDGET, living.rendermime, stop.signal))).toBe(true);
  expect(await isDone(whenAlive(WIDGET, orphan.rendermime, stop.signal))).toBe(false);
  expect(await isDone(whenAlive(WIDGET, missing.rendermime, stop.signal))).toBe(false);
});

test("models that come back with a page reload are looked at when they are there", async () => {
  const { manager, rendermime, restored } = fakeManager({ comm_live: true });
  manager.has_model = () => false;
  const found = whenAlive(WIDGET, rendermime, stop.signal);
  expect(await isDone(found)).toBe(false);

  manager.has_model = () => true;
  restored.emit(null);

  expect(await isDone(found)).toBe(true);
});

test("the end of the search leaves nothing behind", async () => {
  const { probe, rendermime, restored } = fakeManager(null);
  const found = whenAlive(WIDGET, rendermime, stop.signal);
  expect(await isDone(found)).toBe(false);

  stop.abort();

  expect(await isDone(found)).toBe(true);
  expect(probe.dispose).toHaveBeenCalledOnce();
  expect(restored.slots.size).toBe(0);
});

test.each(["restarting", "autorestarting", "terminating", "dead"])(
  "a kernel that is %s is gone",
  async (status) => {
    const session = { path: "", statusChanged: new FakeSignal(), kernelChanged: new FakeSignal() };
    const gone = whenGone(session as unknown as Session, null, stop.signal);
    session.statusChanged.emit("busy");
    expect(await isDone(gone)).toBe(false);

    session.statusChanged.emit(status);

    expect(await isDone(gone)).toBe(true);
    expect(session.statusChanged.slots.size + session.kernelChanged.slots.size).toBe(0);
  },
);

test("a model that has lost its comm is gone, whatever the session reports", async () => {
  tell(true);
  const gone = whenGone(null, KEY, stop.signal);
  tell(true, "f".repeat(32));
  expect(await isDone(gone)).toBe(false);

  tell(false);

  expect(await isDone(gone)).toBe(true);
});
