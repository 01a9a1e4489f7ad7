// Filters as the statement that gives the same rows.

import type { MapInfo } from './api';
import type { Filter } from './filters';

export const name = (text: string): string => (/^[a-z_][a-z0-9_]*$/.test(text) ? text : `"${text.replaceAll('"', '""')}"`);
export const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;

/** What `FROM map` calls one of the columns. */
const column = (map: MapInfo, called: string): string =>
  name(map.columns.find(column => column.name === called)?.selected ?? called);
/** The same by its name in the table. */
export const own = (map: MapInfo, called: string): string =>
  name(map.columns.find(column => column.of === 'row' && column.own_name === called)?.selected ?? called);

/** The query of the rows that all filters let through; `id` says what a point is called, `front` which are in front. */
export function query(map: MapInfo, filters: Filter[], id: (at: number) => string, front: () => number[], columns: string[] = []): string {
  const byRow = filters.some(filter => filter.kind === 'selection' || (filter.kind === 'meaning' && filter.by === 'like'));
  if (map.select_by === null && byRow) {
    // Rows without a key of their own are known by their points alone.
    const ids = front().map(at => key(id(at)));
    return `SELECT ${told(map, columns)} FROM ${name(map.name)}.points\nWHERE id IN (${ids.join(', ')})`;
  }
  const conditions = filters.map(filter => condition(map, filter, id));
  const where = conditions.length > 0 ? `\nWHERE ${conditions.join('\n  AND ')}` : '';
  return `SELECT ${columns.map(name).join(', ') || '*'} FROM ${name(map.name)}${where}`;
}

/** Those of some columns that points have themselves. */
function told(map: MapInfo, columns: string[]): string {
  const points = map.columns.filter(({ of, name }) => of === 'point' && (name === 'id' || columns.includes(name)));
  return columns.length > 0 ? points.map(column => name(column.name)).join(', ') : '*';
}

/** Rows whose labels are probably wrong, the worst first. */
export function issues(map: MapInfo, label: string, most: number): string {
  const [id, given, vector] = [own(map, map.select_by ?? 'id'), column(map, label), own(map, map.column)];
  return `SELECT CAST(id AS TEXT) AS id, CAST(given AS TEXT) AS given,
  CAST(issue['predicted'] AS TEXT) AS suggested, issue['score'] AS score,
  count(*) OVER () AS found
FROM (SELECT ${id} AS id, ${given} AS given, label_issue(${vector}, ${given}) OVER () AS issue FROM ${name(map.name)})
WHERE issue['is_issue']
ORDER BY score DESC, id
LIMIT ${most}`;
}

function condition(map: MapInfo, filter: Filter, id: (at: number) => string): string {
  switch (filter.kind) {
    case 'categories':
      return among(column(map, filter.column), filter.names);
    case 'range':
      return filter.isTime
        ? `${column(map, filter.column)} BETWEEN ${time(filter.from)} AND ${time(filter.to)}`
        : `${column(map, filter.column)} BETWEEN ${filter.from} AND ${filter.to}`;
    case 'topic':
      return `topic_${filter.topic.depth} = ${text(filter.topic.topic_short)}`;
    case 'meaning': {
      const { model, task, dims } = map.embedding ?? { model: '', task: 'search_query', dims: 0 };
      const about = filter.by === 'meaning'
        ? `embed_text(${text(filter.q)}, ${text(task)}, ${dims}, ${text(model)})`
        : `(SELECT ${own(map, map.column)} FROM ${name(map.name)} WHERE ${own(map, map.select_by ?? 'id')} = ${key(filter.q)})`;
      return `cosine(${own(map, map.column)}, ${about}) >= ${filter.from}`;
    }
    case 'text':
      return patterns(filter).map(pattern => `regexp_like(${subject(map)}, ${text(pattern)})`).join(' AND ');
    case 'selection':
      return `${own(map, map.select_by ?? 'id')} IN (${filter.points.map(at => key(id(at))).join(', ')})`;
  }
}

const key = (id: string): string => (/^-?\d+$/.test(id) ? id : text(id));
const time = (value: number): string => `TIMESTAMP ${text(new Date(value).toISOString().replace('Z', ''))}`;
const subject = (map: MapInfo): string => {
  const texts = map.texts.map(text => own(map, text));
  return texts.length === 1 ? (texts[0] as string) : `concat_ws(' ', ${texts.join(', ')})`;
};

/** Of a column as it is written. */
function among(column: string, names: (string | null)[]): string {
  const there = names.filter(value => value !== null);
  const parts: string[] = [];
  if (there.length > 0) parts.push(`${column} IN (${there.map(text).join(', ')})`);
  if (there.length < names.length) parts.push(`${column} IS NULL`);
  return parts.length > 1 ? `(${parts.join(' OR ')})` : (parts[0] ?? 'false');
}

function patterns({ by, q }: { by: 'words' | 'exact' | 'regex'; q: string }): string[] {
  const escaped = (part: string): string => part.replace(/[!-/:-@[-`{-~]/g, '\\$&');
  if (by === 'regex') return [q];
  if (by === 'exact') return [escaped(q)];
  const words = q.split(/\s+/u).filter(word => word !== '');
  return words.map(word => `(?i)${/^[\p{L}\p{N}]/u.test(word) ? '\\b' : ''}${escaped(word)}`);
}
