// The points of a map as they arrive, and columns of what is known of them.

import type { Vector } from 'apache-arrow';
import type * as api from './api';
import { columns } from './columns';
import { frame } from './view';

export class Points {
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly topic: Int32Array;
  private readonly ids: { start: number; vector: Vector }[] = [];
  /** How many are there. */
  count = 0;

  constructor(readonly map: api.MapInfo) {
    this.x = new Float32Array(map.rows);
    this.y = new Float32Array(map.rows);
    this.topic = new Int32Array(map.rows);
  }

  /** Reads all, and says after each batch that more are there. */
  async read(signal: AbortSignal, more: () => void): Promise<void> {
    const { x: middleX, y: middleY, unit } = frame(this.map);
    for await (const [id, x, y, topic] of columns(this.map, ['id', 'x', 'y', 'topic_id'], signal)) {
      if (!id || !x || !y || !topic) continue;
      const [xs, ys] = [x.toArray() as Float32Array, y.toArray() as Float32Array];
      const start = this.count;
      for (let i = 0; i < x.length; i++) {
        this.x[start + i] = ((xs[i] as number) - middleX) / unit;
        this.y[start + i] = ((ys[i] as number) - middleY) / unit;
      }
      if (topic.nullCount < topic.length) this.topic.set(topic.toArray() as Int32Array, start);
      this.ids.push({ start, vector: id });
      this.count += x.length;
      more();
    }
  }

  /** What a point is called. */
  id(at: number): string {
    let [low, high] = [0, this.ids.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.ids[middle]?.start ?? 0) <= at) low = middle;
      else high = middle - 1;
    }
    const chunk = this.ids[low];
    return chunk ? String(chunk.vector.get(at - chunk.start)) : '';
  }

  /** Where the points are that are called so. */
  places(ids: string[]): Map<string, number> {
    const wanted = new Set(ids);
    const found = new Map<string, number>();
    for (const { start, vector } of this.ids) {
      for (let row = 0; row < vector.length; row++) {
        const id = String(vector.get(row));
        if (wanted.has(id)) found.set(id, start + row);
      }
    }
    // In the order in which they were asked for.
    return new Map(ids.flatMap(id => (found.has(id) ? [[id, found.get(id) as number]] : [])));
  }

  /** For each point of another map of the same rows, where it is here, or -1. */
  placesOf(other: Points): Int32Array {
    const here = new Map<number | string, number>();
    this.each((id, at) => here.set(id, at));
    const places = new Int32Array(other.count).fill(-1);
    other.each((id, at) => (places[at] = here.get(id) ?? -1));
    return places;
  }

  private each(act: (id: number | string, at: number) => void): void {
    for (const { start, vector } of this.ids) {
      for (let row = 0; row < vector.length; row++) act(plain(vector.get(row)), start + row);
    }
  }

  /** The point that is called so, or -1. */
  at(id: string): number {
    for (const { start, vector } of this.ids) {
      for (let i = 0; i < vector.length; i++) if (String(vector.get(i)) === id) return start + i;
    }
    return -1;
  }
}

/** An id that is found again in a table of them: large numbers of Arrow's are objects of their own. */
function plain(id: unknown): number | string {
  if (typeof id === 'number' || typeof id === 'string') return id;
  const number = Number(id);
  return Number.isSafeInteger(number) ? number : String(id);
}

/** A column of categories. */
export interface Categories {
  kind: 'categories';
  column: string;
  /** Their names, the most frequent first; null is no value. */
  names: (string | null)[];
  sizes: number[];
  /** The category of each point. */
  codes: Uint32Array;
}

/** A column of quantities or of times. */
export interface Quantities {
  kind: 'quantities';
  column: string;
  isTime: boolean;
  /** NaN is no value. */
  values: Float64Array;
  low: number;
  high: number;
}

export type Values = Categories | Quantities;

/** Longest text that is a category: the rest of a longer one is not read. */
const CUT = 80;

export async function values(map: api.MapInfo, column: api.Column, signal: AbortSignal): Promise<Values> {
  return column.kind === 'number' || column.kind === 'time'
    ? quantities(map, column, signal)
    : named(map, column, signal);
}

async function quantities(map: api.MapInfo, { name, kind }: api.Column, signal: AbortSignal): Promise<Quantities> {
  const values = new Float64Array(map.rows).fill(Number.NaN);
  let [at, low, high] = [0, Infinity, -Infinity];
  for await (const [vector] of columns(map, [name], signal)) {
    for (const value of vector ?? []) {
      const number = value === null ? Number.NaN : Number(value);
      values[at++] = number;
      if (number < low) low = number;
      if (number > high) high = number;
    }
  }
  return { kind: 'quantities', column: name, isTime: kind === 'time', values, low, high };
}

async function named(map: api.MapInfo, { name }: api.Column, signal: AbortSignal): Promise<Categories> {
  const numbers = new Map<string | null, number>();
  const codes = new Uint32Array(map.rows);
  let at = 0;
  for await (const [vector] of columns(map, [name], signal, CUT)) {
    for (const value of vector ?? []) {
      const text = value === null ? null : String(value);
      let number = numbers.get(text);
      if (number === undefined) numbers.set(text, (number = numbers.size));
      codes[at++] = number;
    }
  }
  return categories(name, [...numbers.keys()], codes);
}

/** Categories with the most frequent first. */
export function categories(column: string, names: (string | null)[], codes: Uint32Array): Categories {
  const counts = new Array<number>(names.length).fill(0);
  for (const code of codes) counts[code] = (counts[code] ?? 0) + 1;
  const order = names.map((_, number) => number).sort((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0));
  const rank = new Uint32Array(names.length);
  order.forEach((number, place) => (rank[number] = place));
  return {
    kind: 'categories',
    column,
    names: order.map(number => names[number] ?? null),
    sizes: order.map(number => counts[number] ?? 0),
    codes: codes.map(code => rank[code] ?? 0),
  };
}
