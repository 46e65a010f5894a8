import type { LogEvent, ServiceError } from "../src/protocol";
import type { ReplayConnection } from "./replay-connection";

/** Sends a view what a service that follows logs would. */
export class MadeFeed {
  readonly #connection: ReplayConnection;
  readonly #taskId: string;
  #feed: string;
  #revision = 0;
  #lines = new Map<string, number>();

  constructor(connection: ReplayConnection, taskId: string, feed = "feed-1") {
    this.#connection = connection;
    this.#taskId = taskId;
    this.#feed = feed;
  }

  /** Lines of one log, after leaving out some. */
  write(name: string, lines: readonly string[], leftOut = 0): void {
    const line = (this.#lines.get(name) ?? 0) + leftOut;
    this.#lines.set(name, line + lines.length);
    this.#tell({ chunks: [{ name, line, text: lines.join("\n") }] });
  }

  become(state: LogEvent["state"], error: ServiceError | null = null): void {
    this.#tell({ state, error });
  }

  /** The service has followed anew: numbers begin again. */
  restart(feed: string): void {
    this.#feed = feed;
    this.#lines = new Map();
  }

  #tell(news: Partial<LogEvent>): void {
    this.#revision += 1;
    this.#connection.deliver(`logs/${this.#taskId}`, this.#revision, {
      kind: "log",
      task_id: this.#taskId,
      feed: this.#feed,
      state: "following",
      error: null,
      chunks: [],
      ...news,
    });
  }
}

/** Lines as a solver writes them, numbered from `from`. */
export function madeLines(count: number, from = 0): string[] {
  return Array.from(
    { length: count },
    (_, i) => `Time = ${((from + i) / 1000).toFixed(3)}  step ${from + i}`,
  );
}
