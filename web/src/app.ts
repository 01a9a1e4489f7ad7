// One map on the page: what is there, what is looked at, and what a person does with it.

import { type Address, write } from './address';
import * as api from './api';
import { Chips } from './chips';
import { Contents, marked } from './content';
import { counted, eachFrame, fill, h, rows, settled } from './dom';
import { Drawer } from './drawer';
import * as filters from './filters';
import type { Filter } from './filters';
import { Labels } from './labels';
import type { Layout } from './layout';
import { type Chosen, colouring, legend } from './legend';
import { Plot } from './plot';
import { type Categories, type Frame, frame, Points, type Values, values as read } from './points';
import { SearchPanel } from './search';
import * as sql from './sql';
import { theme, toggle } from './theme';
import { TopicTree } from './topics';

export class App {
  readonly points: Points;
  readonly contents: Contents;
  readonly frame: Frame;
  readonly plot: Plot;
  filters: Filter[] = [];
  /** The columns that were read. */
  private readonly columns = new Map<string, Promise<Values>>();
  private readonly masks = new Map<string, Uint8Array>();
  private passes: Uint8Array | null = null;
  private colourBy: string;
  private values: Values | null = null;
  private focused: number | null = null;
  private readonly labels: Labels;
  private readonly chips: Chips;
  private readonly searching: SearchPanel;
  private readonly drawer: Drawer;
  private readonly stop = new AbortController();
  private hovering: AbortController | null = null;
  private ready = false;
  /** Whether a row opened the panel, where it is not always open. */
  private opened = false;

  constructor(
    readonly ui: Layout,
    readonly map: api.MapInfo,
    private readonly tree: TopicTree,
    private readonly address: Address,
  ) {
    this.points = new Points(map);
    this.contents = new Contents(map);
    this.frame = frame(map);
    this.colourBy = tree.depths > 0 ? 'topic_1' : 'nothing';
    this.plot = new Plot(ui.canvas, this.frame.extent, {
      over: at => this.over(at),
      pick: at => this.pick(at),
      lasso: points => this.select(points),
      view: () => this.moved(),
    });
    this.labels = new Labels(ui.labels, ui.canvas, topic => this.add({ kind: 'topic', topic }));
    this.labels.set(tree.all, this.frame);
    this.chips = new Chips(ui.chips, filter => this.remove(filter));
    this.searching = new SearchPanel(this);
    this.drawer = new Drawer(this);
    if (address.view) this.plot.see(address.view);
    else this.plot.fit();
    this.tools();
  }

  /** Reads the points and draws them as they come. */
  async start(): Promise<void> {
    this.showCount();
    this.showColours();
    let next = 1;
    await this.points.read(this.stop.signal, () => {
      // The first at once, then whenever there are many more.
      if (this.points.count < next) return;
      next = this.points.count * 3;
      this.draw();
      this.showCount();
      this.labels.lay(this.plot, this.map.rows);
    });
    this.ready = true;
    await this.restore();
    this.showCount();
    document.documentElement.dataset['ready'] = String(this.points.count);
  }

  /** What the address says beside the view. */
  private async restore(): Promise<void> {
    const { colour, columns, topic, search, row } = this.address;
    const there = (name: string): boolean => this.map.columns.some(column => column.name === name);
    const known = colour !== undefined && (there(colour) || colour === 'nothing');
    await this.colour(known ? colour : this.colourBy);
    for (const { column, names, from, to } of columns) {
      if (!there(column)) continue;
      if (Array.isArray(names)) await this.add({ kind: 'categories', column, names });
      else if (from !== undefined && to !== undefined) {
        const isTime = this.map.columns.find(other => other.name === column)?.kind === 'time';
        await this.add({ kind: 'range', column, from, to, isTime });
      }
    }
    const chosen = topic === undefined ? undefined : this.tree.get(topic);
    if (chosen) await this.add({ kind: 'topic', topic: chosen });
    if (search) await this.searching.run(search.by, search.q, search.from);
    if (row !== undefined) {
      const at = this.points.at(row);
      if (at >= 0) this.pick(at);
    }
  }

