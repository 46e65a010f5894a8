/** Loads the parts before the tests begin: what is tested is not how they come. */
import { loadParts, setPartsSource } from "../src/parts/part-loader";

setPartsSource(() => import("../src/parts/table-parts"));
await loadParts();
