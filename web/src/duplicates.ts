// Groups of rows that say the same, as the map knows them.

import { columns } from './columns';
import type { App } from './app';
import { counted, fill, h, rows } from './dom';
import type { Room, Sheet } from './drawer';
import { small } from './picture';

/** Groups that are shown at a time, and rows of a group. */
const GROUPS = 40;
const ROWS = 12;

interface Group {
  /** The row that is kept first, the others the nearer the sooner. */
  points: number[];
  distances: number[];
}

export class DuplicatesSheet implements Sheet {
  readonly label = 'Duplicates';
  readonly missing: string | null;
  readonly followsFront = false;
  private groups: Promise<Group[]> | null = null;

  constructor(private readonly app: App) {
    this.missing = app.map.duplicates ? null : 'Duplicates were not looked for when this map was made (duplicates = false).';
  }

  async show(room: Room): Promise<void> {
    const { app } = this;
    this.groups ??= read(app);
    this.groups.catch(() => (this.groups = null));
    const groups = await this.groups;
    if (groups.length === 0) return room.place([], [], h('p', { class: 'say' }, 'No row repeats another.'));
    const extra = groups.reduce((sum, { points }) => sum + points.length - 1, 0);
    const list = h('ol', { class: 'groups' });
    const more = h('button', { type: 'button', class: 'plain more' });
    const add = async (): Promise<void> => {
      const from = list.children.length;
      const next = groups.slice(from, from + GROUPS);
      const texts = await this.texts(next);
      if (!room.isCurrent()) return;
      list.append(...next.map((group, place) => this.item(group, from + place, texts)));
      const left = groups.length - list.children.length;
      more.hidden = left === 0;
      fill(more, `${counted(Math.min(left, GROUPS))} more of ${counted(left)}`);
    };
    more.addEventListener('click', () => void add().catch(error => app.say(error)));
    await add();
    const repeated = h('button', { type: 'button', class: 'plain', title: 'All but one row of each group', onclick: () => void this.repeated() }, 'Show all repeats');
    const title = `${counted(groups.length)} ${groups.length === 1 ? 'group' : 'groups'}`;
    room.place([title, h('span', { class: 'soft' }, `, ${counted(extra)} ${extra === 1 ? 'repeat' : 'repeats'}`)], [repeated], h('div', {}, list, more));
  }

  /** What the rows that are shown say. */
  private async texts(groups: Group[]): Promise<Map<number, string>> {
    const { app } = this;
    const shown = groups.flatMap(({ points }) => points.slice(0, ROWS));
    const ids = new Map(shown.map(at => [app.points.id(at), at]));
    const contents = await app.contents.several([...ids.keys()]);
    return new Map(contents.map(content => [ids.get(content.id) ?? -1, app.contents.text(content)]));
  }

  private item({ points, distances }: Group, place: number, texts: Map<number, string>): HTMLElement {
    const { app } = this;
    const all = h('button', { type: 'button', class: 'group', onclick: () => app.selectAndShow(points) }, `Group ${place + 1}`, h('span', { class: 'soft' }, rows(points.length)));
    const shown = points.slice(0, ROWS).map((at, row) => h('li', {}, h('button', {
      type: 'button', class: 'row', onclick: () => app.goTo(at), onmouseenter: () => app.point(at), onmouseleave: () => app.point(null),
    }, h('span', { class: 'words' }, small(app.map, app.points.id(at)), texts.get(at) ?? ''),
    h('span', { class: 'soft' }, row === 0 ? 'kept' : `${(distances[row] ?? 0).toFixed(3)} away`))));
    const left = points.length - shown.length;
    return h('li', {}, all, h('ul', {}, ...shown, left > 0 ? h('li', { class: 'soft left' }, `and ${counted(left)} more`) : null));
  }

  private async repeated(): Promise<void> {
    await this.app.add({ kind: 'categories', column: 'duplicate_class', names: ['deletion candidate'] });
  }
}

/** The groups, the largest first. */
async function read({ map }: App): Promise<Group[]> {
  const groups = new Map<number, { at: number; distance: number; isKept: boolean }[]>();
  let start = 0;
  for await (const [clusters, classes, distances] of columns(map, ['cluster_id', 'duplicate_class', 'distance_to_retained'])) {
    if (!clusters || !classes || !distances) continue;
    for (let row = 0; row < clusters.length; row++) {
      const cluster = clusters.get(row) as number | null;
      if (cluster === null) continue;
      const members = groups.get(cluster) ?? [];
      members.push({ at: start + row, distance: Number(distances.get(row) ?? 0), isKept: String(classes.get(row)) === 'retention candidate' });
      groups.set(cluster, members);
    }
    start += clusters.length;
  }
  const ordered = [...groups].sort(([a, one], [b, other]) => other.length - one.length || a - b);
  return ordered.map(([, members]) => {
    members.sort((a, b) => Number(b.isKept) - Number(a.isKept) || a.distance - b.distance);
    return { points: members.map(({ at }) => at), distances: members.map(({ distance }) => distance) };
  });
}
