import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { defineConfig, type Plugin } from 'vite';

/** A package and all that it asks for; one may lie in the built code of another. */
function withDependencies(name: string, found: Set<string>): void {
  const file = `node_modules/${name}/package.json`;
  if (found.has(name) || name.startsWith('@types/') || !existsSync(file)) return;
  found.add(name);
  for (const next of Object.keys(JSON.parse(readFileSync(file, 'utf8')).dependencies ?? {})) withDependencies(next, found);
}

/** Writes licences.txt: whose code is in the bundle, and under which terms. */
function licences(): Plugin {
  return {
    name: 'licences',
    generateBundle() {
      const names = new Set<string>();
      for (const name of Object.keys(JSON.parse(readFileSync('package.json', 'utf8')).dependencies)) withDependencies(name, names);
      const texts = [...names].sort().map(name => {
        const folder = `node_modules/${name}`;
        const about = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'));
        const files = readdirSync(folder).filter(file => /^(licen[cs]e|copying|notice)/i.test(file)).sort();
        const text = files.map(file => readFileSync(`${folder}/${file}`, 'utf8').trim()).join('\n\n');
        return { name: `${name} ${about.version} (${about.license})`, text: text || about.license };
      });
      // In the built code of regl-scatterplot, without being one of its dependencies.
      texts.push({ name: 'kdbush 4.0.2 (ISC)', text: readFileSync('licences/kdbush.txt', 'utf8') });
      const rule = '-'.repeat(80);
      const parts = texts.map(({ name, text }) => `${rule}\n${name}\n${rule}\n\n${text.replaceAll('\r', '').trim()}\n`);
      const source = `The page of Portolan's maps holds code of these packages.\n\n${parts.join('\n')}`;
      this.emitFile({ type: 'asset', fileName: 'licences.txt', source });
    },
  };
}

// Names without hashes: the server embeds the files by name, and tags them by content.
export default defineConfig({
  base: './',
  plugins: [licences()],
  build: {
    target: 'es2022',
    modulePreload: false,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000,
    rollupOptions: {
      output: { entryFileNames: 'page.js', chunkFileNames: '[name].js', assetFileNames: 'page[extname]' },
    },
  },
  server: { proxy: { '/maps': 'http://127.0.0.1:8470', '/sql': 'http://127.0.0.1:8470' } },
});
