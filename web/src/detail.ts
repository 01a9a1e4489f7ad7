// All that is known of one row.

import type * as api from './api';
import type { App } from './app';
import { marked } from './content';
import { fill, h } from './dom';
import { picture } from './picture';

/** Pixels of a picture in the panel. */
const PICTURE = 272;

/** Shows a row in the panel. */
export function showDetail(app: App, at: number, content: api.Content): void {
  const { detail, panel } = app.ui;
  const topics = app.tree.path(app.points.topic[at] ?? 0).map(topic =>
    h('button', { type: 'button', class: 'link', title: topic.topic_description, onclick: () => void app.add({ kind: 'topic', topic }) }, topic.topic_short));
  const fields = app.contents.fields(content).flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]);
  const like = app.map.columns.some(({ kind }) => kind === 'vector');
  fill(detail,
    h('div', { class: 'head' }, h('h2', {}, 'Row ', h('span', { class: 'id' }, content.id)),
      h('button', { type: 'button', class: 'close', 'aria-label': 'Close', onclick: () => app.pick(null) }, '×')),
    ...app.map.images.map(column => picture(app.map, content.id, column, PICTURE)),
    h('p', { class: 'text' }, ...marked(app.contents.text(content), app.searching.looked)),
    topics.length > 0 ? h('p', { class: 'path' }, ...topics) : null,
    h('dl', {}, ...fields),
    h('p', { class: 'actions' },
      like ? h('button', { type: 'button', class: 'plain', onclick: () => void app.searching.run('like', content.id) }, 'More like this') : null,
      h('button', { type: 'button', class: 'plain', onclick: () => app.goTo(at) }, 'Go there')));
  detail.hidden = false;
  detail.scrollTop = 0;
  panel.scrollTop = 0;
}
