import { render } from "preact";

/** Reports whether the content of `root` is visible. */
export function watchVisibility(root: HTMLElement, tell: (visible: boolean) => void): IntersectionObserver {
  const observer = new IntersectionObserver((entries) => tell(entries.at(-1)?.isIntersecting === true));
  observer.observe(root);
  return observer;
}

const keyGuards = new WeakMap<HTMLElement, AbortController>();

/** The element below which a view lives, in `el`. */
export function makeRoot(el: HTMLElement, className: string): HTMLElement {
  const root = document.createElement("div");
  root.className = className;
  el.append(root);
  const guard = new AbortController();
  keyGuards.set(root, guard);
  // JupyterLab listens on the document, before any element: there D D deletes the cell and C copies it.
  // It leaves alone an element with this attribute; keys that are not ours still reach it.
  const claim = (event: KeyboardEvent) => {
    const [target] = event.composedPath();
    if (target instanceof HTMLElement && root.contains(target)) {
      target.toggleAttribute("data-lm-suppress-shortcuts", isOurKey(event));
    }
  };
  window.addEventListener("keydown", claim, { capture: true, signal: guard.signal });
  return root;
}

/** Ends the view and takes its element away. */
export function removeRoot(root: HTMLElement): void {
  keyGuards.get(root)?.abort();
  render(null, root);
  root.remove();
}

function isOurKey({ key, ctrlKey, metaKey, altKey, shiftKey }: KeyboardEvent): boolean {
  if (altKey) return false;
  if (ctrlKey || metaKey) return key === "a" || key === "i";
  if (key === "Enter") return !shiftKey;
  return key.length === 1 || /^(Arrow|Page|Home|End|Escape)/.test(key);
}
