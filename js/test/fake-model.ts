import type { AnyModel } from "@anywidget/types";
import type { ClientMessage, ServiceMessage } from "../src/protocol";

type Handler = (...args: never[]) => void;

/** A widget model whose other side is the test. */
export class FakeModel {
  readonly sent: { message: ClientMessage; buffers: readonly ArrayBuffer[] }[] = [];
  readonly #handlers = new Map<string, Set<Handler>>();

  constructor(readonly traits: Record<string, unknown> = {}) {}

  get(name: string): unknown {
    return this.traits[name];
  }

  on(event: string, handler: Handler): void {
    const handlers = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, handlers.add(handler));
  }

  off(event: string, handler: Handler): void {
    this.#handlers.get(event)?.delete(handler);
  }

  send(message: ClientMessage, _callbacks: unknown, buffers: readonly ArrayBuffer[] = []): void {
    this.sent.push({ message, buffers });
  }

  /** A message from Python. */
  receive(message: ServiceMessage, buffers: DataView[] = []): void {
    this.emit("msg:custom", message, buffers);
  }

  emit(event: string, ...args: unknown[]): void {
    for (const handler of this.#handlers.get(event) ?? []) (handler as (...args: unknown[]) => void)(...args);
  }

  listenerCount(): number {
    return [...this.#handlers.values()].reduce((count, handlers) => count + handlers.size, 0);
  }

  get asModel(): AnyModel {
    return this as unknown as AnyModel;
  }
}
