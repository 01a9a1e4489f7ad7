// Searching: by meaning with a bound on the score, or by what texts hold.

import * as api from './api';
import * as columns from './columns';
import type { App } from './app';
import { saveAsClassifier } from './classifier';
import { marked } from './content';
import { fill, h, rows, settled } from './dom';
import { histogram, spread } from './histogram';
import { small } from './picture';

/** Rows that are listed. */
const LISTED = 25;
/** The share of rows that a search by meaning begins with. */
const SHARE = 0.01;

const WAYS: Record<Exclude<api.SearchBy, 'like'>, string> = {
  meaning: 'Meaning',
  words: 'Words',
  exact: 'Exact',
  regex: 'Regex',
};

export class SearchPanel {
  scores: Float32Array = new Float32Array(0);
  /** What is marked in texts. */
  looked: RegExp | null = null;
  private running: AbortController | null = null;
  private found: { by: api.SearchBy; q: string; best: number[]; sorted: Float32Array; from: number } | null = null;
  private readonly list = h('ol', { class: 'hits' });
  private readonly tally = h('span', { class: 'soft' });

  constructor(private readonly app: App) {
    const { by, q, search } = app.ui;
    const { embedding, texts } = app.map;
    const ways = (Object.keys(WAYS) as (keyof typeof WAYS)[]).filter(way => (way === 'meaning' ? embedding !== null : texts.length > 0));
    fill(by, ...ways.map(way => h('option', { value: way }, WAYS[way])));
    search.hidden = ways.length === 0;
    search.addEventListener('submit', event => {
      event.preventDefault();
      if (q.value.trim() === '') this.end();
      else void this.run(by.value as api.SearchBy, q.value.trim());
    });
    by.addEventListener('change', () => {
      if (q.value.trim() !== '') search.requestSubmit();
    });
    // The cross in the field empties it.
    q.addEventListener('input', () => {
      if (q.value === '') this.end();
    });
  }

  async run(by: api.SearchBy, q: string, from?: number): Promise<void> {
    const { app } = this;
    this.running?.abort();
    const stop = (this.running = new AbortController());
    if (by !== 'like') {
      app.ui.q.value = q;
      app.ui.by.value = by;
    }
    app.ui.search.classList.add('busy');
    try {
      const scores = await columns.search(app.map, by, q, stop.signal);
      if (stop.signal.aborted) return;
      this.scores = scores;
      await this.show(by, q, from);
    } catch (error) {
      app.say(error);
    } finally {
      if (this.running === stop) app.ui.search.classList.remove('busy');
    }
  }

  private async show(by: api.SearchBy, q: string, wanted?: number): Promise<void> {
    const { app, scores } = this;
    const graded = by === 'meaning' || by === 'like';
    const sorted = scores.filter(score => !Number.isNaN(score)).sort();
    const [low, high] = graded ? [sorted[0] ?? 0, sorted[sorted.length - 1] ?? 1] : [0, 1];
    const from = wanted ?? (graded ? bound(sorted) : 1);
    this.found = { by, q, best: best(scores), sorted, from };
    this.looked = graded ? null : pattern(by, q);
    const heading = by === 'like' ? `Like row ${q}` : graded ? `About “${q}”` : `“${q}”`;
    const chart = graded && high > low
      ? histogram(spread(scores, low, high), { from, to: high }, {
          label: 'score',
          both: false,
          format: value => value.toFixed(3),
          colour: () => 'var(--accent)',
          change: ({ from }) => this.from(from),
        }).element
      : null;
    const keep = h('button', { type: 'button', class: 'link keep', onclick: () => saveAsClassifier(app, q, this.found?.from ?? from) }, 'Save as a classifier');
    fill(app.ui.found,
      h('div', { class: 'head' }, h('h2', {}, heading), h('button', { type: 'button', class: 'close', 'aria-label': 'End the search', onclick: () => this.end() }, '×')),
      chart, h('p', { class: 'tally' }, this.tally, by === 'meaning' ? keep : null), this.list);
    app.ui.found.hidden = false;
    document.body.classList.toggle('with-panel', matchMedia('(min-width: 720px)').matches || document.body.classList.contains('with-panel'));
    fill(this.list);
    await this.filter(from);
    await this.listHits();
  }

