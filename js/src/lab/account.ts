import { type ReadonlySignal, signal } from "@preact/signals";
import type { BackendName, ServiceError } from "../protocol";

/** A backend of the server. `account` marks its key: another key, another mark. */
export interface BackendEntry extends BackendName {
  is_local: boolean;
  account: string;
}

/** Answer of `GET api/backends`. */
export interface Backends {
  /** `null`: no key, and no local engine that runs. */
  default: string | null;
  /** Nothing can be killed, submitted or set up here. */
  readonly: boolean;
  /** Where a key comes from; one of the environment cannot be changed by a page. */
  key_source: "environment" | "file" | null;
  backends: BackendEntry[];
  /** Of the server's part of the package; absent in versions that do not report it. */
  version?: string;
}

/** What `Account` needs of a connection: the answer of a route, or a `ServiceFailure`. */
export type Ask = (path: string, body?: object) => Promise<Answer>;

export interface Answer {
  /** HTTP status. */
  status: number;
  body: Backends | { error: ServiceError };
}

/** Which backends and keys the Jupyter server has, and the two ways to get the first of them. */
export class Account {
  readonly #backends = signal<Backends | null>(null);
  readonly #ask: Ask;
  readonly #fail: (error: ServiceError) => Error;
  #asking: Promise<Backends> | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ask: Ask, fail: (error: ServiceError) => Error) {
    this.#ask = ask;
    this.#fail = fail;
  }

  /** `null` until the first answer. */
  get backends(): ReadonlySignal<Backends | null> {
    return this.#backends;
  }

  /** Asks the server. Calls at the same time share one request. */
  load(): Promise<Backends> {
    if (this.#asking === null) {
      this.#asking = this.#take(this.#ask("backends")).finally(() => {
        this.#asking = null;
      });
    }
    return this.#asking;
  }

  /** What is known already, asking when nothing is; again and again while no server answers. */
  async known(): Promise<Backends> {
    const known = this.#backends.peek();
    if (known !== null) return known;
    try {
      return await this.load();
    } catch (error) {
      if (!hasStatus(error)) this.#askLater();
      throw error;
    }
  }

  dispose(): void {
    clearTimeout(this.#timer);
  }

  #askLater(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.known().catch(() => {}), RETRY_MS * (0.5 + Math.random()));
  }

  /** Writes the key into the server's key file. `exists`: there is one, and `replace` is false. */
  async setKey(key: string, replace: boolean): Promise<"saved" | "exists"> {
    const answer = await this.#ask("key", { key, replace });
    if (answer.status === CONFLICT) return "exists";
    await this.#take(Promise.resolve(answer));
    return "saved";
  }

  /** Starts the local engine beside the server, or finds the one that runs. Takes some seconds. */
  startEngine(): Promise<Backends> {
    return this.#take(this.#ask("engine", {}));
  }

  async #take(asked: Promise<Answer>): Promise<Backends> {
    const { body } = await asked;
    if ("error" in body) throw this.#fail(body.error);
    this.#backends.value = body;
    return body;
  }
}

const CONFLICT = 409;
/** Mean pause; only while the page has never had an answer. */
const RETRY_MS = 10_000;

/** Whether a server answered: one without the route does not get it by being asked again. */
function hasStatus(error: unknown): boolean {
  return typeof (error as { status?: unknown }).status === "number";
}
