/** Kept by one tab of the browser, until that is closed: choices by the name of their view, the latest last. */
const KEPT = "inductiva-widgets:views";

/** A browser gives 5 million characters to all pages of a server. */
const MOST_VIEWS = 64;
const MOST_CHARS = 10_000; // of one choice

type Choices = Record<string, unknown>;

/**
 * What a reader chose in a view outlives a reload of the page: gives it back by `choose`, and notes what has
 * changed when the page or the view goes. Views of one name share what they note. Without a name nothing is
 * kept, nor is a choice that needs too much room. Returns what ends this.
 */
export function remember<T extends object>(
  name: string | undefined,
  choices: () => T,
  choose: (saved: Partial<T>) => void,
): () => void {
  if (name === undefined) return () => {};
  choose((load()[name] ?? {}) as Partial<T>);
  /** JSON of each choice at the last look. */
  const texts: Record<string, string> = {};
  const look = () => {
    const changed: Choices = {};
    for (const [key, value] of Object.entries(choices())) {
      const text = JSON.stringify(value) ?? "";
      if (text !== (texts[key] ?? "")) changed[key] = text.length > MOST_CHARS ? undefined : value;
      texts[key] = text;
    }
    return changed;
  };
  look();
  const note = () => save(name, look());
  const listening = new AbortController();
  addEventListener("pagehide", note, listening);
  // A hidden page may be discarded without another event.
  document.addEventListener("visibilitychange", note, listening);
  return () => {
    listening.abort();
    note();
  };
}

function load(): Record<string, Choices> {
  try {
    return { ...JSON.parse(sessionStorage.getItem(KEPT) ?? "{}") };
  } catch {
    return {}; // a frame without storage, or foreign content
  }
}

function save(name: string, changed: Choices): void {
  if (Object.keys(changed).length === 0) return;
  const { [name]: before, ...kept } = load();
  const all = Object.entries({ ...kept, [name]: { ...before, ...changed } });
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(Object.fromEntries(all.slice(-MOST_VIEWS))));
  } catch {
    // As above, or no room: the choice lasts for the page.
  }
}
