/** The suffixes of Kubernetes quantities: decimal, and binary in steps of 1024. */
const SCALE: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

const QUANTITY = /^(\d+\.?\d*|\.\d+)(?:([eE][+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i))?$/;

/** The number of a Kubernetes quantity (`500m` is 0.5, `1Ki` is 1024); undefined when it is none, or negative. */
export function parseQuantity(quantity: string | number): number | undefined {
  if (typeof quantity === 'number') return Number.isFinite(quantity) && quantity >= 0 ? quantity : undefined;
  const match = QUANTITY.exec(quantity);
  if (!match) return undefined;
  const [, digits = '', exponent = '', suffix = ''] = match;
  const number = exponent === '' ? Number(digits) * (SCALE[suffix] ?? 1) : Number(digits + exponent);
  return Number.isFinite(number) ? number : undefined;
}

/** Whole bytes of a size that the schema has let through (`256Ki`). Throws a TypeError for any other value. */
export function bytesOf(size: string | number): number {
  const parsed = parseQuantity(size);
  if (parsed === undefined) throw new TypeError(`${JSON.stringify(size)} is not a size`);
  return Math.ceil(parsed);
}

/** Bytes for a person to read: `812 bytes`, `1.4 MB`; in steps of 1000. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return bytes === 1 ? '1 byte' : `${bytes} bytes`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let size = bytes;
  let unit = -1;
  while (size >= 999.95 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${size.toFixed(1).replace(/\.0$/, '')} ${units[unit]}`;
}
