import { URLExt } from "@jupyterlab/coreutils";
import { ServerConnection as Server } from "@jupyterlab/services";
import { type ReadonlySignal, signal } from "@preact/signals";
import {
  type CallOptions,
  type Connection,
  type EventListener,
  type Reply,
  ServiceFailure,
  Topics,
} from "../connection";
import type { BackendName, Method, Methods, ServiceError, ServiceMessage } from "../protocol";
import { Account, type Answer, type Backends } from "./account";
import { decodeFrame, encodeFrame } from "./frame";

/** The server has the stream but not all of the topics, e.g. because it has no key: calls say why. */
const BAD_REQUEST = 400;

function refusedOnly(error: unknown): void {
  if (!(error instanceof HttpFailure && error.status === BAD_REQUEST)) throw error;
}

/** A call that the server has not answered by then is reported as waiting. */
const SLOW_MS = 1000;
/** First pause before the event stream is opened again; doubles up to the longest. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

const JSON_BODY = { "Content-Type": "application/json" };

/** The backend and account that a call is meant for, as its header states them. */
interface Place {
  backend?: string;
  account?: string;
  backend_name?: string;
}

/**
 * Calls by POST and one event stream for the whole page: a browser opens six connections to a
 * host, and a stream per view would use them up. Itself it connects to the server's default backend;
 * `forBackend` gives a connection to a certain one.
 */
export class ServerConnection implements Connection {
  readonly peer = "server";
  /** The server's backends, and how to get one. */
  readonly account: Account;
  readonly #connected = signal(true);
  readonly #settings: Server.ISettings;
  readonly #base: string;
  readonly #client = randomHex();
  readonly #topics = new Topics();
  readonly #intents = new Map<string, Promise<Reply<Method>>>();
  #count = 0;
  #minIntervalS = 1;
  #stream: AbortController | null = null;
  #announcing = false;
  /** Lists of topics that were sent, and the newest of them that has arrived. */
  #sent = 0;
  #arrived = 0;

  constructor(settings: Server.ISettings = Server.makeSettings()) {
    this.#settings = settings;
    this.#base = URLExt.join(settings.baseUrl, "inductiva-widgets", "api");
    this.account = new Account(
      (path, body) => this.#ask(path, body),
      (error) => new ServiceFailure(error),
    );
  }

  /**
   * The same server and stream, for one backend: what a card names, or an entry of
   * `account.backends`; `null` is the one that is the default at its first use. It keeps to the
   * account that the backend had at its first use; once that has changed, calls fail with an
   * `AccountChangedError`: ask for a new one then.
   */
  forBackend(backend: BackendName | null): Connection {
    return new BackendView(this, backend);
  }

  /** Nothing can be killed, submitted or set up on this server. */
  get isReadonly(): boolean {
    return this.account.backends.value?.readonly === true;
  }

