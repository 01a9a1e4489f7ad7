import { writeFileSync } from 'node:fs';
import { defineConfig, type Plugin } from 'vite';

/** Writes dist/export.html: the page with its script and style in it, into which a map is put. */
function inOneFile(): Plugin {
  return {
    name: 'in-one-file',
    writeBundle(_, bundle) {
      let [html, script, style] = ['', '', ''];
      for (const file of Object.values(bundle)) {
        if (file.type === 'chunk') script += file.code;
        else if (file.fileName.endsWith('.css')) style += String(file.source);
        else if (file.fileName.endsWith('.html')) html += String(file.source);
      }
      if (/<\/script|<\/style|<!--/i.test(script + style)) throw new Error('what is put into the page ends its element');
      const bare = html.replace(/\s*<script[^>]*><\/script>/g, '').replace(/\s*<link[^>]*>/g, '');
      const [head, rest] = bare.split('</head>');
      // After what it reads: a module waits until all of the page is there anyway.
      const whole = `${head}  <style>${style.trim()}</style>\n    <script type="module">${script.trim()}</script>\n  </head>${rest}`;
      writeFileSync('dist/export.html', whole);
    },
  };
}

export default defineConfig({
  root: 'export',
  base: './',
  publicDir: false,
  plugins: [inOneFile()],
  build: {
    target: 'es2022',
    modulePreload: false,
    outDir: '../node_modules/.export',
    emptyOutDir: true,
    rollupOptions: { output: { codeSplitting: false } },
  },
});
