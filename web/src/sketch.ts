// A sample of the points, drawn without WebGL: something is seen while what draws all of them is still made.

import type { MapInfo, Sampled } from './api';
import { dot } from './dots';
import { h } from './dom';
import { colouring } from './legend';
import { theme } from './theme';
import type { TopicTree } from './topics';
import { dots, frame, growth, mostOf, type Part, type Places, room, scaleOf, screen, type View } from './view';

/** Points of a sketch: what is drawn in a moment. */
export const SKETCHED = 10_000;

/** Drawn by the processor: the graphics card is made ready later, while something is seen. */
const NEAR: CanvasRenderingContext2DSettings = { willReadFrequently: true };

export interface Sketch {
  canvas: HTMLCanvasElement;
  /** The part of the map that is seen unless something else is asked for. */
  home: Part;
}

/** Draws over the map's canvas, as the map will be drawn; the sketch is hidden as soon as it is. */
export function sketch(over: HTMLCanvasElement, map: MapInfo, tree: TopicTree, sample: Sampled[], asked?: View): Sketch {
  const { x: middleX, y: middleY, unit, extent } = frame(map);
  const count = sample.length;
  const places: Places = {
    x: Float32Array.from(sample, ({ x }) => (x - middleX) / unit),
    y: Float32Array.from(sample, ({ y }) => (y - middleY) / unit),
  };
  const home = mostOf({ ...places, count }, extent);
  const size = room(over);
  const fitted = scaleOf(home.extent, size);
  const view = asked ?? { x: home.x, y: home.y, scale: fitted };

  const [width, height] = size;
  const ratio = devicePixelRatio;
  const canvas = h('canvas', { class: 'sketch', width: Math.round(width * ratio), height: Math.round(height * ratio), 'aria-hidden': 'true' });
  const context = canvas.getContext('2d', NEAR) as CanvasRenderingContext2D;
  const { pointSize, opacity } = dots(count, width);
  const radius = (pointSize / 2) * ratio * (growth(view.scale) / growth(fitted));
  const half = Math.ceil(radius) + 1;
  const topics = tree.depths > 0 ? tree.values(1, Int32Array.from(sample, ({ topic_id }) => topic_id ?? 0)) : null;
  const { colours, palette } = colouring(topics, count, theme());
  const copies = palette.map(colour => dot(colour, radius, half, NEAR));
  context.globalAlpha = opacity;
  for (let at = 0; at < count; at++) {
    const [left, top] = screen(view, size, places.x[at] as number, places.y[at] as number);
    context.drawImage(copies[colours[at] as number] as HTMLCanvasElement, left * ratio - half, top * ratio - half);
  }
  canvas.dataset['drawn'] = String(count);
  over.after(canvas);
  return { canvas, home };
}
