// The page as people use it: each test does what a person does, and looks at what is shown.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coloured, copied, count, drawn, encircle, inFront, lonely, open, picture, saved, screen, sql, SERVER } from './browser.mjs';
import { browser, look, settle, still } from './look.mjs';

look('all rows are drawn, in colours of their topics', {}, async page => {
  assert.equal(await page.locator('.about .count').textContent(), '1,000 rows');
  assert.ok((await coloured(page)) > 3000);
  const topics = await sql('SELECT topic_short, size FROM glosses.topics WHERE depth = 1 ORDER BY size DESC, topic_id');
  const legend = await page.locator('.legend .entry').allInnerTexts();
  assert.deepEqual(legend.map(text => text.split('\n')[0]), topics.map(topic => topic.topic_short));
  await picture(page, 'map 1280');
});

look('names of topics do not overlap, and are more particular from near', {}, async page => {
  const boxes = async () => page.locator('.label').evaluateAll(labels => labels.map(label => {
    const { left, top, right, bottom } = label.getBoundingClientRect();
    return { text: label.textContent, depth: Number(label.className.slice(-1)), left, top, right, bottom };
  }));
  const apart = labels => {
    for (const [at, a] of labels.entries()) {
      for (const b of labels.slice(at + 1)) {
        assert.ok(a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top, `${a.text} and ${b.text}`);
      }
    }
  };
  const far = await boxes();
  assert.ok(far.length >= 3, `${far.length} labels`);
  apart(far);
  const middle = await page.locator('.label.depth-1').first().boundingBox();
  await page.mouse.move(middle.x + middle.width / 2, middle.y + middle.height / 2);
  for (let turn = 0; turn < 8; turn++) {
    await page.mouse.wheel(0, -120);
    await page.waitForTimeout(30);
  }
  await settle(page);
  const near = await boxes();
  apart(near);
  const mean = labels => labels.reduce((sum, label) => sum + label.depth, 0) / labels.length;
  assert.ok(near.length > 0 && mean(near) > mean(far), `${mean(far)}, then ${mean(near)}`);
  await picture(page, 'near 1280');
});

look('the map is dragged, made larger, and whole again', {}, async page => {
  const { id, x, y } = await lonely(page);
  await page.mouse.move(x + 3, y + 3);
  await page.mouse.down();
  await page.mouse.move(x + 63, y + 43, { steps: 6 });
  await page.mouse.up();
  await settle(page);
  const dragged = await screen(page, id);
  assert.ok(Math.hypot(dragged[0] - x - 60, dragged[1] - y - 40) < 3, `${dragged}`);
  await page.keyboard.press('Escape');
  const other = String((await sql(`SELECT id FROM glosses.points WHERE id <> ${id} ORDER BY id LIMIT 1`))[0].id);
  const apart = async () => {
    const [a, b] = [await screen(page, id), await screen(page, other)];
    return Math.hypot(a[0] - b[0], a[1] - b[1]);
  };
  const before = await apart();
  await page.mouse.wheel(0, -300);
  await settle(page);
  assert.ok((await apart()) > before * 1.1);
  await page.keyboard.press('0');
  await settle(page);
  const back = await screen(page, id);
  assert.ok(Math.hypot(back[0] - x, back[1] - y) < 1.5, `${back}`);
});

look('a row says what it is under the mouse, and all of it after a click', {}, async page => {
  const { id, x, y } = await lonely(page);
  const [row] = await sql(`SELECT * FROM glosses WHERE id = ${id}`);
  await page.mouse.move(x - 30, y - 30);
  await page.mouse.move(x, y, { steps: 4 });
  await page.waitForSelector('.card:not([hidden])');
  assert.equal(await page.locator('.card p').first().textContent(), row.text);
  await page.mouse.click(x, y);
  await page.waitForSelector('.detail:not([hidden])');
  const detail = await page.locator('.detail').innerText();
  for (const part of [id, row.text, row.label, row.word, row.topic_1, row.topic_2, row.topic_3]) {
    assert.ok(part === null || detail.includes(part), `${part} in ${detail}`);
  }
  const ring = await page.locator('.ring').boundingBox();
  assert.ok(Math.hypot(ring.x + ring.width / 2 - x, ring.y + ring.height / 2 - y) < 3);
  await picture(page, 'row 1280');
  await page.keyboard.press('Escape');
  assert.ok(await page.locator('.detail').isHidden());
});

