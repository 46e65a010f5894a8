/** A value that all bundles of a page share, made by the first that asks. */
export function pageWide<T>(name: string, make: () => T): T {
  const page = globalThis as unknown as Record<string, T | undefined>;
  page[name] ??= make();
  return page[name];
}
