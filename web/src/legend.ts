// What the colours mean. A click on a meaning shows its rows alone.

import { CATEGORIES, QUANTITIES, type Theme } from './colours';
import { counted, h, shown } from './dom';
import { histogram, spread } from './histogram';
import type { Values } from './points';

/** Categories that are listed; more are counted. */
const LISTED = 60;

export interface Colouring {
  colours: Uint16Array;
  palette: string[];
  /** The number of the colour of points that stand back. */
  back: number;
}

const first = CATEGORIES.length;

export function colour(place: number, name: string | null, theme: Theme): string {
  if (name === null) return theme.missing;
  return CATEGORIES[place] ?? theme.other;
}

/** The colours of all points. */
export function colouring(values: Values | null, count: number, theme: Theme): Colouring {
  if (values === null) {
    return { colours: new Uint16Array(count), palette: [CATEGORIES[0] as string, theme.greyed], back: 1 };
  }
  if (values.kind === 'categories') {
    const { names } = values;
    const numbers = names.map((name, place) => (name === null ? first + 1 : Math.min(place, first)));
    const colours = Uint16Array.from(values.codes, code => numbers[code] ?? first);
    return { colours, palette: [...CATEGORIES, theme.other, theme.missing, theme.greyed], back: first + 2 };
  }
  const { low, high } = values;
  const steps = QUANTITIES.length;
  const scale = high > low ? steps / (high - low) : 0;
  const colours = Uint16Array.from(values.values, value =>
    Number.isNaN(value) ? steps : Math.min(steps - 1, Math.floor((value - low) * scale)),
  );
  return { colours, palette: [...QUANTITIES, theme.missing, theme.greyed], back: steps + 1 };
}

export interface Chosen {
  names: (string | null)[];
  from: number;
  to: number;
}

export interface LegendHandlers {
  toggle(name: string | null, alone: boolean): void;
  range(from: number, to: number): void;
}

const DAY = 24 * 3600 * 1000;
/** Moments as people read them: days, or minutes where all lies within a few days. */
export const momentOf = (span: number) => (value: number): string => {
  const written = new Date(value).toISOString();
  return span > 3 * DAY ? written.slice(0, 10) : written.slice(0, 16).replace('T', ' ');
};

export function legend(values: Values, chosen: Chosen | null, theme: Theme, handlers: LegendHandlers): HTMLElement {
  if (values.kind === 'quantities') {
    const { low, high, isTime } = values;
    if (!(high >= low)) return h('p', { class: 'soft' }, 'No row has a value here.');
    return histogram(spread(values.values, low, high), chosen ?? { from: low, to: high }, {
      label: values.column,
      both: true,
      format: isTime ? momentOf(high - low) : shown,
      colour: share => QUANTITIES[Math.min(QUANTITIES.length - 1, Math.floor(share * QUANTITIES.length))] as string,
      change: ({ from, to }) => handlers.range(from, to),
    }).element;
  }
  const { names, sizes } = values;
  const items = names.slice(0, LISTED).map((name, place) => {
    const on = chosen === null || chosen.names.includes(name);
    const swatch = h('i', { class: 'swatch' });
    swatch.style.background = colour(place, name, theme);
    return h('li', {}, h('button', {
      type: 'button',
      class: on ? 'entry' : 'entry off',
      'aria-pressed': String(chosen !== null && on),
      title: name ?? 'rows without a value',
      onclick: (event: MouseEvent) => handlers.toggle(name, event.altKey),
    }, swatch, h('span', { class: 'name' }, name ?? 'none'), h('span', { class: 'count' }, counted(sizes[place] ?? 0))));
  });
  const rest = names.length - LISTED;
  return h('div', {},
    h('ul', { class: 'legend' }, ...items),
    rest > 0 ? h('p', { class: 'soft' }, `and ${counted(rest)} more`) : null);
}
