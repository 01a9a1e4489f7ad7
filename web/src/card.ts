// What a row says under the mouse.

import type { Contents } from './content';
import { marked } from './content';
import type { MapInfo } from './api';
import { fill, h } from './dom';
import { picture } from './picture';
import type { Plot } from './plot';

/** Pixels of a picture on the card. */
const PICTURE = 180;

export class Card {
  private hovering: AbortController | null = null;

  constructor(
    private readonly element: HTMLElement,
    private readonly map: MapInfo,
    private readonly contents: Contents,
    /** What is marked in texts. */
    private readonly looked: () => RegExp | null,
  ) {}

  hide(): void {
    this.hovering?.abort();
    this.element.hidden = true;
  }

  /** Shows a row beside its place, with what the map says it is about. */
  show(id: string, topic: string | null, plot: Plot, x: number, y: number): void {
    this.hovering?.abort();
    const stop = (this.hovering = new AbortController());
    const wait = setTimeout(() => {
      this.contents.one(id, stop.signal).then(content => {
        if (stop.signal.aborted) return;
        const [image] = this.map.images;
        const shown = image === undefined ? null : picture(this.map, id, image, PICTURE, stop.signal, () => this.lay(plot, x, y));
        fill(this.element, shown, h('p', {}, ...marked(this.contents.text(content), this.looked())),
          topic === null ? null : h('p', { class: 'soft' }, topic));
        this.element.hidden = false;
        this.lay(plot, x, y);
      }, () => {
        // The next point tells more than why this one said nothing.
      });
    }, 25);
    stop.signal.addEventListener('abort', () => clearTimeout(wait));
  }

  private lay(plot: Plot, x: number, y: number): void {
    const { element } = this;
    const [width, height] = plot.size;
    const [atX, atY] = plot.screen(x, y);
    const left = atX + 14 + element.offsetWidth > width ? atX - 14 - element.offsetWidth : atX + 14;
    const top = Math.min(Math.max(8, atY - 12), Math.max(8, height - element.offsetHeight - 8));
    element.style.transform = `translate(${Math.max(8, left)}px, ${top}px)`;
  }
}
