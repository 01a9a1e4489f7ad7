// Where a map is in the window, and how its points are drawn there.

import type { MapInfo } from './api';

/** Where points are. */
export interface Places {
  x: Float32Array;
  y: Float32Array;
}

/** What is seen: the middle, and how large the square from -1 to 1 is beside the height of the window. */
export interface View {
  x: number;
  y: number;
  scale: number;
}

/** A part of the square in which a map is drawn: its middle, and how far it reaches from there, to the sides and up. */
export interface Part {
  x: number;
  y: number;
  extent: [number, number];
}

/** Where the map lies in the square from -1 to 1 in which it is drawn. */
export interface Frame {
  x: number;
  y: number;
  /** Units of the map to one of the square. */
  unit: number;
  /** How far it reaches from the middle, to the sides and up. */
  extent: [number, number];
}

export function frame({ bounds }: MapInfo): Frame {
  const [width, height] = [bounds.max_x - bounds.min_x, bounds.max_y - bounds.min_y];
  const unit = Math.max(width, height) / 2 || 1;
  return { x: (bounds.min_x + bounds.max_x) / 2, y: (bounds.min_y + bounds.max_y) / 2, unit, extent: [width / 2 / unit || 1, height / 2 / unit || 1] };
}

/** Points that lie as far out as this share of all, to a side, count as far from all others. */
const FAR = 0.004;

/** The part with nearly all points, where a few lie far from all others; else all of the map. */
export function mostOf({ x, y, count }: Places & { count: number }, all: [number, number]): Part {
  const reach = (places: Float32Array): [number, number] => {
    const sorted = places.slice(0, count).sort();
    const [low, high] = [sorted[Math.floor(count * FAR)] ?? 0, sorted[Math.floor((count - 1) * (1 - FAR))] ?? 0];
    const margin = (high - low) * 0.15;
    return [low - margin, high + margin];
  };
  const [[left, right], [bottom, top]] = [reach(x), reach(y)];
  const extent: [number, number] = [(right - left) / 2, (top - bottom) / 2];
  const isAll = count * FAR < 1 || Math.max(...extent) * 2 > Math.max(...all);
  return isAll ? { x: 0, y: 0, extent: all } : { x: (left + right) / 2, y: (bottom + top) / 2, extent };
}

/** The largest scale at which so much of the square is seen. */
export function scaleOf([right, up]: [number, number], [width, height]: [number, number]): number {
  return Math.min(width / height / right, 1 / up) * 0.92;
}

/** Where a place of the square is in a window of this size. */
export function screen(view: View, [width, height]: [number, number], x: number, y: number): [number, number] {
  const half = height / 2;
  return [width / 2 + (x - view.x) * view.scale * half, half - (y - view.y) * view.scale * half];
}

/** The whole pixels that there are for the map. */
export function room(canvas: HTMLCanvasElement): [number, number] {
  const { width, height } = (canvas.parentElement as Element).getBoundingClientRect();
  return [Math.floor(width), Math.floor(height)];
}

/** How large and how clear so many points are drawn. */
export function dots(count: number, width: number): { pointSize: number; opacity: number } {
  // In a narrow window the map is small, and its points are no smaller for that.
  const larger = width < 720 ? 1.4 : 1;
  if (count < 3_000) return { pointSize: 5 * larger, opacity: 0.9 };
  if (count < 20_000) return { pointSize: 3.6 * larger, opacity: 0.8 };
  if (count < 200_000) return { pointSize: 2.4 * larger, opacity: 0.65 };
  return { pointSize: 1.6 * larger, opacity: 0.5 };
}

/** How much larger points are drawn at a scale. */
export const growth = (scale: number): number => Math.asinh(Math.max(1, scale)) / Math.asinh(1);
