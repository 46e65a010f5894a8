import { gzip } from "../src/files/listing";
import type { LogFile, LogPart, LogsOpened, MachineColumn, MachineMetrics, Method } from "../src/protocol";
import type { ReplayConnection } from "./replay-connection";

/** What a command wrote, for a log made for tests. */
export interface MadePart {
  command?: string;
  seconds?: number;
  exit_code?: number;
  text: string;
}

const BLOCK_LINES = 500;
/** Lines that `cutLogs` takes away. */
const LEFT_OUT = 1_234_567;
const ERROR = /FOAM FATAL|^error|printStack|exited on signal/;

/** A log as the service would describe it, and its bytes. */
function makeLog(name: string, given: readonly MadePart[]): [LogFile, Uint8Array] {
  const chunks: string[] = [];
  const parts: LogPart[] = [];
  const errors: number[] = [];
  let [offset, line] = [0, 0];
  const take = (text: string) => {
    chunks.push(text);
    offset += new TextEncoder().encode(text).length;
  };
  for (const { command, seconds, exit_code, text } of given) {
    if (command !== undefined) {
      take(`# COMMAND: ['${command}']\n\n`);
      line += 2;
    }
    const lines = text === "" ? [] : text.replace(/\n$/, "").split("\n");
    const part: LogPart = {
      command: command ?? null,
      seconds: seconds ?? null,
      exit_code: exit_code ?? null,
      state: exit_code === undefined ? null : exit_code === 0 ? "done" : "failed",
      line,
      lines: lines.length,
      blocks: [],
    };
    for (let i = 0; i < lines.length; i += BLOCK_LINES) {
      const some = lines.slice(i, i + BLOCK_LINES);
      const before = offset;
      take(`${some.join("\n")}\n`);
      part.blocks.push(before, offset - before, some.length);
    }
    for (const [i, each] of lines.entries()) if (ERROR.test(each)) errors.push(line + i);
    line += lines.length;
    parts.push(part);
  }
  const bytes = new TextEncoder().encode(chunks.join(""));
  const file = { name, size: bytes.length, read: bytes.length, lines: line, parts, errors };
  return [file, bytes];
}

/** Lets a connection answer for these logs. */
export function serveLogs(
  connection: ReplayConnection,
  logs: Readonly<Record<string, readonly MadePart[]>>,
): void {
  const made = Object.entries(logs).map(([name, parts]) => makeLog(name, parts));
  const bytesOf = (name: string) => made.find(([file]) => file.name === name)?.[1] ?? new Uint8Array(0);
  const opened: LogsOpened = { task_id: "", revision: "r1", logs: made.map(([file]) => file) };
  answer(connection, "logs.open", (params) => ({ result: { ...opened, ...params }, buffers: [] }));
  answer(connection, "logs.read", ({ name, offset, length }) => {
    const some = bytesOf(String(name)).slice(Number(offset), Number(offset) + Number(length));
    return { result: { offset, length: some.length, size: 0 }, buffers: [some.buffer] };
  });
  answer(connection, "logs.search", ({ name, query }) => {
    const lines = new TextDecoder().decode(bytesOf(String(name))).split("\n");
    const what = String(query).toLowerCase();
    const found = lines.flatMap((line, i) => (line.toLowerCase().includes(what) ? [i] : []));
    return { result: { count: found.length }, buffers: [Float64Array.from(found).buffer] };
  });
}

/** Only 64 MB of each log can be read, of this many bytes: the middle of its longest command is left out. */
export function cutLogs(connection: ReplayConnection, size: number): void {
  const open = connection.handlers.get("logs.open");
  connection.handlers.set("logs.open", async (params) => {
    const reply = await open?.(params);
    const opened = structuredClone(reply?.result) as LogsOpened;
    for (const log of opened.logs) {
      const [part] = [...log.parts].sort((one, other) => other.lines - one.lines);
      if (part === undefined || part.lines === 0) continue;
      const half = Math.ceil(part.blocks.length / 6);
      const gap = part.line + half * BLOCK_LINES;
      part.blocks.splice(3 * half, 0, part.blocks[3 * half] ?? 0, 64_000_000 - size, LEFT_OUT);
      for (const lines of [log, part]) lines.lines += LEFT_OUT;
      for (const later of log.parts) if (later.line > part.line) later.line += LEFT_OUT;
      const errors = log.errors.map((line) => (line < gap ? line : line + LEFT_OUT));
      Object.assign(log, { size, read: 64_000_000, errors });
    }
    return { result: opened, buffers: [] };
  });
}

type Handler = (params: Record<string, unknown>) => { result: unknown; buffers: ArrayBuffer[] };

function answer(connection: ReplayConnection, method: Method, handler: Handler): void {
  connection.handlers.set(method, (params) => handler(params as Record<string, unknown>));
}

/** Lets a connection answer with these measures. */
export function serveMeasures(
  connection: ReplayConnection,
  times: readonly number[],
  columns: readonly (MachineColumn & { values: readonly number[] })[],
): void {
  const numbers = [times, ...columns.map(({ values }) => values)].flat();
  const frame = gzip(new Uint8Array(Float64Array.from(numbers).buffer));
  const result: MachineMetrics = {
    task_id: "",
    start: times.length === 0 ? null : "2026-11-21T12:50:03.000Z",
    rows: times.length,
    columns: columns.map(({ name, kind }) => ({ name, kind })),
  };
  connection.handlers.set("machine.metrics", async () => ({ result, buffers: [(await frame).slice(0)] }));
}

/** The log of a solver that writes some lines each step, like that of OpenFOAM. */
export function solverLog(steps: number): string {
  const lines: string[] = [];
  for (let i = 1; i <= steps; i += 1) {
    const wobble = (i * 7919) % 997;
    lines.push(
      `Courant Number mean: 0.0${612203 - wobble} max: 0.9${78114 - wobble}`,
      "deltaT = 0.00117647",
      `Time = ${(i * 0.00117647).toFixed(5)}`,
      "",
      `DICPCG:  Solving for p_rgh, Initial residual = 0.0${204 + wobble}, Final residual = 9.8e-08, No Iterations ${20 + (i % 17)}`,
      `ExecutionTime = ${(i * 1.25).toFixed(2)} s  ClockTime = ${Math.ceil(i * 1.26)} s`,
      "",
    );
  }
  lines.push("End");
  return `${lines.join("\n")}\n`;
}
