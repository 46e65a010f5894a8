import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { isAbort, KernelConnection, ServiceFailure, type TopicEvent, Topics } from "../../src/connection";
import type { ServiceError } from "../../src/protocol";
import { FakeModel } from "../fake-model";

const ERROR: ServiceError = { type: "NotFoundError", message: "no such task", hint: "", retryable: false };
const DOWNLOAD = { task_id: "t", revision: "r" };
const EVENT: TopicEvent = { kind: "tasks", tasks: [], total: 0 };

let model: FakeModel;
let connection: KernelConnection;

beforeEach(() => {
  vi.useFakeTimers();
  model = new FakeModel();
  connection = new KernelConnection(model.asModel);
});
afterEach(() => vi.useRealTimers());

function lastId(): string {
  const message = model.sent.at(-1)?.message;
  return message !== undefined && "id" in message ? message.id : "";
}

test("a call is a message, its result the answer, buffers are copied out of shared memory", async () => {
  const answer = connection.call("outputs.list", { task_id: "t" });
  const shared = new Uint8Array([9, 9, 9, 1, 2, 3]).buffer;
  model.receive({ kind: "result", id: lastId(), result: { count: 3 } }, [new DataView(shared, 3, 3)]);

  const { result, buffers } = await answer;

  expect(model.sent[0]?.message).toMatchObject({
    kind: "call",
    method: "outputs.list",
    params: { task_id: "t" },
  });
  expect(result).toEqual({ count: 3 });
  expect([...new Uint8Array(buffers[0] ?? new ArrayBuffer(0))]).toEqual([1, 2, 3]);
});

test("an error answer rejects with the service's error", async () => {
  const answer = connection.call("task.get", { task_id: "t" });
  model.receive({ kind: "error", id: lastId(), error: ERROR });
  await expect(answer).rejects.toSatisfy(
    (error) => error instanceof ServiceFailure && error.detail === ERROR,
  );
});

test("a call that is not taken within a second is reported as waiting, until it is taken", () => {
  const onWaiting = vi.fn();
  void connection.call("task.kill", { task_id: "t" }, { onWaiting });
  vi.advanceTimersByTime(999);
  expect(onWaiting).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(onWaiting).toHaveBeenLastCalledWith(true);
  model.receive({ kind: "ack", id: lastId() });
  expect(onWaiting).toHaveBeenLastCalledWith(false);
});

test("a call taken in time never waits", () => {
  const onWaiting = vi.fn();
  void connection.call("task.get", { task_id: "t" }, { onWaiting });
  model.receive({ kind: "ack", id: lastId() });
  vi.advanceTimersByTime(60_000);
  expect(onWaiting).not.toHaveBeenCalledWith(true);
});

test("clicks of one intent repeat one message and share the answer; the next intent is a new one", async () => {
  const first = connection.call("outputs.download", DOWNLOAD, { intent: "download" });
  const second = connection.call("outputs.download", DOWNLOAD, { intent: "download" });
  const id = lastId();
  expect(model.sent.map(({ message }) => "id" in message && message.id)).toEqual([id, id]);
  model.receive({ kind: "result", id, result: {} });
  expect(await first).toBe(await second);

  void connection.call("outputs.download", DOWNLOAD, { intent: "download" });
  expect(lastId()).not.toBe(id);
});

test("an answer that comes twice is taken once", async () => {
  const answer = connection.call("task.get", { task_id: "t" });
  model.receive({ kind: "result", id: lastId(), result: { n: 1 } });
  model.receive({ kind: "result", id: lastId(), result: { n: 2 } });
  expect((await answer).result).toEqual({ n: 1 });
});

test("an aborted call ends at once, and a late answer to it is ignored", async () => {
  const abort = new AbortController();
  const answer = connection.call("outputs.list", { task_id: "t" }, { signal: abort.signal });
  const id = lastId();
  abort.abort();
  await expect(answer).rejects.toSatisfy(isAbort);
  model.receive({ kind: "result", id, result: { count: 1 } });
  await expect(answer).rejects.toSatisfy(isAbort);
  expect(model.sent).toHaveLength(1);
});

test("when the comm dies, open calls fail, later ones are not sent", async () => {
  const open = connection.call("task.get", { task_id: "t" });
  model.emit("comm_live_update");
  await expect(open).rejects.toThrow("kernel");
  expect(connection.connected.value).toBe(false);
  await expect(connection.call("task.get", { task_id: "t" })).rejects.toThrow("kernel");
  expect(model.sent).toHaveLength(1);
});

test("events reach every listener of their topic; the last one to leave unsubscribes", () => {
  const [a, b] = [vi.fn(), vi.fn()];
  const leaveA = connection.subscribe("tasks", a);
  const leaveB = connection.subscribe("tasks", b);
  model.receive({ kind: "event", topic: "tasks", revision: 1, event: EVENT });
  expect(a).toHaveBeenCalledWith(EVENT);
  expect(b).toHaveBeenCalledWith(EVENT);
  leaveA();
  expect(model.sent.at(-1)?.message).toEqual({ kind: "subscribe", topic: "tasks" });
  leaveB();
  expect(model.sent.at(-1)?.message).toEqual({ kind: "unsubscribe", topic: "tasks" });
});

test("a gap in the revisions is reported and subscribes anew", () => {
  const onGap = vi.fn();
  connection.subscribe("tasks", vi.fn(), onGap);
  for (const revision of [1, 2, 4]) model.receive({ kind: "event", topic: "tasks", revision, event: EVENT });
  expect(onGap).toHaveBeenCalledTimes(1);
  expect(model.sent.map(({ message }) => message.kind)).toEqual(["subscribe", "subscribe"]);
  model.receive({ kind: "event", topic: "tasks", revision: 1, event: EVENT });
  expect(onGap).toHaveBeenCalledTimes(1);
});

test("a listener that leaves during an event does not disturb the others", () => {
  const topics = new Topics();
  const seen: string[] = [];
  const leave = topics.add("tasks", () => {
    seen.push("a");
    leave();
  });
  topics.add("tasks", () => seen.push("b"));
  topics.deliver("tasks", 1, EVENT);
  expect(seen).toEqual(["a", "b"]);
});

test("disposing leaves no listener and no open call", async () => {
  const open = connection.call("task.get", { task_id: "t" });
  connection.dispose();
  await expect(open).rejects.toSatisfy(isAbort);
  expect(model.listenerCount()).toBe(0);
});
