/** Loads the parts before the tests begin: what is tested is not how they come. */
import { loadParts, setPartsSource } from "../src/part-loader";

setPartsSource(() => import("../src/table-parts"));
await loadParts();
