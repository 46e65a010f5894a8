import { type IconName, iconShape } from "../icons";

export function Icon({ name, className = "" }: { name: IconName; className?: string }) {
  return (
    <svg
      class={`iw-i ${className}`}
      viewBox="0 0 16 16"
      aria-hidden="true"
      dangerouslySetInnerHTML={{ __html: iconShape(name) }}
    />
  );
}