look('a column of categories colours the map, and its legend filters it', {}, async page => {
  await page.selectOption('.colours select', 'label');
  await page.waitForSelector('.legend .entry:has-text("noun.")');
  const expected = await sql('SELECT label, count(*) AS n FROM glosses GROUP BY label ORDER BY n DESC, label');
  const shown = await page.locator('.legend .entry').allInnerTexts();
  assert.equal(shown.length, expected.length);
  const told = new Map(shown.map(text => text.split('\n')));
  for (const { label, n } of expected) assert.equal(told.get(label), String(n), label);
  const all = await coloured(page);
  const { label, n } = expected[0];
  await page.click(`.legend .entry:has-text("${label}")`);
  await settle(page);
  assert.equal(await inFront(page), n);
  assert.equal(await page.locator('.chip').innerText().then(text => text.split('\n')[0]), `label: ${label}`);
  const some = await coloured(page);
  assert.ok(Math.abs(some / all - n / 1000) < 0.15, `${some} of ${all} pixels for ${n} rows`);
  await picture(page, 'filtered 1280');
  const second = expected[1];
  await page.click(`.legend .entry:has-text("${second.label}")`);
  await settle(page);
  assert.equal(await inFront(page), n + second.n);
  assert.equal(await count(await copied(page)), n + second.n);
  await page.click('.chip');
  await settle(page);
  assert.equal(await page.locator('.chip').count(), 0);
  assert.equal(await page.locator('.about .count').textContent(), '1,000 rows');
  assert.ok((await coloured(page)) > all * 0.9);
});

for (const [column, kind] of [['length', 'a number'], ['added', 'a time']]) {
  look(`${kind} colours the map, and its bounds filter it`, {}, async page => {
    await page.selectOption('.colours select', column);
    const from = page.locator('.colours input[aria-label$="from"]');
    await from.waitFor();
    await from.focus();
    for (let step = 0; step < 3; step++) await page.keyboard.press('PageUp');
    await settle(page);
    const front = await inFront(page);
    assert.ok(front > 0 && front < 1000, `${front}`);
    assert.equal(await count(await copied(page)), front);
    assert.ok((await page.locator('.chip').innerText()).startsWith(`${column}: `));
    await picture(page, `${column} 1280`);
  });
}

look('words are found and marked', {}, async page => {
  await page.selectOption('.search select', 'words');
  await page.fill('.search input', 'act of');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.found:not([hidden]) .hits li');
  await settle(page);
  const expected = await count(String.raw`SELECT 1 FROM glosses WHERE regexp_like(text, '(?i)\bact') AND regexp_like(text, '(?i)\bof')`);
  assert.ok(expected > 0);
  assert.equal(await inFront(page), expected);
  assert.equal(await page.locator('.found .tally').innerText(), `${expected} ${expected === 1 ? 'row' : 'rows'}`);
  const marks = await page.locator('.hits mark').allInnerTexts();
  assert.ok(marks.length >= 2 && marks.every(mark => /^(act|of)$/i.test(mark)), `${marks}`);
  assert.equal(await count(await copied(page)), expected);
});

look('a wrong expression gets one sentence', {}, async page => {
  await page.selectOption('.search select', 'regex');
  await page.fill('.search input', 'a(b');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.notice:not([hidden])');
  assert.match(await page.locator('.notice').innerText(), /regular expression|regex/i);
  // The refusal is in the browser's log as well.
  page.troubles.length = 0;
  assert.equal(await inFront(page), 1000);
});

look('meaning is searched, and the bound on the score decides', {}, async page => {
  await page.selectOption('.search select', 'meaning');
  await page.fill('.search input', 'a large wild animal');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.hits li');
  await settle(page);
  const first = await inFront(page);
  assert.ok(first >= 10 && first < 100, `${first}`);
  assert.equal(await count(await copied(page)), first);
  const hits = await page.locator('.hits li span:first-child').allInnerTexts();
  const [best] = await sql(`SELECT text FROM glosses ORDER BY cosine(v, embed_text('a large wild animal', 'search_query', 384, 'all-MiniLM-L6-v2')) DESC LIMIT 1`);
  assert.equal(hits[0], best.text);
  assert.ok((await page.locator('.found .bars rect').count()) > 20);
  await picture(page, 'meaning 1280');
  const bound = page.locator('.found input[type=range]');
  await bound.focus();
  for (let step = 0; step < 2; step++) await page.keyboard.press('PageDown');
  await settle(page);
  const more = await inFront(page);
  assert.ok(more > first, `${more} after ${first}`);
  assert.equal(await count(await copied(page)), more);
  await page.click('.hits li:first-child button');
  await page.waitForSelector('.detail:not([hidden])');
  assert.ok((await page.locator('.detail').innerText()).includes(best.text));
});

