const SETTING = "inductiva-widgets:single-keys";

/** Whether single keys act, as the user chose for all views; `undefined`: nothing yet. */
export function savedChoice(): boolean | undefined {
  try {
    const saved = localStorage.getItem(SETTING);
    return saved === null ? undefined : saved === "on";
  } catch {
    return undefined; // a frame without storage: then the choice lasts for the page
  }
}

export function saveChoice(on: boolean): void {
  try {
    localStorage.setItem(SETTING, on ? "on" : "off");
  } catch {
    // As above.
  }
}