  /** The least pause between two looks at the tasks, in s: what this page asks of the server. */
  setMinInterval(seconds: number): void {
    if (seconds === this.#minIntervalS) return;
    this.#minIntervalS = seconds;
    if (this.#stream !== null) this.#follow();
  }

  /** False while the event stream cannot be opened: what is on screen may be old then. */
  get connected(): ReadonlySignal<boolean> {
    return this.#connected;
  }

  call<M extends Method>(
    method: M,
    params: Methods[M]["params"],
    options: CallOptions = {},
  ): Promise<Reply<M>> {
    return this.callAt({}, method, params, options);
  }

  /** For `forBackend`: a call to a certain place. */
  callAt<M extends Method>(
    place: Place | Promise<Place>,
    method: M,
    params: Methods[M]["params"],
    options: CallOptions,
  ): Promise<Reply<M>> {
    const { intent } = options;
    const unanswered = intent === undefined ? undefined : this.#intents.get(intent);
    if (unanswered !== undefined) return unanswered as Promise<Reply<M>>;
    const answer = this.#call(place, method, params, options);
    if (intent !== undefined) {
      const forget = () => this.#intents.delete(intent);
      this.#intents.set(intent, answer as Promise<Reply<Method>>);
      answer.then(forget, forget);
    }
    return answer;
  }

  subscribe(topic: string, onEvent: EventListener, onGap?: () => void): () => void {
    const remove = this.#topics.add(topic, onEvent, onGap);
    this.#follow();
    return () => {
      remove();
      this.#follow();
    };
  }

  dispose(): void {
    this.#stream?.abort();
    this.account.dispose();
  }

  async #call<M extends Method>(
    place: Place | Promise<Place>,
    method: M,
    params: Methods[M]["params"],
    { signal: abort, buffers = [], onWaiting }: CallOptions,
  ): Promise<Reply<M>> {
    this.#count += 1;
    const id = `${this.#client}-${this.#count}`;
    const slow = setTimeout(() => onWaiting?.(true), SLOW_MS);
    try {
      const response = await this.#request("call", {
        method: "POST",
        headers: { "Content-Type": "application/octet-stream" },
        body: encodeFrame({ id, method, params, ...(await place) }, buffers),
        signal: abort ?? null,
      });
      const { header, buffers: received } = decodeFrame(await response.arrayBuffer());
      const message = header as unknown as ServiceMessage;
      if (message.kind === "error") throw new ServiceFailure(message.error);
      if (message.kind !== "result")
        throw new ServiceFailure(unreachable(`unexpected answer "${message.kind}"`));
      return { result: message.result as Reply<M>["result"], buffers: received };
    } finally {
      clearTimeout(slow);
      onWaiting?.(false);
    }
  }

  async #request(path: string, init: RequestInit): Promise<Response> {
    const response = await this.#send(path, init);
    if (!response.ok) throw new HttpFailure(response.status);
    return response;
  }

  async #send(path: string, init: RequestInit): Promise<Response> {
    try {
      return await Server.makeRequest(URLExt.join(this.#base, path), init, this.#settings);
    } catch (error) {
      if (init.signal?.aborted === true) throw new DOMException("cancelled", "AbortError");
      throw new ServiceFailure(unreachable(error instanceof Error ? error.message : String(error)));
    }
  }

  async #ask(path: string, body?: object): Promise<Answer> {
    const init = { method: "POST", headers: JSON_BODY, body: JSON.stringify(body) };
    const response = await this.#send(path, body === undefined ? { cache: "no-store" } : init);
    const told: unknown = await response.json().catch(() => null);
    // Errors of Jupyter itself have a body without a type.
    const isOurs = response.ok || (told as { error?: ServiceError } | null)?.error?.type !== undefined;
    if (told === null || !isOurs) throw new HttpFailure(response.status);
    return { status: response.status, body: told as Answer["body"] };
  }

  // ---- events ----

  /** Makes server and stream agree with the listeners; a burst of changes is sent once. */
  #follow(): void {
    if (this.#announcing) return;
    this.#announcing = true;
    queueMicrotask(() => {
      this.#announcing = false;
      const topics = this.#topics.names;
      if (topics.length === 0) {
        this.#stream?.abort();
        this.#stream = null;
      } else if (this.#stream === null) {
        this.#stream = new AbortController();
        void this.#listen(this.#stream.signal);
      } else {
        void this.#announce().catch(() => {}); // the stream is broken as well then, and announces when it is back
      }
    });
  }

  async #announce(): Promise<void> {
    this.#sent += 1;
    const number = this.#sent;
    await this.#request("subscribe", {
      method: "POST",
      headers: JSON_BODY,
      body: JSON.stringify({
        client: this.#client,
        topics: this.#topics.names,
        min_interval_s: this.#minIntervalS,
      }),
    });
    // Overtaken on its way, an older list has undone a newer one.
    if (number < this.#arrived) await this.#announce();
    else this.#arrived = number;
  }

  async #listen(stop: AbortSignal): Promise<void> {
    let pause = FIRST_PAUSE_MS;
    for (let again = false; !stop.aborted; again = true) {
      let response: Response | undefined;
      try {
        response = await this.#request(`events?client=${this.#client}`, {
          signal: stop,
          cache: "no-store",
        });
        await this.#announce().catch(refusedOnly);
        this.#connected.value = true;
        if (again) {
          this.#topics.gapEverywhere();
          this.account.load().catch(() => {});
        }
        await this.#read(response, () => {
          pause = FIRST_PAUSE_MS;
        });
      } catch {
        if (stop.aborted) return;
        this.#connected.value = false;
      } finally {
        // Else a stream that could not be used would keep one of the browser's few connections to the server.
        response?.body?.cancel().catch(() => {});
      }
      // Jitter: after a server restart all pages come back, but not at once.
      await sleep(pause * (0.5 + Math.random()), stop);
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    }
  }

  /** Passes on each line of the stream until it ends. */
  async #read(response: Response, onLine: () => void): Promise<void> {
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    if (reader === undefined) return;
    let rest = "";
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        const lines = (rest + value).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          onLine();
          if (line !== "") this.#deliver(JSON.parse(line) as StreamLine);
        }
      }
    } finally {
      reader.cancel().catch(() => {}); // as above, after a line that is none
    }
  }

  #deliver(line: StreamLine): void {
    if (line.kind === "backends") this.account.load().catch(() => {});
    if (line.kind !== "event") return;
    const lost = this.#topics.deliver(line.topic, line.revision, line.event);
    if (lost) this.#follow();
  }
}

