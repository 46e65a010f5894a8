/** What the phase strip draws: pure, from the phases that the service reports. */
import { formatClock, formatDuration, formatStamp } from "../format";
import type { Phase, PhaseKind, TaskSummary } from "../protocol";
import { statusLook } from "../status";

/** How a segment looks: hatched, grey, now, ran, ended well, badly, cut off, to come, not known. */
export type Look = "wait" | "prep" | "run" | "cmd" | "ok" | "bad" | "cut" | "next" | "unsure";

export interface Segment {
  look: Look;
  mark: "wait" | "check" | "close" | null;
  label: string;
  value: string;
  /** The phase that lasts, or where it ended badly: what a narrow view shows. */
  isMain: boolean;
  isNow: boolean;
  /** Share of the strip, before labels ask for their room. */
  weight: number;
  title: string;
}

/** More do not fit beside one another with their labels. */
const MOST = 8;
/** Neighbouring commands below this share of the time stand together. */
const SMALL = 0.02;
const COMING_WEIGHT = 1.2;

interface StripTask {
  phases: readonly Phase[];
  /** Command lines that the task was given. */
  commands: readonly string[];
  task: TaskSummary;
  /** The service's clock in ms. */
  now: number;
  /** What is known is old: the phase that lasts may have ended. */
  isOld: boolean;
}

/** A phase, or several small ones together. */
interface Piece {
  phases: Phase[];
  seconds: number;
}

export function segmentsOf(strip: StripTask): Segment[] {
  const pieces = fold(strip);
  const total = pieces.reduce((sum, piece) => sum + piece.seconds, 0);
  const drawn = pieces.map((piece) => segment(piece, total, strip));
  const coming = strip.task.is_terminal ? [] : upcoming(strip);
  const all = [...drawn, ...coming];
  if (!all.some((one) => one.isMain)) {
    const longest = drawn.reduce<Segment | null>(
      (best, one) => (best && best.weight >= one.weight ? best : one),
      null,
    );
    if (longest !== null) longest.isMain = true;
  }
  return all;
}

/** The strip in words. */
export function stripText(segments: readonly Segment[]): string {
  return `Phases: ${segments.map(({ label, value }) => `${label} ${value}`.trim()).join(", ")}`;
}

function secondsOf(phase: Phase, { now, isOld, task }: StripTask): number {
  if (phase.end !== null) return phase.seconds;
  const until = isOld ? Date.parse(task.as_of) : now;
  return Math.max(0, (until - Date.parse(phase.start)) / 1000);
}

/** Small commands beside one another as one piece, then the smallest neighbours until all fit. */
function fold(strip: StripTask): Piece[] {
  const all = strip.phases.map((phase) => ({ phases: [phase], seconds: secondsOf(phase, strip) }));
  const total = all.reduce((sum, piece) => sum + piece.seconds, 0);
  const pieces = all.filter((piece, index) => {
    if (piece.seconds >= SMALL * total) return true;
    // The moments between commands belong to them, and a quick upload is no news afterwards.
    if (isPause(piece)) return !isCommand(all[index - 1]) && !isCommand(all[index + 1]);
    return piece.phases[0]?.kind !== "waiting" || index >= all.length - 2;
  });
  const isSmall = (piece: Piece | undefined) =>
    canFold(piece) && piece.phases.every((phase) => phase.seconds < SMALL * total);
  for (let at = pieces.length - 1; at > 0; at -= 1) {
    if (isSmall(pieces[at]) && isSmall(pieces[at - 1])) join(pieces, at - 1);
  }
  while (pieces.length > MOST) {
    // After many machines the earliest phases go together.
    join(pieces, smallestPair(pieces) ?? 0);
  }
  return pieces;
}

function isCommand(piece: Piece | undefined): boolean {
  return piece?.phases[0]?.kind === "command";
}

function isPause(piece: Piece): boolean {
  return piece.phases[0]?.kind === "computing" && piece.phases[0].end !== null;
}

