// A browser that looks at the page, and what tests ask of both.

import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

// What tests install lies outside of the clone.
const require = createRequire(process.env.PORTOLAN_NODE_MODULES ?? import.meta.url);
const { chromium } = require('playwright-core');

export const SERVER = process.env.PORTOLAN_URL;
/** Another, which writes. */
export const WRITABLE = process.env.PORTOLAN_WRITABLE_URL;
/** Nothing may be asked of anyone else. */
const OWN = [SERVER, WRITABLE, process.env.PORTOLAN_GUARDED_URL].filter(Boolean).map(url => new URL(url).origin);
const SCREENSHOTS = process.env.PORTOLAN_SCREENSHOTS;

const FLAGS = [
  '--headless', '--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist',
  '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

export const launch = () => chromium.launch({ executablePath: process.env.PORTOLAN_CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });

/** Opens the page, waits until all points are drawn, and hands it to a test. What the page complains of fails the test. */
export async function open(browser, { path = '/?map=glosses', width = 1280, height = 800, dark = false, touch = false, wait = true } = {}) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? 'dark' : 'light',
    hasTouch: touch,
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  // Other tests may run beside these, on few cores.
  context.setDefaultTimeout(120_000);
  const page = await context.newPage();
  page.troubles = [];
  page.on('pageerror', error => page.troubles.push(String(error)));
  page.on('console', message => {
    if (message.type() === 'error' && !/401/.test(message.text())) page.troubles.push(message.text());
  });
  page.on('request', request => {
    const url = new URL(request.url());
    if (url.protocol !== 'blob:' && url.protocol !== 'data:' && !OWN.includes(url.origin)) {
      page.troubles.push(`asked elsewhere: ${url}`);
    }
  });
  await page.goto(new URL(path, SERVER).href);
  if (wait) await drawn(page);
  return page;
}

/** Waits until all that there is is drawn. */
export async function drawn(page) {
  await page.waitForSelector('html[data-ready]');
  await page.waitForFunction(() => document.querySelector('canvas').dataset.drawn === document.documentElement.dataset.ready);
  await page.waitForTimeout(300);
}

/** How many pixels of the map have a colour that says something: not paper, and not grey. */
export const coloured = (page, of = 'canvas') => page.evaluate(of => {
  const canvas = document.querySelector(of);
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4) {
    const [r, g, b, a] = data.subarray(at, at + 4);
    if (a > 60 && Math.max(r, g, b) - Math.min(r, g, b) > 40) count++;
  }
  return count;
}, of);

/** Rows of a statement. */
export async function sql(statement) {
  const response = await fetch(new URL('/sql', SERVER), { method: 'POST', body: statement });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${statement}: ${answer.error.message}`);
  return answer;
}

export const count = async statement => (await sql(`SELECT count(*) AS n FROM (${statement.replace(/;\s*$/, '')})`))[0].n;

/** The number of rows in front, as the page says it. */
export async function inFront(page) {
  const text = await page.locator('.about .count').textContent();
  return Number(text.split(' of ')[0].replaceAll(/[^0-9]/g, ''));
}

/** The statement that the page copies. */
export async function copied(page) {
  await page.locator('canvas').first().focus();
  await page.keyboard.press('c');
  await page.waitForFunction(() => document.querySelector('.notice').textContent.startsWith('Copied'));
  return page.evaluate(() => navigator.clipboard.readText());
}

/** A row that lies alone and in the open, and where. */
export async function lonely(page, of = 'canvas', map = 'glosses') {
  const rows = await sql(`SELECT id FROM ${map}.points`);
  return page.evaluate(([ids, of]) => {
    const canvas = document.querySelector(of);
    const screen = of.startsWith('.beside') ? window.portolan.beside : window.portolan.screen;
    const places = ids.map(id => ({ id: String(id), at: screen(String(id)) }));
    const open = places.filter(({ at: [x, y] }) => document.elementFromPoint(x, y) === canvas);
    const room = ({ at }) => Math.min(...places.filter(({ at: other }) => other !== at).map(({ at: other }) => Math.hypot(at[0] - other[0], at[1] - other[1])));
    const { id, at } = open.reduce((best, place) => (room(place) > room(best) ? place : best));
    return { id, x: at[0], y: at[1] };
  }, [rows.map(({ id }) => id), of]);
}

export const screen = (page, id) => page.evaluate(id => window.portolan.screen(id), id);

/** Keeps a picture for people to look at. */
export async function picture(page, name) {
  if (!SCREENSHOTS) return;
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: `${SCREENSHOTS}/${name}.png` });
}

/** Where a row is on the map beside. */
export const screenBeside = (page, id) => page.evaluate(id => window.portolan.beside(id), String(id));

/** Moves the mouse around a circle, pressed. */
export async function encircle(page, x, y, width, height) {
  const around = turn => [x + width * Math.cos(turn), y + height * Math.sin(turn)];
  await page.mouse.move(...around(0));
  await page.mouse.down();
  for (let step = 1; step <= 24; step++) {
    await page.mouse.move(...around((step / 24) * 2 * Math.PI));
    await page.waitForTimeout(20);
  }
  await page.mouse.up();
}

/** The file that a button makes the browser save, and its rows if it is CSV. */
export async function saved(page, button) {
  const [file] = await Promise.all([page.waitForEvent('download'), page.click(button)]);
  const name = file.suggestedFilename();
  const path = `${process.env.PORTOLAN_DOWNLOADS}/${name}`;
  await file.saveAs(path);
  return { name, path, rows: name.endsWith('.csv') ? csv(readFileSync(path, 'utf8')) : null };
}

/** The rows of CSV. */
function csv(text) {
  const lines = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^,"\n]*))(,|\n|$)/g)) {
    lines.at(-1).push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === '\n') lines.push([]);
    if (end === '') break;
  }
  const [names, ...rows] = lines.filter(line => line.length > 1);
  return rows.map(row => Object.fromEntries(row.map((value, at) => [names[at], value])));
}
