// Topics within topics.

import type { Topic } from './api';
import type { Categories } from './points';

export class TopicTree {
  readonly byId: Map<number, Topic>;
  readonly depths: number;

  /** The general ones first, the largest first among these. */
  constructor(readonly all: Topic[]) {
    this.byId = new Map(all.map(topic => [topic.topic_id, topic]));
    this.depths = Math.min(3, Math.max(0, ...all.map(topic => topic.depth)));
  }

  get(id: number): Topic | undefined {
    return this.byId.get(id);
  }

  /** A topic and those it lies in, the general ones first. */
  path(id: number): Topic[] {
    const path: Topic[] = [];
    for (let topic = this.byId.get(id); topic && path.length < 9; ) {
      path.unshift(topic);
      topic = topic.parent_id === null ? undefined : this.byId.get(topic.parent_id);
    }
    return path;
  }

  /** The topics of rows at a depth, by those at the last. */
  values(depth: number, deepest: Int32Array): Categories {
    const topics = this.all.filter(topic => topic.depth === depth);
    const rank = new Map(topics.map((topic, place) => [topic.topic_id, place]));
    const ranks = new Map<number, number>();
    const rankOf = (id: number): number => {
      let known = ranks.get(id);
      if (known === undefined) {
        const topic = this.path(id)[depth - 1];
        ranks.set(id, (known = (topic && rank.get(topic.topic_id)) ?? topics.length));
      }
      return known;
    };
    const codes = Uint32Array.from(deepest, rankOf);
    const without = codes.some(code => code === topics.length);
    const none = without ? codes.reduce((sum, code) => sum + Number(code === topics.length), 0) : 0;
    return {
      kind: 'categories',
      column: `topic_${depth}`,
      names: [...topics.map(topic => topic.topic_short), ...(without ? [null] : [])],
      sizes: [...topics.map(topic => topic.size), ...(without ? [none] : [])],
      codes,
    };
  }
}
