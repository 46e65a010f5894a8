import { useEffect, useRef, useState } from "preact/hooks";
import { asServiceError } from "../connection";
import { formatClock, formatStamp } from "../format";
import type { ListAccount, TaskListHost } from "../list/host";
import type { TaskListStore } from "../list/store";
import type { ServiceError } from "../protocol";
import { ErrorText } from "./banner";
import { Icon } from "./icon";

export interface TaskListProps {
  store: TaskListStore;
  host: TaskListHost;
}

export function AsOf({ store }: { store: TaskListStore }) {
  const asOf = store.asOf.value;
  if (asOf === 0) return null;
  return (
    <span class={store.old.value ? "iw-asof old" : "iw-asof"} title={formatStamp(asOf)}>
      as of {formatClock(asOf, store.now.value)}
    </span>
  );
}

/** Nothing was ever listed: not yet, without a key, or without an answer. */
export function NotListed({ store, host }: TaskListProps) {
  const error = store.error.value;
  if (error === null) return <ListSkeleton />;
  const { account } = host;
  const needsKey = error.type === "ConfigurationError" || error.type === "AuthenticationError";
  if (needsKey && account !== undefined && host.readonly !== true) {
    return <Welcome store={store} account={account} error={error} />;
  }
  return (
    <div class="iw-plist iw-empty">
      <Icon name={needsKey ? "key" : "warn"} />
      <b>{error.message}</b>
      {error.hint !== "" && <span>{error.hint}</span>}
      <button type="button" class="iw-b" onClick={() => void store.refresh(true)}>
        <Icon name="refresh" className="s" />
        Try again
      </button>
    </div>
  );
}

export function NoTasks({ host }: { host: TaskListHost }) {
  if (host.isChosen === true) {
    return (
      <div class="iw-plist iw-empty">
        <Icon name="task" />
        <b>No tasks in this list</b>
      </div>
    );
  }
  return (
    <div class="iw-plist iw-empty">
      <Icon name="task" />
      <b>No tasks yet</b>
      <span>Simulations that you submit from any notebook or terminal appear here. In a cell:</span>
      <code class="iw-code">{'import inductiva_widgets as iw\niw.tasks.submit(["…"], "folder")'}</code>
      {host.account?.documentation !== undefined && <Documentation href={host.account.documentation} />}
    </div>
  );
}

function Documentation({ href }: { href: string }) {
  return (
    <a class="iw-link lnk" href={href} target="_blank" rel="noreferrer">
      <Icon name="open" className="s" />
      Open the documentation
    </a>
  );
}

// ---- the first key ----

interface WelcomeProps {
  store: TaskListStore;
  account: ListAccount;
  error: ServiceError;
}

function Welcome({ store, account, error }: WelcomeProps) {
  const [asks, setAsks] = useState(false);
  const isRefused = error.type === "AuthenticationError";
  return (
    <div class="iw-plist iw-hello">
      <h4>See your simulations here</h4>
      {isRefused ? (
        <p class="err">
          <ErrorText error={error} />
        </p>
      ) : (
        <p>
          Every task of your account, from any notebook or terminal: its state, files and cost. Nothing has to
          run for it.
        </p>
      )}
      {asks || store.askingKey.value ? (
        <KeyForm store={store} account={account} close={() => setAsks(false)} />
      ) : (
        <button type="button" class="iw-b primary" onClick={() => setAsks(true)}>
          <Icon name="key" className="s" />
          Set API key
        </button>
      )}
      <p class="fine">
        The key is kept by this Jupyter server in a file only you can read. It never enters a notebook.
      </p>
      <hr />
      <p>No account? Try it with simulations on this computer.</p>
      <EngineButton store={store} account={account} />
      {account.documentation !== undefined && (
        <>
          <hr />
          <Documentation href={account.documentation} />
        </>
      )}
    </div>
  );
}

function EngineButton({ store, account }: Omit<WelcomeProps, "error">) {
  const [state, setState] = useState<"idle" | "starting" | ServiceError>("idle");
  const start = () => {
    setState("starting");
    account.startEngine().then(
      () => store.reset(),
      (error: unknown) => setState(asServiceError(error)),
    );
  };
  return (
    <>
      <button type="button" class="iw-b" disabled={state === "starting"} onClick={start}>
        <Icon name="server" className="s" />
        {state === "starting" ? "Starting the engine…" : "Start the local engine"}
      </button>
      {typeof state === "object" && <Refusal error={state} />}
    </>
  );
}

type KeyState =
  | { kind: "typing" }
  | { kind: "saving" }
  | { kind: "exists" }
  | { kind: "refused"; error: ServiceError };

