// Buttons and keys.

import type { App } from './app';
import { copySql } from './rows';
import { toggle } from './theme';

export function listen(app: App): void {
  const { tools, help, canvas } = app.ui;
  const lasso = (): void => app.lasso(!app.plot.lassoMode);
  tools.lasso.addEventListener('click', lasso);
  tools.fit.addEventListener('click', () => app.fit());
  tools.table.addEventListener('click', () => app.drawer.toggle());
  tools.time.addEventListener('click', () => app.timeline.toggle());
  tools.theme.addEventListener('click', toggle);
  tools.help.addEventListener('click', () => help.showModal());
  tools.panel.addEventListener('click', () => document.body.classList.toggle('with-panel'));
  addEventListener('keydown', event => {
    const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    const dialog = document.querySelector('dialog[open]') !== null;
    if (event.key === 'Escape' && !dialog) return escape(app);
    if (typing || event.ctrlKey || event.metaKey || event.altKey || dialog) return;
    const does: Record<string, () => void> = {
      '/': () => app.ui.q.focus(),
      '0': () => app.fit(),
      '+': () => app.plot.zoom(1.4),
      '=': () => app.plot.zoom(1.4),
      '-': () => app.plot.zoom(1 / 1.4),
      ArrowLeft: () => app.plot.pan(-0.15, 0),
      ArrowRight: () => app.plot.pan(0.15, 0),
      ArrowUp: () => app.plot.pan(0, 0.15),
      ArrowDown: () => app.plot.pan(0, -0.15),
      l: lasso,
      t: () => app.drawer.toggle(),
      h: () => app.timeline.toggle(),
      c: () => void copySql(app),
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

/** What is nearest to hand goes first. */
function escape(app: App): void {
  if (document.activeElement === app.ui.q) app.ui.q.blur();
  else if (app.plot.lassoMode) app.lasso(false);
  else if (app.focused !== null) app.pick(null);
  else if (app.drawer.isOpen) app.drawer.close();
  else for (const filter of [...app.filters]) app.remove(filter);
}
