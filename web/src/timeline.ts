// Time below the map: how rows are spread over it, and the part of it that is looked at.

import type { App } from './app';
import { fill, h, icon } from './dom';
import { about } from './filters';
import { histogram, type Histogram, spread } from './histogram';
import { momentOf } from './legend';
import type { Quantities } from './points';

/** The part of all time that a film begins with, and how much of it goes by at a step. */
const WINDOW = 0.1;
const STEP = 0.1;
/** Milliseconds from one picture to the next, at least. */
const PAUSE = 120;

const PLAY = 'M6 4l10 6-10 6z';
const PAUSED = 'M7 4v12M13 4v12';

export class Timeline {
  private readonly columns: string[];
  private column: string;
  private chart: Histogram | null = null;
  private values: Quantities | null = null;
  private playing = false;
  private readonly play = h('button', { type: 'button', class: 'tool play', onclick: () => void this.toggleFilm() });

  constructor(
    private readonly app: App,
    private readonly place: HTMLElement,
  ) {
    this.columns = app.map.columns.filter(({ of, kind }) => of === 'row' && kind === 'time').map(({ name }) => name);
    this.column = this.columns[0] ?? '';
    app.ui.tools.time.hidden = this.columns.length === 0;
  }

  toggle(): void {
    if (this.columns.length === 0) return;
    if (this.place.hidden) void this.open();
    else this.close();
  }

  private close(): void {
    this.playing = false;
    this.place.hidden = true;
    this.app.ui.tools.time.setAttribute('aria-pressed', 'false');
  }

  private async open(): Promise<void> {
    const { app, column } = this;
    try {
      const values = await app.column(column);
      if (values.kind !== 'quantities' || column !== this.column) return;
      this.values = values;
    } catch (error) {
      return app.say(error);
    }
    const { values, low, high } = this.values;
    this.place.hidden = false;
    app.ui.tools.time.setAttribute('aria-pressed', 'true');
    if (!(high > low)) {
      this.chart = null;
      return fill(this.place, this.choice(), h('p', { class: 'soft' }, 'All rows are of one time.'));
    }
    this.chart = histogram(spread(values, low, high), this.filtered() ?? { from: low, to: high }, {
      label: app.map.columns.find(({ name }) => name === column)?.own_name ?? column,
      both: true,
      format: momentOf(high - low),
      colour: () => 'var(--accent)',
      change: ({ from, to }) => {
        this.playing = false;
        this.showPlay();
        this.filter(from, to);
      },
    });
    this.showPlay();
    fill(this.place, this.play, this.chart.element, this.choice());
  }

  private choice(): HTMLElement {
    const change = (event: Event): void => {
      this.column = (event.target as HTMLSelectElement).value;
      this.playing = false;
      void this.open();
    };
    const own = (called: string): string => this.app.map.columns.find(({ name }) => name === called)?.own_name ?? called;
    const select = h('select', { 'aria-label': 'Time', onchange: change }, ...this.columns.map(name => h('option', { value: name, selected: name === this.column }, own(name))));
    const close = h('button', { type: 'button', class: 'close', 'aria-label': 'Close the time', onclick: () => this.close() }, '×');
    return h('div', { class: 'choice' }, this.columns.length > 1 ? select : h('span', { class: 'soft' }, own(this.column)), close);
  }

  /** What lets rows of some time through, if anything does. */
  private filtered(): { from: number; to: number } | null {
    const filter = this.app.filters.find(filter => about(filter) === `column ${this.column}`);
    return filter?.kind === 'range' ? { from: filter.from, to: filter.to } : null;
  }

  /** Shows the bounds that hold by now. */
  follow(): void {
    if (this.place.hidden || !this.values) return;
    const { low, high } = this.values;
    this.chart?.set(this.filtered() ?? { from: low, to: high });
  }

  private filter(from: number, to: number): void {
    // A legend of the same column follows.
    if (this.values) this.app.range(this.values, from, to, this.app.colourBy !== this.column);
  }

  // ---- a film

  private showPlay(): void {
    fill(this.play, icon(this.playing ? PAUSED : PLAY));
    const label = this.playing ? 'Stop' : 'Play';
    this.play.setAttribute('aria-label', label);
    this.play.title = label;
  }

  private async toggleFilm(): Promise<void> {
    this.playing = !this.playing;
    this.showPlay();
    if (!this.playing || !this.values) return;
    const { low, high } = this.values;
    const all = high - low;
    let { from, to } = this.filtered() ?? { from: low, to: high };
    const wide = to - from >= all * 0.999 ? all * WINDOW : to - from;
    // From the beginning, unless there is something left to see.
    if (to >= high) from = low;
    while (this.playing) {
      to = Math.min(high, from + wide);
      this.filter(from, to);
      this.follow();
      await shown(PAUSE, this.app.ui.canvas);
      if (to >= high) this.playing = false;
      from = Math.min(from + wide * STEP, high - wide);
    }
    this.showPlay();
  }
}

/** Until a picture has been seen for a while. */
async function shown(milliseconds: number, canvas: HTMLCanvasElement): Promise<void> {
  const wait = (time: number): Promise<void> => new Promise(resolve => setTimeout(resolve, time));
  await wait(milliseconds);
  while (canvas.dataset['busy']) await wait(20);
}
