import { effect, untracked } from "@preact/signals";

/** Kept by one tab of the browser, until that is closed. */
const PREFIX = "inductiva-widgets:view:";

/**
 * What a reader chose in a view outlives a reload of the page: gives it back by `choose`, then notes what is
 * chosen from now on. Choices are a few words each; without a name they are forgotten. Returns what ends this.
 */
export function remember<T extends object>(
  name: string | undefined,
  choices: () => T,
  choose: (saved: Partial<T>) => void,
): () => void {
  if (name === undefined) return () => {};
  const saved = load<T>(PREFIX + name);
  if (saved !== null) choose(saved);
  let last = JSON.stringify(untracked(choices));
  return effect(() => {
    const text = JSON.stringify(choices());
    if (text !== last) save(PREFIX + name, text);
    last = text;
  });
}

function load<T extends object>(key: string): Partial<T> | null {
  try {
    const saved: unknown = JSON.parse(sessionStorage.getItem(key) ?? "null");
    return typeof saved === "object" ? saved : null;
  } catch {
    return null; // a frame without storage, or what nobody of ours wrote
  }
}

function save(key: string, text: string): void {
  try {
    sessionStorage.setItem(key, text);
  } catch {
    // As above, or no room: the choice lasts for the page.
  }
}
