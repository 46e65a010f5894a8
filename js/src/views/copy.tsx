import { useEffect, useState } from "preact/hooks";
import type { MonitorStore } from "../monitor/store";
import { Icon } from "./icon";

/** How long "copied" stays: long enough to be seen, short enough to try again. */
const COPIED_MS = 1600;

interface CopyButtonProps {
  store: MonitorStore;
  /** What is copied; a function is asked when it is. */
  text: string | (() => string);
  label: string;
  /** Announced to screen readers. */
  said: string;
  shortcut?: string;
}

/** A small button that copies a text and confirms it. */
export function CopyButton({ store, text, label, said, shortcut }: CopyButtonProps) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), COPIED_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async () => {
    try {
      await copyText(typeof text === "string" ? text : text());
    } catch {
      store.announce("The browser did not allow copying.");
      return;
    }
    store.announce(said);
    setCopied(true);
  };
  const name = copied ? "Copied" : label;
  return (
    <button
      type="button"
      class={`iw-b icon ghost s copy ${copied ? "ok" : ""}`}
      aria-label={name}
      title={shortcut === undefined ? name : `${name} (${shortcut})`}
      data-key={shortcut?.toLowerCase()}
      onClick={() => void copy()}
    >
      <Icon name={copied ? "check" : "copy"} />
    </button>
  );
}

/** navigator.clipboard exists on https and localhost only; the old way needs a selected field. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  field.style.position = "fixed";
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}