/** Takes a key and passes it to the host; nothing of it stays here. Asks before one is replaced. */
export function KeyForm({
  store,
  account,
  close,
}: {
  store: TaskListStore;
  account: ListAccount;
  close(): void;
}) {
  const [state, setState] = useState<KeyState>({ kind: "typing" });
  const field = useRef<HTMLInputElement>(null);
  const keep = useRef<HTMLButtonElement>(null);
  const { kind } = state;
  useEffect(() => {
    if (kind === "exists") keep.current?.focus();
    else if (kind !== "saving") field.current?.focus();
  }, [kind]);
  const leave = () => {
    if (field.current !== null) field.current.value = "";
    store.askingKey.value = false;
    close();
  };
  const save = async (replace: boolean) => {
    const key = field.current?.value.trim() ?? "";
    if (key === "") return field.current?.focus();
    setState({ kind: "saving" });
    try {
      const answer = await account.setKey(key, replace);
      if (answer === "exists") return setState({ kind: "exists" });
      leave();
      store.reset();
    } catch (error) {
      setState({ kind: "refused", error: asServiceError(error) });
    }
  };
  return (
    <form
      class="iw-key"
      onSubmit={(event) => {
        event.preventDefault();
        void save(false);
      }}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        leave();
      }}
    >
      <label>
        <span>API key</span>
        <input
          ref={field}
          type="password"
          autocomplete="off"
          spellcheck={false}
          disabled={kind === "saving"}
          readOnly={kind === "exists"}
          aria-invalid={kind === "refused"}
        />
      </label>
      {state.kind === "refused" && <Refusal error={state.error} />}
      {kind === "exists" ? (
        <>
          <p class="fine" role="alert">
            <b>This server has another key.</b> Replace it? Tasks of that account are then no longer shown.
          </p>
          <div class="two">
            <button type="button" class="iw-b" ref={keep} onClick={leave}>
              Keep it
            </button>
            <button type="button" class="iw-b danger" onClick={() => void save(true)}>
              Replace key
            </button>
          </div>
        </>
      ) : (
        <div class="two">
          <button type="button" class="iw-b" onClick={leave}>
            Cancel
          </button>
          <button type="submit" class="iw-b primary" disabled={kind === "saving"}>
            {kind === "saving" ? "Saving…" : "Save key"}
          </button>
        </div>
      )}
    </form>
  );
}

function Refusal({ error }: { error: ServiceError }) {
  return (
    <p class="err" role="alert">
      <ErrorText error={error} />
    </p>
  );
}

// ---- waiting, keys ----

function ListSkeleton() {
  return (
    <div class="iw-plist" aria-busy="true">
      {["70%", "50%", "62%", "44%", "58%"].map((width) => (
        <div class="iw-wait" key={width}>
          <span />
          <span class="iw-sk" style={{ "--w": width }} />
          <span />
          <span class="iw-sk" style={{ "--w": "80%" }} />
        </div>
      ))}
    </div>
  );
}

const KEYS: readonly [string, string][] = [
  ["/", "Search"],
  ["↑ ↓ Home End", "Move"],
  ["Enter", "Open"],
  ["Space", "Select"],
  ["Shift ↑ ↓", "Extend the selection"],
  ["Ctrl A", "Select all found"],
  ["Esc", "Clear the selection"],
  ["C", "Compare two tasks"],
  ["D", "Download…"],
  ["K", "Kill…"],
  ["I", "Insert the code"],
  ["R", "Refresh"],
  ["?", "These keys"],
];

export function Keys({ host, close }: { host: TaskListHost; close(): void }) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => button.current?.focus(), []);
  const missing = [
    host.readonly === true ? "K" : "",
    host.onInsert === undefined ? "I" : "",
    host.onCompare === undefined ? "C" : "",
  ];
  return (
    <div
      class="iw-hotkeys"
      role="dialog"
      aria-label="Keys"
      onKeyDown={(event) => {
        if (event.key !== "Escape" && event.key !== "?") return;
        event.stopPropagation();
        event.preventDefault();
        close();
      }}
    >
      <div class="top">
        <b>Keys</b>
        <button type="button" class="iw-b icon ghost" aria-label="Close" ref={button} onClick={close}>
          <Icon name="close" />
        </button>
      </div>
      <dl>
        {KEYS.filter(([key]) => !missing.includes(key)).map(([key, does]) => (
          <div key={key}>
            <dt>
              {key.split(" ").map((part) => (
                <span class="iw-kbd" key={part}>
                  {part}
                </span>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
