import { signal } from "@preact/signals";
import { expect, test, vi } from "vitest";
import type { Connection, EventListener } from "../../src/connection";
import { ViewConnection } from "../../src/lab/view-connection";

const ALL = { mayAct: true, folder: () => null };

/** The page's connection: what was called, and who listens. */
function fakePage() {
  const listeners = new Map<string, Set<EventListener>>();
  const call = vi.fn(async (_method: string, _params: object) => ({
    result: { download_id: "d1" },
    buffers: [],
  }));
  const page = {
    peer: "server",
    connected: signal(true),
    call,
    subscribe(topic: string, onEvent: EventListener) {
      const group = listeners.get(topic) ?? new Set();
      listeners.set(topic, group.add(onEvent));
      return () => {
        group.delete(onEvent);
        if (group.size === 0) listeners.delete(topic);
      };
    },
    dispose() {},
  };
  return { page: page as unknown as Connection, call, listeners };
}

test("files go below the folder of the view, which no other method gets", async () => {
  const { page, call } = fakePage();
  const view = new ViewConnection(page, { mayAct: true, folder: () => "project" });

  await view.call("outputs.download", { task_id: "t", revision: "r" });
  await view.call("task.get", { task_id: "t" });

  expect(call.mock.calls.map(([, params]) => params)).toEqual([
    { task_id: "t", revision: "r", folder: "project" },
    { task_id: "t" },
  ]);
});

test("a started download is reported", async () => {
  const { page } = fakePage();
  const onDownload = vi.fn();
  const view = new ViewConnection(page, { ...ALL, onDownload });

  await view.call("outputs.download", { task_id: "t", revision: "r" });

  expect(onDownload).toHaveBeenCalledExactlyOnceWith(page, { download_id: "d1" });
});

test.each(["task.kill", "outputs.download", "outputs.cancel"] as const)(
  "a view that only shows never sends %s",
  async (method) => {
    const { page, call } = fakePage();
    const view = new ViewConnection(page, { ...ALL, mayAct: false });

    await expect(view.call(method, {} as never)).rejects.toMatchObject({ name: "NotTrustedError" });

    expect(call).not.toHaveBeenCalled();
  },
);

test("a hidden view listens to nothing; seen again it asks for what it missed", () => {
  const { page, listeners } = fakePage();
  const view = new ViewConnection(page, ALL);
  const onGap = vi.fn();
  view.subscribe("task/t", () => {}, onGap);
  expect(listeners.has("task/t")).toBe(true);

  view.setSeen(false);
  expect(listeners.has("task/t")).toBe(false);
  expect(onGap).not.toHaveBeenCalled();

  view.setSeen(true);
  view.setSeen(true);
  expect(listeners.has("task/t")).toBe(true);
  expect(onGap).toHaveBeenCalledTimes(1);
});

test("a subscription of a hidden view waits until it is seen", () => {
  const { page, listeners } = fakePage();
  const view = new ViewConnection(page, ALL);
  view.setSeen(false);

  const leave = view.subscribe("task/t", () => {});
  expect(listeners.size).toBe(0);
  view.setSeen(true);
  expect(listeners.size).toBe(1);
  leave();

  expect(listeners.size).toBe(0);
});

test("closing a view leaves the page's connection to the others", () => {
  const { page, listeners } = fakePage();
  const [mine, other] = [new ViewConnection(page, ALL), new ViewConnection(page, ALL)];
  mine.subscribe("task/t", () => {});
  other.subscribe("task/t", () => {});

  mine.dispose();

  expect(listeners.get("task/t")?.size).toBe(1);
});
