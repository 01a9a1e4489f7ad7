// How long the page takes for a map, however large: PORTOLAN_URL=http://127.0.0.1:8470 node timing.mjs MAP [SHOT.png]
//
// PORTOLAN_NODE_MODULES says where playwright-core is, as a file in the folder that has its node_modules.

import { readFileSync, readdirSync } from 'node:fs';
import { launch, SERVER } from './browser.mjs';

const [map, shot] = process.argv.slice(2);

/** Megabytes of the largest of the browser's processes that draw pages, and of all of its processes. */
function memory() {
  const all = readdirSync('/proc').filter(name => /^\d+$/.test(name)).flatMap(pid => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      if (!command.includes('chrom') || !command.includes('--type=')) return [];
      const pss = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
      return [{ renderer: command.includes('--type=renderer'), kilobytes: Number(pss?.[1] ?? 0) }];
    } catch {
      return [];
    }
  });
  const sum = processes => Math.round(processes.reduce((total, { kilobytes }) => total + kilobytes, 0) / 1024);
  return { renderers: sum(all.filter(({ renderer }) => renderer)), all: sum(all) };
}

const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
page.setDefaultTimeout(300_000);
await page.addInitScript(() => {
  const seen = (globalThis.seen = {});
  const look = () => {
    const drawn = Number(document.querySelector('canvas')?.dataset.drawn ?? 0);
    if (document.querySelector('canvas[data-drawn]')) seen.first ??= performance.now();
    const ready = Number(document.documentElement.dataset.ready ?? Number.NaN);
    if (drawn > 0) seen.plot ??= performance.now();
    if (drawn > 0 && drawn === ready) seen.all ??= performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
});
// How long a browser takes to start is not the page's.
await page.screenshot();
await page.waitForTimeout(1000);
await page.goto(new URL(`/?map=${map}`, SERVER).href);
await page.waitForFunction(() => globalThis.seen.all !== undefined);
const { first, plot, all } = await page.evaluate(() => globalThis.seen);
const painted = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.NaN);
console.log(`first points drawn ${first.toFixed(0)} ms, the first content of any kind seen ${painted.toFixed(0)} ms, points by WebGL ${plot.toFixed(0)} ms, all ${all.toFixed(0)} ms after navigation`);
console.log('megabytes', JSON.stringify(memory()));
if (shot) await page.screenshot({ path: shot });

/** What requests take, the median of some. */
async function asked(what, path, times, accept = 'application/json') {
  const took = [];
  for (let time = 0; time < times; time++) {
    const start = performance.now();
    const answer = await fetch(new URL(path(time), SERVER), { headers: { accept } });
    await answer.arrayBuffer();
    if (!answer.ok) throw new Error(`${what}: ${answer.status}`);
    took.push(performance.now() - start);
  }
  took.sort((a, b) => a - b);
  console.log(`${what}: median ${took[times >> 1].toFixed(1)} ms, most ${took[times - 1].toFixed(1)} ms`);
}
const points = await (await fetch(new URL(`/maps/${map}/points?columns=id&rows=30`, SERVER))).json();
const id = time => encodeURIComponent(points[time % points.length].id);
await asked('a row that is pointed at', time => `/maps/${map}/row/${id(time)}`, 30);
await asked('rows like another', time => `/maps/${map}/search?q=${id(time)}&by=like`, 10, 'application/vnd.apache.arrow.stream');
await browser.close();
