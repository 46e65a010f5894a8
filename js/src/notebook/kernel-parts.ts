import type { Connection } from "../connection";
import type { Parts } from "../parts/part-loader";
import { importPacked } from "./import-packed";
import { addStyle } from "./page-style";
import { modules } from "./shared-modules";

/** What a kernel sends: makes the parts, with the modules of the bundle that asked; and how they look. */
interface PartsModule {
  default(given: typeof modules): Parts;
  style: string;
}

/** The parts of this bundle, as its kernel sends them. */
export async function partsOfKernel(
  connection: Connection,
  onWaiting: (waiting: boolean) => void,
): Promise<Parts> {
  const { buffers } = await connection.call("view.parts", {}, { intent: "parts", onWaiting });
  const [packed] = buffers;
  if (packed === undefined) throw new Error("The kernel sent no part of the view.");
  const { default: make, style } = await importPacked<PartsModule>(packed);
  addStyle("parts", style);
  return make(modules);
}
