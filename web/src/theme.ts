// Light or dark: as the machine is, unless a person says otherwise.

import { THEMES, type Theme } from './colours';

const KEPT = 'portolan-theme';
const machine = matchMedia('(prefers-color-scheme: dark)');

export const isDark = (): boolean => {
  const kept = localStorage.getItem(KEPT);
  return kept === null ? machine.matches : kept === 'dark';
};

export const theme = (): Theme => THEMES[isDark() ? 'dark' : 'light'];

export function follow(changed: () => void): void {
  const apply = (): void => {
    document.documentElement.dataset['theme'] = isDark() ? 'dark' : 'light';
    changed();
  };
  machine.addEventListener('change', apply);
  addEventListener('themechange', apply);
  apply();
}

export function toggle(): void {
  const wanted = isDark() ? 'light' : 'dark';
  // What the machine says anyway need not be kept.
  if ((wanted === 'dark') === machine.matches) localStorage.removeItem(KEPT);
  else localStorage.setItem(KEPT, wanted);
  dispatchEvent(new Event('themechange'));
}
