import { ServerConnection as Server } from "@jupyterlab/services";
import { afterEach, expect, test, vi } from "vitest";
import { decodeFrame, encodeFrame } from "../../src/lab/frame";
import { ServerConnection } from "../../src/lab/server-connection";

/** A Jupyter server of a few lines: what was asked, and a stream that the test feeds. */
class FakeServer {
  readonly streams: ReadableStreamDefaultController<Uint8Array>[] = [];
  readonly subscribed: string[][] = [];
  readonly calls: Record<string, unknown>[] = [];
  isUp = true;
  subscribeStatus = 200;

  readonly fetch = async (input: RequestInfo | URL): Promise<Response> => {
    const request = input as Request;
    const { pathname } = new URL(request.url);
    if (!this.isUp) throw new TypeError("Failed to fetch");
    if (pathname.endsWith("/api/events")) return new Response(this.#stream());
    if (pathname.endsWith("/api/subscribe")) {
      const { topics } = (await request.json()) as { topics: string[] };
      this.subscribed.push(topics);
      return new Response("{}", { status: this.subscribeStatus });
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

  say(line: object): void {
    this.streams.at(-1)?.enqueue(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
  }

  #stream(): ReadableStream<Uint8Array> {
    return new ReadableStream({
      start: (controller) => {
        this.streams.push(controller);
        controller.enqueue(new TextEncoder().encode('{"kind":"hello"}\n'));
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

test("after a broken stream it comes back, subscribes anew and tells of the gap", async () => {
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
