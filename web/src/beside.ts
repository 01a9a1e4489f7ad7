// Another map of the same rows beside the first: their colours, filters and selections are one.

import * as api from './api';
import type { App } from './app';
import { Card } from './card';
import { fill, h } from './dom';
import * as filters from './filters';
import { Labels } from './labels';
import { type Stage, stage } from './layout';
import { Plot } from './plot';
import { Points } from './points';
import { TopicTree } from './topics';
import { frame, mostOf } from './view';

/** How the first map's points are drawn, before filters. */
export interface Look {
  colours: Uint16Array;
  palette: string[];
  /** The numbers of the colours of points that stand back, and of those without a value. */
  back: number;
  missing: number;
  passes: Uint8Array | null;
}

export class Beside {
  readonly ui: Stage = stage('The map beside');
  readonly plot: Plot;
  private readonly points: Points;
  private readonly labels: Labels;
  private readonly card: Card;
  /** Where these points are on the first map, and the other way round; -1 where they are not. */
  private here: Int32Array = new Int32Array(0);
  private there: Int32Array = new Int32Array(0);
  private focused: number | null = null;
  private pointed: number | null = null;
  private readonly stop = new AbortController();
  private look: Look | null = null;

  /** Asks for what a map is; the answer opens it. */
  static async known(app: App, name: string): Promise<() => Beside> {
    const [map, topics] = await Promise.all([api.info(name), api.topics(name)]);
    if (map.key !== app.map.key) throw new Error(`rows are not called the same on '${app.map.name}' and '${name}'; make both anew`);
    return () => new Beside(app, map, new TopicTree(topics));
  }

  private constructor(
    private readonly app: App,
    readonly map: api.MapInfo,
    private readonly tree: TopicTree,
  ) {
    const { ui } = this;
    const close = h('button', { type: 'button', class: 'close', 'aria-label': 'Close this map', onclick: () => void app.showBeside(null) }, '×');
    ui.stage.classList.add('beside');
    ui.stage.append(h('div', { class: 'caption' }, h('span', {}, map.name), close));
    document.body.append(ui.stage);
    document.body.classList.add('with-beside');
    this.points = new Points(map);
    this.plot = new Plot(ui.canvas, frame(map).extent, {
      over: at => this.over(at),
      pick: at => app.pick(at === null ? null : this.onFirst(at)),
      lasso: points => app.select(points.flatMap(at => this.onFirst(at) ?? [])),
      view: () => this.moved(),
    });
    this.plot.fit();
    this.labels = new Labels(ui.labels, ui.canvas, topic => {
      const mask = filters.ofTopic(this.tree.byId, this.points.topic, topic.topic_id);
      const points = Array.from(mask.keys()).filter(at => mask[at]);
      app.select(points.flatMap(at => this.onFirst(at) ?? []));
    });
    this.labels.set(tree.all, frame(map));
    this.card = new Card(ui.card, app.map, app.contents, () => app.searching.looked);
  }

  async start(): Promise<void> {
    await this.points.read(this.stop.signal, () => {});
    this.plot.settle(mostOf(this.points, frame(this.map).extent));
    this.here = this.app.points.placesOf(this.points);
    this.there = this.points.placesOf(this.app.points);
    if (this.look) this.show(this.look);
    this.moved();
    this.ui.canvas.dataset['ready'] = String(this.points.count);
  }

  close(): void {
    this.stop.abort();
    this.plot.end();
    this.ui.stage.remove();
    document.body.classList.remove('with-beside');
  }

  private onFirst(at: number): number | null {
    const here = this.here[at] ?? -1;
    return here < 0 ? null : here;
  }

  /** Draws as the first map is drawn. */
  show(look: Look): void {
    this.look = look;
    const { x, y, count } = this.points;
    if (this.here.length < count || count === 0) return;
    const { palette, back, missing, passes } = look;
    const colours = new Uint16Array(count);
    const behind = passes ? new Uint8Array(count) : null;
    for (let at = 0; at < count; at++) {
      const here = this.here[at] as number;
      const isBack = passes !== null && (here < 0 || passes[here] === 0);
      if (behind && isBack) behind[at] = 1;
      colours[at] = isBack ? back : here < 0 ? missing : (look.colours[here] as number);
    }
    this.plot.show({ x, y, count, colours, palette, back: behind });
  }

  private over(at: number | null): void {
    const first = at === null ? null : this.onFirst(at);
    this.ui.canvas.style.cursor = at === null ? '' : 'pointer';
    this.app.point(first);
    if (at === null || first === null || this.plot.byFinger) return this.card.hide();
    const topic = this.tree.path(this.points.topic[at] ?? 0).at(-1)?.topic_short ?? null;
    this.card.show(this.points.id(at), topic, this.plot, this.points.x[at] ?? 0, this.points.y[at] ?? 0);
  }

  /** Rings the rows that are looked at on the first map. */
  ring(focused: number | null, pointed: number | null): void {
    const here = (at: number | null): number | null => (at === null || (this.there[at] ?? -1) < 0 ? null : (this.there[at] as number));
    [this.focused, this.pointed] = [here(focused), here(pointed)];
    this.rings();
  }

  private rings(): void {
    this.plot.ring(this.ui.ring, this.focused, this.points);
    this.plot.ring(this.ui.pointed, this.pointed, this.points);
  }

  /** Shows some rows of the first map as near as they can be seen together. */
  around(points: number[]): void {
    this.plot.around(points.flatMap(at => ((this.there[at] ?? -1) < 0 ? [] : (this.there[at] as number))), this.points);
  }

  goTo(first: number): void {
    const at = this.there[first] ?? -1;
    if (at < 0) return;
    const scale = Math.max(this.plot.view.scale, this.plot.fitted() * 6);
    this.plot.see({ x: this.points.x[at] ?? 0, y: this.points.y[at] ?? 0, scale });
  }

  /** Where a row is in the window. */
  screen(id: string): [number, number] | null {
    const at = this.points.at(id);
    return at < 0 ? null : this.plot.inWindow(this.points.x[at] ?? 0, this.points.y[at] ?? 0);
  }

  private moved(): void {
    this.labels.lay(this.plot, this.map.rows);
    this.rings();
    this.card.hide();
  }
}

/** The choice of a map to be seen beside the first. */
export function besideChoice(place: HTMLElement, others: string[], chosen: string | undefined, choose: (name: string | null) => void): void {
  place.hidden = others.length === 0;
  const change = (event: Event): void => choose((event.target as HTMLSelectElement).value || null);
  fill(place, h('select', { 'aria-label': 'Map beside', title: 'Another map of these rows beside this one', onchange: change },
    h('option', { value: '' }, chosen === undefined ? 'Beside' : 'none'), ...others.map(name => h('option', { value: name, selected: name === chosen }, name))));
}
