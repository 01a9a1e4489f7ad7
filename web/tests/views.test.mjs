// Time, another map beside, searches that are kept, and pictures.

import assert from 'node:assert/strict';
import { coloured, copied, count, drawn, encircle, inFront, lonely, picture, screen, screenBeside, sql, WRITABLE } from './browser.mjs';
import { look, settle } from './look.mjs';

look('a part of all time is chosen by keys, by dragging, and goes by as a film', {}, async page => {
  await page.click('.tool-time');
  await page.waitForSelector('.time:not([hidden]) .bars');
  assert.ok((await page.locator('.time .bars rect').count()) > 40);
  const from = page.locator('.time input[aria-label$="from"]');
  await from.focus();
  for (let step = 0; step < 3; step++) await page.keyboard.press('PageUp');
  await settle(page);
  const front = await inFront(page);
  assert.ok(front > 0 && front < 1000, `${front}`);
  assert.equal(await count(await copied(page)), front);
  const said = async () => (await page.locator('.chip').innerText()).split('\n')[0];
  assert.ok((await said()).startsWith('added: '));
  await page.click('.chip');
  await settle(page);
  assert.equal(await inFront(page), 1000);
  // The sliders go back with the filter.
  assert.equal(await from.inputValue(), '0');
  const bars = await page.locator('.time .bars').boundingBox();
  const at = share => [bars.x + bars.width * share, bars.y + bars.height / 2];
  const drag = async (low, high) => {
    await page.mouse.move(...at(low));
    await page.mouse.down();
    await page.mouse.move(...at((low + high) / 2));
    await page.mouse.move(...at(high));
    await page.mouse.up();
    await settle(page);
  };
  const days = async () => (await said()).match(/\d{4}-\d\d-\d\d/g).map(day => Date.parse(day) / 86_400_000);
  const [{ low, high }] = await sql("SELECT min(added) AS low, max(added) AS high FROM glosses");
  const [first, last] = [Date.parse(low) / 86_400_000, Date.parse(high) / 86_400_000];
  await drag(0.3, 0.6);
  const chosen = await days();
  assert.ok(Math.abs(chosen[0] - first - 0.3 * (last - first)) < 12 && Math.abs(chosen[1] - first - 0.6 * (last - first)) < 12, `${chosen}`);
  assert.equal(await count(await copied(page)), await inFront(page));
  await picture(page, 'time 1280');
  // What lies between is moved as a whole.
  await drag(0.45, 0.65);
  const moved = await days();
  assert.ok(Math.abs(moved[0] - chosen[0] - 0.2 * (last - first)) < 12 && Math.abs(moved[1] - moved[0] - chosen[1] + chosen[0]) < 4, `${chosen}, then ${moved}`);
  await page.click('.time .play');
  await page.waitForFunction(before => !document.querySelector('.chip').innerText.includes(before), new Date(moved[0] * 86_400_000).toISOString().slice(0, 10));
  const seen = await days();
  assert.ok(seen[0] > moved[0] && Math.abs(seen[1] - seen[0] - chosen[1] + chosen[0]) < 4, `${moved}, then ${seen}`);
  // It ends with the last day.
  await page.waitForSelector('.time .play[aria-label="Play"]');
  await settle(page);
  assert.equal((await days())[1], last);
});

