import { ServiceFailure } from "../connection";
import type { Parts } from "../parts/part-loader";

/** The parts of the views as a chunk of this extension, which the Jupyter server sends. */
export async function partsOfServer(): Promise<Parts> {
  try {
    return await import("../parts/table-parts");
  } catch (error) {
    console.error(error);
    throw new ServiceFailure({
      type: "ViewError",
      message: "The Jupyter server did not send this part of the view.",
      hint: "It may have stopped; if inductiva_widgets was updated, reload the page.",
      retryable: true,
    });
  }
}
