import { signal } from "@preact/signals";
import { afterEach, expect, test, vi } from "vitest";
import type { EventListener } from "../../src/connection";
import type { BackendEntry, Backends } from "../../src/lab/account";
import { NoticesFeed } from "../../src/lab/notices-feed";
import type { ServerConnection } from "../../src/lab/server-connection";
import type { NoticeEvent, TaskSummary } from "../../src/protocol";

const ONE: BackendEntry = { id: "b1", name: "one", is_local: false, account: "a1" };
const TWO: BackendEntry = { id: "b2", name: "two", is_local: true, account: "c1" };
const AWAY: NoticeEvent = {
  kind: "away",
  notice_id: "n1",
  since: "2026-11-17T18:10:00Z",
  finished: [],
  failed: [],
};

function listing(...backends: BackendEntry[]): Backends {
  return { default: backends[0]?.id ?? null, readonly: false, key_source: "file", backends };
}

/** The page's connection, as far as a feed sees it; the first to ask for a notice may show it. */
class FakeConnection {
  readonly backends = signal<Backends | null>(null);
  readonly account = { backends: this.backends, known: async () => this.backends.value };
  readonly listeners = new Map<string, EventListener>();
  readonly calls: unknown[] = [];
  readonly seen = new Set<string>();
  isUp = true;

  forBackend(backend: BackendEntry) {
    const name = `${backend.id}:${backend.account}`;
    return {
      subscribe: (topic: string, listener: EventListener) => {
        this.listeners.set(`${name}:${topic}`, listener);
        return () => this.listeners.delete(`${name}:${topic}`);
      },
      call: async (method: string, params: { notice_id: string }) => {
        if (!this.isUp) throw new Error("no answer");
        this.calls.push([backend.id, method, params]);
        const isFirst = !this.seen.has(params.notice_id);
        this.seen.add(params.notice_id);
        return { result: { is_first: isFirst } };
      },
    };
  }

  tell(name: string, event: NoticeEvent): void {
    this.listeners.get(`${name}:notices`)?.(event);
  }
}

let feed: NoticesFeed;

function follow(connection: FakeConnection) {
  const onNotice = vi.fn();
  feed = new NoticesFeed(connection as unknown as ServerConnection, onNotice);
  return onNotice;
}

afterEach(() => feed.dispose());

test("every backend is listened to, and an account that changes is left", () => {
  const connection = new FakeConnection();
  follow(connection);
  expect([...connection.listeners.keys()]).toEqual([]);
  connection.backends.value = listing(ONE, TWO);
  expect([...connection.listeners.keys()]).toEqual(["b1:a1:notices", "b2:c1:notices"]);
  connection.backends.value = listing({ ...ONE, account: "a2" }, TWO);
  expect([...connection.listeners.keys()].sort()).toEqual(["b1:a2:notices", "b2:c1:notices"]);
  feed.dispose();
  expect(connection.listeners.size).toBe(0);
});

test("a notice is passed on once, with its backend, after the server confirmed it", async () => {
  const connection = new FakeConnection();
  const onNotice = follow(connection);
  connection.backends.value = listing(ONE, TWO);
  connection.tell("b2:c1", AWAY);
  expect(onNotice).not.toHaveBeenCalled();
  await expect.poll(() => onNotice.mock.calls).toEqual([[AWAY, TWO]]);
  connection.tell("b2:c1", AWAY); // sent again, e.g. after a broken stream
  await expect.poll(() => connection.calls.length).toBe(2);
  expect(onNotice).toHaveBeenCalledTimes(1);
});

test("what another page has shown is not shown", async () => {
  const connection = new FakeConnection();
  connection.seen.add("n1");
  const onNotice = follow(connection);
  connection.backends.value = listing(ONE);
  connection.tell("b1:a1", AWAY);
  await expect.poll(() => connection.calls.length).toBe(1);
  expect(onNotice).not.toHaveBeenCalled();
});

test("a notice that the server cannot be asked about waits for the next stream", async () => {
  const connection = new FakeConnection();
  const onNotice = follow(connection);
  connection.backends.value = listing(ONE);
  connection.isUp = false;
  connection.tell("b1:a1", AWAY);
  connection.isUp = true;
  connection.tell("b1:a1", AWAY);
  await expect.poll(() => onNotice.mock.calls).toEqual([[AWAY, ONE]]);
});

test("the end of a task is watched at the task's own backend", async () => {
  const connection = new FakeConnection();
  follow(connection);
  await feed.watch({ task_id: "t", backend: TWO } as unknown as TaskSummary, true);
  expect(connection.calls).toEqual([["b2", "tasks.watch", { task_id: "t", on: true }]]);
});