look('more rows like one', {}, async page => {
  const { id, x, y } = await lonely(page);
  await page.mouse.click(x, y);
  await page.click('.detail button:has-text("More like this")');
  await page.waitForSelector('.hits li');
  await settle(page);
  const [self] = await sql(`SELECT text FROM glosses WHERE id = ${id}`);
  assert.equal(await page.locator('.hits li span:first-child').first().innerText(), self.text);
  assert.equal(await count(await copied(page)), await inFront(page));
});

look('a topic is chosen by its name on the map', {}, async page => {
  const label = page.locator('.label.depth-1').first();
  const name = await label.innerText();
  await label.click();
  await settle(page);
  const [{ size }] = await sql(`SELECT size FROM glosses.topics WHERE depth = 1 AND topic_short = '${name.replaceAll("'", "''")}'`);
  assert.equal(await inFront(page), size);
  assert.equal(await count(await copied(page)), size);
});

look('a few points far from all others do not make the rest small', { path: '/?map=strayed' }, async page => {
  const box = await page.locator('canvas').boundingBox();
  const places = await Promise.all([...Array(40).keys()].map(at => screen(page, String(at + 1))));
  const wide = Math.max(...places.map(([x]) => x)) - Math.min(...places.map(([x]) => x));
  assert.ok(wide > box.width / 4, `${wide} of ${box.width}`);
  const [far] = await screen(page, '2000');
  assert.ok(far < box.x || far > box.x + box.width, `${far}`);
  await picture(page, 'strayed 1280');
  // Looking from farther away, they come into sight.
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  for (let turn = 0; turn < 60; turn++) await page.mouse.wheel(0, 400);
  await settle(page);
  const [x, y] = await screen(page, '2000');
  assert.ok(x > box.x && x < box.x + box.width && y > box.y && y < box.y + box.height, `${x} ${y}`);
});

look('rows within a line are selected, shown, and copied as SQL', {}, async page => {
  const canvas = await page.locator('canvas').boundingBox();
  const [x, y] = [canvas.x + canvas.width / 2, canvas.y + canvas.height / 2];
  await page.click('.tool-lasso');
  assert.equal(await page.locator('.tool-lasso').getAttribute('aria-pressed'), 'true');
  await encircle(page, x, y, 150, 130);
  await page.waitForSelector('.drawer:not([hidden]) tbody tr');
  const front = await inFront(page);
  assert.ok(front > 10 && front < 1000, `${front}`);
  assert.equal(await page.locator('.tool-lasso').getAttribute('aria-pressed'), 'false');
  assert.ok((await page.locator('.drawer h2').innerText()).startsWith(`${front} rows`));
  assert.equal(await page.locator('.drawer tbody tr').count(), Math.min(front, 200));
  await page.click('.drawer .copy');
  const statement = await page.evaluate(() => navigator.clipboard.readText());
  const ids = await sql(statement);
  assert.equal(ids.length, front);
  const { rows } = await saved(page, '.drawer .csv');
  assert.deepEqual(rows.map(row => Number(row.id)).sort(), ids.map(({ id }) => id).sort());
  // They are those that lie within the line that was drawn.
  await page.click('.drawer .close');
  await settle(page);
  const inside = await page.evaluate(ids => ids.map(id => window.portolan.screen(id)), ids.map(({ id }) => String(id)));
  assert.ok(inside.every(([a, b]) => Math.hypot((a - x) / 156, (b - y) / 136) < 1), 'all within');
  await page.click('.tool-table');
  await page.waitForSelector('.drawer tbody tr');
  await picture(page, 'selection 1280');
  const cells = await page.locator('.drawer tbody tr').first().locator('td').allInnerTexts();
  await page.locator('.drawer tbody tr').first().click();
  await page.waitForSelector('.detail:not([hidden])');
  assert.ok((await page.locator('.detail').innerText()).includes(cells.at(-2)));
});