look('another map of the same rows is seen beside, and what is done on one is done on both', {}, async page => {
  assert.deepEqual(await page.locator('.other option').allInnerTexts(), ['Beside', 'flat']);
  await page.selectOption('.other select', 'flat');
  await page.waitForSelector('.beside canvas[data-ready="1000"][data-drawn="1000"]');
  await settle(page);
  assert.ok(page.url().includes('beside=flat'));
  assert.ok((await coloured(page, '.beside canvas')) > 1500);
  // A row under the mouse is ringed on the other map.
  const near = async (ring, [x, y]) => {
    await page.waitForSelector(`${ring}:not([hidden])`);
    const box = await page.locator(ring).boundingBox();
    assert.ok(Math.hypot(box.x + box.width / 2 - x, box.y + box.height / 2 - y) < 3, `${ring}: ${JSON.stringify(box)} and ${x}, ${y}`);
  };
  const { id, x, y } = await lonely(page);
  await page.mouse.move(x - 30, y - 30);
  await page.mouse.move(x, y, { steps: 4 });
  await page.waitForSelector('.card:not([hidden])');
  await near('.beside .pointed', await screenBeside(page, id));
  await picture(page, 'beside 1280');
  await page.mouse.click(x, y);
  await page.waitForSelector('.detail:not([hidden])');
  await near('.beside .ring:not(.pointed)', await screenBeside(page, id));
  await page.keyboard.press('Escape');
  const other = await lonely(page, '.beside canvas');
  await page.mouse.move(other.x - 30, other.y - 30);
  await page.mouse.move(other.x, other.y, { steps: 4 });
  await page.waitForSelector('.beside .card:not([hidden])');
  const [row] = await sql(`SELECT text FROM entries WHERE id = ${other.id}`);
  assert.equal(await page.locator('.beside .card p').first().textContent(), row.text);
  await near('.stage:not(.beside) .pointed', await screen(page, other.id));
  // A line around rows of the one selects them on both.
  const all = await coloured(page);
  const canvas = await page.locator('.beside canvas').boundingBox();
  const [middleX, middleY] = [canvas.x + canvas.width / 2, canvas.y + canvas.height / 2];
  await page.keyboard.press('l');
  await encircle(page, middleX, middleY, 90, 80);
  await page.waitForSelector('.drawer:not([hidden]) tbody tr');
  await settle(page);
  const front = await inFront(page);
  assert.ok(front > 10 && front < 900, `${front}`);
  const ids = await sql(await copied(page));
  assert.equal(ids.length, front);
  await page.click('.drawer .close');
  await settle(page);
  for (const { id } of ids) {
    const [a, b] = await screenBeside(page, id);
    assert.ok(Math.hypot((a - middleX) / 94, (b - middleY) / 84) < 1, `${a}, ${b}`);
  }
  const some = await coloured(page);
  assert.ok(some < all * 0.95, `${some} of ${all} pixels`);
  await picture(page, 'beside selected 1280');
  // The address holds both.
  await page.reload();
  await drawn(page);
  await page.waitForSelector('.beside canvas[data-drawn="1000"]');
  await page.click('.beside .caption .close');
  await settle(page);
  assert.equal(await page.locator('.beside').count(), 0);
  assert.ok(!page.url().includes('beside'));
});

look('two maps on a phone', { path: '/?map=glosses&beside=flat', width: 390, height: 844, touch: true }, async page => {
  await page.waitForSelector('.beside canvas[data-drawn="1000"]');
  const [one, other] = [await page.locator('canvas').first().boundingBox(), await page.locator('.beside canvas').boundingBox()];
  assert.ok(one.width > 380 && other.width > 380 && other.y >= one.y + one.height, JSON.stringify([one, other]));
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
  await page.click('.tool-time');
  await page.waitForSelector('.time .bars');
  await settle(page);
  await picture(page, 'beside 390');
});

async function searched(page, q) {
  await page.selectOption('.search select', 'meaning');
  await page.fill('.search input', q);
  await page.keyboard.press('Enter');
  await page.waitForSelector('.hits li');
  await settle(page);
  await page.click('.found .keep');
  await page.waitForSelector('dialog[open]');
}

look('a search is kept as a classifier', { path: `${WRITABLE}?map=glosses` }, async page => {
  await searched(page, "a lion's den");
  const front = await inFront(page);
  assert.equal(await page.locator('dialog[open] input').inputValue(), 'lions_den');
  await page.fill('dialog[open] input', 'Den of lions');
  await picture(page, 'classifier 1280');
  await page.click('dialog[open] button:has-text("Save")');
  await page.waitForSelector('dialog[open] h2:has-text("Saved as Den of lions")');
  const query = await page.locator('dialog[open] .statement').innerText();
  assert.equal(await count(query), front);
  await page.click('dialog[open] button:has-text("Copy")');
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), query);
  const [kept] = await sql("SELECT * FROM portolan.classifiers WHERE name = 'Den of lions'");
  assert.ok(JSON.stringify(kept).includes("a lion's den"), JSON.stringify(kept));
  // A name that is taken gets one sentence, and the dialog stays.
  await page.click('dialog[open] button:has-text("Close")');
  await page.click('.found .keep');
  await page.fill('dialog[open] input', 'Den of lions');
  await page.click('dialog[open] button:has-text("Save")');
  await page.waitForSelector('dialog[open] .wrong:not([hidden])');
  assert.match(await page.locator('dialog[open] .wrong').innerText(), /exists/);
  page.troubles.length = 0;
});

