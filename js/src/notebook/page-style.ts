/** The order of what bundles add: widths and preferences have the last word. */
const PLACES = ["first", "parts", "last"] as const;

/**
 * Adds rules to the page. All of them stand before its own: JupyterLab may have the whole style from the
 * extension, whose order must stay as it is.
 */
export function addStyle(place: (typeof PLACES)[number], text: string): void {
  const style = document.createElement("style");
  style.dataset.inductivaWidgets = place;
  style.textContent = text;
  const before = PLACES.slice(0, PLACES.indexOf(place) + 1);
  const known = [...document.head.querySelectorAll<HTMLElement>("style[data-inductiva-widgets]")];
  const last = known.filter((one) => before.some((each) => each === one.dataset.inductivaWidgets)).pop();
  if (last === undefined) document.head.prepend(style);
  else last.after(style);
}
