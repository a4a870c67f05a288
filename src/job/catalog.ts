import { createHash } from 'node:crypto';
import { setImmediate as breathe } from 'node:timers/promises';
import type { JudgedManifest, ManifestProblem, RunnerSet } from '../schemas/index.ts';
import type { Snapshot, SourceFile } from '../sources/port.ts';
import { digestOf } from './digest.ts';
import { type ContentCache, createInputReader, type InputReader, troubleOf } from './inputs.ts';
import type { Catalog, DesiredJob, InvalidJob } from './model.ts';
import { needsFindings } from './needs.ts';
import {
  type NeededJob,
  type ParsedFile,
  type ParsedInvalidJob,
  type ParsedJob,
  type ParsedRunnerSet,
  judgedFile,
  parseManifests,
  unreadable,
} from './parse.ts';
import { placeFindings, tidyProblems } from './problems.ts';
import type { Finding } from './explain.ts';
import { formatPath } from './positions.ts';
import { runsOnFindings, runsOnOf } from './runs-on.ts';
import { didYouMean, quote } from './words.ts';
import { readYaml } from './yaml.ts';

export interface CatalogOptions {
  /** Paths that held manifests according to the ledger: when they no longer parse, that is a problem. */
  readonly knownFiles: ReadonlySet<string>;
  /** What the ledger says of the job that a file held, by path: the same content is not judged again. */
  readonly judged?: (path: string) => { readonly name: string; readonly judged: JudgedManifest } | undefined;
  /** Told now and then how many of the files are read. */
  readonly progress?: (done: number, total: number) => void;
}

export interface CatalogBuilder {
  /**
   * Reads what a snapshot says. What is wrong with manifests is in the catalog; it throws only when the snapshot itself can't be
   * read for now. Files whose path and blob id are those of the last build are not read again. One build at a time.
   */
  build(snapshot: Snapshot, options: CatalogOptions): Promise<Catalog>;
}

interface CachedFile {
  readonly source: SourceFile;
  readonly wasManifest: boolean;
  readonly parsed: ParsedFile;
  /** What the catalog makes of each document, where that is a job that depends on nothing else. */
  readonly jobs: readonly (DesiredJob | undefined)[];
}

/** A document that goes by the name of a job. */
interface Claim {
  readonly file: string;
  readonly source: SourceFile;
  readonly document: ParsedJob | ParsedInvalidJob;
  /** Undefined: it is invalid, or draws in other files. */
  readonly desired: DesiredJob | undefined;
}

/** A document that goes by the name of a runner set. */
interface SetClaim {
  readonly file: string;
  readonly document: ParsedRunnerSet;
}

/** Files between two turns for whatever else the process has to do. */
const FILES_A_TURN = 100;

/**
 * A builder for the snapshots of one source, one after another. It keeps what it has parsed, and of the texts those that it has not.
 * `rules`: the version of runledger, where what it finds is to stand on the ledger, and what stands there is to be believed.
 */
export function createCatalogBuilder(rules?: string): CatalogBuilder {
  let files: ReadonlyMap<string, CachedFile> = new Map();
  const contents: ContentCache = new Map();
  return {
    async build(snapshot, options) {
      const next = await readFiles(snapshot, files, options, rules);
      files = next;
      const inputs = createInputReader(snapshot, contents);
      const catalog = await assemble(snapshot, next, inputs);
      for (const id of contents.keys()) if (!inputs.met.has(id)) contents.delete(id);
      return catalog;
    },
  };
}

async function readFiles(
  snapshot: Snapshot,
  before: ReadonlyMap<string, CachedFile>,
  { knownFiles, judged, progress }: CatalogOptions,
  rules: string | undefined,
): Promise<ReadonlyMap<string, CachedFile>> {
  const files = new Map<string, CachedFile>();
  let read = 0;
  for (const file of snapshot.manifests) {
    const cached = before.get(file.path);
    const wasManifest = knownFiles.has(file.path) || (cached !== undefined && heldManifests(cached));
    // A link keeps its blob id while what it points to changes.
    if (
      cached?.source.id === file.id &&
      (cached.wasManifest || !wasManifest || heldManifests(cached)) &&
      file.mode !== '120000'
    ) {
      files.set(file.path, cached);
      continue;
    }
    const known = file.mode === '120000' ? undefined : judged?.(file.path);
    const isSame = known !== undefined && known.judged.blob === file.id && known.judged.rules === rules;
    const parsed = await readFile(snapshot, file, wasManifest, isSame ? known : undefined);
    files.set(file.path, cacheEntry(file, wasManifest, parsed, rules));
    read += 1;
    if (read % FILES_A_TURN === 0) {
      progress?.(files.size, snapshot.manifests.length);
      await breathe();
    }
  }
  progress?.(files.size, snapshot.manifests.length);
  return files;
}

