import { signal } from "@preact/signals";
import {
  type CallOptions,
  type Connection,
  type EventListener,
  type Reply,
  ServiceFailure,
  type TopicEvent,
  Topics,
} from "../src/connection";
import type { ClientMessage, Method, Methods, ServiceError, ServiceMessage } from "../src/protocol";

/** A recorded conversation, as the files in `tests/golden/protocol` hold it. */
export interface Transcript {
  about: string;
  messages: Recorded[];
}

interface Recorded {
  to: string;
  message: unknown;
  /** Base64. */
  buffers?: string[];
}

interface Answered {
  result: unknown;
  buffers: ArrayBuffer[];
}

interface Answer {
  outcome: Answered | ServiceError;
}

export interface SentCall {
  method: Method;
  params: object;
  buffers: readonly ArrayBuffer[];
}

/** Answers calls from recorded conversations; recorded events come when the test plays them. */
export class ReplayConnection implements Connection {
  readonly peer: "kernel" | "server";
  readonly connected = signal(true);
  /** Every call made, in order. */
  readonly sent: SentCall[] = [];
  /** Methods that stay unanswered; `waiting` ones are not even taken. */
  readonly held = new Set<Method>();
  readonly waiting = new Set<Method>();
  /** Answers that depend on what is asked. */
  readonly handlers = new Map<Method, (params: object) => Answered | Promise<Answered>>();
  readonly #answers = new Map<Method, Answer[]>();
  readonly #events: Extract<ServiceMessage, { kind: "event" }>[] = [];
  readonly #topics = new Topics();

  constructor(transcripts: readonly Transcript[], peer: "kernel" | "server" = "kernel") {
    this.peer = peer;
    for (const transcript of transcripts) this.#read(transcript);
  }

  async call<M extends Method>(
    method: M,
    params: Methods[M]["params"],
    { buffers = [], signal: abort, onWaiting }: CallOptions = {},
  ): Promise<Reply<M>> {
    this.sent.push({ method, params, buffers });
    if (this.waiting.has(method)) onWaiting?.(true);
    if (this.waiting.has(method) || this.held.has(method)) {
      return new Promise((_, reject) => {
        abort?.addEventListener("abort", () => reject(abort.reason));
      });
    }
    const handler = this.handlers.get(method);
    if (handler !== undefined) return (await handler(params)) as Reply<M>;
    // The last answer serves for good: a state asked for again has not changed.
    const answers = this.#answers.get(method) ?? [];
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    await Promise.resolve();
    if (answer === undefined) throw new Error(`no answer to ${method} was recorded`);
    if ("type" in answer.outcome) throw new ServiceFailure(answer.outcome);
    return answer.outcome as Reply<M>;
  }

  subscribe(topic: string, onEvent: EventListener, onGap?: () => void): () => void {
    // Marks of views are not recorded.
    return this.#topics.add(topic.replace(/#.*/, ""), onEvent, onGap);
  }

  /** The topics that have a listener. */
  get topics(): string[] {
    return this.#topics.names;
  }

  /** Delivers the next recorded events. */
  play(count = Number.POSITIVE_INFINITY): void {
    for (const { topic, revision, event } of this.#events.splice(0, count)) {
      this.#topics.deliver(topic, revision, event);
    }
  }

  /** Delivers an event that was not recorded. */
  deliver(topic: string, revision: number, event: TopicEvent): void {
    this.#topics.deliver(topic, revision, event);
  }

  disconnect(): void {
    this.connected.value = false;
  }

  dispose(): void {}

  #read(transcript: Transcript): void {
    const methods = new Map<string, Method>();
    for (const { to, message, buffers = [] } of transcript.messages) {
      if (to === "service") {
        const sent = message as ClientMessage;
        if (sent.kind === "call") methods.set(sent.id, sent.method);
        continue;
      }
      const received = message as ServiceMessage;
      if (received.kind === "event") this.#events.push(received);
      if (received.kind !== "result" && received.kind !== "error") continue;
      const method = methods.get(received.id);
      if (method === undefined) throw new Error(`answer to an unknown call: ${received.id}`);
      const outcome =
        received.kind === "error"
          ? received.error
          : { result: received.result, buffers: buffers.map(fromBase64) };
      this.#answers.set(method, [...(this.#answers.get(method) ?? []), { outcome }]);
    }
  }
}

export function fromBase64(text: string): ArrayBuffer {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer;
}

export function toBase64(data: ArrayBuffer): string {
  let text = "";
  for (const byte of new Uint8Array(data)) text += String.fromCharCode(byte);
  return btoa(text);
}
