import { gunzip } from "../files/listing";

/** Imports a module from its text with gzip, as anywidget imports the module of a widget. */
export async function importPacked<T>(packed: BufferSource & BlobPart): Promise<T> {
  const url = URL.createObjectURL(new Blob([await gunzip(packed)], { type: "text/javascript" }));
  try {
    return await import(/* webpackIgnore: true */ /* @vite-ignore */ url);
  } catch (error) {
    console.error(error);
    throw new Error(
      "The browser refused this part of the view. The page may forbid scripts from blob: addresses;" +
        " the browser's console tells more.",
    );
  } finally {
    URL.revokeObjectURL(url);
  }
}
