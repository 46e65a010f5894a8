import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { countOf, formatCount } from "../format";
import { type Folds, foldedText, foldsOf, isCloser, MOST_FOLDED, seenLines } from "../preview/fold";
import { prettyJson } from "../preview/text";
import { Icon } from "./icon";
import { Lines, Note, type PartProps, TextPart } from "./preview-kinds";

/** JSON with a line for each value; objects and lists can be folded. */
export function Json(props: PartProps): JSX.Element {
  const { store, opened, part, text } = props;
  const isWhole = part.bytes.length >= opened.size;
  const tidy = useMemo(() => (isWhole ? prettyJson(text) : null), [text, isWhole]);
  const folds = useMemo(() => foldsOf(tidy ?? ""), [tidy]);
  // Only a whole file can be laid out.
  useEffect(() => {
    if (!isWhole) void store.more();
  }, [store, isWhole, part]);
  if (!isWhole) return <TextPart {...props} />;
  if (tidy === null) {
    return (
      <>
        <TextPart {...props} />
        <Note>This is not valid JSON: shown as it is.</Note>
      </>
    );
  }
  const { lines } = folds;
  const isSmall = lines.length <= MOST_FOLDED;
  return (
    <>
      {isSmall ? <Tree folds={folds} /> : <Lines lines={lines} numbered />}
      <Note>
        {countOf(lines.length, "line")}, spaces added. Numbers keep all their digits.
        {!isSmall && ` Up to ${formatCount(MOST_FOLDED)} lines can be folded.`}
      </Note>
    </>
  );
}

let trees = 0;

/** A tree for the eye and the keyboard, with one place to tab to. What stands in the file is only text. */
function Tree({ folds }: { folds: Folds }) {
  const [closed, setClosed] = useState<ReadonlySet<number>>(new Set());
  const [current, setCurrent] = useState(0);
  const [id] = useState(() => {
    trees += 1;
    return `iw-json-${trees}-`;
  });
  const seen = useMemo(() => seenLines(folds, closed), [folds, closed]);
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    box.current?.querySelector(".on")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [current]);
  const setOpen = (line: number, open: boolean) => {
    const next = new Set(closed);
    if (open) next.delete(line);
    else next.add(line);
    setClosed(next);
    setCurrent(line);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const act = actOf(event.key, folds, seen, closed, current);
    if (act === null) return;
    event.preventDefault();
    // Hosts have the arrows and Enter, too.
    event.stopPropagation();
    if (act.open === undefined) setCurrent(act.line);
    else setOpen(act.line, act.open);
  };
  const onClick = ({ target }: MouseEvent) => {
    const item = (target as Element).closest<HTMLElement>("[data-line]");
    if (item === null) return;
    const line = Number(item.dataset.line);
    if (folds.ends[line]) setOpen(line, closed.has(line));
    else setCurrent(line);
  };
  return (
    <div
      class="iw-lines fold"
      ref={box}
      role="tree"
      tabIndex={0}
      aria-label="JSON"
      aria-activedescendant={id + current}
      onKeyDown={onKeyDown}
      onClick={onClick}
    >
      {seen.map((line) => (
        <Line
          key={line}
          id={id + line}
          folds={folds}
          line={line}
          isOpen={!closed.has(line)}
          isCurrent={line === current}
        />
      ))}
    </div>
  );
}

interface LineProps {
  id: string;
  folds: Folds;
  line: number;
  isOpen: boolean;
  isCurrent: boolean;
}

function Line({ id, folds, line, isOpen, isCurrent }: LineProps) {
  const text = folds.lines[line] ?? "";
  const canFold = (folds.ends[line] ?? 0) > 0;
  const content = (
    <>
      <span class="no" aria-hidden="true">
        {line + 1}
      </span>
      <span class="tw">{canFold && <Icon name={isOpen ? "fold" : "chevron"} className="s" />}</span>
      <span class="tx">{isOpen ? text : foldedText(folds, line)}</span>
      {!isOpen && <span class="iw-m">{countOf(folds.values[line] ?? 0, "value")}</span>}
    </>
  );
  if (isCloser(text)) return <div aria-hidden="true">{content}</div>;
  return (
    // biome-ignore lint/a11y/useFocusableInteractive: the focus stays on the tree, which names its item.
    <div
      id={id}
      class={isCurrent ? "on" : ""}
      role="treeitem"
      aria-level={depthOf(folds, line)}
      aria-expanded={canFold ? isOpen : undefined}
      aria-selected={isCurrent}
      data-line={line}
    >
      {content}
    </div>
  );
}

function depthOf({ parents }: Folds, line: number): number {
  let depth = 1;
  for (let at = parents[line] ?? -1; at >= 0; at = parents[at] ?? -1) depth += 1;
  return depth;
}

interface Act {
  line: number;
  /** Folds or unfolds it. */
  open?: boolean;
}

/** What a key does, as in other trees; `null`: nothing. */
function actOf(
  key: string,
  { lines, ends, parents }: Folds,
  seen: readonly number[],
  closed: ReadonlySet<number>,
  line: number,
): Act | null {
  const items = seen.filter((one) => !isCloser(lines[one] ?? ""));
  const at = items.indexOf(line);
  const canFold = (ends[line] ?? 0) > 0;
  const isClosed = closed.has(line);
  const go = (to: number): Act => ({ line: items[Math.max(0, Math.min(items.length - 1, to))] ?? 0 });
  switch (key) {
    case "ArrowDown":
      return go(at + 1);
    case "ArrowUp":
      return go(at - 1);
    case "Home":
      return go(0);
    case "End":
      return go(items.length - 1);
    case "ArrowRight":
      return isClosed ? { line, open: true } : canFold ? go(at + 1) : null;
    case "ArrowLeft":
      if (canFold && !isClosed) return { line, open: false };
      return { line: Math.max(0, parents[line] ?? 0) };
    case "Enter":
    case " ":
      return canFold ? { line, open: isClosed } : null;
    default:
      return null;
  }
}
