import { duration } from '../../ledger/text.ts';
import type { Check } from './check.ts';

/** Up to here nobody notices. */
const FINE_MS = 5_000;
/** From here on a lease may look held or free when it is not, and certificates and tokens count as not valid yet. */
const TOO_MUCH_MS = 60_000;

/** What a server's clock said, and between which moments of ours it said it; milliseconds since 1970. */
export interface ClockReading {
  /** A `Date` header: whole seconds (RFC 9110, 5.6.7). */
  readonly date: string;
  readonly sent: number;
  readonly received: number;
}

/**
 * By how many milliseconds a server's clock is ahead of ours at least (negative: behind), given that a header says whole seconds and
 * that the answer took its time; 0 where both may agree, null for no time.
 */
export function skewOf({ date, sent, received }: ClockReading): number | null {
  const second = Date.parse(date);
  if (Number.isNaN(second)) return null;
  const least = second - received;
  const most = second + 1_000 - sent;
  return least > 0 ? least : most < 0 ? most : 0;
}

export function clockCheck(area: Check['area'], of: string, reading: ClockReading | undefined): Check {
  const skew = reading ? skewOf(reading) : null;
  const common = { area, name: 'clock' } as const;
  if (skew === null) return { ...common, state: 'skipped', message: `${of} does not say what time it is` };
  const size = Math.abs(skew);
  if (size <= FINE_MS) return { ...common, state: 'ok', message: `this machine and ${of} have the same time` };
  return {
    ...common,
    state: size > TOO_MUCH_MS ? 'fail' : 'warn',
    message: `the clock of this machine is ${duration(size)} ${skew > 0 ? 'behind' : 'ahead of'} that of ${of}`,
    hint: 'have both keep time by NTP (timedatectl set-ntp true): schedules, leases and tokens go by it',
  };
}
