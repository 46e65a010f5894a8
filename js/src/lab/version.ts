import type { ServiceError } from "../protocol";

/** Of this front end: that of the package, as a test compares. */
export const VERSION = "0.1.0";

/**
 * What to report when server and page are of different versions: JupyterLab loads the page's part anew
 * with each page, and Jupyter the server's part only when it starts.
 *
 * @param server Version that the server reports; older ones report none.
 */
export function versionTrouble(server: string | undefined, page = VERSION): ServiceError | null {
  if (server === page) return null;
  const isOld = server === undefined || isOlder(server, page);
  return {
    type: "ConfigurationError",
    message: `The Jupyter server runs ${named(server)}, this page has version ${page}`,
    hint: isOld
      ? "Restart the Jupyter server. If this stays, run `pip install -U inductiva_widgets` where it is installed, and restart it again."
      : "Reload the page. If this stays, run `pip install -U inductiva_widgets` where JupyterLab is installed, and reload it again.",
    retryable: false,
  };
}

function named(version: string | undefined): string {
  return version === undefined ? "an older inductiva_widgets" : `inductiva_widgets ${version}`;
}

/** By the numbers alone: which of two pre-releases is older changes nothing that helps. */
function isOlder(one: string, other: string): boolean {
  const [left, right] = [one, other].map((version) => version.split(/[.+a-z-]+/).map(Number));
  const place = right?.findIndex((number, index) => number !== left?.[index]) ?? -1;
  return place >= 0 && (left?.[place] ?? 0) < (right?.[place] ?? 0);
}
