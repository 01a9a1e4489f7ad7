// Which rows are looked at. Each filter lets some through; rows that all let through are in front.

import type { Topic } from './api';
import type { Categories, Quantities } from './points';

export type Filter =
  | { kind: 'categories'; column: string; names: (string | null)[] }
  | { kind: 'range'; column: string; from: number; to: number; isTime: boolean }
  | { kind: 'topic'; topic: Topic }
  | { kind: 'meaning'; by: 'meaning' | 'like'; q: string; from: number }
  | { kind: 'text'; by: 'words' | 'exact' | 'regex'; q: string }
  | { kind: 'selection'; points: number[] };

/** What a filter is about: a second one about the same takes its place. */
export function about(filter: Filter): string {
  switch (filter.kind) {
    case 'categories':
    case 'range':
      return `column ${filter.column}`;
    case 'meaning':
    case 'text':
      return 'search';
    default:
      return filter.kind;
  }
}

/** Which rows of categories pass. */
export function ofCategories({ codes, names }: Categories, wanted: (string | null)[]): Uint8Array {
  const passes = names.map(name => (wanted.includes(name) ? 1 : 0));
  return Uint8Array.from(codes, code => passes[code] ?? 0);
}

/** Which rows lie between two bounds, both included. */
export function ofRange({ values }: Quantities, from: number, to: number): Uint8Array {
  return Uint8Array.from(values, value => (value >= from && value <= to ? 1 : 0));
}

/** Which rows have at least a score. */
export function ofScores(scores: Float32Array, from: number): Uint8Array {
  return Uint8Array.from(scores, score => (score >= from ? 1 : 0));
}

/** Which rows belong to a topic or one below it. */
export function ofTopic(topics: Map<number, Topic>, codes: Int32Array, topic: number): Uint8Array {
  const belongs = new Map<number, number>();
  const below = (code: number): number => {
    let known = belongs.get(code);
    if (known === undefined) {
      let at: number | null | undefined = code;
      while (at !== null && at !== undefined && at !== topic) at = topics.get(at)?.parent_id;
      belongs.set(code, (known = at === topic ? 1 : 0));
    }
    return known;
  };
  return Uint8Array.from(codes, below);
}

export function ofPoints(points: number[], count: number): Uint8Array {
  const passes = new Uint8Array(count);
  for (const at of points) passes[at] = 1;
  return passes;
}

/** Which rows all let through; null where there is no filter. */
export function all(masks: Uint8Array[], count: number): Uint8Array | null {
  if (masks.length === 0) return null;
  const passes = new Uint8Array(count).fill(1);
  for (const mask of masks) for (let at = 0; at < count; at++) passes[at] = (passes[at] as number) & (mask[at] as number);
  return passes;
}
