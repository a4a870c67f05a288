/** The parts of an image reference, with the defaults of Docker's registry in place. */
export interface ImageName {
  /** Registry and repository: `docker.io/library/alpine`. */
  readonly name: string;
  readonly tag: string | null;
  /** With its algorithm: `sha256:…`. */
  readonly digest: string | null;
}

const DOCKER = 'docker.io';

/**
 * An image reference as container runtimes understand it: `alpine` is `docker.io/library/alpine:latest`. What stands
 * before the first `/` is a registry if it has a dot or a port, or is `localhost`
 * (https://github.com/distribution/reference/blob/main/normalize.go).
 */
export function parseImage(reference: string): ImageName {
  const { name, tag, digest } = splitImage(reference);
  return { name: qualified(name), tag: tag ?? (digest === null ? 'latest' : null), digest };
}

/** The reference in full: what is shown to a person who has to write a rule for it. */
export function imageText({ name, tag, digest }: ImageName): string {
  return `${name}${tag === null ? '' : `:${tag}`}${digest === null ? '' : `@${digest}`}`;
}

/**
 * Whether one of the globs allows the image. `*` stands for anything but `/`, `**` for anything. A glob without a tag or
 * digest covers all of them; `*` alone every image.
 */
export function imageMatches(reference: string, globs: readonly string[]): boolean {
  const image = parseImage(reference);
  const { name, tag, digest } = image;
  const ways = [name, imageText(image)];
  if (tag !== null) ways.push(`${name}:${tag}`);
  if (digest !== null) ways.push(`${name}@${digest}`);
  return globs.some((glob) => {
    if (glob === '*' || glob === '**') return true;
    const pattern = globExpression(imageText({ ...splitImage(glob), name: qualified(splitImage(glob).name) }));
    return ways.some((way) => pattern.test(way));
  });
}

/** Whether one of the globs matches the whole text; `*` does not cross a `/`. */
export function globMatches(text: string, globs: readonly string[]): boolean {
  return globs.some((glob) => globExpression(glob).test(text));
}

function globExpression(glob: string): RegExp {
  const parts = glob.split(/(\*\*|\*|\?)/).map((part) => {
    if (part === '**') return '.*';
    if (part === '*') return '[^/]*';
    return part === '?' ? '[^/]' : part.replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`);
  });
  return new RegExp(`^${parts.join('')}$`, 's');
}

function splitImage(reference: string): ImageName {
  const [front = '', digest = null] = reference.split('@', 2);
  const colon = front.lastIndexOf(':');
  return colon > front.lastIndexOf('/')
    ? { name: front.slice(0, colon), tag: front.slice(colon + 1), digest }
    : { name: front, tag: null, digest };
}

function qualified(name: string): string {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const hasRegistry = /[.:]/.test(first) || first === 'localhost' || first.startsWith('*');
  if (!hasRegistry) return slash < 0 ? `${DOCKER}/library/${name}` : `${DOCKER}/${name}`;
  if (first !== 'index.docker.io' && first !== DOCKER) return name;
  const rest = name.slice(slash + 1);
  return rest.includes('/') || rest.startsWith('*') ? `${DOCKER}/${rest}` : `${DOCKER}/library/${rest}`;
}
