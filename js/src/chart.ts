/** Geometry of a small line chart, in the units of its box: 100 wide, 60 high. Pure. */

export const WIDTH = 100;
export const HEIGHT = 60;
/** More points than a chart has pixels are drawn as the least and the most of each pixel. */
const PIXELS = 400;

export interface Scale {
  /** Right end in seconds, top in the unit of the values. */
  end: number;
  top: number;
}

export interface Paths {
  line: string;
  /** What lies between line and base. */
  area: string;
}

/** Line and area of the values; where one is unknown the line is broken. */
export function pathsOf(times: Float64Array, values: Float64Array, { end, top }: Scale): Paths {
  const x = (i: number) => round(clamp((times[i] ?? 0) / end) * WIDTH);
  const y = (i: number) => round((1 - clamp((values[i] ?? 0) / top)) * HEIGHT);
  let line = "";
  let area = "";
  for (const run of runsOf(values)) {
    const points = thinned(times, values, run, end);
    const [first = 0] = points;
    const last = points.at(-1) ?? first;
    const drawn = points.map((i) => `${x(i)} ${y(i)}`).join("L");
    // A line without length is drawn as a dot, by its round ends.
    line += `M${drawn}${points.length === 1 ? "h0" : ""}`;
    if (points.length > 1) area += `M${x(first)} ${HEIGHT}L${drawn}L${x(last)} ${HEIGHT}Z`;
  }
  return { line, area };
}

/** Stretches of known values: first index, one past the last. */
function* runsOf(values: Float64Array): Iterable<[number, number]> {
  let start = -1;
  for (let i = 0; i <= values.length; i += 1) {
    const isKnown = i < values.length && !Number.isNaN(values[i]);
    if (isKnown && start < 0) start = i;
    else if (!isKnown && start >= 0) {
      yield [start, i];
      start = -1;
    }
  }
}

/** Indices to draw: all, or of each pixel the first, the least, the most and the last. */
export function thinned(
  times: Float64Array,
  values: Float64Array,
  [start, end]: [number, number],
  width: number,
): number[] {
  const points: number[] = [];
  if (end - start <= 4 * PIXELS) {
    for (let i = start; i < end; i += 1) points.push(i);
    return points;
  }
  for (let from = start; from < end; ) {
    const pixel = pixelOf(times[from], width);
    let [least, most, i] = [from, from, from];
    for (; i < end && pixelOf(times[i], width) === pixel; i += 1) {
      if ((values[i] ?? 0) < (values[least] ?? 0)) least = i;
      if ((values[i] ?? 0) > (values[most] ?? 0)) most = i;
    }
    points.push(...new Set([from, Math.min(least, most), Math.max(least, most), i - 1]));
    from = i;
  }
  return points;
}

function pixelOf(time: number | undefined, width: number): number {
  return Math.floor(((time ?? 0) / width) * PIXELS);
}

/** Number of the sample next to a moment; -1 without any. */
export function nearest(times: Float64Array, moment: number): number {
  let low = 0;
  let high = times.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) < moment) low = middle + 1;
    else high = middle;
  }
  const before = low - 1;
  if (before >= 0 && moment - (times[before] ?? 0) < (times[low] ?? 0) - moment) return before;
  return high < 0 ? -1 : low;
}

export interface Summary {
  /** Number of known values. */
  count: number;
  least: number;
  most: number;
  mean: number;
  last: number;
}

export function summaryOf(values: Float64Array): Summary {
  const summary = { count: 0, least: Number.NaN, most: Number.NaN, mean: Number.NaN, last: Number.NaN };
  let sum = 0;
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    summary.least = summary.count === 0 ? value : Math.min(summary.least, value);
    summary.most = summary.count === 0 ? value : Math.max(summary.most, value);
    summary.count += 1;
    summary.last = value;
    sum += value;
  }
  if (summary.count > 0) summary.mean = sum / summary.count;
  return summary;
}

/** 1, 2 or 5 times a power of ten that is not below: a top of an axis that reads well. */
export function roundTop(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((step) => step * power >= value * 0.999) ?? 10) * power;
}

const UNITS: readonly [seconds: number, word: string, steps: readonly number[]][] = [
  [1, "s", [2, 4, 6, 10, 20, 30, 40, 60, 90]],
  [60, "min", [2, 4, 6, 10, 20, 30, 40, 60, 90]],
  [3600, "h", [2, 4, 6, 8, 12, 16, 20, 24, 36]],
  [86_400, "days", [2, 4, 6, 10, 20, 30, 40, 60, 100, 200, 400, 1000]],
];

export interface TimeAxis {
  /** Seconds at the right end. */
  end: number;
  /** At the start, the middle and the end. */
  labels: readonly [string, string, string];
}

/** An axis of time that is a bit longer than the run, with a middle that reads well. */
export function timeAxis(seconds: number): TimeAxis {
  for (const [unit, word, steps] of UNITS) {
    const step = steps.find((each) => each * unit >= seconds);
    if (step !== undefined)
      return { end: step * unit, labels: ["0", String(step / 2), `${step}\u00a0${word}`] };
  }
  return { end: seconds, labels: ["0", "", `${Math.ceil(seconds / 86_400)}\u00a0days`] };
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