  // ---- what is drawn

  private draw(): void {
    const { x, y, count } = this.points;
    const { colours, palette, back } = colouring(this.drawnValues(), count, theme());
    const { passes } = this;
    const behind = passes ? passes.map(pass => 1 - pass) : null;
    if (behind) for (let at = 0; at < count; at++) if (behind[at]) colours[at] = back;
    this.plot.show({ x, y, count, colours, palette, back: behind });
  }

  /** Topics are known while points come; other columns when all are there. */
  private drawnValues(): Values | null {
    const depth = /^topic_([123])$/.exec(this.colourBy)?.[1];
    if (depth && !this.ready) return this.tree.values(Number(depth), this.points.topic.subarray(0, this.points.count));
    return this.values;
  }

  private showCount(): void {
    const { count } = this.points;
    const all = this.map.rows;
    const passing = this.passing;
    const text = count < all
      ? `${counted(count)} of ${rows(all)}…`
      : passing === null ? rows(all) : `${counted(passing)} of ${rows(all)}`;
    this.ui.count.textContent = text;
  }

  /** How many rows are in front; null where all are. */
  get passing(): number | null {
    return this.passes ? this.passes.reduce((sum, pass) => sum + pass, 0) : null;
  }

  /** The first so many rows in front. */
  front(most: number): number[] {
    const front: number[] = [];
    const { count } = this.points;
    for (let at = 0; at < count && front.length < most; at++) if (!this.passes || this.passes[at]) front.push(at);
    return front;
  }

  readonly moved = eachFrame(() => {
    this.labels.lay(this.plot, this.map.rows);
    this.ring();
    this.ui.card.hidden = true;
    this.keep();
  });

  private ring(): void {
    const { ring } = this.ui;
    ring.hidden = this.focused === null;
    if (this.focused === null) return;
    const [x, y] = this.plot.screen(this.points.x[this.focused] ?? 0, this.points.y[this.focused] ?? 0);
    ring.style.transform = `translate(${x}px, ${y}px)`;
  }

  /** Draws anew in another light. */
  restyle(): void {
    if (this.points.count > 0) this.draw();
    this.showColours();
  }

  // ---- colours

  async column(name: string): Promise<Values> {
    const depth = /^topic_([123])$/.exec(name)?.[1];
    if (depth) return this.tree.values(Number(depth), this.points.topic);
    let known = this.columns.get(name);
    if (!known) {
      const column = this.map.columns.find(column => column.name === name);
      if (!column) throw new Error(`the map has no column '${name}'`);
      known = read(this.map, column, this.stop.signal);
      this.columns.set(name, known);
      known.catch(() => this.columns.delete(name));
    }
    return known;
  }

  async colour(by: string): Promise<void> {
    this.colourBy = by;
    try {
      const values = by === 'nothing' ? null : await this.column(by);
      // Another was chosen meanwhile.
      if (this.colourBy !== by) return;
      this.values = values;
    } catch (error) {
      this.say(error);
    }
    this.draw();
    this.showColours();
    this.keep();
  }

  private showColours(): void {
    const { columns } = this.map;
    const usable = columns.filter(({ kind }) => kind !== 'vector' && kind !== 'other');
    const option = (value: string, label = value): HTMLElement => h('option', { value, selected: value === this.colourBy }, label);
    const topics = usable.filter(({ name }) => /^topic_[123]$/.test(name) && Number(name.slice(6)) <= this.tree.depths);
    const own = usable.filter(({ of, name }) => of === 'row' && name !== this.map.text);
    const known = usable.filter(({ name }) => name === 'duplicate_class' || name === 'noise');
    const labels = ['Topics', 'Topics within', 'Topics within these'];
    const choice = h('select', { 'aria-label': 'Colour by', onchange: (event: Event) => void this.colour((event.target as HTMLSelectElement).value) },
      ...topics.map(({ name }, place) => option(name, labels[place])),
      h('optgroup', { label: this.map.table }, ...own.map(({ name }) => option(name))),
      h('optgroup', { label: 'The map' }, ...known.map(({ name }) => option(name)), option('nothing')));
    const shown = this.drawnValues();
    fill(this.ui.colours, h('h2', {}, 'Colour', choice), shown && this.ready ? legend(shown, this.chosen(), theme(), {
      toggle: (name, alone) => this.toggle(shown as Categories, name, alone),
      range: (from, to) => this.range(shown, from, to),
    }) : null);
  }

