import type { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import type { Widget } from "@lumino/widgets";
import type { Session } from "./alive";

/*
 * A renderer made by the global factory receives no notebook. Once attached it finds it
 * among its parents: notebooks, consoles and "New View for Output" all hold an OutputArea.
 */

/** The render registry of the notebook, whose widget renderers belong to its kernel. */
export function rendermimeOf(output: Widget): IRenderMimeRegistry | null {
  const area = parentWith<{ rendermime: IRenderMimeRegistry; model: unknown }>(
    output,
    ({ rendermime, model }) => rendermime?.createRenderer !== undefined && model !== undefined,
  );
  return area?.rendermime ?? null;
}

export function sessionOf(output: Widget): Session | null {
  const panel = parentWith<{ sessionContext: Session }>(
    output,
    ({ sessionContext }) => sessionContext?.statusChanged !== undefined,
  );
  return panel?.sessionContext ?? null;
}

/** Folder of the notebook in the file browser, `""` at its top; `null` where there is no notebook. */
export function folderOf(output: Widget): string | null {
  const path = sessionOf(output)?.path;
  if (path === undefined) return null;
  // A drive's name stands before a colon: `RTC:folder/notebook.ipynb`.
  const plain = path.replace(/^[^/:]+:/, "");
  return plain.slice(0, Math.max(0, plain.lastIndexOf("/")));
}

function parentWith<T extends object>(output: Widget, fits: (widget: Partial<T>) => boolean): T | null {
  for (let widget = output.parent; widget !== null; widget = widget.parent) {
    if (fits(widget as unknown as Partial<T>)) return widget as unknown as T;
  }
  return null;
}
