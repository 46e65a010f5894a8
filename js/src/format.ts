/**
 * Words for numbers and times, as the views show them. An unknown value is `–`, never 0.
 * Examples that pytest reads too: `tests/golden/formats.json`.
 */

export const UNKNOWN = "–";
const NO_BREAK = "\u00a0";
const UNITS = ["B", "KB", "MB", "GB", "TB", "PB"] as const;

/** A size as number and unit, which tables set apart. KB = 1000 bytes; bytes whole, the rest one decimal. */
export function sizeParts(bytes: number | null): [value: string, unit: string] {
  if (bytes === null) return [UNKNOWN, ""];
  if (bytes < 1000) return [String(Math.round(bytes)), "B"];
  let value = bytes;
  let unit = 0;
  // 999.95 would print as "1000.0": such values belong to the next unit.
  while (value >= 999.95 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return [value.toFixed(1), UNITS[unit] ?? ""];
}

export function formatSize(bytes: number | null): string {
  const [value, unit] = sizeParts(bytes);
  return unit === "" ? value : value + NO_BREAK + unit;
}

/** `1.7 of 4.3 MB`: the unit once when both share it. */
export function formatSizeOf(done: number, total: number): string {
  const [value, unit] = sizeParts(done);
  return unit === sizeParts(total)[1]
    ? `${value} of ${formatSize(total)}`
    : `${formatSize(done)} of ${formatSize(total)}`;
}

export function formatRate(bytesPerSecond: number): string {
  return `${formatSize(bytesPerSecond)}/s`;
}

/** `7 s`, `2 min 50 s`, `1 h 02 min`: whole seconds, rounded down as a clock does. */
export function formatDuration(seconds: number | null): string {
  if (seconds === null || !Number.isFinite(seconds)) return UNKNOWN;
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${pad(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${pad(Math.floor((s % 3600) / 60))} min`;
}

/** One unit is enough for an age: `24 s`, `14 min`, `3 h`, `2 days`. */
export function formatAge(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h`;
  const days = Math.floor(s / 86_400);
  return days === 1 ? "1 day" : `${days} days`;
}

/** `14:02:07` today, `20 Nov 14:02` on another day, `20 Nov 2025` in another year. */
export function formatClock(time: number, now: number): string {
  const then = new Date(time);
  const today = new Date(now);
  if (then.toDateString() === today.toDateString()) return `${hoursMinutes(then)}:${pad(then.getSeconds())}`;
  const day = `${then.getDate()} ${monthName(then)}`;
  return then.getFullYear() === today.getFullYear()
    ? `${day} ${hoursMinutes(then)}`
    : `${day} ${then.getFullYear()}`;
}

/** When a listed task ended: `just now`, `12 min ago`, `3 h ago`, then the date. */
export function formatAgo(time: number, now: number): string {
  const seconds = (now - time) / 1000;
  // Steps of at least ten seconds: a list that changes each second cannot be read.
  if (seconds < 10) return "just now";
  if (seconds < 60) return `${Math.floor(seconds / 10) * 10} s ago`;
  if (seconds < 86_400) return `${formatAge(seconds)} ago`;
  const then = new Date(time);
  const day = `${then.getDate()} ${monthName(then)}`;
  return then.getFullYear() === new Date(now).getFullYear() ? day : `${day} ${then.getFullYear()}`;
}

const STAMP = new Intl.DateTimeFormat("en-GB", {
  weekday: "short",
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  timeZoneName: "short",
});

/** Full local stamp with zone, for `title`. */
export function formatStamp(time: number): string {
  return STAMP.format(time).replaceAll(",", "");
}

/** `i4ir3k…w2an`: what distinguishes ids stands at both ends. */
export function shortId(id: string, head = 6, tail = 4): string {
  return id.length <= head + tail + 1 ? id : `${id.slice(0, head)}…${id.slice(-tail)}`;
}

const COUNT = new Intl.NumberFormat("en-US");

export function formatCount(count: number): string {
  return COUNT.format(count);
}

/** `1 file`, `12 files`. */
export function countOf(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** `0.35 of 1 s`, `650 of 1,500 steps`, `35 %`: as many digits as a thousandth of the whole needs. */
export function formatSimulated(value: number, end: number | null, unit: string): string {
  const scale = Math.abs(end ?? value);
  const digits = scale === 0 ? 0 : Math.min(9, Math.max(0, 2 - Math.floor(Math.log10(scale))));
  const text = (number: number) => number.toLocaleString("en", { maximumFractionDigits: digits });
  if (unit === "%") return `${text(value)}\u00a0%`;
  return end === null ? `${text(value)} ${unit}` : `${text(value)} of ${text(end)} ${unit}`;
}

/** `about 2 min left`, to be read, not to be counted down with. */
export function formatLeft(seconds: number): string {
  if (seconds < 10) return "a few seconds left";
  const step = seconds < 60 ? 10 : seconds < 3600 ? 60 : 1800;
  const rounded = Math.round(seconds / step) * step;
  return `about ${rounded < 3600 ? formatAge(rounded) : formatDuration(rounded)} left`;
}

const ORDINAL_RULES = new Intl.PluralRules("en", { type: "ordinal" });
const ORDINAL_ENDINGS: Record<string, string> = { one: "st", two: "nd", few: "rd" };

/** `1st`, `2nd`, `3rd`, `11th`. */
export function ordinal(n: number): string {
  return `${n}${ORDINAL_ENDINGS[ORDINAL_RULES.select(n)] ?? "th"}`;
}

export function formatCost(amount: number, currency: string): string {
  const sign = currency === "USD" ? "US$" : currency;
  return `${sign}${NO_BREAK}${amount.toFixed(2)}`;
}

function pad(n: number): string {
  return String(n).padStart(2, "0");
}

function hoursMinutes(date: Date): string {
  return `${pad(date.getHours())}:${pad(date.getMinutes())}`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function monthName(date: Date): string {
  return MONTHS[date.getMonth()] ?? "";
}
