// A map that lies in one file: points, names of topics, search by words, what rows say.

import type { Topic } from '../src/api';
import { eachFrame, fill, h, rows, settled } from '../src/dom';
import { Labels } from '../src/labels';
import { follow, theme, toggle } from '../src/theme';
import { TopicTree } from '../src/topics';
import { read } from './data';
import { Drawing } from './draw';
import { matching, words } from './search';
import { View } from './view';
import '../src/paper.css';
import './style.css';

/** Rows that are listed; more are counted. */
const LISTED = 200;
/** How far from a point the mouse means it, in pixels. */
const NEAR = 9;

const map = read();
const tree = new TopicTree(map.topics);
document.title = map.title;

const canvas = h('canvas', { tabindex: '0', 'aria-label': `Map of ${rows(map.count)}` });
const labelLayer = h('div', { class: 'labels' });
const ring = h('div', { class: 'ring', hidden: true });
const card = h('div', { class: 'card', role: 'tooltip', hidden: true });
const input = h('input', { type: 'search', placeholder: map.texts.length > 0 ? 'Search words' : 'Search ids', 'aria-label': 'Search words', autocomplete: 'off', spellcheck: 'false' });
const found = h('p', { class: 'found', role: 'status' });
const list = h('ol', { class: 'hits' });
const panel = h('aside', { class: 'panel' },
  h('h1', {}, map.title),
  input,
  found,
  list);
const dark = h('button', { class: 'dark', type: 'button', title: 'Light or dark', 'aria-label': 'Light or dark', onclick: toggle }, '◐');
document.body.append(h('main', { class: 'stage' }, canvas, labelLayer, ring, card, dark), panel);

/** Points in front; all are without. */
let front: Uint8Array | null = null;
let looked: RegExp | null = null;
let shown: number | null = null;

const labels = new Labels(labelLayer, canvas, topic => only(topic));
const drawing = new Drawing(canvas, map);
const draw = eachFrame(() => {
  drawing.draw(view, theme(), front);
  labels.lay(view, map.count);
  place();
  document.documentElement.dataset['ready'] = String(map.count);
});
const view = new View(canvas, map.extent, draw, over);
labels.set(map.topics, { x: 0, y: 0, unit: 1, extent: map.extent });
follow(draw);

const said = (at: number): string => map.texts[at] || map.ids[at] || '';

/** What the mouse, or a finger, is on. */
function over(where: [number, number] | null, pressed: boolean): void {
  const at = where && nearest(where);
  if (at === shown && !pressed) return;
  shown = at;
  if (at !== null) {
    const topics = [...new Set(tree.path(map.topics[map.topic[at] as number]?.topic_id ?? -1).map(topic => topic.topic_short))];
    fill(card, h('p', { class: 'text' }, ...marked(said(at))), topics.length > 0 && h('p', { class: 'soft' }, topics.join(' › ')), map.texts.length > 0 && h('p', { class: 'soft' }, map.ids[at]));
  }
  place();
}

function nearest([x, y]: [number, number]): number | null {
  let [nearest, least] = [null as number | null, NEAR ** 2];
  for (let at = 0; at < map.count; at++) {
    if (front && !front[at]) continue;
    const [px, py] = view.screen(map.x[at] as number, map.y[at] as number);
    const away = (px - x) ** 2 + (py - y) ** 2;
    if (away < least) [nearest, least] = [at, away];
  }
  return nearest;
}

/** Puts the card where its point is. */
function place(): void {
  ring.hidden = card.hidden = shown === null;
  canvas.style.cursor = shown === null ? '' : 'pointer';
  if (shown === null) return;
  const [x, y] = view.screen(map.x[shown] as number, map.y[shown] as number);
  ring.style.transform = `translate(${x}px, ${y}px)`;
  const [width, height] = view.size;
  const [w, tall] = [card.offsetWidth, card.offsetHeight];
  const left = Math.min(Math.max(8, x + 14), Math.max(8, width - w - 8));
  const top = y + 14 + tall > height - 8 ? Math.max(8, y - tall - 14) : y + 14;
  card.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
}

function search(): void {
  looked = words(input.value);
  if (looked === null) return all();
  front = matching(map.texts.length > 0 ? map.texts : map.ids, input.value);
  show(`with ‘${input.value.trim()}’`);
}

/** Shows a topic alone. */
function only(topic: Topic): void {
  input.value = '';
  looked = null;
  const within = map.topics.map(one => tree.path(one.topic_id).some(above => above.topic_id === topic.topic_id));
  front = Uint8Array.from(map.topic, at => Number(within[at] ?? false));
  show(`of ‘${topic.topic_short}’`);
}

function all(): void {
  [front, looked] = [null, null];
  fill(found, rows(map.count));
  fill(list);
  draw();
}

/** Lists what is in front. */
function show(which: string): void {
  const hits: number[] = [];
  let count = 0;
  front?.forEach((is, at) => {
    if (!is) return;
    count++;
    if (hits.length < LISTED) hits.push(at);
  });
  const clear = h('button', { type: 'button', class: 'clear', onclick: () => { input.value = ''; all(); } }, 'Show all');
  fill(found, `${rows(count)} ${which}`, ' ', clear);
  fill(list, ...hits.map(at => h('li', {}, h('button', { type: 'button', onclick: () => visit(at) }, ...marked(said(at))))));
  list.scrollTop = 0;
  shown = null;
  draw();
}

function visit(at: number): void {
  view.visit(map.x[at] as number, map.y[at] as number);
  over(view.screen(map.x[at] as number, map.y[at] as number), true);
}

/** A text with the words that were looked for marked. */
function marked(text: string): (Node | string)[] {
  if (looked === null) return [text];
  const parts: (Node | string)[] = [];
  let at = 0;
  for (const match of text.matchAll(looked)) {
    if (parts.length > 60) break;
    parts.push(text.slice(at, match.index), h('mark', {}, match[0]));
    at = match.index + match[0].length;
  }
  return [...parts, text.slice(at)];
}

input.addEventListener('input', settled(120, search));
addEventListener('keydown', event => {
  if (event.key === '/' && event.target !== input) {
    event.preventDefault();
    input.focus();
  } else if (event.key === 'Escape') {
    input.value = '';
    all();
  }
});
all();
