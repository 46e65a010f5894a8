/**
 * The list's shortcuts of one letter can be switched off (WCAG 2.1.4): software for speech types
 * letters. Keys in fields, and those with a modifier or a name, stay. A monitor has its own switch.
 */
export function guardSingleKeys(mayUse: () => boolean): void {
  document.addEventListener(
    "keydown",
    (event) => {
      if (mayUse() || !isShortcut(event)) return;
      const { target } = event;
      if (target instanceof Element && target.closest(".iw-panel") !== null && !isField(target)) {
        event.stopPropagation();
      }
    },
    { capture: true },
  );
}

/** Space ticks boxes and presses buttons: that is no shortcut. */
function isShortcut({ key, altKey, ctrlKey, metaKey }: KeyboardEvent): boolean {
  return key.length === 1 && key !== " " && !altKey && !ctrlKey && !metaKey;
}

function isField(target: Element): boolean {
  return target.matches("input:not([type=checkbox]), textarea, select");
}
