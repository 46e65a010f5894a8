import type { ComponentChildren } from "preact";

/** The text of a foot, in two lines. */
export function FootLines({ first, second }: { first: ComponentChildren; second: ComponentChildren }) {
  return (
    <>
      <div>{first}</div>
      <div>{second}</div>
    </>
  );
}

interface ProgressFootProps {
  /** Beside `iw-foot`. */
  className?: string;
  /** 0 … 100, drawn as the upper edge. */
  percent: number;
  children: ComponentChildren;
}

/** The foot of a view while a download runs. */
export function ProgressFoot({ className = "", percent, children }: ProgressFootProps) {
  return (
    <div class={className === "" ? "iw-foot" : `iw-foot ${className}`} style={{ "--p": `${percent}%` }}>
      <span
        class="edge"
        role="progressbar"
        aria-valuenow={percent}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-label="Download"
      >
        <i />
      </span>
      {children}
    </div>
  );
}
