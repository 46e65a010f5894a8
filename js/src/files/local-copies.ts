import { FileState } from "../protocol";
import { type FileTree, TOP } from "./file-tree";

/** Order of the column: what needs attention first, what is there last. */
const RANK: Record<FileState, number> = {
  [FileState.Failed]: 0,
  [FileState.Differs]: 1,
  [FileState.Fetching]: 2,
  [FileState.Waiting]: 3,
  [FileState.None]: 4,
  [FileState.SameSize]: 5,
  [FileState.Same]: 6,
  [FileState.Skipped]: 6,
  [FileState.Verified]: 7,
};

/** How the files below a folder stand. */
export interface FolderCopies {
  /** Files with a state at all. */
  known: number;
  there: number;
  failed: number;
  differing: number;
  waiting: number;
}

const KINDS = [
  "known",
  "there",
  "failed",
  "differing",
  "waiting",
] as const satisfies readonly (keyof FolderCopies)[];

/** What is known of each file's copy in the target folder. */
export class LocalCopies {
  readonly states: Uint8Array;
  /** Why a file failed. */
  readonly reasons = new Map<number, string>();
  /** How much has come of a file that is on its way. */
  readonly percents = new Map<number, number>();
  /** Files of the last download that were not delivered. */
  undelivered: readonly number[] = [];
  #folders: Record<keyof FolderCopies, Uint32Array> | null = null;
  /** Files of the download that is followed. */
  readonly #wanted = new Set<number>();

  constructor(count: number) {
    this.states = new Uint8Array(count);
  }

  /** `changed`: file, state, file, state … as in `DownloadProgress`. */
  apply(
    changed: readonly number[],
    reasons: Record<string, string> = {},
    percents: readonly number[] = [],
  ): void {
    this.#folders = null;
    for (const [file, state] of pairs(changed)) {
      this.states[file] = state;
      if (state !== FileState.Fetching) this.percents.delete(file);
      this.#wanted.add(file);
    }
    for (const [file, reason] of Object.entries(reasons)) this.reasons.set(Number(file), reason);
    for (const [file, percent] of pairs(percents)) this.percents.set(file, percent);
  }

  /** As `apply`, but it keeps what is known already: that was reported later. */
  fill(changed: readonly number[], reasons: Record<string, string> = {}): void {
    this.apply([...pairs(changed)].filter(([file]) => this.states[file] === FileState.None).flat(), reasons);
  }

  /** Results of a check of the folder; what a download reported is newer. */
  setChecked(changed: readonly number[]): void {
    this.#folders = null;
    for (let file = 0; file < this.states.length; file += 1) {
      if ((this.states[file] ?? 0) >= FileState.SameSize) this.states[file] = FileState.None;
    }
    for (const [file, state] of pairs(changed)) {
      if (this.states[file] === FileState.None) this.states[file] = state;
    }
  }

  /** Another folder: nothing is known of it. */
  clear(): void {
    this.#folders = null;
    this.states.fill(FileState.None);
    this.reasons.clear();
    this.percents.clear();
    this.#wanted.clear();
    this.undelivered = [];
  }

  /** The download has ended: what it had not reached is not on its way any more. */
  settle(): void {
    this.#folders = null;
    this.percents.clear();
    this.undelivered = [...this.#wanted].filter((file) => !isThere(this.stateOf(file)));
    this.#wanted.clear();
    for (let file = 0; file < this.states.length; file += 1) {
      const state = this.states[file];
      if (state === FileState.Waiting || state === FileState.Fetching) this.states[file] = FileState.None;
    }
  }

  stateOf(file: number): FileState {
    return this.states[file] ?? FileState.None;
  }

  ranks(): Uint8Array {
    return this.states.map((state) => RANK[state as FileState] ?? RANK[FileState.None]);
  }

  below(tree: FileTree, folder: number): FolderCopies {
    this.#folders ??= this.#count(tree);
    const folders = this.#folders;
    return Object.fromEntries(
      KINDS.map((kind) => [kind, folders[kind][folder] ?? 0]),
    ) as unknown as FolderCopies;
  }

  #count(tree: FileTree): Record<keyof FolderCopies, Uint32Array> {
    const made = Object.fromEntries(KINDS.map((kind) => [kind, new Uint32Array(tree.count)])) as Record<
      keyof FolderCopies,
      Uint32Array
    >;
    const add = (kind: keyof FolderCopies, folder: number) => {
      made[kind][folder] = (made[kind][folder] ?? 0) + 1;
    };
    for (let file = 0; file < this.states.length; file += 1) {
      const state = this.states[file] as FileState;
      const folder = tree.folderOf[file] as number;
      if (state === FileState.None || folder === TOP) continue;
      add("known", folder);
      if (isThere(state)) add("there", folder);
      else if (state === FileState.Failed) add("failed", folder);
      else if (state === FileState.Differs) add("differing", folder);
      else if (state === FileState.Waiting) add("waiting", folder);
    }
    for (const column of Object.values(made)) tree.addUp(column);
    return made;
  }
}

/** Whether the file lies in the folder, as it should be. */
export function isThere(state: FileState): boolean {
  return (
    state === FileState.Verified ||
    state === FileState.Skipped ||
    state === FileState.Same ||
    state === FileState.SameSize
  );
}

function* pairs(flat: readonly number[]): Iterable<[number, number]> {
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const file = flat[i] as number;
    // The archive as a whole is reported as file -1.
    if (file >= 0) yield [file, flat[i + 1] as number];
  }
}
