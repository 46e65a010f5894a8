import { signal } from "@preact/signals";
import { asServiceError } from "../connection";
import type { ServiceError } from "../protocol";

/**
 * The views that a first paint does not need, and their stores. They share their modules with this bundle.
 * The widget of one task has only those of `monitor-parts.ts`.
 */
export type Parts = typeof import("./table-parts");

/** Gets the parts, as the host can. `onWaiting` is that of a call. */
export type PartsSource = (onWaiting: (waiting: boolean) => void) => Promise<Parts>;

export type PartsState =
  | { kind: "none" }
  | { kind: "loading"; waiting: boolean }
  | { kind: "failed"; error: ServiceError }
  | { kind: "ready"; parts: Parts };

/** How far the parts are. One for all views: whoever needs them first brings them for all. */
export const partsState = signal<PartsState>({ kind: "none" });

let source: PartsSource = () => Promise.reject(new Error("This page has no source of its parts."));

/** Each host states where its parts come from, before it mounts a view. */
export function setPartsSource(next: PartsSource): void {
  source = next;
}

/** Loads the parts, unless they are there or on their way. What goes wrong is reported by `partsState`. */
export async function loadParts(): Promise<void> {
  const { kind } = partsState.peek();
  if (kind === "ready" || kind === "loading") return;
  partsState.value = { kind: "loading", waiting: false };
  try {
    const parts = await source((waiting) => {
      if (partsState.peek().kind === "loading") partsState.value = { kind: "loading", waiting };
    });
    partsState.value = { kind: "ready", parts };
  } catch (error) {
    partsState.value = { kind: "failed", error: asServiceError(error) };
  }
}

/** Loads them when the first paint is done, so that they are there before they are needed. */
export function loadPartsSoon(): void {
  const load = () => {
    if (partsState.peek().kind === "none") void loadParts();
  };
  // Safari has no idle callbacks.
  if (globalThis.requestIdleCallback === undefined) setTimeout(load, 200);
  else requestIdleCallback(load, { timeout: 1000 });
}

/** The parts, for what can only be reached through them. */
export function loadedParts(): Parts {
  const state = partsState.peek();
  if (state.kind !== "ready") throw new Error("The parts of the view are not loaded yet.");
  return state.parts;
}
