import { Notification } from "@jupyterlab/apputils";
import { htmlRendererFactory, type IRenderMimeRegistry } from "@jupyterlab/rendermime";

/** Before a widget's view, which has −10, and after our own outputs. */
const RANK = -15;
/** No page shall wait longer for an answer that comes in milliseconds. */
const PATIENCE_MS = 1000;

/**
 * A server's policy may forbid scripts from `blob:` addresses, which is how anywidget imports every widget's
 * code. Then what an output has of HTML is shown in place of a view that stays empty, and the first widget
 * that is refused is reported: what ipywidgets shows there does not name the cause. Notebooks copy the
 * registry when they are opened, so this must end before.
 */
export async function heedPolicy(registry: IRenderMimeRegistry): Promise<void> {
  const inTime = new Promise<boolean>((resolve) => setTimeout(resolve, PATIENCE_MS, true));
  if (await Promise.race([mayImportBlobs(), inTime])) return;
  registry.addFactory(htmlRendererFactory, RANK);
  const tell = ({ blockedURI, effectiveDirective }: SecurityPolicyViolationEvent) => {
    if (blockedURI !== "blob" || !effectiveDirective.startsWith("script-src")) return;
    document.removeEventListener("securitypolicyviolation", tell);
    Notification.warning(
      // JupyterLab shows 140 letters.
      "This server's Content-Security-Policy blocks TaskTable and TaskMonitor: no blob: in script-src." +
        " A task at the end of a cell still works.",
      { autoClose: false },
    );
  };
  document.addEventListener("securitypolicyviolation", tell);
}

async function mayImportBlobs(): Promise<boolean> {
  const url = URL.createObjectURL(new Blob(["export {};"], { type: "text/javascript" }));
  try {
    await import(/* webpackIgnore: true */ /* @vite-ignore */ url);
    return true;
  } catch {
    return false;
  } finally {
    URL.revokeObjectURL(url);
  }
}
