// Theme: one set of colours and sizes, with contrasts that meet WCAG AA in both schemes.
import { type CSSVariablesResolver, createTheme } from '@mantine/core';

const SANS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif';
const MONO =
  'ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace';

export const theme = createTheme({
  fontFamily: SANS,
  fontFamilyMonospace: MONO,
  primaryColor: 'indigo',
  primaryShade: { light: 8, dark: 7 }, // white on 6 has a contrast of 3.6 only
  defaultRadius: 'sm',
  cursorType: 'pointer',
  respectReducedMotion: true,
  headings: { fontWeight: '650', sizes: { h1: { fontSize: '1.375rem', lineHeight: '1.3' } } },
  components: {
    Tooltip: { defaultProps: { withArrow: true } },
    Button: { defaultProps: { size: 'sm' } },
    Modal: {
      defaultProps: {
        centered: true,
        transitionProps: { duration: 80 },
        closeButtonProps: { 'aria-label': 'Close' },
      },
    },
  },
});

/** Mantine's own greys for lesser text and placeholders are too pale to be read by everybody. */
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-dimmed': '#5c636a',
    '--mantine-color-placeholder': '#6b7279',
    '--mantine-color-error': '#c92a2a',
    '--mantine-color-body': '#fff',
  },
  dark: {
    '--mantine-color-dimmed': '#a3a8ad',
    '--mantine-color-placeholder': '#969ca2',
    '--mantine-color-error': '#ff8787',
    '--mantine-color-body': '#16181b',
  },
});
