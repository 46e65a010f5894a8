import type { Column, FileModel } from "./file-model";

/** What a reload of the page leaves as it was in a list of files; `undefined` where nothing was chosen. */
export interface FilesMemory {
  search: string | undefined;
  sort: { column: Column; descending: boolean } | undefined;
  /** Paths of the folders that stand open. */
  folders: string[] | undefined;
  /** Of the listing of this revision: how many files are not ticked, then ticked, then not, and so on. */
  ticked: { revision: string; runs: number[] } | undefined;
  /** Pixels scrolled. */
  top: number | undefined;
}

export function noteFiles(model: FileModel, top: number): FilesMemory {
  const { column, descending, query } = model;
  const { revision } = model.listing.meta;
  return {
    search: query || undefined,
    sort: column === "name" && !descending ? undefined : { column, descending },
    folders: model.openFolders(),
    ticked: model.selection.files === 0 ? undefined : { revision, runs: runsOf(model) },
    top: top || undefined,
  };
}

/** Gives it back; what is ticked only in the listing that it was ticked in. */
export function recallFiles(model: FileModel, { search, sort, folders, ticked }: Partial<FilesMemory>): void {
  if (Array.isArray(folders)) model.openOnly(folders);
  if (typeof search === "string") model.search(search);
  if (sort !== undefined) model.sortBy(sort.column, sort.descending);
  if (ticked?.revision === model.listing.meta.revision && Array.isArray(ticked.runs))
    tick(model, ticked.runs);
}

function runsOf(model: FileModel): number[] {
  const runs: number[] = [];
  let begin = 0;
  for (let file = 0; file < model.count; file += 1) {
    const isTicked = runs.length % 2 === 1;
    if (model.isSelected(file) === isTicked) continue;
    runs.push(file - begin);
    begin = file;
  }
  return [...runs, model.count - begin];
}

function tick(model: FileModel, runs: readonly number[]): void {
  let file = 0;
  for (const [at, run] of runs.entries()) {
    const end = Math.min(file + run, model.count);
    if (at % 2 === 1) for (let one = file; one < end; one += 1) model.select(one, true);
    file = end;
  }
}
