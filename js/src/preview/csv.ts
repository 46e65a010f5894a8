export const MOST_ROWS = 1000;
export const MOST_COLUMNS = 50;

export interface CsvTable {
  header: string[];
  rows: string[][];
  /** More rows were in the text. */
  isCut: boolean;
  /** Columns in the widest row; only `MOST_COLUMNS` are in `rows`. */
  columns: number;
  /** Columns that hold numbers: they stand right. */
  numeric: boolean[];
}

/** A table out of comma, semicolon or tab separated text. `isPart`: the text goes on in what was not read. */
export function readCsv(text: string, isPart: boolean): CsvTable {
  const separator = separatorOf(text);
  const { records, isWhole } = recordsOf(text.replace(/^\ufeff/, ""), separator, MOST_ROWS + 2);
  // The last record of a part may be cut anywhere.
  if (isPart && isWhole) records.pop();
  const header = records.shift() ?? [];
  // `#"Step"`: a comment sign before the names, as some solvers write.
  if (header[0] !== undefined) header[0] = header[0].replace(/^#\s*/, "").replace(/^"(.*)"$/, "$1");
  const isCut = isPart || !isWhole || records.length > MOST_ROWS;
  const columns = records.reduce((most, row) => Math.max(most, row.length), header.length);
  const rows = records.slice(0, MOST_ROWS).map((row) => row.slice(0, MOST_COLUMNS));
  const shown = Math.min(columns, MOST_COLUMNS);
  return {
    header: Array.from({ length: shown }, (_, i) => header[i] ?? ""),
    rows,
    isCut,
    columns,
    numeric: Array.from({ length: shown }, (_, i) => isNumeric(rows, i)),
  };
}

/** What stands most often in the first line, outside of quotes; a comma may also be a decimal point. */
function separatorOf(text: string): string {
  const newline = text.search(/[\r\n]/);
  const line = (newline < 0 ? text : text.slice(0, newline)).slice(0, 10_000).replaceAll(/"[^"]*"/g, "");
  const counts = ["\t", ";", ","].map((sign) => [sign, line.split(sign).length] as const);
  return counts.reduce((best, next) => (next[1] > best[1] ? next : best))[0];
}

/** Up to `most` records; quoted cells may hold separators, newlines and doubled quotes. */
function recordsOf(text: string, separator: string, most: number): { records: string[][]; isWhole: boolean } {
  const records: string[][] = [];
  let row: string[] = [];
  let at = 0;
  while (at < text.length) {
    let cell = "";
    if (text[at] === '"') {
      const end = quoteEnd(text, at + 1);
      cell = text.slice(at + 1, end).replaceAll('""', '"');
      at = end + 1;
    }
    const from = at;
    while (at < text.length && text[at] !== separator && text[at] !== "\n" && text[at] !== "\r") at += 1;
    row.push(cell + text.slice(from, at).trim());
    if (at < text.length && text[at] === separator) {
      at += 1;
      // A separator at the very end has an empty cell behind it.
      if (at < text.length) continue;
      row.push("");
    }
    if (text[at] === "\r" && text[at + 1] === "\n") at += 1;
    at += 1;
    if (row.length > 1 || row[0] !== "") records.push(row);
    row = [];
    if (records.length >= most) return { records, isWhole: false };
  }
  return { records, isWhole: true };
}

function quoteEnd(text: string, from: number): number {
  let end = text.indexOf('"', from);
  while (end >= 0 && text[end + 1] === '"') end = text.indexOf('"', end + 2);
  return end < 0 ? text.length : end;
}

const NUMBER = /^[-+]?(\d+[.,]?\d*|[.,]\d+)([eE][-+]?\d+)?\s*%?$/;

/** Signs for "no value", as programs write them. */
export function isEmptyCell(cell: string): boolean {
  return cell === "" || /^(-+|n\/?a|nan|null)$/i.test(cell);
}

function isNumeric(rows: readonly string[][], column: number): boolean {
  let numbers = 0;
  for (const row of rows) {
    const cell = row[column] ?? "";
    if (isEmptyCell(cell)) continue;
    if (!NUMBER.test(cell)) return false;
    numbers += 1;
  }
  return numbers > 0;
}