const heldManifests = ({ parsed }: CachedFile): boolean => parsed.documents.length > 0 || parsed.broken !== null;

async function readFile(
  snapshot: Snapshot,
  file: SourceFile,
  wasManifest: boolean,
  known: { readonly name: string; readonly judged: JudgedManifest } | undefined,
): Promise<ParsedFile> {
  let bytes: Uint8Array;
  try {
    bytes = await snapshot.read(file);
  } catch (error) {
    return unreadable(file.path, `the file ${troubleOf(error).trouble}`);
  }
  return known
    ? judgedFile(file.path, known.name, known.judged, bytes)
    : parseManifests(file.path, bytes, { wasManifest });
}

function cacheEntry(
  source: SourceFile,
  wasManifest: boolean,
  parsed: ParsedFile,
  rules: string | undefined,
): CachedFile {
  // A link keeps its blob id while what it points to changes, and of several documents none is known by the id of the file.
  const isOwn = source.mode !== '120000' && parsed.documents.length === 1 && rules !== undefined;
  const jobs = parsed.documents.map((document) => {
    if (document.kind !== 'job' || document.digest === null) return undefined;
    const { position, digest, outline } = document;
    const judged = isOwn ? { blob: source.id, rules, ...position, digest, outline } : undefined;
    return desiredJob(source.path, document, digest, judged);
  });
  return { source, wasManifest, parsed, jobs };
}

function desiredJob(path: string, document: ParsedJob, digest: string, judged?: JudgedManifest): DesiredJob {
  const { name, outline, position } = document;
  return {
    name,
    outline,
    path,
    position,
    digest,
    ...(judged ? { judged } : {}),
    get manifest() {
      return document.job;
    },
  };
}

async function assemble(
  snapshot: Snapshot,
  files: ReadonlyMap<string, CachedFile>,
  inputs: InputReader,
): Promise<Catalog> {
  const runnerSets = new Map<string, RunnerSet>();
  const sets = new Map<string, readonly SetClaim[]>();
  const problems: ManifestProblem[] = [];
  const brokenFiles = new Map<string, readonly ManifestProblem[]>();
  const claims = new Map<string, [Claim, ...Claim[]]>();
  for (const [file, { source, parsed, jobs: ready }] of files) {
    if (parsed.broken) {
      brokenFiles.set(file, parsed.broken);
      problems.push(...parsed.broken);
    }
    for (const [index, document] of parsed.documents.entries()) {
      if (document.kind === 'problem') problems.push(...document.problems);
      else if (document.kind === 'runnerSet') {
        sets.set(document.name, [...(sets.get(document.name) ?? []), { file, document }]);
        runnerSets.set(document.name, document.runnerSet);
      } else {
        const claim: Claim = { file, source, document, desired: ready[index] };
        const others = claims.get(document.name);
        if (others) others.push(claim);
        else claims.set(document.name, [claim]);
      }
    }
  }
  for (const [name, claimants] of sets) {
    const [first, ...others] = claimants;
    if (!first || others.length === 0) continue;
    runnerSets.delete(name);
    problems.push(...duplicateSets(name, [first, ...others]));
  }
  const jobs = new Map<string, DesiredJob>();
  const invalidJobs = new Map<string, InvalidJob>();
  const needed = needsFindings(neededBy(claims));
  for (const [name, claimants] of claims) {
    const [claim] = claimants;
    const findings = withRunsOn(needed.get(name), claim.document, runnerSets);
    if (claim.desired && claimants.length === 1 && !findings) {
      jobs.set(name, claim.desired); // nearly all of them: without a turn of the event loop for each
      continue;
    }
    const judged = claimants.length > 1 ? duplicates(claimants) : await judge(snapshot, claim, findings ?? [], inputs);
    if ('problems' in judged) invalidJobs.set(name, judged);
    else jobs.set(name, judged);
  }
  // Read last: a folder knows only now whether the files that manifests refer to are as committed.
  const { revision } = snapshot;
  return {
    revision,
    chain: chainOf(revision, jobs),
    jobs,
    runnerSets,
    invalidJobs,
    problems: tidyProblems(problems),
    brokenFiles,
  };
}