look('the address holds what is seen', {}, async page => {
  await page.selectOption('.colours select', 'label');
  await page.waitForSelector('.legend .entry:has-text("noun.")');
  await page.locator('.legend .entry').first().click();
  const { id, x, y } = await lonely(page);
  await page.mouse.click(x, y);
  await page.waitForSelector('.detail:not([hidden])');
  await page.mouse.move(x + 80, y + 60);
  await page.mouse.wheel(0, -200);
  await still(page, id, [x, y]);
  await settle(page);
  const [seen, front, chip] = [await screen(page, id), await inFront(page), await page.locator('.chip').innerText()];
  const address = page.url();
  const again = await open(browser, { path: address });
  await settle(again);
  const now = await screen(again, id);
  assert.ok(Math.hypot(now[0] - seen[0], now[1] - seen[1]) < 2, `${now} was ${seen}`);
  assert.equal(await inFront(again), front);
  assert.equal(await again.locator('.chip').innerText(), chip);
  assert.equal(await again.locator('.colours select').inputValue(), 'label');
  assert.ok((await again.locator('.detail').innerText()).includes(id));
  assert.deepEqual(again.troubles, []);
  await again.context().close();
});

look('light and dark', { dark: true }, async page => {
  const paper = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g).map(Number));
  assert.ok((await paper())[0] < 60);
  await picture(page, 'dark 1280');
  await page.click('.tool-theme');
  assert.ok((await paper())[0] > 200);
  await page.reload();
  await drawn(page);
  assert.ok((await paper())[0] > 200);
});

look('keys', {}, async page => {
  await page.keyboard.press('/');
  assert.ok(await page.locator('.search input').evaluate(input => input === document.activeElement));
  await page.keyboard.press('Escape');
  await page.keyboard.press('?');
  assert.ok(await page.locator('dialog[open]').isVisible());
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('dialog[open]').count(), 0);
  await page.keyboard.press('t');
  await page.waitForSelector('.drawer tbody tr');
  assert.equal(await page.locator('.drawer tbody tr').count(), 200);
  await page.keyboard.press('Escape');
  assert.ok(await page.locator('.drawer').isHidden());
  const { id, x } = await lonely(page);
  await page.locator('canvas').focus();
  await page.keyboard.press('ArrowRight');
  await settle(page);
  assert.ok((await screen(page, id))[0] < x - 50);
  await page.keyboard.press('l');
  assert.equal(await page.locator('.tool-lasso').getAttribute('aria-pressed'), 'true');
});

look('a phone: fingers move the map, a tap opens a row', { width: 390, height: 844, touch: true }, async page => {
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
  for (const tool of await page.locator('.tools button:visible').all()) {
    const box = await tool.boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= 390);
  }
  await picture(page, 'map 390');
  const { id, x, y } = await lonely(page);
  const client = await page.context().newCDPSession(page);
  const touch = (type, ...points) => client.send('Input.dispatchTouchEvent', { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
  await touch('touchStart', [x + 4, y + 4]);
  for (let step = 1; step <= 5; step++) await touch('touchMove', [x + 4 + step * 6, y + 4 - step * 8]);
  await touch('touchEnd');
  await settle(page);
  const moved = await screen(page, id);
  assert.ok(Math.hypot(moved[0] - x - 30, moved[1] - y + 40) < 4, `${moved} was ${x},${y}`);
  const other = String((await sql(`SELECT id FROM glosses.points WHERE id <> ${id} ORDER BY id LIMIT 1`))[0].id);
  const apart = async () => {
    const [a, b] = [await screen(page, id), await screen(page, other)];
    return Math.hypot(a[0] - b[0], a[1] - b[1]);
  };
  const before = await apart();
  await touch('touchStart', [150, 400], [240, 400]);
  for (let step = 1; step <= 5; step++) await touch('touchMove', [150 - step * 9, 400], [240 + step * 9, 400]);
  await touch('touchEnd');
  await settle(page);
  const larger = (await apart()) / before;
  assert.ok(Math.abs(larger - 2) < 0.1, `${larger} times as large`);
  await page.click('.tool-fit');
  await settle(page);
  await page.touchscreen.tap(x, y);
  await page.waitForSelector('.detail:not([hidden])');
  assert.ok((await page.locator('.detail').innerText()).includes(id));
  assert.ok(await page.locator('.card').isHidden());
  await picture(page, 'row 390');
  await page.click('.detail .close');
  await page.selectOption('.search select', 'words');
  await page.fill('.search input', 'animal');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.chip');
  await settle(page);
  await picture(page, 'words 390');
  await page.click('.tool-panel');
  assert.match(await page.locator('.hits mark').first().innerText(), /^animal$/i);
  await picture(page, 'found 390');
});

look('texts are texts, whatever they hold, and another map is one choice away', {}, async page => {
  await Promise.all([page.waitForURL(/map=marked/), page.selectOption('.about select', 'marked')]);
  await drawn(page);
  await page.keyboard.press('t');
  await page.waitForSelector('.drawer tbody tr');
  assert.ok((await page.locator('.drawer').innerText()).includes('<img src=x onerror=alert(1)>'));
  await page.locator('.drawer tbody tr').first().click();
  await page.waitForSelector('.detail:not([hidden])');
  assert.ok((await page.locator('.detail .text').innerText()).startsWith('<img src=x onerror=alert(1)>'));
  assert.equal(await page.locator('img').count(), 0);
  // Its vectors are of no model: only words can be looked for.
  assert.deepEqual(await page.locator('.search option').allInnerTexts(), ['Words', 'Exact', 'Regex']);
});

test('the server\'s token is asked for', { timeout: 300_000 }, async () => {
  const guarded = process.env.PORTOLAN_GUARDED_URL;
  const page = await open(browser, { path: guarded, wait: false });
  for (const [token, open] of [['wrong', true], ['sesame', false]]) {
    await page.waitForSelector('dialog[open] input');
    await page.fill('dialog[open] input', token);
    await page.keyboard.press('Enter');
    if (open) await page.waitForTimeout(500);
  }
  await drawn(page);
  assert.equal(await page.locator('.about .count').textContent(), '1,000 rows');
  await page.context().close();
  const invited = await open(browser, { path: `${guarded}?map=glosses#token=sesame` });
  assert.ok(!invited.url().includes('sesame'));
  assert.deepEqual(invited.troubles, []);
  await invited.context().close();
});

/** Which pixels of a canvas have a point. */
const dotted = (page, of) => page.evaluate(of => {
  const canvas = document.querySelector(of);
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: data.length / 4 }, (_, at) => Number(data[at * 4 + 3] > 60)).join('');
}, of);

