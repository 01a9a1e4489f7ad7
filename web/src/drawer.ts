// The rows in front as a table, and as a statement that gives them again.

import type { App } from './app';
import { words } from './content';
import { counted, fill, h, rows } from './dom';

/** Rows that are shown; the statement gives all. */
const SHOWN = 200;

export class Drawer {
  private asked = 0;

  constructor(private readonly app: App) {}

  open(): void {
    this.app.ui.drawer.hidden = false;
    document.body.classList.add('with-drawer');
    void this.show();
  }

  close(): void {
    this.app.ui.drawer.hidden = true;
    document.body.classList.remove('with-drawer');
  }

  toggle(): void {
    if (this.app.ui.drawer.hidden) this.open();
    else this.close();
  }

  /** Shows what is in front by now, if it is open. */
  refresh(): void {
    if (!this.app.ui.drawer.hidden) void this.show();
  }

  private async show(): Promise<void> {
    const { app } = this;
    const asked = ++this.asked;
    const total = app.passing ?? app.map.rows;
    const front = app.front(SHOWN);
    try {
      const contents = await app.contents.several(front.map(at => app.points.id(at)));
      // Another table was asked for meanwhile.
      if (asked !== this.asked) return;
      const columns = app.map.columns.filter(({ of, kind }) => of === 'row' && kind !== 'vector' && kind !== 'other');
      const head = h('thead', {}, h('tr', {}, ...columns.map(({ name, kind }) => h('th', { class: kind }, name))));
      const at = new Map(front.map(at => [app.points.id(at), at]));
      const body = h('tbody', {}, ...contents.map(({ id, row }) =>
        h('tr', { tabindex: '0', onclick: () => app.goTo(at.get(id) ?? 0), onkeydown: (event: KeyboardEvent) => event.key === 'Enter' && app.goTo(at.get(id) ?? 0) },
          ...columns.map(({ name, kind }) => h('td', { class: kind }, words(row?.[name]))))));
      const more = total > front.length ? `, ${counted(front.length)} shown` : '';
      fill(app.ui.drawer,
        h('div', { class: 'head' }, h('h2', {}, rows(total), h('span', { class: 'soft' }, more)),
          h('div', { class: 'actions' },
            h('button', { type: 'button', class: 'plain copy', onclick: () => void this.copy() }, 'Copy as SQL'),
            h('button', { type: 'button', class: 'close', 'aria-label': 'Close the table', onclick: () => this.close() }, '×'))),
        h('div', { class: 'scroll' }, h('table', {}, head, body)));
    } catch (error) {
      app.say(error);
    }
  }

  async copy(): Promise<void> {
    const { app } = this;
    try {
      await navigator.clipboard.writeText(app.sql);
      app.say('Copied: a statement that gives these rows');
    } catch {
      // Not allowed where the page did not come over a safe way: then to be copied by hand.
      const text = h('textarea', { readonly: true, rows: 8 }, app.sql);
      const dialog = h('dialog', { class: 'dialog' }, h('h2', {}, 'These rows as SQL'), text, h('form', { method: 'dialog' }, h('button', { class: 'plain' }, 'Close')));
      dialog.addEventListener('close', () => dialog.remove());
      document.body.append(dialog);
      dialog.showModal();
      text.select();
    }
  }
}
