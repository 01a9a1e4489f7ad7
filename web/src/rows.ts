// The rows in front as a table, as a statement that gives them again, and as files.

import * as api from './api';
import type { App } from './app';
import { words } from './content';
import { copy } from './copy';
import { counted, h, rows } from './dom';
import type { Room, Sheet } from './drawer';
import { small } from './picture';

/** Rows that are shown; the statement and the files have all. */
const SHOWN = 200;

export class RowsSheet implements Sheet {
  readonly label = 'Rows';
  readonly missing = null;
  readonly followsFront = true;

  constructor(private readonly app: App) {}

  async show(room: Room): Promise<void> {
    const { app } = this;
    const total = app.passing ?? app.map.rows;
    const front = app.front(SHOWN);
    const contents = await app.contents.several(front.map(at => app.points.id(at)));
    const columns = app.map.columns.filter(({ of, kind }) => of === 'row' && kind !== 'vector' && kind !== 'other');
    const pictures = app.map.images.length > 0;
    const head = h('thead', {}, h('tr', {}, pictures ? h('th') : null, ...columns.map(({ own_name, kind }) => h('th', { class: kind }, own_name))));
    const at = new Map(front.map(at => [app.points.id(at), at]));
    const body = h('tbody', {}, ...contents.map(({ id, row }) =>
      pickable(app, at.get(id) ?? 0, pictures ? h('td', {}, small(app.map, id)) : null, ...columns.map(({ own_name, kind }) => h('td', { class: kind }, words(row?.[own_name]))))));
    const more = total > front.length ? `, ${counted(front.length)} shown` : '';
    room.place([rows(total), h('span', { class: 'soft' }, more)], this.actions(), h('table', {}, head, body));
  }

  private actions(): HTMLElement[] {
    const { app } = this;
    const button = (kind: string, label: string, title: string, act: (event: Event) => void): HTMLElement =>
      h('button', { type: 'button', class: `plain ${kind}`, title, onclick: act }, label);
    const copied = button('copy', 'Copy as SQL', 'A statement that gives these rows', () => void copySql(app));
    if (app.map.statements === 'none') return [copied];
    return [copied,
      button('csv', 'CSV', 'Save these rows as CSV, without vectors', event => void save(app, 'csv', event.currentTarget as HTMLButtonElement)),
      button('parquet', 'Parquet', 'Save these rows as a Parquet file, vectors and all', event => void save(app, 'parquet', event.currentTarget as HTMLButtonElement))];
  }
}

/** A row of a table that stands for a point: pressed, it shows where that is. */
export function pickable(app: App, at: number, ...cells: (HTMLElement | null)[]): HTMLElement {
  const go = (): void => app.goTo(at);
  return h('tr', {
    tabindex: '0',
    onclick: go,
    onkeydown: (event: KeyboardEvent) => event.key === 'Enter' && go(),
    onmouseenter: () => app.point(at),
    onmouseleave: () => app.point(null),
  }, ...cells);
}

export async function copySql(app: App): Promise<void> {
  await copy(app, app.sql(), 'a statement that gives these rows', 'These rows as SQL');
}

/** Lets the browser save all rows in front. */
async function save(app: App, form: keyof typeof api.FILES, button: HTMLButtonElement): Promise<void> {
  // CSV has no vectors: a table with hundreds of numbers in a cell is of no use to those who read CSV.
  const lean = app.map.columns.filter(({ kind, selected }) => selected !== null && kind !== 'vector' && kind !== 'other');
  const columns = form === 'csv' ? lean.flatMap(({ selected }) => selected ?? []) : [];
  button.disabled = true;
  button.classList.add('working');
  try {
    const file = await api.file(app.sql(columns), form);
    const url = URL.createObjectURL(file);
    h('a', { href: url, download: `${app.map.name}.${form}` }).click();
    // The browser has begun to save it by then.
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    app.say(`Saved: ${rows(app.passing ?? app.map.rows)} in ${app.map.name}.${form}`);
  } catch (error) {
    const isLong = error instanceof api.Refused && error.status === 413;
    app.say(isLong ? new Error('this selection is too large to be named row by row; take fewer rows, or a filter in its place') : error);
  } finally {
    button.disabled = false;
    button.classList.remove('working');
  }
}
