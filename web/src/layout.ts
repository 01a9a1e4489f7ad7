// The parts of the page, and where they are.

import { h, icon } from './dom';

/** Where a map is drawn. */
export interface Stage {
  stage: HTMLElement;
  canvas: HTMLCanvasElement;
  labels: HTMLElement;
  /** Around the row whose details are shown. */
  ring: HTMLElement;
  /** Around the row that the mouse is over elsewhere. */
  pointed: HTMLElement;
  card: HTMLElement;
}

export function stage(label: string): Stage {
  const canvas = h('canvas', { 'aria-label': label, tabindex: '0' });
  const labels = h('div', { class: 'labels' });
  const ring = h('div', { class: 'ring', hidden: true });
  const pointed = h('div', { class: 'pointed', hidden: true });
  const card = h('div', { class: 'card', hidden: true });
  const stage = h('main', { class: 'stage' }, h('div', { class: 'plot' }, canvas), labels, pointed, ring, card);
  return { stage, canvas, labels, ring, pointed, card };
}

export interface Layout extends Stage {
  name: HTMLElement;
  /** The choice of a map beside. */
  other: HTMLElement;
  count: HTMLElement;
  search: HTMLFormElement;
  by: HTMLSelectElement;
  q: HTMLInputElement;
  chips: HTMLElement;
  time: HTMLElement;
  panel: HTMLElement;
  detail: HTMLElement;
  found: HTMLElement;
  colours: HTMLElement;
  drawer: HTMLElement;
  tools: Record<'table' | 'time' | 'lasso' | 'fit' | 'theme' | 'help' | 'panel', HTMLButtonElement>;
  notice: HTMLElement;
  help: HTMLDialogElement;
}

const ICONS = {
  table: 'M3 5h14v11H3zM3 9h14M8 9v7',
  time: 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM10 6.500V10l2.500 1.500',
  lasso: 'M10 4c4 0 7 2 7 4.500s-3 4.500-7 4.500-7-2-7-4.500S6 4 10 4zM6 12.500c-1 1.500 0 3 1.500 3',
  fit: 'M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4',
  theme: 'M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14',
  help: 'M7.500 7.500a2.500 2.500 0 1 1 3.500 2.300c-.7.3-1 .8-1 1.700M10 14.500v.1',
  panel: 'M4 6h12M4 10h8M4 14h10',
};

const KEYS: [string, string][] = [
  ['/', 'search'],
  ['drag, wheel, arrows, + −', 'move and zoom'],
  ['0', 'all of the map'],
  ['l, or Shift and drag', 'draw a line around rows'],
  ['t', 'rows in front, duplicates, labels'],
  ['h', 'time, where rows have one'],
  ['c', 'copy these rows as SQL'],
  ['d', 'light or dark'],
  ['Esc', 'close, then take filters away'],
];

export function layout(): Layout {
  const tool = (kind: keyof typeof ICONS, label: string): HTMLButtonElement =>
    h('button', { type: 'button', class: `tool tool-${kind}`, title: label, 'aria-label': label }, icon(ICONS[kind]));
  const tools = {
    lasso: tool('lasso', 'Select with a line (l)'),
    fit: tool('fit', 'All of the map (0)'),
    table: tool('table', 'Rows, duplicates, labels (t)'),
    time: tool('time', 'Time (h)'),
    theme: tool('theme', 'Light or dark (d)'),
    help: tool('help', 'Keys (?)'),
    panel: tool('panel', 'Colours and details'),
  };
  const name = h('div', { class: 'name' });
  const other = h('div', { class: 'other', hidden: true });
  const count = h('div', { class: 'soft count', role: 'status' });
  const by = h('select', { 'aria-label': 'How to search' });
  const q = h('input', { type: 'search', placeholder: 'Search', 'aria-label': 'Search', autocomplete: 'off', spellcheck: 'false', enterkeyhint: 'search' });
  const search = h('form', { class: 'search', role: 'search' }, by, q);
  const main = stage('The map');
  const chips = h('div', { class: 'chips' });
  main.stage.insertBefore(chips, main.card);
  const time = h('section', { class: 'time', hidden: true, 'aria-label': 'Time' });
  const detail = h('section', { class: 'detail', hidden: true, 'aria-label': 'Row' });
  const found = h('section', { class: 'found', hidden: true, 'aria-label': 'Search' });
  const colours = h('section', { class: 'colours', 'aria-label': 'Colours' });
  const panel = h('aside', { class: 'panel' }, detail, found, colours);
  const drawer = h('section', { class: 'drawer', hidden: true, 'aria-label': 'Rows' });
  const notice = h('div', { class: 'notice', role: 'alert', hidden: true });
  const keys = KEYS.flatMap(([key, meaning]) => [h('dt', {}, key), h('dd', {}, meaning)]);
  const help = h('dialog', { class: 'dialog' }, h('h2', {}, 'Keys'), h('dl', {}, ...keys),
    h('p', { class: 'soft' }, h('a', { href: 'licences.txt', target: '_blank' }, 'Whose code this page holds')),
    h('form', { method: 'dialog' }, h('button', { class: 'plain' }, 'Close')));
  const bar = h('header', { class: 'bar' }, h('div', { class: 'about' }, h('div', { class: 'maps' }, name, other), count), search,
    h('div', { class: 'tools' }, tools.lasso, tools.fit, tools.time, tools.table, tools.theme, tools.help, tools.panel));
  document.body.replaceChildren(bar, main.stage, panel, time, drawer, notice, help);
  return { ...main, name, other, count, search, by, q, chips, time, panel, detail, found, colours, drawer, tools, notice, help };
}
