import type { ComponentChildren } from "preact";
import type { IconName } from "../icons";
import type { ServiceError } from "../protocol";
import { Icon } from "./icon";

interface BannerProps {
  tone: "warn" | "err" | "";
  icon: IconName;
  role?: "status" | "alert";
  children: ComponentChildren;
  actions?: ComponentChildren;
}

export function Banner({ tone, icon, role = "status", children, actions }: BannerProps) {
  return (
    <div class={`iw-ban ${tone}`} role={role}>
      <Icon name={icon} />
      <div>{children}</div>
      {actions !== undefined && <div class="act">{actions}</div>}
    </div>
  );
}

export function ErrorText({ error }: { error: ServiceError }) {
  return (
    <>
      <strong>{sentence(error.message)}</strong>
      {error.hint !== "" && <span class="more"> {sentence(error.hint)}</span>}
    </>
  );
}

export function sentence(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text.replace(/:$/, "")}.`;
}
