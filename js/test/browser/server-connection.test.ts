import { ServerConnection as Server } from "@jupyterlab/services";
import { afterEach, expect, test, vi } from "vitest";
import troubleshooting from "../../../docs/troubleshooting.md?raw";
import type { Connection } from "../../src/connection";
import type { Backends } from "../../src/lab/account";
import { decodeFrame, encodeFrame } from "../../src/lab/frame";
import { RunningCount } from "../../src/lab/running";
import { ServerConnection } from "../../src/lab/server-connection";
import { mountTaskList } from "../../src/list/mount";
import { MonitorStore } from "../../src/monitor/store";

/** A Jupyter server of a few lines: what was asked, and a stream that the test feeds. */
class FakeServer {
  readonly streams: ReadableStreamDefaultController<Uint8Array>[] = [];
  readonly subscribed: string[][] = [];
  readonly calls: Record<string, unknown>[] = [];
  isUp = true;
  /** Whether the package is beside it; without, there is no such address. */
  isInstalled = true;
  subscribeStatus = 200;
  account = "a1";
  /** No key, and no engine that runs. */
  isWithout = false;
  minInterval = 0;
  readonly posted: unknown[] = [];
  refusal: Response | null = null;
  /** Lists of topics arrive when they are let through. */
  isSlow = false;
  readonly onTheWay: (() => void)[] = [];
  /** Streams that the page has let go. */
  left = 0;

