// Rows whose labels are probably wrong: the server judges them, by classifiers that have not seen them.

import * as api from './api';
import type { App } from './app';
import { copy } from './copy';
import { counted, h, rows } from './dom';
import type { Room, Sheet } from './drawer';
import { small } from './picture';
import { pickable } from './rows';
import * as sql from './sql';

/** Issues that are listed, the worst. */
const LISTED = 300;

interface Issue {
  id: string;
  given: string;
  suggested: string;
  score: number;
  /** How many there are in all. */
  found: number;
}

export class IssuesSheet implements Sheet {
  readonly label = 'Labels';
  readonly missing: string | null;
  readonly followsFront = false;
  private column = '';
  private readonly found = new Map<string, Issue[]>();
  private running: AbortController | null = null;

  constructor(private readonly app: App) {
    const { map } = app;
    if (map.statements === 'none') this.missing = 'This server runs no statements, and labels are judged by one; portolan serve DB does.';
    else if (map.select_by === null) this.missing = `No statement can name the rows of ${map.table}: give the table a primary key, and make the map anew.`;
    else if (this.columns().length === 0) this.missing = `${map.table} has no column of labels.`;
    else this.missing = null;
  }

  /** Columns that may hold labels. */
  private columns(): api.Column[] {
    const { map } = this.app;
    const isKey = (name: string): boolean => name === map.select_by;
    const isText = (name: string): boolean => name === map.text;
    return map.columns.filter(({ of, kind, own_name }) => of === 'row' && (kind === 'text' || kind === 'flag' || kind === 'number') && !isKey(own_name) && !isText(own_name));
  }

  async show(room: Room): Promise<void> {
    this.running?.abort();
    const choose = h('select', {
      'aria-label': 'Column of labels',
      onchange: (event: Event) => {
        this.column = (event.target as HTMLSelectElement).value;
        void this.show(room).catch(error => this.app.say(error));
      },
    }, h('option', { value: '' }, 'Choose a column'), ...this.columns().map(({ name, own_name }) => h('option', { value: name, selected: name === this.column }, own_name)));
    const { column } = this;
    if (column === '') {
      return room.place([], [choose], h('p', { class: 'say' }, 'Which rows are probably labelled wrong: choose the column with the labels. Each row is judged by classifiers that learned from the others.'));
    }
    const known = this.found.get(column);
    if (known) return this.list(room, choose, known);
    const stop = (this.running = new AbortController());
    const quit = h('button', { type: 'button', class: 'plain', onclick: () => stop.abort() }, 'Stop');
    room.place([], [choose, quit], h('p', { class: 'say' }, 'Judging the labels of all rows…'));
    try {
      const issues = await api.run<Issue>(sql.issues(this.app.map, column, LISTED), stop.signal);
      this.found.set(column, issues);
      if (this.column === column) await this.list(room, choose, issues);
    } catch (error) {
      if (this.column !== column) return;
      const text = stop.signal.aborted ? 'stopped' : error instanceof Error ? error.message : String(error);
      this.column = '';
      choose.value = '';
      room.place([], [choose], h('p', { class: 'say wrong', role: 'alert' }, `The labels could not be judged: ${text}.`));
    }
  }

  private async list(room: Room, choose: HTMLElement, issues: Issue[]): Promise<void> {
    const { app } = this;
    if (issues.length === 0) return room.place([], [choose], h('p', { class: 'say' }, 'No label looks wrong.'));
    const places = app.points.places(issues.map(({ id }) => id));
    const there = issues.filter(({ id }) => places.has(id));
    const contents = await app.contents.several(there.map(({ id }) => id));
    const texts = new Map(contents.map(content => [content.id, app.contents.text(content)]));
    const head = h('thead', {}, h('tr', {}, ...['score', 'given', 'suggested', app.contents.textColumn ?? 'row'].map((name, at) => h('th', { class: at === 0 ? 'number' : 'text' }, name))));
    const body = h('tbody', {}, ...there.map(({ id, given, suggested, score }) => pickable(app, places.get(id) ?? 0,
      h('td', { class: 'number' }, score.toFixed(2)), h('td', {}, given), h('td', { class: 'suggested' }, suggested), h('td', {}, small(app.map, id), texts.get(id) ?? id))));
    const select = h('button', { type: 'button', class: 'plain', onclick: () => app.selectAndShow([...places.values()]) }, 'Select them');
    const statement = h('button', { type: 'button', class: 'plain copy', onclick: () => void copy(app, sql.issues(app.map, this.column, LISTED), 'a statement that gives this list', 'This list as SQL') }, 'Copy as SQL');
    const found = issues[0]?.found ?? 0;
    const worst = found > issues.length ? `, the worst ${counted(issues.length)}` : '';
    room.place([rows(found), h('span', { class: 'soft' }, ` probably labelled wrong${worst}`)], [choose, select, statement], h('table', {}, head, body));
  }
}
