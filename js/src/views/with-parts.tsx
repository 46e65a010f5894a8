import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import type { Connection } from "../connection";
import { loadParts, type Parts, partsState } from "../parts/part-loader";
import type { ServiceError } from "../protocol";
import { Banner, ErrorText } from "./banner";
import { Icon } from "./icon";

interface WithPartsProps {
  /** Who sends the parts. */
  peer: Connection["peer"];
  children: (parts: Parts) => ComponentChildren;
  /** Shown while the parts load; without it, and after a second, a text states what delays them. */
  meanwhile?: ComponentChildren;
  /** Gives up what failed, where nothing else closes it. */
  close?: () => void;
}

/** What is made of the parts; until they are there, what keeps them. */
export function WithParts({ peer, children, meanwhile, close }: WithPartsProps) {
  useEffect(() => void loadParts(), []);
  const state = partsState.value;
  if (state.kind === "ready") return <>{children(state.parts)}</>;
  if (state.kind === "failed") return <Failed error={state.error} close={close} />;
  const isWaiting = state.kind === "loading" && state.waiting;
  if (meanwhile !== undefined && !isWaiting) return <>{meanwhile}</>;
  return (
    <p class="iw-waiting part" role="status" aria-busy="true">
      {isWaiting ? `Waiting for the ${peer}: it is busy.` : "Loading…"}
    </p>
  );
}

function Failed({ error, close }: { error: ServiceError; close: WithPartsProps["close"] }) {
  const actions = (
    <>
      {close !== undefined && (
        <button type="button" class="iw-b" onClick={close}>
          Close
        </button>
      )}
      <button type="button" class="iw-b" onClick={() => void loadParts()}>
        <Icon name="refresh" className="s" />
        Try again
      </button>
    </>
  );
  return (
    <Banner tone="err" icon="fail" role="alert" actions={actions}>
      <ErrorText error={error} />
    </Banner>
  );
}