look('where the server only reads, it says how to keep a search', {}, async page => {
  await searched(page, 'a small animal');
  const dialog = await page.locator('dialog[open]').innerText();
  assert.ok(dialog.includes('--read-write') && dialog.includes("USING TEXT 'a small animal' THRESHOLD"), dialog);
  assert.equal(await page.locator('dialog[open] button:has-text("Save")').count(), 0);
  await picture(page, 'classifier read only 1280');
  await page.click('dialog[open] button:has-text("Close")');
  assert.equal(await page.locator('dialog[open]').count(), 0);
});

/** The size and the colour of a picture on the page. */
const seen = (page, image) => page.locator(image).evaluate(async image => {
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0, 1, 1);
  return { size: [image.naturalWidth, image.naturalHeight], colour: [...context.getImageData(0, 0, 1, 1).data] };
});

look('pictures are shown when they are looked at', { path: '/?map=shown' }, async page => {
  const asked = [];
  page.on('request', request => request.url().includes('/thumbnail/') && asked.push(request.url()));
  await settle(page);
  assert.deepEqual(asked, []);
  const { id, x, y } = await lonely(page, 'canvas', 'shown');
  const [{ r, g, b }] = await sql(`SELECT r, g, b FROM pictures WHERE id = ${id}`);
  const right = ({ size, colour }, sizes) => {
    assert.deepEqual(size, sizes);
    [r, g, b].forEach((part, at) => assert.ok(Math.abs(part - colour[at]) < 12, `${colour} is ${r}, ${g}, ${b}`));
  };
  await page.mouse.move(x - 30, y - 30);
  await page.mouse.move(x, y, { steps: 4 });
  await page.waitForSelector('.card:not([hidden]) img');
  right(await seen(page, '.card img'), [180, 120]);
  assert.ok(asked.every(url => url.includes(`/thumbnail/${id}?`)), `${asked}`);
  const [card, stage] = [await page.locator('.card').boundingBox(), await page.locator('.stage').boundingBox()];
  assert.ok(card.x + card.width <= stage.x + stage.width && card.y + card.height <= stage.y + stage.height, JSON.stringify(card));
  await picture(page, 'picture on card 1280');
  await page.mouse.click(x, y);
  await page.waitForSelector('.detail:not([hidden]) img');
  right(await seen(page, '.detail img'), [272, 181]);
  await picture(page, 'picture 1280');
  // Lists show those that are in sight.
  const before = new Set(asked);
  await page.keyboard.press('t');
  await page.waitForSelector('.drawer tbody tr .small img');
  await settle(page);
  const [rows, more] = [await page.locator('.drawer tbody tr').count(), asked.filter(url => !before.has(url)).length];
  assert.ok(more > 2 && more < rows / 2, `${more} pictures of ${rows} rows`);
  const shownId = await page.locator('.drawer tbody tr').nth(1).locator('td').nth(1).innerText();
  const [{ r: red, g: green, b: blue }] = await sql(`SELECT r, g, b FROM pictures WHERE id = ${shownId}`);
  const { colour } = await seen(page, '.drawer tbody tr:nth-child(2) .small img');
  [red, green, blue].forEach((part, at) => assert.ok(Math.abs(part - colour[at]) < 12, `${colour} is ${red}, ${green}, ${blue}`));
  await picture(page, 'pictures in a list 1280');
  await page.keyboard.press('t');
  // A row without one says what it has.
  await page.keyboard.press('Escape');
  await page.goto(new URL('/?map=shown&row=7', page.url()).href);
  await drawn(page);
  await page.waitForSelector('.detail:not([hidden])');
  await page.waitForFunction(() => !document.querySelector('.picture'));
  assert.ok((await page.locator('.detail').innerText()).includes('picture 7'));
  // The refusal is in the browser's log as well.
  page.troubles.length = 0;
});
