// Lists below the map: rows and their files, rows that say the same, labels that are probably wrong.

import assert from 'node:assert/strict';
import { count, copied, inFront, picture, saved, screen, sql } from './browser.mjs';
import { look, settle } from './look.mjs';

async function open(page, tab) {
  await page.keyboard.press('t');
  await page.click(`.drawer .tab-${tab}`);
}

look('rows in front are saved as CSV and as Parquet', {}, async page => {
  const [{ label, n }] = await sql('SELECT label, count(*) AS n FROM glosses GROUP BY label ORDER BY n DESC, label LIMIT 1');
  await page.selectOption('.colours select', 'label');
  await page.click(`.legend .entry:has-text("${label}")`);
  await settle(page);
  await open(page, 'rows');
  await page.waitForSelector('.drawer tbody tr');
  const { name, rows } = await saved(page, '.drawer .csv');
  assert.equal(name, 'glosses.csv');
  const columns = Object.keys(rows[0]);
  for (const column of ['id', 'word', 'label', 'text', 'added', 'topic_1', 'duplicate_class']) assert.ok(columns.includes(column), `${column} in ${columns}`);
  assert.ok(!columns.includes('v'));
  const expected = await sql(`SELECT id, text, topic_1 FROM glosses WHERE label = '${label}' ORDER BY id`);
  const said = rows.map(({ id, text, topic_1 }) => ({ id: Number(id), text, topic_1 })).sort((a, b) => a.id - b.id);
  assert.deepEqual(said, expected);
  assert.equal(rows.length, n);
  // What is in this file is looked at by those who run this.
  assert.equal((await saved(page, '.drawer .parquet')).name, 'glosses.parquet');
  await page.waitForFunction(() => document.querySelector('.notice').textContent.startsWith('Saved'));
  await picture(page, 'saved 1280');
});

look('rows that say the same are listed in groups, shown and selected', {}, async page => {
  const groups = await sql('SELECT cluster_id, count(*) AS n FROM glosses WHERE cluster_id IS NOT NULL GROUP BY cluster_id ORDER BY n DESC, cluster_id');
  assert.ok(groups.length > 1, `${groups.length} groups`);
  await open(page, 'duplicates');
  await page.waitForSelector('.groups .row');
  const repeats = groups.reduce((sum, { n }) => sum + n - 1, 0);
  assert.equal(await page.locator('.drawer h2').innerText(), `${groups.length} groups, ${repeats} repeats`);
  const rows = await sql(`SELECT id, text FROM glosses WHERE cluster_id = ${groups[0].cluster_id} ORDER BY duplicate_class DESC, distance_to_retained, id`);
  const shown = await page.locator('.groups > li').first().locator('.words').allInnerTexts();
  assert.equal(shown[0], rows[0].text);
  assert.deepEqual([...shown].sort(), rows.map(({ text }) => text).sort());
  await picture(page, 'duplicates 1280');
  await page.locator('.groups .group').first().click();
  await settle(page);
  assert.equal(await inFront(page), groups[0].n);
  assert.ok((await page.locator('.chip').innerText()).startsWith('selected: '));
  assert.deepEqual((await sql(await copied(page))).map(({ id }) => id).sort(), rows.map(({ id }) => id).sort());
  // They are brought to where they can be seen, and the list stays.
  const canvas = await page.locator('canvas').boundingBox();
  for (const { id } of rows) {
    const [x, y] = await screen(page, String(id));
    assert.ok(x > canvas.x && x < canvas.x + canvas.width && y > canvas.y && y < canvas.y + canvas.height, `${x}, ${y}`);
  }
  await page.locator('.groups .row').first().click();
  await page.waitForSelector('.detail:not([hidden])');
  assert.ok((await page.locator('.detail').innerText()).includes(rows[0].text));
  await page.click('.chip');
  await page.click('.drawer .actions button:has-text("Show all repeats")');
  await settle(page);
  assert.equal(await inFront(page), repeats);
  assert.equal(await count(await copied(page)), repeats);
});

look('labels that are probably wrong are listed, the worst first', {}, async page => {
  await open(page, 'issues');
  await page.selectOption('.drawer .actions select', 'label');
  await page.waitForSelector('.drawer tbody tr');
  const expected = await sql(`SELECT id, label, issue['predicted'] AS suggested, issue['score'] AS score, text
    FROM (SELECT id, label, text, label_issue(v, label) OVER () AS issue FROM entries) WHERE issue['is_issue'] ORDER BY score DESC, id`);
  assert.ok(expected.length > 3, `${expected.length} issues`);
  const shown = await page.locator('.drawer tbody tr').evaluateAll(rows => rows.map(row => [...row.cells].map(cell => cell.textContent)));
  assert.deepEqual(shown[0], [expected[0].score.toFixed(2), expected[0].label, expected[0].suggested, expected[0].text]);
  assert.equal(shown.length, Math.min(300, expected.length));
  assert.deepEqual(shown.map(cells => cells[3]).sort(), expected.slice(0, 300).map(({ text }) => text).sort());
  await picture(page, 'labels 1280');
  await page.locator('.drawer tbody tr').first().click();
  await page.waitForSelector('.detail:not([hidden])');
  assert.ok((await page.locator('.detail').innerText()).includes(expected[0].text));
  await page.click('.drawer .actions button:has-text("Select them")');
  await settle(page);
  assert.equal(await inFront(page), shown.length);
});

look('labels that cannot be judged get one sentence', {}, async page => {
  await open(page, 'issues');
  await page.selectOption('.drawer .actions select', 'source');
  await page.waitForSelector('.drawer .wrong');
  assert.match(await page.locator('.drawer .wrong').innerText(), /^The labels could not be judged: .*(two|different).*\.$/);
  // The refusal is in the browser's log as well.
  page.troubles.length = 0;
  assert.equal(await inFront(page), 1000);
});

look('what a map cannot tell is said in one sentence', { path: '/?map=large' }, async page => {
  await open(page, 'duplicates');
  await page.waitForSelector('.drawer .say');
  assert.match(await page.locator('.drawer .say').innerText(), /^Duplicates were not looked for/);
  await page.click('.drawer .tab-issues');
  assert.match(await page.locator('.drawer .say').innerText(), /^No statement can name the rows of many: give the table a primary key/);
  assert.equal(await page.locator('.tool-time:visible').count(), 0);
  assert.equal(await page.locator('.other:visible').count(), 0);
});

look('lists on a phone', { width: 390, height: 844, touch: true }, async page => {
  await page.click('.tool-table');
  await page.waitForSelector('.drawer tbody tr');
  for (const button of await page.locator('.drawer .head button:visible').all()) {
    const box = await button.boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= 390, `${await button.innerText()}: ${box.x} to ${box.x + box.width}`);
  }
  await picture(page, 'rows 390');
  await page.click('.drawer .tab-duplicates');
  await page.waitForSelector('.groups .row');
  await picture(page, 'duplicates 390');
  await page.locator('.groups .group').first().click();
  await settle(page);
  assert.ok((await inFront(page)) < 1000);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
});
