// What the page shows: it lies in the page itself, as text.

import type { Topic } from '../src/api';

/** A topic with the colour of the general one that it is a part of. */
export type Named = Topic & { colour: string | null };

interface Written {
  title: string;
  extent: [number, number];
  x: string;
  y: string;
  topic: string;
  topics: Named[];
  ids: string[];
  texts: string[];
}

export interface MapData {
  title: string;
  /** How far the map reaches from the middle of the square from -1 to 1, to the sides and up. */
  extent: [number, number];
  x: Float32Array;
  y: Float32Array;
  /** The place of each point's topic among the topics. */
  topic: Uint16Array;
  topics: Named[];
  ids: string[];
  texts: string[];
  count: number;
}

function unpacked(text: string): Uint16Array {
  const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Uint16Array.from({ length: bytes.length / 2 }, (_, at) => view.getUint16(at * 2, true));
}

const placed = (steps: Uint16Array): Float32Array => Float32Array.from(steps, step => (step / 65535) * 2 - 1);

export function read(): MapData {
  const element = document.getElementById('map');
  const { x, y, topic, ...rest } = JSON.parse(element?.textContent ?? '{}') as Written;
  element?.remove();
  const xs = placed(unpacked(x));
  return { ...rest, x: xs, y: placed(unpacked(y)), topic: unpacked(topic), count: xs.length };
}
