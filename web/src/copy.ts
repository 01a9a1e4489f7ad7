// Texts for the clipboard.

import type { App } from './app';
import { h } from './dom';

/** Copies a text, or shows it to be copied by hand. */
export async function copy(app: App, text: string, what: string, title: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    app.say(`Copied: ${what}`);
  } catch {
    // Not allowed where the page did not come over a safe way.
    const field = h('textarea', { readonly: true, rows: 8 }, text);
    const dialog = h('dialog', { class: 'dialog' }, h('h2', {}, title), field, h('form', { method: 'dialog' }, h('button', { class: 'plain' }, 'Close')));
    dialog.addEventListener('close', () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    field.select();
  }
}
