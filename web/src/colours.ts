// Colours of points. They must be told apart on light and on dark paper.

/** Those of the largest categories. */
export const CATEGORIES = [
  '#4269d0', '#e0892b', '#d9485f', '#3ca5a0', '#4f9a45', '#8e6cc9',
  '#b8562f', '#cf7fb5', '#7d8b3a', '#3d9bd1', '#b08c2e',
];

const SCALE = ['#2d3a8c', '#7b3fa0', '#c8457b', '#f07f4f', '#e8b93c'];
/** Steps of a scale: more than anyone tells apart. */
export const STEPS = 32;

/** Colours that stand for quantities, from low to high. */
export const QUANTITIES: string[] = Array.from({ length: STEPS }, (_, step) => {
  const place = (step / (STEPS - 1)) * (SCALE.length - 1);
  const low = Math.min(Math.floor(place), SCALE.length - 2);
  return between(SCALE[low] as string, SCALE[low + 1] as string, place - low);
});

function between(from: string, to: string, share: number): string {
  const part = (colour: string, at: number): number => Number.parseInt(colour.slice(at, at + 2), 16);
  const mixed = [1, 3, 5].map(at => Math.round(part(from, at) + (part(to, at) - part(from, at)) * share));
  return `#${mixed.map(value => value.toString(16).padStart(2, '0')).join('')}`;
}

export interface Theme {
  /** All categories that are too small for a colour of their own. */
  other: string;
  /** No value. */
  missing: string;
  /** Points that no filter lets through. */
  greyed: string;
  paper: string;
  ink: string;
}

export const THEMES: Record<'light' | 'dark', Theme> = {
  light: { other: '#8d939b', missing: '#b9b6ae', greyed: '#e6e3dc', paper: '#fcfbf8', ink: '#1c1f23' },
  dark: { other: '#8a9099', missing: '#5c636c', greyed: '#272c33', paper: '#111418', ink: '#e6e4df' },
};