/** Commands that ended as they should; what runs or failed stands alone. */
function canFold(piece: Piece | undefined): piece is Piece {
  return piece?.phases.every((phase) => phase.kind === "command" && phase.state === "done") === true;
}

function join(pieces: Piece[], at: number): void {
  const [first, second] = [pieces[at], pieces[at + 1]];
  if (first === undefined || second === undefined) return;
  pieces.splice(at, 2, {
    phases: [...first.phases, ...second.phases],
    seconds: first.seconds + second.seconds,
  });
}

function smallestPair(pieces: readonly Piece[]): number | null {
  let best: number | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (let at = 0; at + 1 < pieces.length; at += 1) {
    const [first, second] = [pieces[at], pieces[at + 1]];
    if (!canFold(first) || !canFold(second) || first.seconds + second.seconds >= least) continue;
    best = at;
    least = first.seconds + second.seconds;
  }
  return best;
}

function segment(piece: Piece, total: number, strip: StripTask): Segment {
  const [phase] = piece.phases;
  if (phase === undefined) throw new Error("a piece without phases");
  const isNow = phase.state === "running" && !strip.task.is_terminal;
  const look = lookOf(phase, isNow, strip);
  const label = labelOf(piece, phase);
  return {
    look,
    mark: markOf(phase, look),
    label,
    value: timeWords(piece, phase, look, strip),
    isMain: isNow || look === "bad" || look === "cut",
    isNow: isNow && !strip.isOld,
    weight: weight(piece.seconds, total),
    title: piece.phases.map((one) => titleOf(one, strip)).join("\n"),
  };
}

function labelOf(piece: Piece, phase: Phase): string {
  if (piece.phases.length === 1) return shortLabel(phase);
  return canFold(piece) ? `${piece.phases.length} commands` : "Earlier";
}

function weight(seconds: number, total: number): number {
  return total > 0 ? Math.max(0.3, 10 * Math.sqrt(seconds / total)) : 1;
}

const LOOKS: Record<PhaseKind, Look> = {
  waiting: "prep",
  queue: "wait",
  preparing: "prep",
  command: "cmd",
  computing: "cmd",
  packing: "prep",
  stopping: "prep",
  lost: "wait",
  other: "prep",
};

function lookOf(phase: Phase, isNow: boolean, { task, isOld }: StripTask): Look {
  const usual = LOOKS[phase.kind];
  if (isNow && isOld) return "unsure";
  if (isNow) return usual === "wait" || phase.kind === "waiting" ? "wait" : "run";
  if (usual !== "cmd") return usual;
  // Where a user requested the end, or a limit or a lost machine brought it, the command is not at fault.
  if (phase.state === "failed") {
    if (isStoppedByUser(task)) return "prep";
    return wasStopped(phase) && statusLook(task.status).tone === "warn" ? "cut" : "bad";
  }
  if (isOld) return "prep";
  const isEnded = task.is_terminal && (phase.exit_code === 0 || task.status === "success");
  return isEnded ? "ok" : "cmd";
}

/** No exit code of its own: none at all, or the one of a signal. */
function wasStopped({ exit_code: code }: Phase): boolean {
  return code === null || code < 0 || code > 128;
}

function isStoppedByUser(task: TaskSummary): boolean {
  return (
    task.status === "killed" ||
    task.status === "pending-kill" ||
    task.status === "executer-terminated-by-user"
  );
}

function markOf(phase: Phase, look: Look): Segment["mark"] {
  if (look === "bad") return "close";
  if (look === "wait") return "wait";
  const ended = phase.end !== null && phase.state === "done";
  return ended && (phase.exit_code === 0 || phase.kind === "waiting") ? "check" : null;
}