  readonly fetch = async (input: RequestInfo | URL): Promise<Response> => {
    const request = input as Request;
    const { pathname } = new URL(request.url);
    if (!this.isUp) throw new TypeError("Failed to fetch");
    if (!this.isInstalled) return new Response("404: Not Found", { status: 404 });
    if (pathname.endsWith("/api/events")) return new Response(this.#stream());
    if (pathname.endsWith("/api/subscribe")) {
      const wish = (await request.json()) as { topics: string[]; min_interval_s: number };
      if (this.isSlow) await new Promise<void>((resolve) => this.onTheWay.push(resolve));
      this.subscribed.push(wish.topics);
      this.minInterval = wish.min_interval_s;
      return new Response("{}", { status: this.subscribeStatus });
    }
    if (pathname.endsWith("/api/backends")) return Response.json(this.backends());
    if (!pathname.endsWith("/api/call")) {
      this.posted.push({ [pathname]: await request.json() });
      return this.refusal ?? Response.json(this.backends());
    }
    const { header } = decodeFrame(await request.arrayBuffer());
    this.calls.push(header);
    const isKnown = header.method === "task.get";
    const answer = isKnown
      ? { kind: "result", id: header.id, result: { task_id: "t" } }
      : {
          kind: "error",
          id: header.id,
          error: { type: "NotFoundError", message: "no", hint: "", retryable: false },
        };
    return new Response(encodeFrame(answer, isKnown ? [new Uint8Array([7]).buffer] : []));
  };

  backends(): Backends {
    if (this.isWithout) return { default: null, readonly: false, key_source: null, backends: [] };
    const one = { id: "b1", name: "one.example", is_local: false, account: this.account };
    const two = { id: "b2", name: "local engine", is_local: true, account: "c1" };
    return { default: "b1", readonly: false, key_source: "file", backends: [one, two] };
  }

  say(line: object): void {
    this.streams.at(-1)?.enqueue(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
  }

  #stream(): ReadableStream<Uint8Array> {
    return new ReadableStream({
      start: (controller) => {
        this.streams.push(controller);
        controller.enqueue(new TextEncoder().encode('{"kind":"hello"}\n'));
      },
      cancel: () => {
        this.left += 1;
      },
    });
  }
}

let connection: ServerConnection;

function connect(server: FakeServer): ServerConnection {
  const settings = Server.makeSettings({
    baseUrl: "http://localhost/base/",
    fetch: server.fetch as typeof fetch,
  });
  connection = new ServerConnection(settings);
  return connection;
}

const EVENT = { kind: "tasks", tasks: [], total: 0 };

afterEach(() => connection.dispose());

test("calls are frames, errors of the service are errors", async () => {
  const server = new FakeServer();
  connect(server);
  const { result, buffers } = await connection.call("task.get", { task_id: "t" });
  expect(result).toEqual({ task_id: "t" });
  expect(new Uint8Array(buffers[0] ?? new ArrayBuffer(0))).toEqual(new Uint8Array([7]));
  expect(server.calls[0]).toMatchObject({ method: "task.get", params: { task_id: "t" } });
  await expect(connection.call("task.kill", { task_id: "t" })).rejects.toMatchObject({
    name: "NotFoundError",
  });
});

test("a server that cannot be reached is named", async () => {
  const server = new FakeServer();
  server.isUp = false;
  connect(server);
  await expect(connection.call("task.get", { task_id: "t" })).rejects.toMatchObject({
    name: "ServiceConnectionError",
  });
});

test("where the package is missing beside the server, the panel states what to do", async () => {
  const server = new FakeServer();
  server.isInstalled = false;
  const el = document.createElement("div");
  document.body.append(el);
  const list = mountTaskList(el, connect(server), { onOpen: () => {} });

  await expect.poll(() => el.textContent).toContain("The Jupyter server did not answer (HTTP 404)");
  const [, hint = "none"] = /The Jupyter server did not answer \(…\) \| (.*) \|/.exec(troubleshooting) ?? [];
  expect(el.textContent).toContain(hint);
  list.dispose();
  el.remove();
});

test("one stream serves all topics of the page and ends with the last of them", async () => {
  const server = new FakeServer();
  connect(server);
  const [a, b] = [vi.fn(), vi.fn()];
  const leaves = [connection.subscribe("tasks", a), connection.subscribe("task/x", b)];
  await expect.poll(() => server.subscribed).toEqual([["tasks", "task/x"]]);
  server.say({ kind: "ping" });
  server.say({ kind: "event", topic: "tasks", revision: 1, event: EVENT });
  await expect.poll(() => a.mock.calls).toEqual([[EVENT]]);
  expect(b).not.toHaveBeenCalled();
  expect(server.streams).toHaveLength(1);
  for (const leave of leaves) leave();
  await expect.poll(() => server.streams).toHaveLength(1);
});

test("after a broken stream it reconnects, subscribes anew and reports the gap", async () => {
  const server = new FakeServer();
  connect(server);
  const onGap = vi.fn();
  connection.subscribe("tasks", vi.fn(), onGap);
  await expect.poll(() => server.subscribed.length).toBe(1);
  server.isUp = false;
  server.streams[0]?.close();
  await expect.poll(() => connection.connected.value, { timeout: 3000 }).toBe(false);
  server.isUp = true;
  await expect.poll(() => onGap.mock.calls.length, { timeout: 5000 }).toBe(1);
  expect(connection.connected.value).toBe(true);
  expect(server.subscribed).toHaveLength(2);
});

test.each([
  [0, 250],
  [0.999, 749],
])("pages come back at different times after a restart (%f)", async (chance, pause) => {
  const server = new FakeServer();
  connect(server);
  connection.subscribe("tasks", vi.fn());
  await expect.poll(() => server.subscribed.length).toBe(1);
  const random = vi.spyOn(Math, "random").mockReturnValue(chance);
  const timer = vi.spyOn(globalThis, "setTimeout");
  server.streams[0]?.close();
  await expect.poll(() => server.subscribed.length, { timeout: 3000 }).toBe(2);
  expect(timer.mock.calls.map(([, ms]) => Math.floor(ms ?? 0))).toContain(pause);
  random.mockRestore();
  timer.mockRestore();
});

test("a refused topic does not break the stream for the others", async () => {
  const server = new FakeServer();
  server.subscribeStatus = 400;
  connect(server);
  const onEvent = vi.fn();
  connection.subscribe("task/x", onEvent);
  await expect.poll(() => server.subscribed.length).toBe(1);
  server.say({ kind: "event", topic: "task/x", revision: 1, event: EVENT });
  await expect.poll(() => onEvent.mock.calls.length).toBe(1);
  expect(connection.connected.value).toBe(true);
});

test("a stream that cannot be used is let go: a browser has few connections to a server", async () => {
  const server = new FakeServer();
  server.subscribeStatus = 503;
  connect(server);
  connection.subscribe("tasks", vi.fn());
  await expect.poll(() => server.left).toBe(1);
  expect(connection.connected.value).toBe(false);

  server.subscribeStatus = 200;
  await expect.poll(() => connection.connected.value, { timeout: 5000 }).toBe(true);
  server.streams.at(-1)?.enqueue(new TextEncoder().encode("<html>\n"));
  await expect.poll(() => server.left, { timeout: 5000 }).toBe(2);
});

test("an older list of topics that arrives after a newer one does not have the last word", async () => {
  const server = new FakeServer();
  connect(server);
  connection.subscribe("one", vi.fn());
  await expect.poll(() => server.subscribed.length).toBe(1);
  server.isSlow = true;
  connection.subscribe("two", vi.fn());
  await expect.poll(() => server.onTheWay.length).toBe(1);
  server.isSlow = false;
  connection.subscribe("three", vi.fn());
  await expect.poll(() => server.subscribed.at(-1)).toEqual(["one", "two", "three"]);

  server.onTheWay[0]?.();

  const lists = [["one"], ["one", "two", "three"], ["one", "two"], ["one", "two", "three"]];
  await expect.poll(() => server.subscribed).toEqual(lists);
});

// ---- several tasks ----

test("two tasks killed at the same time are two kills, one of them twice is one", async () => {
  const server = new FakeServer();
  connect(server);
  const stores = ["one", "two"].map((taskId) => new MonitorStore(connection, taskId));
  await Promise.all([...stores, ...stores].map((store) => store.kill()));
  for (const store of stores) store.dispose();
  expect(server.calls.map(({ params }) => params)).toEqual([{ task_id: "one" }, { task_id: "two" }]);
});

test("a backend that has gone counts no tasks, though its answer comes later", async () => {
  const server = new FakeServer();
  connect(server);
  const answers: ((reply: object) => void)[] = [];
  vi.spyOn(connection, "forBackend").mockReturnValue({
    call: () => new Promise((resolve) => answers.push(resolve as never)),
    subscribe: () => () => {},
  } as unknown as Connection);
  const running = new RunningCount(connection);
  await expect.poll(() => answers.length).toBe(2);
  const reply = { result: { tasks: [{ is_terminal: false }], total: 1 }, buffers: [] };
  answers[1]?.(reply);
  await expect.poll(() => running.count.value).toBe(1);

  running.dispose();
  answers[0]?.(reply);
  await Promise.resolve();

  expect(running.count.value).toBe(0);
});

// ---- several backends ----

const CARD = { id: "b2", name: "local engine" };

test("a call for a backend states which one, and whose", async () => {
  const server = new FakeServer();
  connect(server);
  await connection.forBackend(CARD).call("task.get", { task_id: "t" });
  await connection.call("task.get", { task_id: "t" });
  expect(server.calls[0]).toMatchObject({ backend: "b2", account: "c1", backend_name: "local engine" });
  expect(server.calls[1]).not.toHaveProperty("backend");
});

test("a backend that the server does not list is asked for by its own name", async () => {
  const server = new FakeServer();
  connect(server);
  await connection.forBackend({ id: "b9", name: "other.example" }).call("task.get", { task_id: "t" });
  expect(server.calls[0]).toMatchObject({ backend: "b9", backend_name: "other.example" });
  expect(server.calls[0]).not.toHaveProperty("account");
});

test("what was opened for an account keeps to it when the account changes", async () => {
  const server = new FakeServer();
  connect(server);
  const card = connection.forBackend({ id: "b1", name: "one.example" });
  await card.call("task.get", { task_id: "t" });
  server.account = "a2";
  await connection.account.load();
  await card.call("task.get", { task_id: "t" });
  await connection.forBackend({ id: "b1", name: "one.example" }).call("task.get", { task_id: "t" });
  expect(server.calls.map((call) => call.account)).toEqual(["a1", "a1", "a2"]);
});

test("what was opened for the default backend keeps to the one that it was then", async () => {
  const server = new FakeServer();
  connect(server);
  const tab = connection.forBackend(null);
  const call = () => tab.call("task.get", { task_id: "t" });
  server.isWithout = true;
  await connection.account.load();
  await call();
  server.isWithout = false;
  await connection.account.load();
  await call();
  server.account = "a2";
  await connection.account.load();
  await call();
  expect(server.calls.map(({ backend, account }) => [backend, account])).toEqual([
    [undefined, undefined],
    ["b1", "a1"],
    ["b1", "a1"],
  ]);
});

test("how often the server looks is sent with the topics, and again when it changes", async () => {
  const server = new FakeServer();
  connect(server);
  connection.subscribe("tasks", vi.fn());
  await expect.poll(() => server.minInterval).toBe(1);
  connection.setMinInterval(30);
  await expect.poll(() => server.minInterval).toBe(30);
  expect(server.streams).toHaveLength(1);
});

test("the same wish for two backends is two wishes", async () => {
  const server = new FakeServer();
  connect(server);
  const views = server.backends().backends.map((backend) => connection.forBackend(backend));
  const wish = { intent: "kill" };
  await Promise.all(views.flatMap((view) => [1, 2].map(() => view.call("task.get", { task_id: "t" }, wish))));
  expect(server.calls.map((call) => call.backend).sort()).toEqual(["b1", "b2"]);
});

test("one stream carries the topics of two backends apart", async () => {
  const server = new FakeServer();
  connect(server);
  const heard = new Map(server.backends().backends.map(({ id }) => [id, vi.fn()]));
  const leaves = server
    .backends()
    .backends.map((backend) =>
      connection.forBackend(backend).subscribe("task/x", heard.get(backend.id) as never),
    );
  await expect.poll(() => server.subscribed.at(-1)).toEqual(["b1:a1:task/x", "b2:c1:task/x"]);
  server.say({ kind: "event", topic: "b2:c1:task/x", revision: 1, event: EVENT });
  await expect.poll(() => heard.get("b2")?.mock.calls).toEqual([[EVENT]]);
  expect(heard.get("b1")).not.toHaveBeenCalled();
  expect(server.streams).toHaveLength(1);
  leaves[0]?.();
  await expect.poll(() => server.subscribed.at(-1)).toEqual(["b2:c1:task/x"]);
});

test("who leaves before the backends are known listens to nothing", async () => {
  const server = new FakeServer();
  connect(server);
  connection.forBackend(CARD).subscribe("task/x", vi.fn())();
  await connection.account.known();
  connection.subscribe("tasks", vi.fn());
  await expect.poll(() => server.subscribed).toEqual([["tasks"]]);
});

test("the server announces a change of its backends", async () => {
  const server = new FakeServer();
  connect(server);
  connection.subscribe("tasks", vi.fn());
  await expect.poll(() => server.subscribed.length).toBe(1);
  expect(connection.account.backends.value).toBeNull();
  server.say({ kind: "backends" });
  await expect.poll(() => connection.account.backends.value).toEqual(server.backends());
});

// ---- the key and the engine ----

test("a key goes to the server and is asked about before it replaces another one", async () => {
  const server = new FakeServer();
  connect(server);
  const error = { type: "ConfigurationError", message: "There is one.", hint: "", retryable: false };
  server.refusal = Response.json({ error }, { status: 409 });
  expect(await connection.account.setKey("k", false)).toBe("exists");
  server.refusal = null;
  expect(await connection.account.setKey("k", true)).toBe("saved");
  expect(connection.account.backends.value).toEqual(server.backends());
  const path = "/base/inductiva-widgets/api/key";
  expect(server.posted).toEqual([
    { [path]: { key: "k", replace: false } },
    { [path]: { key: "k", replace: true } },
  ]);
});

test("the server's reason for refusing a key is shown to the user", async () => {
  const server = new FakeServer();
  connect(server);
  const error = { type: "ConfigurationError", message: "No key.", hint: "Copy it.", retryable: false };
  server.refusal = Response.json({ error }, { status: 400 });
  await expect(connection.account.setKey("k", false)).rejects.toMatchObject({ detail: error });
});

test("an engine that does not start, and a server without the route, are errors", async () => {
  const server = new FakeServer();
  connect(server);
  const error = { type: "LocalEngineError", message: "No.", hint: "", retryable: false };
  server.refusal = Response.json({ error }, { status: 503 });
  await expect(connection.account.startEngine()).rejects.toMatchObject({ name: "LocalEngineError" });
  server.refusal = Response.json({ message: "Not Found" }, { status: 404 });
  await expect(connection.account.startEngine()).rejects.toMatchObject({ name: "ServiceConnectionError" });
  server.isUp = false;
  await expect(connection.account.load()).rejects.toMatchObject({ name: "ServiceConnectionError" });
});

test("questions at the same time are one request", async () => {
  const server = new FakeServer();
  connect(server);
  const backends = vi.spyOn(server, "backends");
  await Promise.all([connection.account.load(), connection.account.known(), connection.account.load()]);
  await connection.account.known();
  expect(backends).toHaveBeenCalledTimes(1);
});
