import { useEffect, useRef, useState } from "preact/hooks";
import type { IconName } from "../icons";
import { Icon } from "./icon";

export interface MenuItem {
  label: string;
  icon?: IconName;
  /** One of several: bears a mark when chosen. */
  checked?: boolean;
  /** Shown at the right, as a reminder. */
  keys?: string;
  act(): void;
}

export interface MenuGroup {
  label?: string;
  items: MenuItem[];
}

interface Props {
  icon: IconName;
  label: string;
  /** Something here is not as usual. */
  marked?: boolean;
  groups(): MenuGroup[];
  onOpen?(): void;
}

/** A button that opens a menu below it. Arrow keys move, Escape closes and returns. */
export function MenuButton({ icon, label, marked = false, groups, onOpen }: Props) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!open) return;
    root.current?.querySelector<HTMLElement>("[role^=menuitem]")?.focus();
    // In a shadow root the target of the event is the host, so the whole path counts.
    const leave = (event: Event) => {
      if (root.current !== null && !event.composedPath().includes(root.current)) setOpen(false);
    };
    window.addEventListener("pointerdown", leave, { capture: true });
    return () => window.removeEventListener("pointerdown", leave, { capture: true });
  }, [open]);
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  return (
    <div class="iw-pop" ref={root}>
      <button
        type="button"
        ref={button}
        class={marked || open ? "iw-b icon ghost on" : "iw-b icon ghost"}
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={open}
        onClick={() => {
          if (!open) onOpen?.();
          setOpen(!open);
        }}
      >
        <Icon name={icon} />
      </button>
      {open && <Items label={label} groups={groups()} close={close} />}
    </div>
  );
}

function Items({ label, groups, close }: { label: string; groups: MenuGroup[]; close(): void }) {
  return (
    <div
      class="iw-menu"
      role="menu"
      aria-label={label}
      onKeyDown={(event) => {
        // Keys that open an entry act on it; all others belong to the menu.
        event.stopPropagation();
        if (event.key === "Escape" || event.key === "Tab") close();
        else if (!moveFocus(event)) return;
        event.preventDefault();
      }}
    >
      {groups.map(({ label: caption, items }) => (
        // biome-ignore lint/a11y/useSemanticElements: a fieldset is no part of a menu.
        <div key={caption ?? items[0]?.label} role="group" aria-label={caption}>
          {caption !== undefined && <div class="cap">{caption}</div>}
          {items.map(({ label: word, icon, checked, keys, act }) => (
            <button
              type="button"
              key={word}
              tabIndex={-1}
              {...(checked === undefined
                ? { role: "menuitem" as const }
                : { role: "menuitemradio" as const, "aria-checked": checked })}
              onClick={() => {
                close();
                act();
              }}
            >
              {checked === undefined ? icon && <Icon name={icon} className="s" /> : <Mark on={checked} />}
              <span class="iw-cut">{word}</span>
              {keys !== undefined && <span class="iw-kbd">{keys}</span>}
            </button>
          ))}
        </div>
      ))}
    </div>
  );
}

function Mark({ on }: { on: boolean }) {
  return on ? <Icon name="check" className="s" /> : <span class="gap" />;
}

function moveFocus({ currentTarget, target, key }: KeyboardEvent): boolean {
  const menu = currentTarget as HTMLElement;
  const items = [...menu.querySelectorAll<HTMLElement>("[role^=menuitem]")];
  const place = items.indexOf(target as HTMLElement);
  const steps: Record<string, number> = {
    ArrowDown: (place + 1) % items.length,
    ArrowUp: (place + items.length - 1) % items.length,
    Home: 0,
    End: items.length - 1,
  };
  const next = steps[key];
  if (next === undefined) return false;
  items[next]?.focus();
  return true;
}
