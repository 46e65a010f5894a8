import type { ComponentChildren } from "preact";
import type { IconName } from "../icons";
import { Icon } from "./icon";

interface EmptyProps {
  icon: IconName;
  title: string;
  text: string;
  /** What can be done about it. */
  children?: ComponentChildren;
}

/** What stands where there is nothing to show. */
export function Empty({ icon, title, text, children }: EmptyProps) {
  return (
    <div class="iw-empty">
      <Icon name={icon} />
      <b>{title}</b>
      <span>{text}</span>
      {children}
    </div>
  );
}
