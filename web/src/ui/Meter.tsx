// Meter: how much of something is used and how much reserved, in one bar.
import { percent } from '../lib/amounts';

interface MeterProps {
  label: string;
  /** What is measured to be in use. */
  used: number | null;
  reserved: number | null;
  total: number;
  /** The same in words. */
  told: string;
}

export function Meter({ label, used, reserved, total, told }: MeterProps) {
  const usedShare = used === null ? null : percent(used, total);
  const reservedShare = reserved === null ? null : percent(reserved, total);
  return (
    <div className="meter">
      <div className="meter-head">
        <span>{label}</span>
        <span className="figure">{told}</span>
      </div>
      <svg
        className="meter-bar"
        viewBox="0 0 100 8"
        preserveAspectRatio="none"
        role="img"
        aria-label={`${label}: ${told}`}
      >
        <rect className="meter-all" width="100" height="8" />
        {reservedShare !== null && <rect className="meter-reserved" width={reservedShare} height="8" />}
        {usedShare !== null && (
          <rect
            className={usedShare > 90 ? 'meter-used meter-full' : 'meter-used'}
            width={usedShare}
            y={reservedShare === null ? 0 : 2.5}
            height={reservedShare === null ? 8 : 3}
          />
        )}
      </svg>
    </div>
  );
}
