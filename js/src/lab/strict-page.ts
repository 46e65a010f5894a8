import { Notification } from "@jupyterlab/apputils";
import { htmlRendererFactory, type IRenderMimeRegistry } from "@jupyterlab/rendermime";

/** Before a widget's view, which has −10, and after our own outputs. */
const RANK = -15;

/**
 * A server's policy may forbid scripts from `blob:` addresses, which is how anywidget imports every widget's
 * code. Then what an output has of HTML is shown in place of a view that stays empty, and the first widget that
 * is refused is told of: what ipywidgets shows there does not name the cause.
 */
export async function heedPolicy(registry: IRenderMimeRegistry): Promise<void> {
  if (await mayImportBlobs()) return;
  registry.addFactory(htmlRendererFactory, RANK);
  const tell = ({ blockedURI, effectiveDirective }: SecurityPolicyViolationEvent) => {
    if (blockedURI !== "blob" || !effectiveDirective.startsWith("script-src")) return;
    document.removeEventListener("securitypolicyviolation", tell);
    Notification.warning(
      "This server's pages refuse the code of widgets, such as TaskTable and TaskMonitor: their" +
        " Content-Security-Policy has no blob: in script-src. A task at the end of a cell and the panel work.",
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
