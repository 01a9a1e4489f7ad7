// What rows say, as it is shown.

import * as api from './api';
import { h, shown } from './dom';

/** Rows that were looked at are kept. */
const KEPT = 600;

export class Contents {
  private readonly known = new Map<string, api.Content>();

  constructor(private readonly map: api.MapInfo) {}

  async one(id: string, signal?: AbortSignal): Promise<api.Content> {
    const known = this.known.get(id);
    if (known) return known;
    return this.keep(await api.row(this.map, id, signal));
  }

  async several(ids: string[]): Promise<api.Content[]> {
    const missing = ids.filter(id => !this.known.has(id));
    if (missing.length > 0) for (const content of await api.rowsOf(this.map, missing)) this.keep(content);
    return ids.flatMap(id => this.known.get(id) ?? []);
  }

  private keep(content: api.Content): api.Content {
    const oldest = this.known.size >= KEPT ? this.known.keys().next().value : undefined;
    if (oldest !== undefined) this.known.delete(oldest);
    this.known.set(content.id, content);
    return content;
  }

  /** The column whose text says best what a row is. */
  get textColumn(): string | null {
    if (this.map.text !== null) return this.map.text;
    return this.map.columns.find(column => column.of === 'row' && column.kind === 'text')?.own_name ?? null;
  }

  text({ row, id }: api.Content): string {
    const text = this.textColumn === null ? null : row?.[this.textColumn];
    return text === null || text === undefined ? `Row ${id}` : String(text);
  }

  /** Names of topics from the general to the particular, each once. */
  topics({ point }: api.Content): string[] {
    const names = ['topic_1', 'topic_2', 'topic_3'].map(column => point[column]);
    return [...new Set(names.filter(name => typeof name === 'string'))];
  }

  /** All that is known, without what is shown elsewhere. */
  fields({ row, point }: api.Content): [string, string][] {
    const columns = this.map.columns.filter(({ of, own_name }) => of === 'row' && own_name !== this.textColumn && own_name !== this.map.key);
    const own = columns.map(({ own_name }) => [own_name, row?.[own_name]] as [string, unknown]);
    // That a row repeats no other is what everybody expects.
    const said = point['duplicate_class'] === 'singleton' ? [] : ['duplicate_class', 'cluster_id', 'distance_to_retained'];
    const known = said.map(name => [name, point[name]] as [string, unknown]);
    return [...own, ...known].filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => [name, words(value)]);
  }
}

export function words(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : shown(value);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** A text with the words that were looked for marked. */
export function marked(text: string, looked: RegExp | null): (Node | string)[] {
  if (!looked) return [text];
  const parts: (Node | string)[] = [];
  let at = 0;
  for (const match of text.matchAll(looked)) {
    if (match[0] === '' || parts.length > 60) break;
    parts.push(text.slice(at, match.index), h('mark', {}, match[0]));
    at = match.index + match[0].length;
  }
  parts.push(text.slice(at));
  return parts;
}
