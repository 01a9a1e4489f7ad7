// Names of topics on the map: general ones from afar, particular ones from near, none over another.

import type { Topic } from './api';
import { h } from './dom';
import type { Plot } from './plot';
import type { Frame } from './view';

interface Label {
  topic: Topic;
  x: number;
  y: number;
  element: HTMLElement;
  /** Measured when it is first shown. */
  size: [number, number] | null;
  shown: boolean;
}

/** Room around a label, in pixels. */
const ROOM = 6;

export class Labels {
  private labels: Label[] = [];
  /** Whether the mouse moved since it was pressed: then the map is moved, or a line drawn. */
  private dragged = false;
  private pressed: [number, number] = [0, 0];

  constructor(
    private readonly layer: HTMLElement,
    private readonly canvas: HTMLCanvasElement,
    private readonly choose: (topic: Topic) => void,
  ) {
    addEventListener('mousemove', ({ clientX, clientY }) => {
      if (Math.hypot(clientX - this.pressed[0], clientY - this.pressed[1]) > 4) this.dragged = true;
    });
  }

  set(topics: Topic[], frame: Frame): void {
    this.labels = topics.flatMap(topic => {
      if (topic.x === null || topic.y === null || !topic.topic_short) return [];
      const element = h('button', {
        class: `label depth-${topic.depth}`,
        type: 'button',
        tabindex: '-1',
        title: topic.topic_description,
        onclick: () => this.dragged || this.choose(topic),
      }, topic.topic_short);
      this.letThrough(element);
      const [x, y] = [(topic.x - frame.x) / frame.unit, (topic.y - frame.y) / frame.unit];
      return [{ topic, x, y, element, size: null, shown: false }];
    });
    this.layer.replaceChildren();
  }

  /** Puts those there that there is room for. */
  lay(plot: Pick<Plot, 'size' | 'pixels' | 'screen'>, points: number): void {
    const [width, height] = plot.size;
    const { pixels } = plot;
    const taken: [number, number, number, number][] = [];
    const scored: { label: Label; worth: number; at: [number, number] }[] = [];
    for (const label of this.labels) {
      const at = plot.screen(label.x, label.y);
      // About as far as the topic reaches, if rows lay evenly.
      const reach = Math.sqrt(label.topic.size / Math.max(1, points)) * pixels;
      const fits = reach > 26 && reach < Math.max(width, height) * 0.75;
      const inside = at[0] > 0 && at[0] < width && at[1] > 0 && at[1] < height;
      if (fits && inside) scored.push({ label, worth: reach, at });
      else this.hide(label);
    }
    scored.sort((a, b) => b.worth - a.worth);
    for (const { label, at } of scored) {
      if (!label.size) {
        this.layer.append(label.element);
        label.shown = true;
        label.element.style.visibility = 'hidden';
        label.size = [label.element.offsetWidth, label.element.offsetHeight];
      }
      const [w, tall] = label.size;
      const left = Math.min(Math.max(at[0] - w / 2, 4), Math.max(4, width - w - 4));
      const top = Math.min(Math.max(at[1] - tall / 2, 4), Math.max(4, height - tall - 4));
      const box: [number, number, number, number] = [left - ROOM, top - ROOM, left + w + ROOM, top + tall + ROOM];
      if (taken.some(other => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) {
        this.hide(label);
        continue;
      }
      taken.push(box);
      if (!label.shown) {
        this.layer.append(label.element);
        label.shown = true;
      }
      label.element.style.visibility = '';
      label.element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
    }
  }

  private hide(label: Label): void {
    if (!label.shown) return;
    label.element.remove();
    label.shown = false;
  }

  /** What is done over a label and is no click on it is meant for the map below. */
  private letThrough(element: HTMLElement): void {
    const pass = (event: MouseEvent | WheelEvent): void => {
      event.preventDefault();
      this.canvas.dispatchEvent(new (event.constructor as typeof MouseEvent)(event.type, event));
    };
    element.addEventListener('wheel', pass, { passive: false });
    element.addEventListener('mousedown', event => {
      this.dragged = false;
      this.pressed = [event.clientX, event.clientY];
      pass(event);
    });
  }
}
