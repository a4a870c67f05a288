/** A small generator of numbers (mulberry32): the same seed gives the same corpus. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const WORDS =
  'the build step module cache request response handler user table index query worker queue retry connection closed opened package version resolved compiled linked tested passed failed warning config server client token session upload download bytes chunk layer image registry node pod volume mount secret'.split(
    ' ',
  );

export const randomText = (random: () => number, length: number): string =>
  Array.from({ length }, () => ALPHABET[Math.floor(random() * ALPHABET.length)]).join('');

/** Secrets of the usual kinds: tokens, passwords with special characters, connection strings, and a key of several lines. */
export function secretsOf(count: number, random: () => number): string[] {
  return Array.from({ length: count }, (_, index) => {
    if (index % 50 === 7)
      return `-----BEGIN PRIVATE KEY-----\n${Array.from({ length: 12 }, () => randomText(random, 64)).join('\n')}\n-----END PRIVATE KEY-----\n`;
    if (index % 5 === 1) return `${randomText(random, 7)}&${randomText(random, 5)}/%"${randomText(random, 4)}`;
    if (index % 5 === 2) return `postgres://app:${randomText(random, 16)}@db-${index}:5432/app`;
    return `ghp_${randomText(random, 36)}`;
  });
}

/**
 * What builds and services print: plain lines, JSON, stack traces, timestamps, paths and digests; of each 100 lines 5 with
 * colours, 2 with other characters than ASCII, 1 that is drawn anew by a carriage return. A secret stands in every 2,000th line.
 */
export function logCorpus(bytes: number, secrets: readonly string[], random: () => number): Buffer {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const words = (count: number): string => Array.from({ length: count }, () => pick(WORDS)).join(' ');
  const hex = (length: number): string => Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join('');
  const time = (): string => new Date(1.79e12 + random() * 1e9).toISOString();
  const kinds: readonly (() => string)[] = [
    () => `${time()} INFO  [${pick(WORDS)}-${Math.floor(random() * 16)}] ${words(9)}`,
    () =>
      `{"level":"info","ts":"${time()}","caller":"pkg/${pick(WORDS)}.go:${Math.floor(random() * 900)}","msg":"${words(7)}","bytes":${Math.floor(random() * 1e6)}}`,
    () =>
      `    at ${pick(WORDS)}.${pick(WORDS)} (/workspace/node_modules/${pick(WORDS)}/lib/${pick(WORDS)}.js:${Math.floor(random() * 999)}:${Math.floor(random() * 80)})`,
    () => `ok  \tgithub.com/acme/${pick(WORDS)}/${pick(WORDS)}\t${(random() * 9).toFixed(3)}s`,
    () => `#12 ${(random() * 90).toFixed(3)} sha256:${hex(64)} ${Math.floor(random() * 90)}MB / 90MB`,
    () => `${words(14)}: std::${pick(WORDS)}::${pick(WORDS)}(${hex(8)})`,
    () => words(4),
  ];
  const parts: string[] = [];
  let size = 0;
  for (let line = 0; size < bytes; line += 1) {
    const share = line % 100;
    const text = pick(kinds)();
    const decorated =
      share % 20 === 3
        ? `\x1b[32m✓\x1b[0m ${text}\x1b[2K`
        : share % 50 === 9
          ? `${text} größer → 漢字`
          : share === 77
            ? `Downloading 10%\rDownloading 55%\r${text}`
            : text;
    const whole = line % 2000 === 1999 ? `${decorated} token=${pick(secrets)} ${words(2)}` : decorated;
    parts.push(`${whole}\n`);
    size += whole.length + 1;
  }
  return Buffer.from(parts.join(''));
}
