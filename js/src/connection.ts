import type { AnyModel } from "@anywidget/types";
import { type ReadonlySignal, signal } from "@preact/signals";
import type {
  BatchEvent,
  ClientMessage,
  LogEvent,
  Method,
  Methods,
  NoticeEvent,
  ProgressEvent,
  ServiceError,
  ServiceMessage,
  TaskEvent,
  TasksEvent,
} from "./protocol";

export interface CallOptions {
  /** Ends the waiting for an answer, not the work on it. */
  signal?: AbortSignal;
  buffers?: readonly ArrayBuffer[];
  /**
   * Names what the user wants. While a call of the same intent is unanswered, another one
   * repeats its message (same id, so it runs once) and shares its answer.
   */
  intent?: string;
  /** Called with `true` when the other side has not taken the call within a second, `false` when it has. */
  onWaiting?: (waiting: boolean) => void;
}

export interface Reply<M extends Method> {
  result: Methods[M]["result"];
  buffers: ArrayBuffer[];
}

export type TopicEvent = TaskEvent | TasksEvent | BatchEvent | LogEvent | ProgressEvent | NoticeEvent;
export type EventListener = (event: TopicEvent) => void;

/** The interface of a view to its host. */
export interface Connection {
  /** Who answers, for "Waiting for the …". */
  readonly peer: "kernel" | "server";
  /** False once calls can no longer be answered. */
  readonly connected: ReadonlySignal<boolean>;
  call<M extends Method>(method: M, params: Methods[M]["params"], options?: CallOptions): Promise<Reply<M>>;
  /** `onGap`: events were lost; ask for the state anew. */
  subscribe(topic: string, onEvent: EventListener, onGap?: () => void): () => void;
  dispose(): void;
}

/** A call that the service answered with an error, or that could not reach it. */
export class ServiceFailure extends Error {
  constructor(readonly detail: ServiceError) {
    super(detail.message);
    this.name = detail.type;
  }
}