  private chosen(): Chosen | null {
    const filter = this.filters.find(filter => filters.about(filter) === `column ${this.colourBy}`);
    if (filter?.kind === 'categories') return { names: filter.names, from: 0, to: 0 };
    if (filter?.kind === 'range') return { names: [], from: filter.from, to: filter.to };
    return null;
  }

  /** One more category, or one less. */
  private toggle({ column }: Categories, name: string | null, alone: boolean): void {
    const filter = this.filters.find(filter => filters.about(filter) === `column ${column}`);
    const names = filter?.kind === 'categories' && !alone ? filter.names : [];
    const wanted = names.includes(name) ? names.filter(other => other !== name) : [...names, name];
    if (wanted.length === 0 && filter) this.remove(filter);
    else void this.add({ kind: 'categories', column, names: wanted });
  }

  private range(values: Values, from: number, to: number): void {
    if (values.kind !== 'quantities') return;
    const { column, isTime, low, high } = values;
    const filter = this.filters.find(filter => filters.about(filter) === `column ${column}`);
    if (from <= low && to >= high) {
      if (filter) this.remove(filter, true);
    } else void this.add({ kind: 'range', column, from, to, isTime }, true);
  }

  // ---- filters

  /** Adds a filter, in the place of one about the same. `live`: it is being dragged, the legend stays. */
  async add(filter: Filter, live = false): Promise<void> {
    const about = filters.about(filter);
    try {
      this.masks.set(about, await this.mask(filter));
    } catch (error) {
      this.say(error);
      return;
    }
    const place = this.filters.findIndex(other => filters.about(other) === about);
    if (place < 0) this.filters.push(filter);
    else this.filters[place] = filter;
    this.refilter(live);
  }

  remove(filter: Filter, live = false): void {
    const about = filters.about(filter);
    this.filters = this.filters.filter(other => filters.about(other) !== about);
    this.masks.delete(about);
    if (about === 'search') this.searching.clear();
    if (about === 'selection') this.drawer.close();
    this.refilter(live);
  }

  private async mask(filter: Filter): Promise<Uint8Array> {
    switch (filter.kind) {
      case 'categories':
        return filters.ofCategories((await this.column(filter.column)) as Categories, filter.names);
      case 'range': {
        const values = await this.column(filter.column);
        if (values.kind !== 'quantities') throw new Error(`column '${filter.column}' has no quantities`);
        return filters.ofRange(values, filter.from, filter.to);
      }
      case 'topic':
        return filters.ofTopic(this.tree.byId, this.points.topic, filter.topic.topic_id);
      case 'meaning':
        return filters.ofScores(this.searching.scores, filter.from);
      case 'text':
        return filters.ofScores(this.searching.scores, 1);
      case 'selection':
        return filters.ofPoints(filter.points, this.map.rows);
    }
  }

  private refilter(live: boolean): void {
    this.passes = filters.all([...this.masks.values()], this.map.rows);
    this.draw();
    this.showCount();
    this.chips.show(this.filters);
    this.searching.counted();
    if (!live) this.showColours();
    this.drawer.refresh();
    this.keep();
  }

  private select(points: number[]): void {
    this.plot.lassoMode = false;
    this.showTools();
    if (points.length === 0) return;
    void this.add({ kind: 'selection', points }).then(() => this.drawer.open());
  }

  /** The statement that gives the rows in front. */
  get sql(): string {
    return sql.query(this.map, this.filters, at => this.points.id(at), () => this.front(this.map.rows));
  }

  // ---- one row

