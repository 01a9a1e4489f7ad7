// One map on the page: what is there, what is looked at, and what a person does with it.

import { type Address, write } from './address';
import * as api from './api';
import { Beside, besideChoice } from './beside';
import { Card } from './card';
import { Chips } from './chips';
import { Contents } from './content';
import { showDetail } from './detail';
import { counted, eachFrame, fill, h, rows, settled } from './dom';
import { Drawer } from './drawer';
import * as filters from './filters';
import type { Filter } from './filters';
import { listen } from './keys';
import { Labels } from './labels';
import type { Layout } from './layout';
import { type Chosen, colouring, legend } from './legend';
import { Plot } from './plot';
import { type Categories, Points, type Values, values as read } from './points';
import { SearchPanel } from './search';
import * as sql from './sql';
import { theme } from './theme';
import { Timeline } from './timeline';
import type { TopicTree } from './topics';
import { type Frame, frame, type Part } from './view';

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
  colourBy: string;
  private values: Values | null = null;
  /** The row whose details are shown, and the one that the mouse is over. */
  focused: number | null = null;
  private pointed: number | null = null;
  private beside: Beside | null = null;
  private askedBeside: string | null = null;
  private readonly labels: Labels;
  private readonly chips: Chips;
  readonly searching: SearchPanel;
  readonly drawer: Drawer;
  readonly timeline: Timeline;
  private readonly card: Card;
  private readonly stop = new AbortController();
  private ready = false;
  private isWhole: () => void = () => {};
  /** When all points are there. */
  private readonly whole = new Promise<void>(resolve => (this.isWhole = resolve));
  /** Whether a row opened the panel, where it is not always open. */
  private opened = false;

  constructor(
    readonly ui: Layout,
    readonly map: api.MapInfo,
    readonly tree: TopicTree,
    private readonly address: Address,
    /** Other maps of the same rows. */
    private readonly others: string[],
    /** The part of the map that is seen unless something else is asked for. */
    home: Part,
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
    this.plot.settle(home);
    this.labels = new Labels(ui.labels, ui.canvas, topic => this.add({ kind: 'topic', topic }));
    this.labels.set(tree.all, this.frame);
    this.chips = new Chips(ui.chips, filter => this.remove(filter));
    this.searching = new SearchPanel(this);
    this.drawer = new Drawer(this);
    this.timeline = new Timeline(this, ui.time);
    this.card = new Card(ui.card, map, this.contents, () => this.searching.looked);
    if (address.view) this.plot.see(address.view);
    this.chooseBeside();
    listen(this);
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
    this.isWhole();
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
    if (this.address.beside !== undefined && this.others.includes(this.address.beside)) await this.showBeside(this.address.beside);
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
    if (this.ready) this.beside?.show({ colours: colours.slice(), palette, back, missing: back - 1, passes });
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
    this.rings();
    this.card.hide();
    this.keep();
  });

  private rings(): void {
    this.plot.ring(this.ui.ring, this.focused, this.points);
    this.plot.ring(this.ui.pointed, this.pointed, this.points);
    this.beside?.ring(this.focused, this.pointed);
  }

  /** Rings a row that the mouse is over, in a list or on a map. */
  point(at: number | null): void {
    this.pointed = at;
    this.rings();
  }

  // ---- another map beside

  /** Shows another map of the same rows beside this one, or none. */
  async showBeside(name: string | null): Promise<void> {
    const asked = (this.askedBeside = name);
    this.beside?.close();
    this.beside = null;
    this.keep();
    if (name === null) return this.chooseBeside();
    try {
      const [open] = await Promise.all([Beside.known(this, name), this.whole]);
      // Another was asked for meanwhile.
      if (asked !== this.askedBeside || this.beside) return;
      const beside = (this.beside = open());
      beside.plot.lassoMode = this.plot.lassoMode;
      this.draw();
      await beside.start();
      this.rings();
    } catch (error) {
      this.say(error);
    }
    this.chooseBeside();
    this.keep();
  }

  private chooseBeside(): void {
    besideChoice(this.ui.other, this.others, this.beside?.map.name, name => void this.showBeside(name));
  }

  /** Where a row is in the window, on the map beside. */
  screenBeside(id: string): [number, number] | null {
    return this.beside?.screen(id) ?? null;
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
      h('optgroup', { label: this.map.table }, ...own.map(({ name, own_name }) => option(name, own_name))),
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

  /** Only rows with a value between two bounds; all of them where these are the outermost. `live`: as of filters. */
  range(values: Values, from: number, to: number, live = true): void {
    if (values.kind !== 'quantities') return;
    const { column, isTime, low, high } = values;
    const filter = this.filters.find(filter => filters.about(filter) === `column ${column}`);
    if (from <= low && to >= high) {
      if (filter) this.remove(filter, live);
    } else void this.add({ kind: 'range', column, from, to, isTime }, live);
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
    if (about === 'selection') this.drawer.unselected();
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
    this.timeline.follow();
    this.drawer.refresh();
    this.keep();
  }

  /** Puts these rows in front and lists them. */
  select(points: number[]): void {
    this.lasso(false);
    if (points.length === 0) return;
    void this.add({ kind: 'selection', points }).then(() => this.drawer.open('rows'));
  }

  /** Puts these rows in front and brings them near, on all maps that are seen. */
  selectAndShow(points: number[]): void {
    void this.add({ kind: 'selection', points });
    this.plot.around(points, this.points);
    this.beside?.around(points);
  }

  /** The statement that gives the rows in front; without columns it gives all there are. */
  sql(columns: string[] = []): string {
    return sql.query(this.map, this.filters, at => this.points.id(at), () => this.front(this.map.rows), columns);
  }

  // ---- one row

  private over(at: number | null): void {
    this.ui.canvas.style.cursor = at === null ? '' : 'pointer';
    this.pointed = null;
    this.beside?.ring(this.focused, at);
    if (at === null || this.plot.byFinger) return this.card.hide();
    const topic = this.tree.path(this.points.topic[at] ?? 0).at(-1)?.topic_short ?? null;
    this.card.show(this.points.id(at), topic, this.plot, this.points.x[at] ?? 0, this.points.y[at] ?? 0);
  }

  pick(at: number | null): void {
    this.focused = at;
    this.rings();
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
      this.card.hide();
      showDetail(this, at, content);
      this.opened ||= !document.body.classList.contains('with-panel');
      document.body.classList.add('with-panel');
      this.showAbovePanel(at);
    }, error => this.say(error));
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
    this.beside?.goTo(at);
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
    if (this.beside) address.beside = this.beside.map.name;
    for (const filter of this.filters) {
      if (filter.kind === 'topic') address.topic = filter.topic.topic_id;
      if (filter.kind === 'meaning') address.search = { by: filter.by, q: filter.q, from: filter.from };
      if (filter.kind === 'text') address.search = { by: filter.by, q: filter.q };
    }
    if (this.focused !== null) address.row = this.points.id(this.focused);
    write(address);
  });

  /** Shows all of what is seen. */
  fit(): void {
    this.plot.fit();
    this.beside?.plot.fit();
  }

  /** Whether drawing a line selects what is within. */
  lasso(on: boolean): void {
    this.plot.lassoMode = on;
    if (this.beside) this.beside.plot.lassoMode = on;
    this.ui.tools.lasso.setAttribute('aria-pressed', String(on));
    document.body.classList.toggle('lassoing', on);
  }

  private readonly quiet = settled(6000, () => (this.ui.notice.hidden = true));

  /** Says something for a while. */
  readonly say = (what: unknown): void => {
    if (what instanceof DOMException && what.name === 'AbortError') return;
    const stale = what instanceof api.Refused && what.status === 409;
    const text = what instanceof Error ? what.message : String(what);
    const sentence = text.charAt(0).toUpperCase() + text.slice(1);
    fill(this.ui.notice, sentence, stale ? h('button', { class: 'plain', type: 'button', onclick: () => location.reload() }, 'Load again') : null);
    this.ui.notice.hidden = false;
    if (!stale) this.quiet();
  };
}
