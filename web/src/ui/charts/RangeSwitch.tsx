// RangeSwitch: how far back the charts of a page reach.
import { SegmentedControl } from '@mantine/core';
import { RANGES, type Range, type RangeKey } from './ranges';

const DATA = RANGES.map((range) => ({ value: range.key, label: range.label }));

export function RangeSwitch({ range, onChange }: { range: Range; onChange: (key: RangeKey) => void }) {
  return (
    <SegmentedControl
      size="xs"
      aria-label="How far back"
      data={DATA}
      value={range.key}
      onChange={(key) => onChange(key as RangeKey)}
    />
  );
}
