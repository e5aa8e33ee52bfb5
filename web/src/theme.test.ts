import { MantineProvider } from '@mantine/core';
import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { expect, test } from 'vitest';
import { theme, variables } from './theme';

test('theme.css is what Mantine would work out on every load (write it anew: vitest run -u)', async () => {
  const given = { theme, cssVariablesResolver: variables, withGlobalClasses: false };
  const provider = createElement(MantineProvider, given as Parameters<typeof MantineProvider>[0]);
  const style = renderToStaticMarkup(provider);
  const css = style.replace(/^<style[^>]*>/, '').replace(/<\/style>$/, '');
  const lines = css
    .replaceAll(/([{;])\s*(?=\S)/g, '$1\n  ')
    .replaceAll(/\s*\}\s*/g, '\n}\n')
    .trim();
  await expect(`/* The theme's variables, written by theme.test.ts. */\n${lines}\n`).toMatchFileSnapshot('theme.css');
});
