// Columns of a map's points, which come as Arrow.

import { RecordBatchReader, type Vector } from 'apache-arrow';
import * as api from './api';

const ARROW = 'application/vnd.apache.arrow.stream';

/** Columns of all points, batch by batch, in the order in which they are stored. */
export async function* columns(
  map: api.MapInfo,
  names: string[],
  signal?: AbortSignal,
  cut?: number,
): AsyncGenerator<Vector[]> {
  const query = new URLSearchParams({ columns: names.join(','), version: map.version });
  if (cut !== undefined) query.set('cut', String(cut));
  yield* arrow(`${api.of(map.name)}/points?${query}`, signal);
}

/** A score for each point; NaN where there is none. */
export async function search(map: api.MapInfo, by: api.SearchBy, q: string, signal?: AbortSignal): Promise<Float32Array> {
  const query = new URLSearchParams({ by, q, version: map.version });
  const scores = new Float32Array(map.rows).fill(Number.NaN);
  let at = 0;
  for await (const [vector] of arrow(`${api.of(map.name)}/search?${query}`, signal)) {
    if (!vector) continue;
    if (vector.nullCount === 0) {
      scores.set(vector.toArray() as Float32Array, at);
    } else {
      for (let i = 0; i < vector.length; i++) scores[at + i] = (vector.get(i) as number | null) ?? Number.NaN;
    }
    at += vector.length;
  }
  return scores;
}

async function* arrow(path: string, signal?: AbortSignal): AsyncGenerator<Vector[]> {
  const init: RequestInit = { headers: { accept: ARROW } };
  if (signal) init.signal = signal;
  const response = await api.ask(path, init);
  const reader = await RecordBatchReader.from(response);
  for await (const batch of reader) {
    yield batch.schema.fields.map((_, at) => batch.getChildAt(at) as Vector);
  }
}
