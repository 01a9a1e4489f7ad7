// Tests that look at the page.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, open, picture, screen } from './browser.mjs';

export let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** A test with a page of its own, of which nothing may go wrong. */
export function look(name, options, act) {
  test(name, { timeout: 300_000 }, async () => {
    const page = await open(browser, options);
    try {
      await act(page);
      assert.deepEqual(page.troubles, []);
    } catch (error) {
      await picture(page, `failed ${name}`);
      throw error;
    } finally {
      await page.context().close();
    }
  });
}

/** Until nothing more is asked for or drawn. */
export async function settle(page) {
  await page.waitForTimeout(350);
  await page.waitForFunction(() => !document.querySelector('canvas').dataset.busy && !document.querySelector('.search.busy'));
  await page.waitForTimeout(100);
}

/** Until the map has moved and moves no more. */
export async function still(page, id, from) {
  let last = from;
  for (let turn = 0; turn < 100; turn++) {
    await page.waitForTimeout(150);
    const now = await screen(page, id);
    const moved = Math.hypot(now[0] - from[0], now[1] - from[1]) > 1;
    if (moved && Math.hypot(now[0] - last[0], now[1] - last[1]) < 0.01) return;
    last = now;
  }
}
