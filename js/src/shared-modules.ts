/**
 * What the first bundle of a notebook gives to its parts, by module and name. Nothing here: `bundle.mjs`
 * fills it when it builds.
 */
export const modules: Readonly<Record<string, object>> = {};

/** Names the parts that belong to this bundle. */
export const PARTS_NAME: string = "";
