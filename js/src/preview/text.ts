/** Lines longer than this are cut on screen: one of a million letters would stop the page. */
const LONGEST_LINE = 2000;

export interface Text {
  lines: string[];
  /** Lines that are cut on screen. */
  cut: number;
}

/** Bytes as text: UTF-8, or UTF-16 by its byte order mark. What is no letter becomes U+FFFD. */
export function decode(bytes: Uint8Array): string {
  const [a, b] = bytes;
  const encoding = a === 0xff && b === 0xfe ? "utf-16le" : a === 0xfe && b === 0xff ? "utf-16be" : "utf-8";
  // Bytes of a letter that is cut at the end are left away.
  return new TextDecoder(encoding).decode(bytes, { stream: true });
}

/** Lines to show. `isCut`: the last one goes on in what was not read. */
export function linesOf(text: string, isCut: boolean): Text {
  const lines = text.split(/\r\n|\n|\r/);
  // What ends with a newline has no line after it; a cut line is marked by its "…".
  if (lines.at(-1) === "") lines.pop();
  else if (isCut && lines.length > 0) lines[lines.length - 1] += "…";
  let cut = 0;
  for (let i = 0; i < lines.length; i += 1) {
    const line = lines[i] as string;
    if (line.length <= LONGEST_LINE) continue;
    lines[i] = `${line.slice(0, LONGEST_LINE)}…`;
    cut += 1;
  }
  return { lines, cut };
}

const OPENING = "{[";
const CLOSING = "}]";

/**
 * JSON with a line for each value. Only spaces change: numbers keep all their digits, which reading and
 * writing them would not. `null`: it is not JSON.
 */
export function prettyJson(text: string): string | null {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const pieces: string[] = [];
  let depth = 0;
  const newLine = () => pieces.push("\n", "  ".repeat(Math.min(depth, 40)));
  // Strings, then brackets and signs, then numbers and words.
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/gs)) {
    if (CLOSING.includes(token)) {
      depth -= 1;
      if (OPENING.includes(pieces.at(-1) ?? " ")) pieces.push(token);
      else {
        newLine();
        pieces.push(token);
      }
      continue;
    }
    if (OPENING.includes(pieces.at(-1) ?? " ") || pieces.at(-1) === ",") newLine();
    pieces.push(token === ":" ? ": " : token);
    if (OPENING.includes(token)) depth += 1;
  }
  return pieces.join("");
}

/** Bytes in a row: as many as there is room for beside a list. */
const HEX_BYTES = 8;

/** Rows of bytes: place, bytes, letters. */
export function hexLines(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += HEX_BYTES) {
    const row = [...bytes.subarray(at, at + HEX_BYTES)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const letters = row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${hex.padEnd(3 * HEX_BYTES - 1)}  ${letters}`);
  }
  return lines;
}
