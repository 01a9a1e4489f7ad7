// Points on the canvas: each a copy of a dot of its colour.

import type { Theme } from '../src/colours';
import { dot } from '../src/dots';
import type { MapData } from './data';
import type { View } from './view';

/** Points that are drawn while the map moves: the first of a map are a sample of it. */
const MOVING = 60_000;

export class Drawing {
  private dots = new Map<string, HTMLCanvasElement>();
  private made = '';
  private rest: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly canvas: HTMLCanvasElement, private readonly map: MapData) {}

  /** Draws what is seen; points that `front` does not name stand back. */
  draw(view: View, theme: Theme, front: Uint8Array | null): void {
    clearTimeout(this.rest);
    this.some(view, theme, front, MOVING);
    if (this.map.count > MOVING) this.rest = setTimeout(() => this.some(view, theme, front, this.map.count), 120);
  }

  private some(view: View, theme: Theme, front: Uint8Array | null, most: number): void {
    const { canvas, map } = this;
    const context = canvas.getContext('2d') as CanvasRenderingContext2D;
    const [width, height] = view.size;
    const ratio = canvas.width / width;
    const count = Math.min(map.count, most);
    const radius = size(map.count, view) * ratio;
    const half = Math.ceil(radius) + 1;
    const made = `${radius} ${theme.paper}`;
    if (this.made !== made) this.dots = new Map();
    this.made = made;
    context.fillStyle = theme.paper;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.globalAlpha = map.count < 3000 ? 0.9 : map.count < 20_000 ? 0.8 : 0.65;
    const back = this.dot(theme.greyed, radius, half);
    const colours = map.topics.map(({ colour }) => this.dot(colour ?? theme.other, radius, half));
    const none = this.dot(map.topics.length > 0 ? theme.other : ONE, radius, half);
    for (const turn of front ? [false, true] : [true]) {
      for (let at = 0; at < count; at++) {
        if (front && Boolean(front[at]) !== turn) continue;
        const [x, y] = view.screen(map.x[at] as number, map.y[at] as number);
        if (x < -half || y < -half || x > width + half || y > height + half) continue;
        const dot = turn ? (colours[map.topic[at] as number] ?? none) : back;
        context.drawImage(dot, x * ratio - half, y * ratio - half);
      }
    }
    context.globalAlpha = 1;
    canvas.dataset['drawn'] = String(count);
  }

  private dot(colour: string, radius: number, half: number): HTMLCanvasElement {
    const known = this.dots.get(colour) ?? dot(colour, radius, half);
    this.dots.set(colour, known);
    return known;
  }
}

/** The colour of a map without topics. */
const ONE = '#4269d0';

/** How large dots are, from the middle: larger where few are seen. */
function size(count: number, view: View): number {
  const [width, height] = view.size;
  const near = view.pixels / Math.min(width, height);
  const base = count < 3_000 ? 2.6 : count < 20_000 ? 1.8 : count < 200_000 ? 1.2 : 0.8;
  return Math.min(7, base * Math.max(1, Math.sqrt(near * 1.6)));
}
