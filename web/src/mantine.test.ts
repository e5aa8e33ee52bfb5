import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const SRC = import.meta.dirname;
const STYLES = join(SRC, '../node_modules/@mantine/core/styles');

test('every component that is used has its styles', () => {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.tsx'));
  const text = files.map((name) => readFileSync(join(SRC, name), 'utf8')).join('\n');
  const used = [...text.matchAll(/import \{([^}]*)\} from '@mantine\/core'/g)].flatMap((found) =>
    found[1]!.split(',').map((name) => name.trim()),
  );
  const styles = readFileSync(join(SRC, 'mantine.ts'), 'utf8');
  const missing = used.filter((name) => existsSync(join(STYLES, `${name}.css`)) && !styles.includes(`/${name}.css'`));
  expect(used).toContain('Button');
  expect(missing, 'add them to src/mantine.ts').toEqual([]);
});
