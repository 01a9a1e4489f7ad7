// Rows with all of some words, or with words that begin so.

const WORD = /[\p{L}\p{M}\p{N}]+/gu;

const parts = (asked: string): string[] => asked.toLowerCase().match(WORD) ?? [];

/** What marks the words that were asked for; nothing if none were. */
export function words(asked: string): RegExp | null {
  const all = parts(asked);
  return all.length === 0 ? null : new RegExp(`(?<![\\p{L}\\p{M}\\p{N}])(?:${all.join('|')})[\\p{L}\\p{M}\\p{N}]*`, 'giu');
}

/** Which texts have all words. */
export function matching(texts: string[], asked: string): Uint8Array {
  const tests = parts(asked).map(word => new RegExp(`(?<![\\p{L}\\p{M}\\p{N}])${word}`, 'iu'));
  return Uint8Array.from(texts, text => Number(tests.every(test => test.test(text))));
}
