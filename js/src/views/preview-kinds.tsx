import type { ComponentChildren, JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { countOf, formatCount, formatSize } from "../format";
import { isEmptyCell, MOST_COLUMNS, MOST_ROWS, readCsv } from "../preview/csv";
import { drawPoints, planeOf } from "../preview/draw";
import { MOST_PIXELS, pictureSize } from "../preview/picture";
import type { Opened, PreviewStore } from "../preview/store";
import { decode, hexLines, linesOf } from "../preview/text";
import { type PointCloud, readPoints } from "../preview/vtk";
import { Icon } from "./icon";

type Part = NonNullable<Opened["part"]>;

export interface PartProps {
  store: PreviewStore;
  opened: Opened;
  part: Part;
  /** The bytes as text. */
  text: string;
}

/** The note below a preview: its size, and its limits in words. */
function Facts({ rows }: { rows: readonly (readonly [name: string, value: ComponentChildren])[] }) {
  return (
    <dl class="iw-pvfacts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Note({ children }: { children: ComponentChildren }) {
  return <p class="iw-pvnote">{children}</p>;
}

function Plain({ children }: { children: ComponentChildren }) {
  return (
    <div class="iw-pvbox">
      <div class="iw-empty">
        <Icon name="file" />
        {children}
      </div>
    </div>
  );
}

/** Lines with their numbers; the next bytes come when the end is near. */
export function TextPart({ store, opened, part, text }: PartProps) {
  const { end } = opened;
  const isWhole = part.bytes.length >= opened.size;
  const shown = useMemo(
    () => (end === null ? linesOf(text, !isWhole) : linesOf(tailText(end), false)),
    [text, end, isWhole],
  );
  return (
    <>
      <Lines
        lines={shown.lines}
        numbered={end === null}
        onNearEnd={end === null && !isWhole ? () => void store.more() : undefined}
        atEnd={end !== null}
      />
      <TextNote store={store} opened={opened} part={part} lines={shown.lines.length} cut={shown.cut} />
    </>
  );
}

/** The last bytes, without the line that they cut. */
function tailText(bytes: Uint8Array): string {
  const text = decode(bytes);
  return text.slice(text.indexOf("\n") + 1);
}

interface TextNoteProps {
  store: PreviewStore;
  opened: Opened;
  part: Part;
  lines: number;
  cut: number;
}

function TextNote({ store, opened, part, lines, cut }: TextNoteProps) {
  const { end, size, busy, error } = opened;
  const long = cut > 0 ? ` ${countOf(cut, "long line")} cut.` : "";
  if (error !== null) return <Note>{error.message}</Note>;
  if (part.bytes.length >= size) return <Note>{`${countOf(lines, "line")}.${long}`}</Note>;
  const [said, label, act] =
    end === null
      ? ([
          `The first ${formatSize(part.bytes.length)} of ${formatSize(size)}.`,
          "Show the end",
          () => void store.showEnd(),
        ] as const)
      : ([
          `The last ${formatSize(end.length)} of ${formatSize(size)}.`,
          "Show the start",
          () => store.showStart(),
        ] as const);
  return (
    <Note>
      {said}
      {long}{" "}
      <button type="button" class="iw-link" disabled={busy} onClick={act}>
        {label}
      </button>
    </Note>
  );
}

interface LinesProps {
  lines: readonly string[];
  numbered: boolean;
  onNearEnd?: (() => void) | undefined;
  /** Begins at the last line. */
  atEnd?: boolean;
}

/** Two columns of text, not an element a line: there may be twenty thousand. */
export function Lines({ lines, numbered, onNearEnd, atEnd = false }: LinesProps) {
  const box = useRef<HTMLElement>(null);
  const numbers = useMemo(() => lines.map((_, i) => i + 1).join("\n"), [lines]);
  const text = useMemo(() => lines.join("\n"), [lines]);
  useEffect(() => {
    const element = box.current;
    if (element !== null) element.scrollTop = atEnd ? element.scrollHeight : 0;
  }, [atEnd]);
  return (
    <section
      class="iw-lines"
      ref={box}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys.
      tabIndex={0}
      aria-label="Text of the file"
      onScroll={({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
        if (scrollTop + clientHeight > scrollHeight - 400) onNearEnd?.();
      }}
    >
      {numbered && (
        <pre class="no" aria-hidden="true">
          {numbers}
        </pre>
      )}
      <pre>{text}</pre>
    </section>
  );
}

const ROWS_AT_ONCE = 100;

export function Table({ store, opened, part, text }: PartProps) {
  const table = useMemo(() => readCsv(text, part.bytes.length < opened.size), [text, part, opened.size]);
  const [count, setCount] = useState(ROWS_AT_ONCE);
  const { rows, columns, numeric } = table;
  const said = [table.isCut ? `The first ${countOf(rows.length, "row")}` : countOf(rows.length, "row")];
  said.push(
    columns > MOST_COLUMNS
      ? `the first ${MOST_COLUMNS} of ${formatCount(columns)} columns`
      : countOf(columns, "column"),
  );
  return (
    <>
      <section
        class="iw-csv"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys.
        tabIndex={0}
        aria-label="Table"
        onScroll={({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
          if (scrollTop + clientHeight < scrollHeight - 400) return;
          if (count < rows.length) setCount(count + ROWS_AT_ONCE);
          else if (rows.length < MOST_ROWS) void store.more();
        }}
      >
        <table>
          <thead>
            <tr>
              {table.header.map((name, i) => (
                <th key={i} scope="col" class={numeric[i] ? "num" : ""}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, count).map((row, r) => (
              <tr key={r}>
                {table.header.map((_, i) => (
                  <Cell key={i} text={row[i] ?? ""} numeric={numeric[i] === true} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <Note>
        {said.join(", ")}.{table.isCut && ` At most ${formatCount(MOST_ROWS)} rows are shown.`}
      </Note>
    </>
  );
}

const LONGEST_CELL = 200;

function Cell({ text, numeric }: { text: string; numeric: boolean }): JSX.Element {
  const tone = isEmptyCell(text) ? "iw-m" : "";
  return (
    <td class={numeric ? `num ${tone}` : tone} title={text.length > 30 ? text : undefined}>
      {text.length > LONGEST_CELL ? `${text.slice(0, LONGEST_CELL)}…` : text}
    </td>
  );
}

/** A picture from its own bytes. As an image an SVG is inert: nothing in it runs, nothing is loaded. */
export function Picture({ opened, part }: PartProps) {
  const { bytes, meta } = part;
  const size = useMemo(() => pictureSize(bytes), [bytes]);
  const [shown, setShown] = useState<[number, number] | "broken" | null>(null);
  const isHuge = size !== null && size[0] * size[1] > MOST_PIXELS;
  const url = useBlob(bytes, meta.media_type, bytes.length > 0 && !isHuge);
  if (bytes.length === 0) {
    return (
      <Plain>
        <b>This picture is too large to be shown</b>
        <span>{`It has ${formatSize(opened.size)}; up to ${formatSize(meta.limit)} are shown.`}</span>
      </Plain>
    );
  }
  if (isHuge) {
    return (
      <Plain>
        <b>This picture is too large to be shown</b>
        <span>{`It has ${formatCount(size[0])} × ${formatCount(size[1])} pixels.`}</span>
      </Plain>
    );
  }
  if (shown === "broken") {
    return (
      <Plain>
        <b>This picture cannot be shown</b>
        <span>The browser could not read it.</span>
      </Plain>
    );
  }
  const [width, height] = size ?? shown ?? [];
  return (
    <>
      <div class="iw-pvbox picture">
        {url !== null && (
          <img
            src={url}
            alt={opened.name}
            onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) =>
              setShown([naturalWidth, naturalHeight])
            }
            onError={() => setShown("broken")}
          />
        )}
      </div>
      <Facts
        rows={[
          [
            "Size",
            width === undefined || height === undefined
              ? "…"
              : `${formatCount(width)} × ${formatCount(height)} pixels`,
          ],
          ["Kind", KINDS[meta.media_type] ?? meta.media_type],
        ]}
      />
    </>
  );
}

const KINDS: Record<string, string> = {
  "image/png": "PNG",
  "image/jpeg": "JPEG",
  "image/gif": "GIF",
  "image/svg+xml": "SVG, shown as a picture",
};

/** An address for these bytes, for as long as they are shown. */
function useBlob(bytes: Uint8Array<ArrayBuffer>, type: string, wanted: boolean): string | null {
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    if (!wanted) return;
    const made = URL.createObjectURL(new Blob([bytes], { type }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [bytes, type, wanted]);
  return url;
}

export function Points({ part }: PartProps) {
  const { bytes } = part;
  const read = useMemo(() => attempt(() => readPoints(bytes)), [bytes]);
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current;
    if (element === null || read instanceof Error) return;
    const observer = new ResizeObserver(() => drawPoints(element, read));
    observer.observe(element);
    return () => observer.disconnect();
  }, [read]);
  if (read instanceof Error) {
    return (
      <Plain>
        <b>No picture of this file</b>
        <span>{read.message}</span>
      </Plain>
    );
  }
  return (
    <>
      <div class="iw-pvbox points">
        <canvas ref={canvas} role="img" aria-label={`Scatter picture of ${countOf(read.total, "point")}`} />
      </div>
      <Facts rows={pointFacts(read)} />
    </>
  );
}

function pointFacts(cloud: PointCloud): [string, string][] {
  const drawn = cloud.points.length / 3;
  const shown = drawn === cloud.total ? "shown all" : `${formatCount(drawn)} of them shown`;
  const bounds = planeOf(cloud).map((axis) => {
    const [min, max] = cloud.bounds[axis] ?? [0, 0];
    return `${"xyz"[axis]} ${short(min)} to ${short(max)}`;
  });
  const rows: [string, string][] = [
    ["Points", `${formatCount(cloud.total)}, ${shown}`],
    ["Bounds", bounds.join(", ")],
  ];
  const { scalar } = cloud;
  if (scalar !== null)
    rows.push(["Colour", `${scalar.name}, ${short(scalar.min)} (pale) to ${short(scalar.max)}`]);
  return rows;
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function attempt<T>(act: () => T): T | Error {
  try {
    return act();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

export function Binary({ opened, part }: PartProps) {
  const lines = useMemo(() => hexLines(part.bytes), [part]);
  return (
    <>
      <div class="iw-pvhead">No preview for this kind of file. Its first bytes:</div>
      <Lines lines={lines} numbered={false} />
      <Note>{`The first ${formatSize(part.bytes.length)} of ${formatSize(opened.size)}.`}</Note>
    </>
  );
}