  private over(at: number | null): void {
    this.hovering?.abort();
    const { card, canvas } = this.ui;
    canvas.style.cursor = at === null ? '' : 'pointer';
    if (at === null || this.plot.byFinger) {
      card.hidden = true;
      return;
    }
    const stop = (this.hovering = new AbortController());
    const wait = setTimeout(() => {
      this.contents.one(this.points.id(at), stop.signal).then(content => {
        if (stop.signal.aborted) return;
        const topics = this.contents.topics(content);
        fill(card, h('p', {}, ...marked(this.contents.text(content), this.searching.looked)),
          topics.length > 0 ? h('p', { class: 'soft' }, topics[topics.length - 1]) : null);
        card.hidden = false;
        const [x, y] = this.plot.screen(this.points.x[at] ?? 0, this.points.y[at] ?? 0);
        const [width, height] = this.plot.size;
        const left = x + 14 + card.offsetWidth > width ? x - 14 - card.offsetWidth : x + 14;
        const top = Math.min(Math.max(8, y - 12), Math.max(8, height - card.offsetHeight - 8));
        card.style.transform = `translate(${Math.max(8, left)}px, ${top}px)`;
      }, () => {
        // The next point tells more than why this one said nothing.
      });
    }, 25);
    stop.signal.addEventListener('abort', () => clearTimeout(wait));
  }

  pick(at: number | null): void {
    this.focused = at;
    this.ring();
    this.keep();
    const { detail } = this.ui;
    if (at === null) {
      detail.hidden = true;
      if (this.opened) document.body.classList.remove('with-panel');
      this.opened = false;
      return;
    }
    this.contents.one(this.points.id(at)).then(content => {
      if (this.focused !== at) return;
      this.ui.card.hidden = true;
      this.showDetail(at, content);
    }, error => this.say(error));
  }

