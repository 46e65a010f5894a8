import { useEffect, useRef } from "preact/hooks";
import { savedChoice } from "../key-choice";
import type { KeyMap, MonitorStore } from "../monitor/store";

/** While the component is shown, these keys act. */
export function useKeys(store: MonitorStore, keys: KeyMap): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const map: Record<string, () => void> = {};
    for (const key of Object.keys(latest.current)) map[key] = () => latest.current[key]?.();
    store.keys.add(map);
    return () => void store.keys.delete(map);
  }, [store]);
}

/** Runs what a key does; true if it is one of the view's. */
export function runKey(store: MonitorStore, event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || isField(event.target)) return false;
  if (!keysAct(store)) return false;
  // What was registered last is nearest to the user.
  for (const map of [...store.keys].reverse()) {
    const run = Object.hasOwn(map, event.key) ? map[event.key] : undefined;
    if (run === undefined) continue;
    run();
    return true;
  }
  return false;
}

function isField(target: EventTarget | null): boolean {
  return target instanceof Element && target.matches("input, textarea, select");
}

/** Whether single keys act: the user's own choice, else the host's. */
export function keysAct(store: MonitorStore): boolean {
  return (savedChoice() ?? store.options.singleKeys ?? true) === true;
}
