// Filters as chips, each of which can be taken away.

import { fill, h, rows, shown } from './dom';
import { about, type Filter } from './filters';
import { momentOf } from './legend';

export class Chips {
  constructor(
    private readonly place: HTMLElement,
    private readonly remove: (filter: Filter) => void,
  ) {}

  show(filters: Filter[]): void {
    const chips = filters.map(filter => {
      const text = words(filter);
      return h('button', { type: 'button', class: 'chip', 'data-about': about(filter), 'aria-label': `Take away: ${text}`, onclick: () => this.remove(filter) },
        h('span', {}, text), h('i', { 'aria-hidden': 'true' }, '×'));
    });
    fill(this.place, ...chips);
  }
}

function words(filter: Filter): string {
  switch (filter.kind) {
    case 'categories': {
      const names = filter.names.map(name => name ?? 'none');
      const column = /^topic_/.test(filter.column) ? 'topic' : filter.column;
      return `${column}: ${names.length > 2 ? `${names.length} of them` : names.join(' or ')}`;
    }
    case 'range': {
      const format = filter.isTime ? momentOf(filter.to - filter.from) : shown;
      return `${filter.column}: ${format(filter.from)} to ${format(filter.to)}`;
    }
    case 'topic':
      return `topic: ${filter.topic.topic_short}`;
    case 'meaning':
      return filter.by === 'like' ? `like row ${filter.q}` : `about “${filter.q}”`;
    case 'text':
      return filter.by === 'regex' ? `matches ${filter.q}` : `“${filter.q}”`;
    case 'selection':
      return `selected: ${rows(filter.points.length)}`;
  }
}