  private showDetail(at: number, content: api.Content): void {
    const { detail } = this.ui;
    const topics = this.tree.path(this.points.topic[at] ?? 0).map(topic =>
      h('button', { type: 'button', class: 'link', title: topic.topic_description, onclick: () => void this.add({ kind: 'topic', topic }) }, topic.topic_short));
    const fields = this.contents.fields(content).flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]);
    const like = this.map.columns.some(({ kind }) => kind === 'vector');
    fill(detail,
      h('div', { class: 'head' }, h('h2', {}, 'Row ', h('span', { class: 'id' }, content.id)),
        h('button', { type: 'button', class: 'close', 'aria-label': 'Close', onclick: () => this.pick(null) }, '×')),
      h('p', { class: 'text' }, ...marked(this.contents.text(content), this.searching.looked)),
      topics.length > 0 ? h('p', { class: 'path' }, ...topics) : null,
      h('dl', {}, ...fields),
      h('p', { class: 'actions' },
        like ? h('button', { type: 'button', class: 'plain', onclick: () => void this.searching.run('like', content.id) }, 'More like this') : null,
        h('button', { type: 'button', class: 'plain', onclick: () => this.goTo(at) }, 'Go there')));
    detail.hidden = false;
    detail.scrollTop = 0;
    this.ui.panel.scrollTop = 0;
    this.opened ||= !document.body.classList.contains('with-panel');
    document.body.classList.add('with-panel');
    this.showAbovePanel(at);
  }

  /** Where the panel lies over the map, a row under it is moved to where it can be seen. */
  private showAbovePanel(at: number): void {
    if (matchMedia('(min-width: 720px)').matches) return;
    const [x, y] = [this.points.x[at] ?? 0, this.points.y[at] ?? 0];
    const height = this.plot.size[1];
    if (this.plot.screen(x, y)[1] < height * 0.4) return;
    const view = this.plot.view;
    this.plot.see({ x: view.x, y: y - 0.56 / view.scale, scale: view.scale });
  }

  /** Brings a point into the middle, near enough to see it among others. */
  goTo(at: number): void {
    const scale = Math.max(this.plot.view.scale, this.plot.fitted() * 6);
    this.plot.see({ x: this.points.x[at] ?? 0, y: this.points.y[at] ?? 0, scale });
    this.pick(at);
  }

  // ---- around the map

  private readonly keep = settled(120, () => {
    if (!this.ready) return;
    const columns = this.filters.flatMap((filter): Address['columns'] => {
      if (filter.kind === 'categories') return [{ column: filter.column, names: filter.names }];
      if (filter.kind === 'range') return [{ column: filter.column, from: filter.from, to: filter.to }];
      return [];
    });
    const address: Address = { map: this.map.name, columns, colour: this.colourBy, view: this.plot.view };
    for (const filter of this.filters) {
      if (filter.kind === 'topic') address.topic = filter.topic.topic_id;
      if (filter.kind === 'meaning') address.search = { by: filter.by, q: filter.q, from: filter.from };
      if (filter.kind === 'text') address.search = { by: filter.by, q: filter.q };
    }
    if (this.focused !== null) address.row = this.points.id(this.focused);
    write(address);
  });

  private tools(): void {
    const { tools, help, canvas } = this.ui;
    const lasso = (): void => {
      this.plot.lassoMode = !this.plot.lassoMode;
      this.showTools();
    };
    tools.lasso.addEventListener('click', lasso);
    tools.fit.addEventListener('click', () => this.plot.fit());
    tools.table.addEventListener('click', () => this.drawer.toggle());
    tools.theme.addEventListener('click', toggle);
    tools.help.addEventListener('click', () => help.showModal());
    tools.panel.addEventListener('click', () => document.body.classList.toggle('with-panel'));
    addEventListener('keydown', event => {
      const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
      if (event.key === 'Escape' && !help.open) return this.escape();
      if (typing || event.ctrlKey || event.metaKey || event.altKey || help.open) return;
      const does: Record<string, () => void> = {
        '/': () => this.ui.q.focus(),
        '0': () => this.plot.fit(),
        '+': () => this.plot.zoom(1.4),
        '=': () => this.plot.zoom(1.4),
        '-': () => this.plot.zoom(1 / 1.4),
        ArrowLeft: () => this.plot.pan(-0.15, 0),
        ArrowRight: () => this.plot.pan(0.15, 0),
        ArrowUp: () => this.plot.pan(0, 0.15),
        ArrowDown: () => this.plot.pan(0, -0.15),
        l: lasso,
        t: () => this.drawer.toggle(),
        c: () => void this.drawer.copy(),
        d: toggle,
        '?': () => help.showModal(),
      };
      const act = does[event.key];
      // Arrows move through a table, and + is no command on a button.
      if (!act || (event.key.startsWith('Arrow') && event.target !== canvas && event.target !== document.body)) return;
      event.preventDefault();
      act();
    });
  }

  private showTools(): void {
    const on = this.plot.lassoMode;
    this.ui.tools.lasso.setAttribute('aria-pressed', String(on));
    this.ui.stage.classList.toggle('lassoing', on);
  }

  /** What is nearest to hand goes first. */
  private escape(): void {
    if (document.activeElement === this.ui.q) this.ui.q.blur();
    else if (this.plot.lassoMode) {
      this.plot.lassoMode = false;
      this.showTools();
    } else if (this.focused !== null) this.pick(null);
    else if (!this.ui.drawer.hidden) this.drawer.close();
    else for (const filter of [...this.filters]) this.remove(filter);
  }

  private readonly quiet = settled(6000, () => (this.ui.notice.hidden = true));

  /** Says something for a while. */
  say(what: unknown): void {
    if (what instanceof DOMException && what.name === 'AbortError') return;
    const stale = what instanceof api.Refused && what.status === 409;
    const text = what instanceof Error ? what.message : String(what);
    const sentence = text.charAt(0).toUpperCase() + text.slice(1);
    fill(this.ui.notice, sentence, stale ? h('button', { class: 'plain', type: 'button', onclick: () => location.reload() }, 'Load again') : null);
    this.ui.notice.hidden = false;
    if (!stale) this.quiet();
  }
}
