/**
 * The line icons of the views, 16 × 16, in `currentColor`. The markup below is the only
 * markup ever parsed: names, ids and messages reach the page as text nodes.
 */

const SHAPES = {
  wait: '<circle cx="8" cy="8" r="6"/><path d="M8 4.8V8l2.2 1.6"/>',
  run: '<circle cx="8" cy="8" r="6" opacity=".28"/><path d="M8 2a6 6 0 0 1 6 6"/>',
  stopping:
    '<circle cx="8" cy="8" r="6" opacity=".3"/><path d="M8 2a6 6 0 0 1 6 6"/><rect x="5.75" y="5.75" width="4.5" height="4.5" rx=".6" fill="currentColor" stroke="none"/>',
  done: '<circle cx="8" cy="8" r="6.75" fill="currentColor" stroke="none"/><path class="knock" d="m5.2 8.2 1.9 1.9 3.7-4"/>',
  fail: '<circle cx="8" cy="8" r="6.75" fill="currentColor" stroke="none"/><path class="knock" d="m5.8 5.8 4.4 4.4m0-4.4-4.4 4.4"/>',
  user: '<rect x="2.25" y="2.25" width="11.5" height="11.5" rx="2.5" fill="currentColor" stroke="none"/><rect class="knock fill" x="5.75" y="5.75" width="4.5" height="4.5" rx=".6"/>',
  limit:
    '<path d="M4 2h8M4 14h8M5 2v2.2c0 1.6 3 2.4 3 3.8s-3 2.2-3 3.8V14M11 2v2.2c0 1.6-3 2.4-3 3.8s3 2.2 3 3.8V14"/>',
  lost: '<path d="M6.7 4.5 8 3.2a3.4 3.4 0 0 1 4.8 4.8l-1.3 1.3M9.3 11.5 8 12.8A3.4 3.4 0 0 1 3.2 8l1.3-1.3M2.5 2.5l11 11"/>',
  unknown:
    '<circle cx="8" cy="8" r="6"/><path d="M6.2 6.3a1.85 1.85 0 1 1 2.6 1.9c-.5.25-.8.6-.8 1.1"/><circle cx="8" cy="11.3" r=".8" fill="currentColor" stroke="none"/>',
  copy: '<rect x="5.5" y="5.5" width="8" height="8" rx="1.5"/><path d="M10.5 5.5V4A1.5 1.5 0 0 0 9 2.5H4A1.5 1.5 0 0 0 2.5 4v5A1.5 1.5 0 0 0 4 10.5h1.5"/>',
  search: '<circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 3 3"/>',
  folder:
    '<path d="M2 4.5A1.5 1.5 0 0 1 3.5 3h2.6l1.6 1.8h4.8A1.5 1.5 0 0 1 14 6.3v5.2a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 2 11.5z"/>',
  file: '<path d="M4 2.5h5l3 3v8H4z"/><path d="M9 2.5v3h3"/>',
  download: '<path d="M8 2.5v7.5M4.8 7 8 10.2 11.2 7M3 13.5h10"/>',
  close: '<path d="m4.5 4.5 7 7m0-7-7 7"/>',
  check: '<path d="m3.5 8.3 3 3 6-6.6"/>',
  refresh: '<path d="M13 8a5 5 0 1 1-1.5-3.55M13 2.5v2.8h-2.8"/>',
  warn: '<path d="M8 2.3 14.3 13H1.7zM8 6.3v3.2M8 11.3v0"/>',
  down: '<path d="M8 3.5v9M4.5 9 8 12.5 11.5 9"/>',
  up: '<path d="M8 12.5v-9M4.5 7 8 3.5 11.5 7"/>',
  stop: '<rect x="4" y="4" width="8" height="8" rx="1"/>',
  key: '<circle cx="5.5" cy="10.5" r="3"/><path d="m7.8 8.2 5.2-5.2m-2 2 2 2m-4 0 1.3 1.3"/>',
  keys: '<rect x="1.5" y="3.5" width="13" height="9" rx="1.5"/><path d="M4.5 6.5h0M8 6.5h0M11.5 6.5h0M5.5 9.5h5"/>',
  more: '<g fill="currentColor" stroke="none"><circle cx="3.5" cy="8" r="1.2"/><circle cx="8" cy="8" r="1.2"/><circle cx="12.5" cy="8" r="1.2"/></g>',
  code: '<path d="m5.5 4.5-3.5 3.5 3.5 3.5m5-7 3.5 3.5-3.5 3.5"/>',
  list: '<path d="M3 4h10M3 8h10M3 12h10"/>',
  tree: '<path d="M3 3h4M6 8h7M6 13h7M3 3v10M3 8h1.5M3 13h1.5"/>',
  chevron: '<path d="m6 3.8 4.2 4.2L6 12.2"/>',
  fold: '<path d="M3.8 6 8 10.2 12.2 6"/>',
  pause: '<path d="M6 4v8M10 4v8"/>',
  resume: '<path d="M5.5 3.5v9l7-4.5z"/>',
  differs: '<path d="M8 2.5v6M5 5.5h6M5 12.5h6"/>',
  compare:
    '<rect x="2.5" y="3" width="4.5" height="10" rx="1"/><rect x="9" y="3" width="4.5" height="10" rx="1"/>',
  sort: '<path d="M5 3v10M2.5 10.5 5 13l2.5-2.5M11 13V3M8.5 5.5 11 3l2.5 2.5"/>',
  back: '<path d="M10 3.8 5.8 8l4.2 4.2"/>',
  wrap: '<path d="M2.5 4h11M2.5 8h9a2.2 2.2 0 0 1 0 4.5H8M9.8 10.5l-2 2 2 2M2.5 12.5h2"/>',
  filter: '<path d="M2.5 4h11M4.5 8h7M6.5 12h3"/>',
  server:
    '<rect x="2.5" y="2.5" width="11" height="4.5" rx="1.2"/><rect x="2.5" y="9" width="11" height="4.5" rx="1.2"/><path d="M5 4.75h0M5 11.25h0"/>',
  open: '<path d="M9.5 3H13v3.5M13 3 7.5 8.5M11 9.5V13H3V5h3.5"/>',
  task: '<circle cx="4.5" cy="4.5" r="2"/><path d="M9 4.5h4.5M9 11.5h4.5"/><path d="m2.5 11.5 1.5 1.5 2.5-3"/>',
} as const;

export type IconName = keyof typeof SHAPES;

export function iconShape(name: IconName): string {
  return SHAPES[name];
}

const cache = new Map<IconName, SVGSVGElement>();

/** A new icon element. `className` comes beside `iw-i`. */
export function iconElement(name: IconName, className = ""): SVGSVGElement {
  let original = cache.get(name);
  if (original === undefined) {
    original = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    original.setAttribute("viewBox", "0 0 16 16");
    original.setAttribute("aria-hidden", "true");
    original.innerHTML = SHAPES[name];
    cache.set(name, original);
  }
  const copy = original.cloneNode(true) as SVGSVGElement;
  copy.setAttribute("class", className === "" ? "iw-i" : `iw-i ${className}`);
  return copy;
}
