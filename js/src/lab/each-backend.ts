import { effect, untracked } from "@preact/signals";
import type { Account, BackendEntry } from "./account";

/** Runs `enter` for each backend and account that the server has, and what it returned when one goes. */
export function eachBackend(account: Account, enter: (backend: BackendEntry) => () => void): () => void {
  const leaves = new Map<string, () => void>();
  const follow = (backends: readonly BackendEntry[]) => {
    const wanted = new Map(backends.map((backend) => [`${backend.id}:${backend.account}`, backend]));
    for (const [name, leave] of leaves) {
      if (wanted.has(name)) continue;
      leave();
      leaves.delete(name);
    }
    for (const [name, backend] of wanted) {
      if (!leaves.has(name)) leaves.set(name, enter(backend));
    }
  };
  const stop = effect(() => {
    const backends = account.backends.value?.backends ?? [];
    untracked(() => follow(backends));
  });
  account.known().catch(() => {}); // asked for again when the server is back
  return () => {
    stop();
    follow([]);
  };
}
