// A search by meaning, kept as a classifier that any query can ask.

import * as api from './api';
import type { App } from './app';
import { copy } from './copy';
import { fill, h } from './dom';
import { name, own, text } from './sql';

/** Asks for a name and makes the classifier, where the server may write; else says how. */
export function saveAsClassifier(app: App, q: string, from: number): void {
  const { map } = app;
  const field = h('input', { type: 'text', 'aria-label': 'Name', required: true, autocomplete: 'off', spellcheck: 'false', value: suggested(q) });
  const statement = h('pre', { class: 'statement' });
  const said = h('p', { class: 'wrong', role: 'alert', hidden: true });
  const { model, task, dims } = map.embedding ?? { model: '', task: 'search_query', dims: 0 };
  const create = (): string =>
    `CREATE CLASSIFIER ${name(field.value.trim())}\nUSING TEXT ${text(q)} THRESHOLD ${from}\nWITH (model = ${text(model)}, task = ${text(task)}, dims = ${dims});`;
  const show = (): void => fill(statement, create());
  field.addEventListener('input', show);
  show();
  const writes = map.statements === 'write';
  const why = map.statements === 'none' ? 'This server runs no statements.' : 'This server only reads.';
  const body = h('div', {},
    h('p', {}, `It says of any row whether it is about “${q}”: whether the score is at least ${from.toPrecision(3)}.`),
    h('label', { class: 'field' }, h('span', {}, 'Name'), field),
    statement,
    writes ? null : h('p', { class: 'soft' }, `${why} Start it with `, h('code', {}, 'portolan serve DB --read-write'), ' to save from here, or run this statement yourself.'),
    said);
  const copies = h('button', { type: 'button', class: 'plain', onclick: () => void copy(app, create(), 'the statement', 'The statement') }, 'Copy');
  const close = h('button', { type: 'button', class: 'plain', onclick: () => dialog.close() }, 'Close');
  const save = h('button', { type: 'submit', class: 'plain main' }, 'Save');
  const form = h('form', {}, body, h('div', { class: 'actions' }, copies, close, writes ? save : null));
  const dialog = h('dialog', { class: 'dialog classifier' }, h('h2', {}, 'Save as a classifier'), form);
  form.addEventListener('submit', event => {
    event.preventDefault();
    if (!writes || save.disabled) return;
    save.disabled = true;
    api.run(create()).then(() => done(app, dialog, field.value.trim()), error => {
      save.disabled = false;
      said.hidden = false;
      fill(said, error instanceof Error ? error.message : String(error));
    });
  });
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  field.select();
}

function done({ map, say }: App, dialog: HTMLDialogElement, called: string): void {
  const asked = `classify(${own(map, map.column)}, ${text(called)})`;
  const query = `SELECT *, ${asked}['score'] AS score\nFROM ${name(map.name)}\nWHERE ${asked}['label'];`;
  const copies = h('button', { type: 'button', class: 'plain main', onclick: () => {
    navigator.clipboard.writeText(query).then(() => say('Copied: the query'), () => say('Copying is not allowed here; select the text'));
  } }, 'Copy');
  fill(dialog, h('h2', {}, `Saved as ${called}`), h('p', {}, 'Any query of this database can ask it:'), h('pre', { class: 'statement' }, query),
    h('div', { class: 'actions' }, copies, h('button', { type: 'button', class: 'plain', onclick: () => dialog.close() }, 'Close')));
  copies.focus();
}

/** A name of the text's first words. */
function suggested(q: string): string {
  const words = q.toLowerCase().replaceAll(/['’]/g, '').match(/[\p{L}\p{N}]+/gu) ?? [];
  const named = words.filter(word => !['a', 'an', 'the', 'of'].includes(word)).slice(0, 3).join('_');
  return /^[\p{L}_]/u.test(named) ? named : `about_${named}`;
}