function timeWords(piece: Piece, phase: Phase, look: Look, { now }: StripTask): string {
  if (look === "unsure") return `since ${formatClock(Date.parse(phase.start), now)}, now unknown`;
  const time = spanWords(piece.seconds);
  return look === "bad" && phase.exit_code !== null ? `${time} · exit ${phase.exit_code}` : time;
}

function titleOf(phase: Phase, strip: StripTask): string {
  const lines = [`${phase.command ?? phase.label}: ${spanWords(secondsOf(phase, strip))}`];
  if (phase.exit_code !== null) lines.push(`exit code ${phase.exit_code}`);
  lines.push(`from ${formatStamp(Date.parse(phase.start))}`);
  return lines.join(", ");
}

/** A time that something took; what took a moment did not take none. */
export function spanWords(seconds: number): string {
  return seconds > 0 && seconds < 1 ? "< 1\u00a0s" : formatDuration(seconds);
}

/** What is to come, pale; the first is "next". */
function upcoming({ phases, commands, task }: StripTask): Segment[] {
  // Phases of an earlier machine do not count: there the commands began anew.
  const again = phases.map(({ kind }) => kind === "queue" || kind === "lost").lastIndexOf(true);
  const begun = phases.slice(again + 1).filter(({ kind }) => kind === "command").length;
  const rest = commands.slice(begun);
  const last = phases.at(-1)?.kind ?? "waiting";
  if (last === "packing" || last === "stopping" || last === "other" || task.status === "pending-kill")
    return [];
  const labels: string[] = [];
  if (last === "waiting" || last === "lost") labels.push("Queue");
  if (last === "waiting" || last === "lost" || last === "queue") labels.push("Prepare");
  if (rest.length > 1) labels.push(`${rest.length} commands`);
  else if (rest.length === 1) labels.push(programOf(rest[0] ?? ""));
  else if (begun === 0 && last !== "computing") labels.push("Compute");
  labels.push("Pack");
  return labels.map((label, index) => ({
    look: "next",
    mark: null,
    label,
    value: index === 0 ? "next" : "",
    isMain: false,
    isNow: false,
    weight: label === "Prepare" || label === "Pack" || label === "Queue" ? COMING_WEIGHT : 3,
    title: rest.length > 0 && label.endsWith("commands") ? rest.join("\n") : `${label}, to come`,
  }));
}

/** `interFoam` of `mpirun -np 4 interFoam -parallel`: the program, not what starts it. */
function shortLabel(phase: Phase): string {
  return phase.command === null ? phase.label : programOf(phase.command);
}

export function programOf(command: string): string {
  const words = command.trim().split(/\s+/);
  if (/(^|\/)(mpirun|mpiexec|srun|runApplication)$/.test(words[0] ?? "")) {
    words.shift();
    while (/^-/.test(words[0] ?? "")) {
      words.shift();
      if (/^\d+$/.test(words[0] ?? "")) words.shift();
    }
    const program = words[0];
    if (program !== undefined) return baseName(program);
  }
  return [baseName(words[0] ?? ""), ...words.slice(1)].join(" ") || command;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1) || path;
}

/** Phases by the task's own stamps, as long as the service has not reported better ones: no commands. */
export function phasesOfSummary(task: TaskSummary): Phase[] {
  const marks: [PhaseKind, string, string | null][] = [
    ["waiting", "Input", task.created_at],
    ["queue", "Queue", task.submitted_at],
    ["preparing", "Prepare", task.started_at],
    ["computing", "Compute", task.computation_started_at],
    ["packing", "Pack", task.computation_ended_at],
  ];
  const known = marks.filter((mark): mark is [PhaseKind, string, string] => mark[2] !== null);
  return known.map(([kind, label, start], index) => {
    const end = known[index + 1]?.[2] ?? task.ended_at;
    const seconds = end === null ? 0 : Math.max(0, (Date.parse(end) - Date.parse(start)) / 1000);
    const state = end === null ? "running" : "done";
    return { kind, label, start, end, seconds, command: null, exit_code: null, state };
  });
}
