import type { PointCloud } from "./vtk";

type Axis = 0 | 1 | 2;

/** The two axes along which the points lie widest: across, then up. */
export function planeOf({ bounds }: PointCloud): [across: Axis, up: Axis] {
  const widths = bounds.map(([min, max]) => max - min);
  const narrowest = widths.indexOf(Math.min(...widths));
  // Of equal ones z is left out, as in plane cases.
  const left = widths.lastIndexOf(widths[narrowest] ?? 0);
  return [left === 0 ? 1 : 0, left === 2 ? 1 : 2];
}

const MARGIN = 28;

/** Paints the points in the colours of the view, one length for both axes. */
export function drawPoints(canvas: HTMLCanvasElement, cloud: PointCloud): void {
  const { clientWidth: width, clientHeight: height } = canvas;
  const context = canvas.getContext("2d");
  if (context === null || width === 0 || height === 0) return;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  context.scale(ratio, ratio);
  const style = getComputedStyle(canvas);
  const [across, up] = planeOf(cloud);
  const place = placer(cloud, [across, up], width, height);
  drawAxes(context, style, [across, up], place);
  drawAll(context, style.color, cloud, [across, up], place);
}

interface Placer {
  x(value: number): number;
  y(value: number): number;
  box: [left: number, top: number, right: number, bottom: number];
}

function placer({ bounds }: PointCloud, [across, up]: [Axis, Axis], width: number, height: number): Placer {
  const [minX, maxX] = bounds[across] ?? [0, 1];
  const [minY, maxY] = bounds[up] ?? [0, 1];
  const scale = Math.min(
    (width - 2 * MARGIN) / (maxX - minX || 1),
    (height - 2 * MARGIN) / (maxY - minY || 1),
  );
  const left = (width - (maxX - minX) * scale) / 2;
  const bottom = (height + (maxY - minY) * scale) / 2;
  return {
    x: (value) => left + (value - minX) * scale,
    y: (value) => bottom - (value - minY) * scale,
    box: [left, bottom - (maxY - minY) * scale, left + (maxX - minX) * scale, bottom],
  };
}

function drawAxes(
  context: CanvasRenderingContext2D,
  style: CSSStyleDeclaration,
  [across, up]: [Axis, Axis],
  { box: [left, top, right, bottom] }: Placer,
): void {
  context.strokeStyle = style.borderTopColor;
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(left - 3, top - 8);
  context.lineTo(left - 3, bottom + 3);
  context.lineTo(right + 8, bottom + 3);
  context.stroke();
  context.fillStyle = style.outlineColor;
  context.font = `11px ${style.fontFamily}`;
  context.fillText("xyz"[across] ?? "", right + 2, bottom + 16);
  context.fillText("xyz"[up] ?? "", left - 15, top - 4);
}

/** Points of one shade are painted together: changing the colour is what takes time. */
const SHADES = 12;

function drawAll(
  context: CanvasRenderingContext2D,
  color: string,
  { points, scalar }: PointCloud,
  [across, up]: [Axis, Axis],
  place: Placer,
): void {
  const count = points.length / 3;
  const size = count > 20_000 ? 1 : count > 2000 ? 2 : 3;
  context.fillStyle = color;
  for (let shade = 0; shade < (scalar === null ? 1 : SHADES); shade += 1) {
    context.globalAlpha = scalar === null ? 0.85 : 0.25 + (0.75 * shade) / (SHADES - 1);
    for (let i = 0; i < count; i += 1) {
      if (scalar !== null && shadeOf(scalar, i) !== shade) continue;
      const x = place.x(points[3 * i + across] as number);
      const y = place.y(points[3 * i + up] as number);
      context.fillRect(x - size / 2, y - size / 2, size, size);
    }
  }
  context.globalAlpha = 1;
}

function shadeOf({ values, min, max }: NonNullable<PointCloud["scalar"]>, i: number): number {
  if (max === min) return SHADES - 1;
  const share = ((values[i] as number) - min) / (max - min);
  return Number.isNaN(share) ? 0 : Math.min(SHADES - 1, Math.max(0, Math.floor(share * SHADES)));
}
