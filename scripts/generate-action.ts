/**
 * Bundles src/action into action/, which action.yml names: a workflow gets the repository as it is committed, without npm.
 *
 *     node scripts/generate-action.ts           writes the files
 *     node scripts/generate-action.ts --check   only tells, with exit code 1, that they are out of date
 */
import { build, type Metafile, type Plugin } from 'esbuild';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FOLDER = 'action';
const LICENCES = 'licences.txt';

/** What is loaded when it is needed has to be in the bundle, too. */
const lazyPackages: Plugin = {
  name: 'lazy-packages',
  setup(plugins) {
    plugins.onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replaceAll("createRequire(import.meta.url)('", "require('"),
      loader: 'ts',
    }));
  },
};

/** The files of the bundle by their names. The same from the same sources and packages, wherever that is. */
async function bundle(): Promise<ReadonlyMap<string, string>> {
  const { outputFiles, metafile } = await build({
    entryPoints: { main: 'src/action/main.ts' },
    outdir: FOLDER,
    absWorkingDir: ROOT,
    // Paths are those of this folder, also where node_modules is a link.
    preserveSymlinks: true,
    bundle: true,
    // What is needed by one runner alone is not read by the other, and packages stay as they are when sources change.
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    outExtension: { '.js': '.mjs' },
    chunkNames: '[name]-[hash]',
    plugins: [lazyPackages],
    // Names stay, so that stack traces tell something.
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 500,
    legalComments: 'none',
    banner: { js: "import{createRequire as requireFrom}from'node:module';const require=requireFrom(import.meta.url);" },
    metafile: true,
    write: false,
    logLevel: 'warning',
  });
  const files = outputFiles.map(({ path, text }) => [path.slice(join(ROOT, FOLDER).length + 1), text] as const);
  return new Map([...files, [LICENCES, licences(metafile)]]);
}

/** The licences of all packages in the bundle, which their terms want to see beside it. */
function licences({ inputs }: Metafile): string {
  const folders = Object.keys(inputs).flatMap(
    (path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? [],
  );
  return [...new Set(folders)]
    .sort()
    .map(licenceOf)
    .join(`\n${'-'.repeat(80)}\n\n`);
}

function licenceOf(folder: string): string {
  const read = (name: string): string => readFileSync(join(ROOT, folder, name), 'utf8');
  const { name, version, license } = JSON.parse(read('package.json')) as Readonly<Record<string, string>>;
  const file = readdirSync(join(ROOT, folder)).find((entry) => /^(licen[cs]e|copying)(\.|-|$)/i.test(entry));
  return `${name} ${version} (${license ?? 'see below'})\n\n${file === undefined ? '' : `${read(file).trimEnd()}\n`}`;
}

const wanted = await bundle();
const folder = join(ROOT, FOLDER);
const there = new Set(existsSync(folder) ? readdirSync(folder) : []);
const isCurrent = [...wanted].every(
  ([name, text]) => there.has(name) && readFileSync(join(folder, name), 'utf8') === text,
);
if (process.argv.includes('--check')) {
  if (!isCurrent || there.size !== wanted.size) {
    console.error(`${FOLDER}/ does not match src/ and package-lock.json; run: npm run generate`);
    process.exitCode = 1;
  }
} else {
  mkdirSync(folder, { recursive: true });
  for (const name of there) if (!wanted.has(name)) rmSync(join(folder, name));
  for (const [name, text] of wanted) writeFileSync(join(folder, name), text);
}