  private from(from: number): void {
    if (!this.found) return;
    this.found.from = from;
    void this.filter(from, true);
    this.listSoon();
  }

  private readonly listSoon = settled(150, () => void this.listHits());

  private filter(from: number, live = false): Promise<void> {
    const { by, q } = this.found ?? { by: 'words' as const, q: '' };
    return by === 'meaning' || by === 'like'
      ? this.app.add({ kind: 'meaning', by, q, from }, live)
      : this.app.add({ kind: 'text', by, q }, live);
  }

  /** Says how many there are. */
  counted(): void {
    if (!this.found) return;
    const { sorted, from } = this.found;
    const count = sorted.length - firstFrom(sorted, from);
    this.tally.textContent = rows(count);
  }

  private async listHits(): Promise<void> {
    const { found, app } = this;
    if (!found) return;
    const hits = found.best.filter(at => (this.scores[at] as number) >= found.from);
    const contents = await app.contents.several(hits.map(at => app.points.id(at)));
    if (this.found !== found) return;
    const byId = new Map(contents.map(content => [content.id, content]));
    const graded = found.by === 'meaning' || found.by === 'like';
    fill(this.list, ...hits.map(at => {
      const content = byId.get(app.points.id(at));
      const text = content ? app.contents.text(content) : '';
      return h('li', {}, h('button', { type: 'button', onclick: () => app.goTo(at) },
        h('span', {}, small(app.map, app.points.id(at)), ...marked(text, this.looked)),
        graded ? h('span', { class: 'score' }, (this.scores[at] as number).toFixed(2)) : null));
    }));
  }

  private end(): void {
    const filter = this.app.filters.find(({ kind }) => kind === 'meaning' || kind === 'text');
    if (filter) this.app.remove(filter);
    else this.clear();
  }

  /** Forgets the search. */
  clear(): void {
    this.running?.abort();
    this.found = null;
    this.looked = null;
    this.app.ui.found.hidden = true;
    this.app.ui.q.value = '';
  }
}

/** The rows with the highest scores, among equals as they are stored. */
function best(scores: Float32Array): number[] {
  const best: number[] = [];
  const score = (at: number): number => scores[at] as number;
  let least = -Infinity;
  for (let at = 0; at < scores.length; at++) {
    if (!(score(at) > least)) continue;
    let place = best.length;
    while (place > 0 && score(best[place - 1] as number) < score(at)) place--;
    best.splice(place, 0, at);
    if (best.length > LISTED) best.pop();
    if (best.length === LISTED) least = score(best[LISTED - 1] as number);
  }
  return best;
}

/** The place of the first that is at least so high. */
function firstFrom(sorted: Float32Array, from: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A bound that a share of all rows reach: between two scores, so that no row lies on it. */
function bound(sorted: Float32Array): number {
  const wanted = Math.min(sorted.length, Math.max(20, Math.round(sorted.length * SHARE)));
  const first = sorted[sorted.length - wanted] ?? 0;
  const before = sorted[firstFrom(sorted, first) - 1];
  return before === undefined ? first - 1e-4 : (before + first) / 2;
}

/** What was looked for as an expression of this language; null where it is none here. */
function pattern(by: api.SearchBy, q: string): RegExp | null {
  const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  try {
    if (by === 'regex') return new RegExp(q, 'gu');
    if (by === 'exact') return new RegExp(escaped(q), 'gu');
    const words = q.split(/\s+/).filter(word => word !== '');
    return new RegExp(words.map(word => `(?<![\\p{L}\\p{N}_])${escaped(word)}`).join('|'), 'giu');
  } catch {
    return null;
  }
}
