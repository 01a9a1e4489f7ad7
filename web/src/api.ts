// What the server says, and how it is asked.

export type Kind = 'text' | 'number' | 'time' | 'flag' | 'vector' | 'other';

export interface Column {
  name: string;
  /** Its name in its own table. */
  own_name: string;
  /** What `FROM map` calls it, if it is there. */
  selected: string | null;
  kind: Kind;
  of: 'point' | 'row';
}

export interface MapInfo {
  name: string;
  table: string;
  column: string;
  /** The table's key, if it has one of one column. */
  key: string | null;
  text: string | null;
  model: string | null;
  rows: number;
  left_out: number;
  projection: string;
  version: string;
  bounds: { min_x: number; min_y: number; max_x: number; max_y: number };
  columns: Column[];
  select_by: string | null;
  texts: string[];
  /** Columns that hold pictures. */
  images: string[];
  /** Whether duplicates were looked for. */
  duplicates: boolean;
  /** Which statements the server runs. */
  statements: 'none' | 'read' | 'write';
  embedding: { model: string; task: string; dims: number } | null;
}

export interface MapListed {
  name: string;
  table: string | null;
  rows: number | null;
  new_rows: number | null;
  gone_rows: number | null;
}

export interface Topic {
  topic_id: number;
  depth: number;
  parent_id: number | null;
  topic_short: string;
  topic_description: string;
  size: number;
  x: number | null;
  y: number | null;
}

/** A point that is drawn before all are there. */
export interface Sampled {
  x: number;
  y: number;
  topic_id: number | null;
}

export interface Content {
  id: string;
  point: Record<string, unknown>;
  row: Record<string, unknown> | null;
}

export type SearchBy = 'meaning' | 'like' | 'words' | 'exact' | 'regex';

/** Files that rows can be had as. */
export const FILES = { csv: 'text/csv', parquet: 'application/vnd.apache.parquet' };
const KEPT = 'portolan-token';

/** Asks a person for the token. */
let askForToken: () => Promise<string> = () => Promise.reject(new Error('the server asks for a token'));
export function whenTokenIsMissing(ask: () => Promise<string>): void {
  askForToken = ask;
}

/** The token comes behind the address' #, which no server is told, and leaves it at once. */
export function takeToken(): void {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token === null) return;
  sessionStorage.setItem(KEPT, token);
  history.replaceState(null, '', location.pathname + location.search);
}

export class Refused extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

let asking: Promise<string> | null = null;

export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  for (;;) {
    const headers = new Headers(init.headers);
    const token = sessionStorage.getItem(KEPT);
    if (token) headers.set('authorization', `Bearer ${token}`);
    const response = await fetch(path, { ...init, headers });
    if (response.ok) return response;
    if (response.status === 401) {
      // Several requests may find out at once; a person is asked once.
      asking ??= askForToken().finally(() => (asking = null));
      sessionStorage.setItem(KEPT, await asking);
      continue;
    }
    let message = `the server answered ${response.status}`;
    try {
      message = (await response.json()).error.message;
    } catch {
      // Not one of its own refusals.
    }
    throw new Refused(message, response.status);
  }
}

export const of = (map: string): string => `maps/${encodeURIComponent(map)}`;

export async function maps(): Promise<MapListed[]> {
  return (await (await ask('maps')).json()).maps;
}

export async function info(map: string): Promise<MapInfo> {
  return (await ask(of(map))).json();
}

export async function topics(map: string): Promise<Topic[]> {
  return (await ask(`${of(map)}/topics`)).json();
}

/** What the map's page draws first: a sample of its points, as plain numbers. */
export async function sample(map: string, rows: number): Promise<Sampled[]> {
  return (await ask(`${of(map)}/points?columns=x,y,topic_id&rows=${rows}`)).json();
}

export async function row(map: MapInfo, id: string, signal?: AbortSignal): Promise<Content> {
  return (await ask(`${of(map.name)}/row/${encodeURIComponent(id)}`, signal ? { signal } : {})).json();
}

export async function rowsOf(map: MapInfo, ids: string[]): Promise<Content[]> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ids }) };
  return (await (await ask(`${of(map.name)}/rows`, init)).json()).rows;
}

/** The answer to a statement. */
async function statement(sql: string, accept: string, signal?: AbortSignal): Promise<Response> {
  const init: RequestInit = { method: 'POST', headers: { 'content-type': 'text/plain', accept }, body: sql };
  if (signal) init.signal = signal;
  return ask('sql', init);
}

/** The rows of a statement, few enough for JSON. */
export async function run<Row>(sql: string, signal?: AbortSignal): Promise<Row[]> {
  return (await statement(sql, 'application/json', signal)).json();
}

/** The rows of a statement as a file. */
export async function file(sql: string, form: keyof typeof FILES): Promise<Blob> {
  return (await statement(sql, FILES[form])).blob();
}

/** A row's picture, made small. */
export async function thumbnail(map: MapInfo, id: string, column: string, size: number, signal?: AbortSignal): Promise<Blob> {
  const query = new URLSearchParams({ column, size: String(size), version: map.version });
  const path = `${of(map.name)}/thumbnail/${encodeURIComponent(id)}?${query}`;
  return (await ask(path, signal ? { signal } : {})).blob();
}