test('a sample is drawn where the points will be, before what draws all of them is there', { timeout: 300_000 }, async () => {
  const page = await open(browser, { path: 'about:blank', wait: false });
  for (const view of ['', '&at=0.1000,0.2000,2.500']) {
    let goOn;
    const held = new Promise(resolve => (goOn = resolve));
    await page.route('**/app.js', async route => {
      await held;
      await route.continue();
    }, { times: 1 });
    await page.goto(new URL(`/?map=glosses${view}`, SERVER).href);
    await page.waitForSelector('.sketch[data-drawn="1000"]');
    const colours = await coloured(page, '.sketch');
    assert.ok(colours > 3000, `${colours} pixels`);
    const sketched = await dotted(page, '.sketch');
    await picture(page, `sketch${view && ' near'} 1280`);
    goOn();
    await drawn(page);
    assert.equal(await page.locator('.sketch').count(), 0);
    const plotted = await dotted(page, 'canvas');
    const both = [...sketched].filter((dot, at) => dot === '1' && plotted[at] === '1').length;
    const either = [...sketched].filter((dot, at) => dot === '1' || plotted[at] === '1').length;
    assert.ok(both > either * 0.6, `${both} of ${either} pixels are the same`);
  }
  assert.deepEqual(page.troubles, []);
  await page.context().close();
});

test('points are drawn while others come', { timeout: 300_000 }, async () => {
  const page = await open(browser, { path: 'about:blank', wait: false });
  // The answer's second half is held back until the first is drawn.
  await page.addInitScript(() => {
    const ask = window.fetch;
    window.fetch = async (...given) => {
      const response = await ask(...given);
      if (!String(given[0]).includes('/points?columns=id')) return response;
      const whole = new Uint8Array(await response.arrayBuffer());
      window.rest = new Promise(resolve => (window.goOn = resolve));
      const cut = Number(response.headers.get('x-cut') ?? 0) || Math.floor(whole.length / 2);
      const body = new ReadableStream({
        async start(controller) {
          controller.enqueue(whole.slice(0, cut));
          await window.rest;
          controller.enqueue(whole.slice(cut));
          controller.close();
        },
      });
      return new Response(body, { headers: response.headers });
    };
  });
  await page.goto(new URL('/?map=large', SERVER).href);
  await page.waitForFunction(() => Number(document.querySelector('canvas')?.dataset.drawn ?? 0) > 0);
  const [some, said] = [await page.locator('canvas').first().getAttribute('data-drawn'), await page.locator('.about .count').textContent()];
  assert.ok(Number(some) < 20_000 && / of 20,000 rows…$/.test(said), `${some} drawn, '${said}'`);
  assert.ok((await coloured(page)) > 1000);
  await page.evaluate(() => window.goOn());
  await drawn(page);
  assert.equal(await page.locator('.about .count').textContent(), '20,000 rows');
  assert.deepEqual(page.troubles, []);
  await page.context().close();
});