/** A work tree that differs from its commit, or that has none, has one name whatever it holds. */
function chainOf(revision: string, jobs: Catalog['jobs']): string {
  if (revision !== 'none' && !revision.endsWith('+dirty')) return revision;
  const lines = Array.from(jobs.values(), ({ name, digest }) => `${name} ${digest}\n`).sort();
  return `${revision}.${createHash('sha256').update(lines.join('')).digest('hex').slice(0, 16)}`;
}

function neededBy(claims: ReadonlyMap<string, readonly Claim[]>): ReadonlyMap<string, readonly NeededJob[]> {
  const needs = new Map<string, readonly NeededJob[]>();
  let any = false;
  for (const [name, claimants] of claims) {
    const list = claimants.flatMap(({ document }) => document.needs);
    any ||= list.length > 0;
    needs.set(name, list);
  }
  return any ? needs : new Map();
}

/** A document that has its name to itself: planned, unless something is wrong with it or with what it refers to. */
async function judge(
  snapshot: Snapshot,
  { file, source, document }: Claim,
  needed: readonly Finding[],
  inputs: InputReader,
): Promise<DesiredJob | InvalidJob> {
  const drawn = document.kind === 'job' && document.digest === null ? await inputs.read(document.job, file) : undefined;
  const findings = [...(drawn?.findings ?? []), ...needed];
  if (document.kind === 'job' && findings.length === 0)
    return desiredJob(file, document, document.digest ?? digestOf(document.job.spec, drawn?.inputs));
  const own = document.kind === 'invalidJob' ? document.problems : [];
  const others = findings.length > 0 ? await placed(snapshot, source, document.index, findings) : [];
  return { name: document.name, path: file, problems: tidyProblems([...own, ...others]) };
}

/** Finds places again in a file whose text was not kept. */
async function placed(
  snapshot: Snapshot,
  source: SourceFile,
  index: number,
  findings: readonly Finding[],
): Promise<readonly ManifestProblem[]> {
  const { path } = source;
  const yaml = readYaml(await snapshot.read(source)).file;
  if (yaml) return placeFindings(path, yaml, index, findings);
  // It was a file with documents a moment ago: it changes while it is read, and is read again.
  return findings.map(({ path: field, message }) => ({
    file: path,
    line: 1,
    column: 1,
    field: formatPath(field),
    message,
  }));
}

/** What is wrong with a job besides: it names a runner set that is not there, or that can't run it. */
function withRunsOn(
  findings: readonly Finding[] | undefined,
  document: ParsedJob | ParsedInvalidJob,
  sets: ReadonlyMap<string, RunnerSet>,
): readonly Finding[] | undefined {
  if (document.kind !== 'job' || document.outline.runsOn === undefined) return findings;
  const { spec } = document.job;
  const name = runsOnOf(spec)?.set ?? '';
  const set = sets.get(name);
  const found: readonly Finding[] = set
    ? runsOnFindings(spec, set)
    : [
        {
          path: typeof spec.runsOn === 'string' ? ['spec', 'runsOn'] : ['spec', 'runsOn', 'set'],
          place: 'value',
          message: `there is no runner set ${quote(name)}${didYouMean(name, sets.keys())}`,
        },
      ];
  return found.length === 0 ? findings : [...(findings ?? []), ...found];
}

/** Of two sets with one name neither is kept. */
function duplicateSets(name: string, claims: readonly [SetClaim, ...SetClaim[]]): readonly ManifestProblem[] {
  const [first] = claims;
  return claims.map(({ file, document }, index) => {
    const other = claims[(index + 1) % claims.length] ?? first;
    const where = `${other.file}:${other.document.position.line}`;
    const message = `another runner set is called ${name}: ${where}; rename one of them`;
    return { file, ...document.position, field: 'metadata.name', message };
  });
}

/** Of two equal names neither is planned. Each document is told of the next one, the last of the first. */
function duplicates(claims: readonly [Claim, ...Claim[]]): InvalidJob {
  const [first] = claims;
  const problems = claims.flatMap(({ file, document }, index): readonly ManifestProblem[] => {
    const other = claims[(index + 1) % claims.length] ?? first;
    const where = `${other.file}:${other.document.position.line}`;
    const message = `another job is called ${document.name}: ${where}; rename one of them`;
    const own = document.kind === 'invalidJob' ? document.problems : [];
    return [...own, { file, ...document.position, field: 'metadata.name', message }];
  });
  return { name: first.document.name, path: first.file, problems: tidyProblems(problems) };
}
