// The page's address holds what is seen, so that it can be kept and sent.

import type { SearchBy } from './api';
import type { View } from './view';

export interface Address {
  map?: string;
  /** Another map of the same rows. */
  beside?: string;
  view?: View;
  colour?: string;
  /** Filters by columns, topics and searches; selections are too long. */
  columns: { column: string; names?: (string | null)[]; from?: number; to?: number }[];
  topic?: number;
  search?: { by: SearchBy; q: string; from?: number };
  row?: string;
}

export function read(): Address {
  const query = new URLSearchParams(location.search);
  const address: Address = { columns: [] };
  const map = query.get('map');
  if (map) address.map = map;
  const beside = query.get('beside');
  if (beside) address.beside = beside;
  const [x, y, scale] = (query.get('at') ?? '').split(',').map(Number);
  if (x !== undefined && y !== undefined && scale !== undefined && [x, y, scale].every(Number.isFinite) && scale > 0) {
    address.view = { x, y, scale };
  }
  const colour = query.get('colour');
  if (colour) address.colour = colour;
  for (const written of query.getAll('only')) {
    try {
      address.columns.push(JSON.parse(written));
    } catch {
      // Cut off when it was sent; the rest still holds.
    }
  }
  const topic = Number(query.get('topic'));
  if (topic > 0) address.topic = topic;
  const [by, q] = [query.get('by'), query.get('q')];
  if (q && (by === 'meaning' || by === 'like' || by === 'words' || by === 'exact' || by === 'regex')) {
    const from = query.get('from');
    address.search = from === null ? { by, q } : { by, q, from: Number(from) };
  }
  const row = query.get('row');
  if (row) address.row = row;
  return address;
}

export function write(address: Address): void {
  const query = new URLSearchParams();
  if (address.map) query.set('map', address.map);
  if (address.beside) query.set('beside', address.beside);
  if (address.view) {
    const { x, y, scale } = address.view;
    query.set('at', [x.toFixed(4), y.toFixed(4), scale.toPrecision(4)].join(','));
  }
  if (address.colour) query.set('colour', address.colour);
  for (const column of address.columns) query.append('only', JSON.stringify(column));
  if (address.topic !== undefined) query.set('topic', String(address.topic));
  if (address.search) {
    query.set('by', address.search.by);
    query.set('q', address.search.q);
    if (address.search.from !== undefined) query.set('from', address.search.from.toPrecision(7));
  }
  if (address.row) query.set('row', address.row);
  const text = query.size > 0 ? `?${query}` : location.pathname;
  history.replaceState(null, '', text);
}
