/**
 * What the first bundle of a notebook gives to its parts, by module and name. Nothing here: `bundle.mjs`
 * fills it when it builds.
 */
export const modules: Readonly<Record<string, object>> = {};

/** How the first paint looks, likewise: its rules, and those that have the last word. */
export const STYLE = { first: "", last: "" };
