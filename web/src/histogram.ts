// How values are spread, and the part of them that is wanted.

import { h, shown, svg } from './dom';

export interface Spread {
  bins: Uint32Array;
  low: number;
  high: number;
}

const BINS = 56;

export function spread(values: ArrayLike<number>, low: number, high: number): Spread {
  const bins = new Uint32Array(BINS);
  const width = (high - low) / BINS || 1;
  for (let at = 0; at < values.length; at++) {
    const value = values[at] as number;
    if (Number.isNaN(value)) continue;
    const bin = Math.min(BINS - 1, Math.max(0, Math.floor((value - low) / width)));
    bins[bin] = (bins[bin] as number) + 1;
  }
  return { bins, low, high };
}

export interface Wanted {
  from: number;
  to: number;
}

export interface Options {
  label: string;
  /** Whether an upper bound can be chosen too. */
  both: boolean;
  colour: (share: number) => string;
  format?: (value: number) => string;
  change(wanted: Wanted): void;
}

export interface Histogram {
  element: HTMLElement;
  /** Moves the bounds, as others have chosen them. */
  set(wanted: Wanted): void;
}

/** Bars over sliders: what lies outside of the bounds is pale. Where there are two, what lies between is moved by dragging it, and
    chosen anew by dragging over the rest. */
export function histogram({ bins, low, high }: Spread, wanted: Wanted, options: Options): Histogram {
  const [width, height] = [264, 56];
  const format = options.format ?? shown;
  const most = Math.max(1, ...bins);
  const step = width / BINS;
  const bars = Array.from(bins, (count, bin) => {
    // Roots, so that a few rows are seen beside many.
    const tall = count === 0 ? 0 : Math.max(1.5, Math.sqrt(count / most) * height);
    return svg('rect', { x: bin * step + 0.5, y: height - tall, width: step - 1, height: tall, fill: options.colour((bin + 0.5) / BINS) });
  });
  const chart = svg('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', class: 'bars', 'aria-hidden': 'true' }, ...bars);
  const readout = h('output', { class: 'bounds' });
  const place = (value: number): number => Math.round(((value - low) / (high - low || 1)) * 1000);
  const slider = (name: string, value: number): HTMLInputElement =>
    h('input', { type: 'range', min: 0, max: 1000, step: 1, value: place(value), 'aria-label': `${options.label}: ${name}` });
  const [from, to] = [slider(options.both ? 'from' : 'at least', wanted.from), slider('up to', wanted.to)];
  const value = (input: HTMLInputElement): number => low + (Number(input.value) / 1000) * (high - low);
  const current = (): Wanted => ({
    from: from.value === '0' ? low : value(from),
    to: !options.both || to.value === '1000' ? high : value(to),
  });
  const show = (): void => {
    const now = current();
    bars.forEach((bar, bin) => {
      const middle = low + ((bin + 0.5) / BINS) * (high - low);
      bar.setAttribute('opacity', middle >= now.from && middle <= now.to ? '1' : '0.22');
    });
    readout.value = options.both ? `${format(now.from)} to ${format(now.to)}` : `at least ${format(now.from)}`;
    for (const input of [from, to]) input.setAttribute('aria-valuetext', format(value(input)));
  };
  const moved = (input: HTMLInputElement) => (): void => {
    // One bound does not pass the other.
    if (options.both && Number(from.value) > Number(to.value)) input.value = input === from ? to.value : from.value;
    show();
    options.change(current());
  };
  from.addEventListener('input', moved(from));
  to.addEventListener('input', moved(to));
  show();
  const put = (low: number, high: number): void => {
    [from.value, to.value] = [String(Math.round(low)), String(Math.round(high))];
    show();
  };
  if (options.both) {
    byDragging(chart, () => [Number(from.value), Number(to.value)], (low, high) => {
      put(low, high);
      options.change(current());
    });
  }
  const element = h('div', { class: options.both ? 'histogram both' : 'histogram' }, chart, h('div', { class: 'sliders' }, from, options.both ? to : null), readout);
  return {
    element,
    set: ({ from: low, to: high }) => {
      // The sliders are coarser than what was chosen: they are left where they say the same.
      if (Number(from.value) !== place(low) || Number(to.value) !== place(high)) put(place(low), place(high));
    },
  };
}

/** Bounds from 0 to 1000 by dragging over a chart. */
function byDragging(chart: SVGElement, bounds: () => [number, number], choose: (low: number, high: number) => void): void {
  chart.style.touchAction = 'none';
  chart.addEventListener('pointerdown', event => {
    event.preventDefault();
    const box = chart.getBoundingClientRect();
    const place = ({ clientX }: PointerEvent): number => Math.min(1000, Math.max(0, ((clientX - box.left) / (box.width || 1)) * 1000));
    const [low, high] = bounds();
    const began = place(event);
    // All of it is nothing to be moved.
    const moves = began > low && began < high && high - low < 990;
    chart.setPointerCapture(event.pointerId);
    const move = (event: PointerEvent): void => {
      const now = place(event);
      if (moves) {
        const by = Math.min(1000 - high, Math.max(-low, now - began));
        choose(low + by, high + by);
      } else if (Math.abs(now - began) > 3) choose(Math.min(began, now), Math.max(began, now));
    };
    const end = (): void => chart.removeEventListener('pointermove', move);
    chart.addEventListener('pointermove', move);
    chart.addEventListener('pointerup', end, { once: true });
    chart.addEventListener('pointercancel', end, { once: true });
  });
}
