// What lies below the map: lists of rows, one kind at a time.

import type { App } from './app';
import { fill, h } from './dom';
import { DuplicatesSheet } from './duplicates';
import { IssuesSheet } from './issues';
import { RowsSheet } from './rows';

/** One kind of list. */
export interface Sheet {
  label: string;
  /** Why there is none; null where there is. */
  missing: string | null;
  /** Whether it shows what is in front, and changes with it. */
  followsFront: boolean;
  show(room: Room): Promise<void>;
}

/** Where a sheet is shown, as long as it is the one that was asked for last. */
export interface Room {
  place(title: (Node | string)[], actions: HTMLElement[], body: HTMLElement): void;
  isCurrent(): boolean;
}

export type Kind = 'rows' | 'duplicates' | 'issues';

export class Drawer {
  private readonly sheets: Record<Kind, Sheet>;
  private readonly tabs = h('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Lists' });
  private readonly title = h('h2');
  private readonly actions = h('div', { class: 'actions' });
  private readonly body = h('div', { class: 'scroll', role: 'tabpanel' });
  private kind: Kind = 'rows';
  private asked = 0;

  constructor(private readonly app: App) {
    this.sheets = { rows: new RowsSheet(app), duplicates: new DuplicatesSheet(app), issues: new IssuesSheet(app) };
    const close = h('button', { type: 'button', class: 'close', 'aria-label': 'Close the list', onclick: () => this.close() }, '×');
    fill(app.ui.drawer, h('div', { class: 'head' }, this.tabs, this.title, this.actions, close), this.body);
  }

  get isOpen(): boolean {
    return !this.app.ui.drawer.hidden;
  }

  open(kind: Kind = 'rows'): void {
    this.kind = kind;
    this.app.ui.drawer.hidden = false;
    document.body.classList.add('with-drawer');
    void this.show();
  }

  close(): void {
    this.app.point(null);
    this.app.ui.drawer.hidden = true;
    document.body.classList.remove('with-drawer');
  }

  toggle(): void {
    if (this.isOpen) this.close();
    else this.open(this.kind);
  }

  /** Shows what is in front by now, if that is shown. */
  refresh(): void {
    if (this.isOpen && this.sheets[this.kind].followsFront) void this.show();
  }

  /** The rows that were selected are so no more. */
  unselected(): void {
    if (this.kind === 'rows') this.close();
  }

  private async show(): Promise<void> {
    const asked = ++this.asked;
    const sheet = this.sheets[this.kind];
    fill(this.tabs, ...(Object.keys(this.sheets) as Kind[]).map(kind => h('button', {
      type: 'button', role: 'tab', class: `tab tab-${kind}`, 'aria-selected': String(kind === this.kind), onclick: () => this.open(kind),
    }, this.sheets[kind].label)));
    const isCurrent = (): boolean => asked === this.asked;
    const place: Room['place'] = (title, actions, body) => {
      if (!isCurrent()) return;
      // The mouse does not leave rows that are taken away from under it.
      this.app.point(null);
      fill(this.title, ...title);
      fill(this.actions, ...actions);
      fill(this.body, body);
    };
    if (sheet.missing !== null) return place([], [], h('p', { class: 'say' }, sheet.missing));
    try {
      await sheet.show({ place, isCurrent });
    } catch (error) {
      if (isCurrent()) this.app.say(error);
    }
  }
}
