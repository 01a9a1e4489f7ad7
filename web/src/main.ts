// The page of Portolan's maps.

import './paper.css';
import './style.css';
import { read } from './address';
import * as api from './api';
import type { App } from './app';
import { fill, h, painted } from './dom';
import { layout } from './layout';
import { sketch, SKETCHED } from './sketch';
import { follow } from './theme';
import { TopicTree } from './topics';

const ui = layout();
let app: App | null = null;
follow(() => app?.restyle());
api.takeToken();
api.whenTokenIsMissing(token);

start().catch(error => {
  fill(ui.notice, error instanceof Error ? error.message : String(error));
  ui.notice.hidden = false;
});

async function start(): Promise<void> {
  const address = read();
  const listing = api.maps();
  const name = address.map ?? (await listing)[0]?.name;
  if (name === undefined) return nothing();
  document.title = `${name} · Portolan`;
  const [listed, info, topics, sample] = await Promise.all([listing, api.info(name), api.topics(name), api.sample(name, SKETCHED)]);
  if (listed.length > 1) {
    const change = (event: Event): void => location.assign(`?map=${encodeURIComponent((event.target as HTMLSelectElement).value)}`);
    fill(ui.name, h('select', { 'aria-label': 'Map', onchange: change }, ...listed.map(map => h('option', { value: map.name, selected: map.name === name }, map.name))));
  } else ui.name.textContent = name;
  ui.name.title = `${info.table}.${info.column}, laid out by ${info.projection}`;
  const table = listed.find(map => map.name === name)?.table;
  const others = listed.filter(map => map.table === table && map.name !== name).map(map => map.name);
  const tree = new TopicTree(topics);
  const { canvas, home } = sketch(ui.canvas, info, tree, sample, address.view);
  await painted();
  const { App } = await import('./app');
  app = new App(ui, info, tree, address, others, home);
  await app.start();
  canvas.remove();
  const stale = listed.find(map => map.name === name);
  if (stale && ((stale.new_rows ?? 0) > 0 || (stale.gone_rows ?? 0) > 0)) {
    app.say(`The table has changed since: ${stale.new_rows ?? 0} rows are new, ${stale.gone_rows ?? 0} are gone. REFRESH MAP ${name} brings the map up to date.`);
  }
}

function nothing(): void {
  document.body.classList.add('empty');
  fill(ui.stage, h('div', { class: 'nothing' }, h('h1', {}, 'There is no map yet'),
    h('p', {}, 'A map is made of a table with a column of vectors:'),
    h('pre', {}, "CREATE MAP m ON reviews (embedding) WITH (text = 'text');")));
}

/** Asks for the server's token. */
function token(): Promise<string> {
  return new Promise(resolve => {
    const field = h('input', { type: 'password', 'aria-label': 'Token', autocomplete: 'off', required: true });
    const dialog = h('dialog', { class: 'dialog token' }, h('h2', {}, 'This server asks for a token'),
      h('p', { class: 'soft' }, 'Whoever started it knows it: PORTOLAN_TOKEN or --token.'),
      h('form', { method: 'dialog' }, field, h('button', { class: 'plain' }, 'Go on')));
    dialog.addEventListener('cancel', event => event.preventDefault());
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(field.value.trim());
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** For scripts that look at the page: where a row is in the window. */
Object.defineProperty(window, 'portolan', {
  value: {
    screen(id: string): [number, number] | null {
      const at = app?.points.at(id) ?? -1;
      if (!app || at < 0) return null;
      return app.plot.inWindow(app.points.x[at] ?? 0, app.points.y[at] ?? 0);
    },
    /** The same on the map beside. */
    beside: (id: string): [number, number] | null => app?.screenBeside(id) ?? null,
  },
});