/** What `forBackend` gives. */
class BackendView implements Connection {
  readonly peer = "server";
  readonly connected: ReadonlySignal<boolean>;
  readonly #server: ServerConnection;
  readonly #backend: BackendName | null;
  #place: Promise<Place> | null = null;

  constructor(server: ServerConnection, backend: BackendName | null) {
    this.#server = server;
    this.#backend = backend;
    this.connected = server.connected;
  }

  call<M extends Method>(
    method: M,
    params: Methods[M]["params"],
    options: CallOptions = {},
  ): Promise<Reply<M>> {
    const { intent } = options;
    const here = intent === undefined ? {} : { intent: `${this.#backend?.id ?? ""}:${intent}` };
    return this.#server.callAt(this.#whereabouts(), method, params, { ...options, ...here });
  }

  subscribe(topic: string, onEvent: EventListener, onGap?: () => void): () => void {
    let leave: () => void = () => {};
    let isOver = false;
    const listen = ({ backend, account = "" }: Place) => {
      const name = backend === undefined ? topic : `${backend}:${account}:${topic}`;
      if (!isOver) leave = this.#server.subscribe(name, onEvent, onGap);
    };
    // A server that is down now is asked again by the stream, which then checks no account.
    this.#whereabouts().then(listen, () =>
      listen(this.#backend === null ? {} : { backend: this.#backend.id }),
    );
    return () => {
      isOver = true;
      leave();
    };
  }

  dispose(): void {} // the stream belongs to the page

  /** Found out at the first use, and kept: the account is the one that the user saw. */
  #whereabouts(): Promise<Place> {
    if (this.#place === null) {
      this.#place = this.#server.account.known().then((known) => this.#placeIn(known));
      const forget = () => {
        this.#place = null;
      };
      // Without a backend there is nothing to keep to yet.
      this.#place.then(({ backend }) => backend === undefined && forget(), forget);
    }
    return this.#place;
  }

  #placeIn({ backends, default: first }: Backends): Place {
    const id = this.#backend?.id ?? first;
    if (id === null) return {};
    const entry = backends.find((known) => known.id === id);
    const name = this.#backend?.name ?? entry?.name ?? id;
    return { backend: id, backend_name: name, ...(entry === undefined ? {} : { account: entry.account }) };
  }
}

type StreamLine =
  | Extract<ServiceMessage, { kind: "event" }>
  | { kind: "hello" }
  | { kind: "ping" }
  | { kind: "backends" };

class HttpFailure extends ServiceFailure {
  constructor(readonly status: number) {
    super(unreachable(`HTTP ${status}`));
  }
}

function unreachable(reason: string): ServiceError {
  return {
    type: "ServiceConnectionError",
    message: `The Jupyter server did not answer (${reason})`,
    hint: "Check that it runs and that inductiva_widgets is installed beside it.",
    retryable: true,
  };
}

function randomHex(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}

function sleep(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      stop.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    stop.addEventListener("abort", end);
  });
}
