// Recognise: what a source looks like by the names of its files, before the builder has it. Pure. The builder has the last word.

const NEVER = new Set(['.git', 'node_modules', '.venv', 'venv', '__pycache__', '.DS_Store']);

/** Whether a path is left out of what is sent, as the command line does where no .gitignore says otherwise. */
export const isLeftOut = (path: string): boolean => path.split('/').some((part) => NEVER.has(part));

/** shop/web/a is web/a. */
export const withoutTop = (path: string): string => path.slice(path.indexOf('/') + 1);

/** The paths below the only folder that all are in, as in archives that code hosts make. */
function inside(paths: readonly string[]): string[] {
  const tops = new Set(paths.map((path) => path.split('/')[0]));
  return tops.size === 1 && paths.every((path) => path.includes('/')) ? paths.map(withoutTop) : [...paths];
}

/** "its own Dockerfile"; null where nothing is recognised. */
export function recognise(paths: readonly string[]): string | null {
  const files = new Set(inside(paths.filter((path) => !path.endsWith('/'))));
  const has = (...names: string[]) => names.find((name) => files.has(name));
  if (has('Dockerfile')) return 'its own Dockerfile';
  const below = [...files].filter((path) => /^[^/.][^/]*\/Dockerfile$/.test(path));
  if (below.length === 1) return `its own ${below[0]}`;
  if (below.length > 1) return null;
  const node = has('package.json');
  if (node) return `Node, by ${node}`;
  const python = has('requirements.txt', 'pyproject.toml', 'uv.lock');
  if (python) return `Python, by ${python}`;
  if (has('go.mod')) return 'Go, by go.mod';
  const page = has(...['', 'public/', 'dist/', 'site/', '_site/', 'docs/'].map((folder) => `${folder}index.html`));
  return page ? `a static site, by ${page}` : null;
}
