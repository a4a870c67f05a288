/** Compares two versions by Semantic Versioning 2.0.0, §11: below, above or equal to zero. Build metadata does not count. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parts(a), parts(b)];
  return compareLists(left.core, right.core) || comparePre(left.pre, right.pre);
}

function parts(version: string): { readonly core: readonly string[]; readonly pre: readonly string[] } {
  const [core = '', ...pre] = (version.split('+')[0] ?? '').split('-');
  return { core: core.split('.'), pre: pre.length === 0 ? [] : pre.join('-').split('.') };
}

/** A version is above its own pre-releases. */
function comparePre(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return b.length - a.length;
  return compareLists(a, b);
}

function compareLists(a: readonly string[], b: readonly string[]): number {
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const order = compareOne(a[index], b[index]);
    if (order !== 0) return order;
  }
  return 0;
}

/** Numbers are below words, and what is missing is below both. */
function compareOne(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? -1 : 1;
  const [left, right] = [a, b].map((part) => (/^\d+$/.test(part) ? Number(part) : null)) as [
    number | null,
    number | null,
  ];
  if (left !== null && right !== null) return left - right;
  if (left === null && right === null) return a === b ? 0 : a < b ? -1 : 1;
  return left === null ? 1 : -1;
}
