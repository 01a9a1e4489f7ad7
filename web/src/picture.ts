// Pictures of rows, asked for when they are looked at.

import * as api from './api';
import { fill, h } from './dom';

/** A place that shows a row's picture as soon as it is there, or says why there is none. */
export function picture(map: api.MapInfo, id: string, column: string, size: number, signal?: AbortSignal, shown = (): void => {}): HTMLElement {
  const place = h('figure', { class: 'picture', 'aria-busy': 'true' });
  // Screens with finer pixels than the page's get finer pictures.
  const pixels = Math.min(1024, Math.round(size * Math.min(devicePixelRatio, 2)));
  api.thumbnail(map, id, column, pixels, signal).then(
    bytes => {
      const source = URL.createObjectURL(bytes);
      const done = (): void => {
        URL.revokeObjectURL(source);
        shown();
      };
      fill(place, h('img', { src: source, alt: `${column} of row ${id}`, onload: done, onerror: done }));
    },
    error => {
      const gone = error instanceof api.Refused && error.status === 404;
      if (gone || signal?.aborted) place.remove();
      else fill(place, h('figcaption', { class: 'soft' }, error instanceof Error ? error.message : String(error)));
    },
  ).finally(() => place.removeAttribute('aria-busy'));
  return place;
}

/** Pixels of a picture in a list. */
const SMALL = 36;

const waiting = new WeakMap<Element, () => void>();
const inSight = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    inSight.unobserve(target);
    waiting.get(target)?.();
  }
});

/** A row's picture for a list: asked for when it comes into sight; nothing where rows have none. */
export function small(map: api.MapInfo, id: string): HTMLElement | null {
  const [column] = map.images;
  if (column === undefined) return null;
  const place = h('span', { class: 'small' });
  waiting.set(place, () => place.append(picture(map, id, column, SMALL)));
  inSight.observe(place);
  return place;
}
