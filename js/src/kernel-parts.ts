import { type Connection, ServiceFailure } from "./connection";
import { pageWide } from "./page-wide";
import type { Parts } from "./part-loader";
import { modules, PARTS_NAME } from "./shared-modules";
import { gunzip } from "./table/listing";

/** What a kernel sends: makes the parts, with the modules of a bundle. */
type PartsFactory = (given: typeof modules) => Parts;

/** What the widgets of a page share. Each of them has modules of its own, made of the same text. */
interface PageParts {
  factory: PartsFactory | null;
  /** Settled when the widget that came last has its answer, or none. */
  last: Promise<void>;
}

/** How long a widget waits for the one before it, whose kernel may be busy. */
const OTHERS_MS = 500;

/** The parts of this bundle, as its kernel sends them: once a page. */
export async function partsOfKernel(
  connection: Connection,
  onWaiting: (waiting: boolean) => void,
): Promise<Parts> {
  const page = pageWide<PageParts>(`__inductivaWidgetsParts${PARTS_NAME}`, () => ({
    factory: null,
    last: Promise.resolve(),
  }));
  const before = page.last;
  let settle = () => {};
  page.last = new Promise((resolve) => {
    settle = resolve;
  });
  await Promise.race([before, new Promise((resolve) => setTimeout(resolve, OTHERS_MS))]);
  try {
    page.factory ??= await ask(connection, onWaiting);
  } finally {
    settle();
  }
  return page.factory(modules);
}

async function ask(connection: Connection, onWaiting: (waiting: boolean) => void): Promise<PartsFactory> {
  const { buffers } = await connection.call("view.parts", {}, { intent: "parts", onWaiting });
  const [packed] = buffers;
  if (packed === undefined) throw new Error("The kernel sent no part of the view.");
  return importText(await gunzip(packed));
}

/** Imports a module from its text, as anywidget imports the first bundle. */
async function importText(text: ArrayBuffer): Promise<PartsFactory> {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  try {
    const module = await import(/* webpackIgnore: true */ /* @vite-ignore */ url);
    return module.default;
  } catch (error) {
    console.error(error);
    throw new ServiceFailure({
      type: "ViewError",
      message: "The browser refused this part of the view.",
      hint: "The page may forbid scripts from blob: addresses; the browser's console tells more.",
      retryable: true,
    });
  } finally {
    URL.revokeObjectURL(url);
  }
}
