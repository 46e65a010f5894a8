import { FileModel } from "../src/files/file-model";
import { gzip, type Listing, NameList } from "../src/files/listing";
import type { FileListing } from "../src/protocol";

export interface File {
  name: string;
  size?: number;
  packed?: number;
}

export function listingMeta(count: number, rest: Partial<FileListing> = {}): FileListing {
  return {
    task_id: "t",
    revision: "r1",
    count,
    names_bytes: 0,
    size_bytes: 0,
    archive_bytes: 0,
    target: "inductiva_output/t/outputs",
    ...rest,
  };
}

export function listingOf(files: readonly File[], rest: Partial<FileListing> = {}): Listing {
  return {
    meta: listingMeta(files.length, rest),
    names: new NameList(files.map((file) => file.name).join("\n"), files.length),
    sizes: Float64Array.from(files, (file) => file.size ?? 0),
    packed: Float64Array.from(files, (file) => file.packed ?? 0),
  };
}

export function modelOf(...names: string[]): FileModel {
  return new FileModel(listingOf(names.map((name, i) => ({ name, size: (i + 1) * 10, packed: i + 1 }))));
}

export function shownNames(model: FileModel): string[] {
  return Array.from({ length: model.rowCount }, (_, row) => model.name(model.itemAt(row)));
}

/** The frame that the service would send. */
export async function packFrame(files: readonly File[]): Promise<{ meta: FileListing; frame: ArrayBuffer }> {
  const names = new TextEncoder().encode(files.map((file) => file.name).join("\n"));
  const numbersAt = Math.ceil(names.length / 8) * 8;
  const raw = new Uint8Array(numbersAt + 16 * files.length);
  raw.set(names);
  new Float64Array(raw.buffer, numbersAt, files.length).set(files.map((file) => file.size ?? 0));
  new Float64Array(raw.buffer, numbersAt + 8 * files.length).set(files.map((file) => file.packed ?? 0));
  return { meta: listingMeta(files.length, { names_bytes: names.length }), frame: await gzip(raw) };
}

/** Names as simulations write them: time folders with numbered fields. */
export function manyFiles(count: number): File[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `case_${i % 7}/time_${(i * 7919) % count}/Fluid_${i % 100}.vtk`,
    size: (i * 2_654_435_761) % 9_000_000,
    packed: (i * 40_503) % 3_000_000,
  }));
}
