// Filters as the statement that gives the same rows.

import type { MapInfo } from './api';
import type { Filter } from './filters';

export const name = (text: string): string => (/^[a-z_][a-z0-9_]*$/.test(text) ? text : `"${text.replaceAll('"', '""')}"`);
export const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;

/** The query of the rows that all filters let through; `id` says what a point is called, `front` which are in front. */
export function query(map: MapInfo, filters: Filter[], id: (at: number) => string, front: () => number[]): string {
  const byRow = filters.some(filter => filter.kind === 'selection' || (filter.kind === 'meaning' && filter.by === 'like'));
  if (map.select_by === null && byRow) {
    // Rows without a key of their own are known by their points alone.
    const ids = front().map(at => key(id(at)));
    return `SELECT * FROM ${name(map.name)}.points\nWHERE id IN (${ids.join(', ')})`;
  }
  const conditions = filters.map(filter => condition(map, filter, id));
  const where = conditions.length > 0 ? `\nWHERE ${conditions.join('\n  AND ')}` : '';
  return `SELECT * FROM ${name(map.name)}${where}`;
}

function condition(map: MapInfo, filter: Filter, id: (at: number) => string): string {
  switch (filter.kind) {
    case 'categories':
      return among(filter.column, filter.names);
    case 'range':
      return filter.isTime
        ? `${name(filter.column)} BETWEEN ${time(filter.from)} AND ${time(filter.to)}`
        : `${name(filter.column)} BETWEEN ${filter.from} AND ${filter.to}`;
    case 'topic':
      return `topic_${filter.topic.depth} = ${text(filter.topic.topic_short)}`;
    case 'meaning': {
      const { model, task, dims } = map.embedding ?? { model: '', task: 'search_query', dims: 0 };
      const about = filter.by === 'meaning'
        ? `embed_text(${text(filter.q)}, ${text(task)}, ${dims}, ${text(model)})`
        : `(SELECT ${name(map.column)} FROM ${name(map.name)} WHERE ${name(map.select_by ?? 'id')} = ${key(filter.q)})`;
      return `cosine(${name(map.column)}, ${about}) >= ${filter.from}`;
    }
    case 'text':
      return patterns(filter).map(pattern => `regexp_like(${subject(map)}, ${text(pattern)})`).join(' AND ');
    case 'selection':
      return `${name(map.select_by ?? 'id')} IN (${filter.points.map(at => key(id(at))).join(', ')})`;
  }
}

const key = (id: string): string => (/^-?\d+$/.test(id) ? id : text(id));
const time = (value: number): string => `TIMESTAMP ${text(new Date(value).toISOString().replace('Z', ''))}`;
const subject = ({ texts }: MapInfo): string =>
  texts.length === 1 ? name(texts[0] as string) : `concat_ws(' ', ${texts.map(name).join(', ')})`;

function among(column: string, names: (string | null)[]): string {
  const there = names.filter(value => value !== null);
  const parts: string[] = [];
  if (there.length > 0) parts.push(`${name(column)} IN (${there.map(text).join(', ')})`);
  if (there.length < names.length) parts.push(`${name(column)} IS NULL`);
  return parts.length > 1 ? `(${parts.join(' OR ')})` : (parts[0] ?? 'false');
}

function patterns({ by, q }: { by: 'words' | 'exact' | 'regex'; q: string }): string[] {
  const escaped = (part: string): string => part.replace(/[!-/:-@[-`{-~]/g, '\\$&');
  if (by === 'regex') return [q];
  if (by === 'exact') return [escaped(q)];
  const words = q.split(/\s+/u).filter(word => word !== '');
  return words.map(word => `(?i)${/^[\p{L}\p{N}]/u.test(word) ? '\\b' : ''}${escaped(word)}`);
}
