// The page that lies in one file, as people use it: opened from disk, without a server.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';

// What tests install lies outside of the clone.
const require = createRequire(process.env.PORTOLAN_NODE_MODULES ?? import.meta.url);
const { chromium } = require('playwright-core');
const PAGE = pathToFileURL(process.env.PORTOLAN_PAGE).href;
const SCREENSHOTS = process.env.PORTOLAN_SCREENSHOTS;
if (SCREENSHOTS) mkdirSync(SCREENSHOTS, { recursive: true });

let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.PORTOLAN_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
});
after(() => browser?.close());

/** A test with a page of its own, which asks nobody for anything and complains of nothing. */
function look(name, { width = 1280, height = 800, dark = false, touch = false } = {}, act) {
  test(name, { timeout: 300_000 }, async () => {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', hasTouch: touch });
    context.setDefaultTimeout(120_000);
    const page = await context.newPage();
    const troubles = [];
    page.on('pageerror', error => troubles.push(String(error)));
    page.on('console', message => message.type() === 'error' && troubles.push(message.text()));
    page.on('dialog', dialog => {
      troubles.push('a row opened a dialog');
      void dialog.dismiss();
    });
    page.on('request', request => request.url() !== PAGE && troubles.push(`asked for ${request.url()}`));
    try {
      await page.goto(PAGE);
      await page.waitForSelector('html[data-ready]');
      await page.waitForFunction(() => document.querySelector('canvas').dataset.drawn === document.documentElement.dataset.ready);
      await act(page);
      assert.deepEqual(troubles, []);
    } finally {
      if (SCREENSHOTS) await page.screenshot({ path: `${SCREENSHOTS}/${name}.png` });
      await context.close();
    }
  });
}

/** Pixels of the map with a colour that says something: not paper, and not grey. */
const coloured = page => page.evaluate(() => {
  const canvas = document.querySelector('canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4) {
    const [r, g, b] = [data[at], data[at + 1], data[at + 2]];
    if (Math.max(r, g, b) - Math.min(r, g, b) > 40) count++;
  }
  return count;
});

const hits = page => page.locator('.hits button').allInnerTexts();

async function search(page, words) {
  await page.getByRole('searchbox').fill(words);
  await page.waitForTimeout(400);
}

look('exported map', {}, async page => {
  assert.equal(await page.title(), 'My notes');
  assert.equal(await page.locator('.found').innerText(), '90 rows');
  assert.ok((await coloured(page)) > 400, String(await coloured(page)));
  const labels = await page.locator('.label').allInnerTexts();
  assert.ok(labels.some(text => text.includes('foxes')), labels.join());
});

look('exported map searched by words', {}, async page => {
  const before = await coloured(page);
  await search(page, 'lak freeze');
  assert.match(await page.locator('.found').innerText(), /^30 rows with ‘lak freeze’/);
  const found = await hits(page);
  assert.equal(found.length, 30);
  assert.ok(found.every(text => text.startsWith('deep lakes freeze')));
  assert.equal(await page.locator('.hits mark').first().innerText(), 'lakes');
  // The others stand back.
  assert.ok((await coloured(page)) < before * 0.6);
  await search(page, 'nothing of the kind');
  assert.match(await page.locator('.found').innerText(), /^0 rows/);
  await page.getByText('Show all').click();
  assert.equal(await page.locator('.found').innerText(), '90 rows');
});

look('exported map says what rows say', {}, async page => {
  // A row that is markup is shown as it is written, and does nothing.
  await search(page, 'script');
  const found = await hits(page);
  assert.equal(found.length, 10);
  assert.equal(found[0].includes('</script><img src=x>'), true);
  await page.locator('.hits button').first().click();
  assert.ok((await page.locator('.card').innerText()).includes('</script><img src=x>'));
  assert.equal(await page.locator('img').count(), 0);
  // The mouse on a point: its text and its topic.
  const ring = await page.locator('.ring').boundingBox();
  await page.mouse.move(5, 5);
  await page.waitForTimeout(100);
  assert.equal(await page.locator('.card').isVisible(), false);
  await page.mouse.move(ring.x + ring.width / 2, ring.y + ring.height / 2);
  await page.locator('.card').waitFor();
  assert.ok((await page.locator('.card .text').innerText()).includes('red foxes hunt in winter'));
});

look('exported map moves', {}, async page => {
  const place = async () => (await page.locator('.label').first().boundingBox());
  await page.waitForTimeout(200);
  const text = await page.locator('.label').first().innerText();
  const first = await place();
  await page.mouse.move(300, 300);
  await page.mouse.down();
  await page.mouse.move(340, 320, { steps: 4 });
  await page.mouse.up();
  await page.waitForTimeout(200);
  const label = page.locator('.label', { hasText: text }).first();
  const moved = await label.boundingBox();
  assert.ok(Math.abs(moved.x - first.x - 40) < 4 && Math.abs(moved.y - first.y - 20) < 4, JSON.stringify([first, moved]));
  const drawn = await coloured(page);
  await page.mouse.wheel(0, -400);
  await page.waitForTimeout(300);
  assert.notEqual(await coloured(page), drawn);
  await page.keyboard.press('0');
  await page.waitForTimeout(200);
  const back = await label.boundingBox();
  assert.ok(Math.abs(back.x - first.x) < 2);
  // A topic is shown alone by its name.
  await label.click();
  assert.match(await page.locator('.found').innerText(), /^\d+ rows of ‘/);
});

look('exported map on a phone, dark', { width: 390, height: 780, dark: true, touch: true }, async page => {
  assert.ok((await coloured(page)) > 300);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
  await search(page, 'songs');
  assert.match(await page.locator('.found').innerText(), /^30 rows/);
});