export function asServiceError(error: unknown): ServiceError {
  if (error instanceof ServiceFailure) return error.detail;
  const message = error instanceof Error ? error.message : String(error);
  return { type: "ViewError", message, hint: "", retryable: true };
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** Passes events to the listeners of their topic and detects lost ones by their revision. */
export class Topics {
  readonly #topics = new Map<string, { last: number; listeners: Set<Listener> }>();

  get names(): string[] {
    return [...this.#topics.keys()];
  }

  /** Returns what removes the listener; that returns true when it was the topic's last one. */
  add(topic: string, onEvent: EventListener, onGap: () => void = () => {}): () => boolean {
    let entry = this.#topics.get(topic);
    if (entry === undefined) {
      entry = { last: 0, listeners: new Set() };
      this.#topics.set(topic, entry);
    }
    const { listeners } = entry;
    const listener = { onEvent, onGap };
    listeners.add(listener);
    return () => {
      if (!listeners.delete(listener) || listeners.size > 0) return false;
      this.#topics.delete(topic);
      return true;
    };
  }

  /** Returns true when events before this one were lost. */
  deliver(topic: string, revision: number, event: TopicEvent): boolean {
    const entry = this.#topics.get(topic);
    if (entry === undefined) return false;
    // Each subscription counts from 1, so a 1 is a new start and never a gap.
    const gap = revision !== 1 && revision !== entry.last + 1;
    entry.last = revision;
    for (const listener of [...entry.listeners]) {
      listener.onEvent(event);
      if (gap) listener.onGap();
    }
    return gap;
  }

  /** Everything may have been missed, e.g. after a broken stream. */
  gapEverywhere(): void {
    for (const { listeners } of this.#topics.values())
      for (const listener of [...listeners]) listener.onGap();
  }
}

interface Listener {
  onEvent: EventListener;
  onGap: () => void;
}

interface PendingCall {
  message: ClientMessage;
  buffers: readonly ArrayBuffer[];
  promise: Promise<Reply<Method>>;
  settle(reply: Reply<Method> | ServiceFailure | DOMException): void;
  taken(): void;
}

/** Waits this long for a sign that the kernel has taken a call before the view shows that it waits. */
const ACK_MS = 1000;

const KERNEL_GONE: ServiceError = {
  type: "KernelGoneError",
  message: "The kernel of this view is gone.",
  hint: "Run the cell again.",
  retryable: false,
};

// crypto.randomUUID exists on https and localhost only; JupyterHubs on plain http are common.
function randomPrefix(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(2)), (n) => n.toString(36)).join("");
}

/** Calls and events as custom messages of a widget model. One per model: views of it share it. */
export class KernelConnection implements Connection {
  readonly peer = "kernel";
  readonly #connected = signal(true);
  readonly #model: AnyModel;
  readonly #topics = new Topics();
  readonly #pending = new Map<string, PendingCall>();
  readonly #intents = new Map<string, PendingCall>();
  readonly #prefix = randomPrefix();
  #count = 0;

  constructor(model: AnyModel) {
    this.#model = model;
    model.on("msg:custom", this.#receive);
    // The model's first change of this kind is the comm's death; a living model stays silent.
    model.on("comm_live_update", this.#die);
  }

  get connected(): ReadonlySignal<boolean> {
    return this.#connected;
  }

  call<M extends Method>(
    method: M,
    params: Methods[M]["params"],
    options: CallOptions = {},
  ): Promise<Reply<M>> {
    if (!this.#connected.peek()) return Promise.reject(new ServiceFailure(KERNEL_GONE));
    const { intent, signal: abort } = options;
    const unanswered = intent === undefined ? undefined : this.#intents.get(intent);
    if (unanswered !== undefined) {
      this.#send(unanswered.message, unanswered.buffers);
      return unanswered.promise as Promise<Reply<M>>;
    }
    if (abort?.aborted) return Promise.reject(abort.reason);

    this.#count += 1;
    const id = `${this.#prefix}-${this.#count}`;
    const timer = setTimeout(() => options.onWaiting?.(true), ACK_MS);
    const { promise, resolve, reject } = deferred<Reply<Method>>();
    const onAbort = () => pending.settle(new DOMException("cancelled", "AbortError"));
    const pending: PendingCall = {
      message: { kind: "call", id, method, params },
      buffers: options.buffers ?? [],
      promise,
      taken: () => {
        clearTimeout(timer);
        options.onWaiting?.(false);
      },
      settle: (reply) => {
        pending.taken();
        abort?.removeEventListener("abort", onAbort);
        this.#pending.delete(id);
        if (intent !== undefined) this.#intents.delete(intent);
        if (reply instanceof Error) reject(reply);
        else resolve(reply);
      },
    };
    abort?.addEventListener("abort", onAbort);
    this.#pending.set(id, pending);
    if (intent !== undefined) this.#intents.set(intent, pending);
    this.#send(pending.message, pending.buffers);
    return promise as Promise<Reply<M>>;
  }

  subscribe(topic: string, onEvent: EventListener, onGap?: () => void): () => void {
    const remove = this.#topics.add(topic, onEvent, onGap);
    // Sent for each listener: the answer is the present state, which a late listener has missed.
    this.#send({ kind: "subscribe", topic });
    return () => {
      if (remove()) this.#send({ kind: "unsubscribe", topic });
    };
  }

  dispose(): void {
    this.#model.off("msg:custom", this.#receive);
    this.#model.off("comm_live_update", this.#die);
    for (const pending of [...this.#pending.values()]) {
      pending.settle(new DOMException("the view is closed", "AbortError"));
    }
  }

  #send(message: ClientMessage, buffers: readonly ArrayBuffer[] = []): void {
    if (this.#connected.peek()) this.#model.send(message, undefined, [...buffers]);
  }

  readonly #die = (): void => {
    this.#connected.value = false;
    for (const pending of [...this.#pending.values()]) pending.settle(new ServiceFailure(KERNEL_GONE));
  };

  readonly #receive = (message: ServiceMessage, buffers: readonly (DataView | ArrayBuffer)[] = []): void => {
    if (message.kind === "event") {
      const lost = this.#topics.deliver(message.topic, message.revision, message.event);
      if (lost) this.#send({ kind: "subscribe", topic: message.topic });
      return;
    }
    const pending = this.#pending.get(message.id);
    if (message.kind === "ack") pending?.taken();
    else if (message.kind === "error") pending?.settle(new ServiceFailure(message.error));
    else if (message.kind === "result") {
      pending?.settle({ result: message.result as Reply<Method>["result"], buffers: buffers.map(ownBuffer) });
    }
  };
}

/** Buffers of one message share memory and begin anywhere; typed arrays need their own, aligned. */
function ownBuffer(data: DataView | ArrayBuffer): ArrayBuffer {
  if (data instanceof ArrayBuffer) return data;
  return data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) as ArrayBuffer;
}

function deferred<T>() {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((res, rej) => {
    resolve = res;
    reject = rej;
  });
  return { promise, resolve, reject };
}
