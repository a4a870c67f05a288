import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { AttemptEnding, AttemptOutput, RunKey, RunRecord } from '../port.ts';
import { createDurably, placeFolder, readJson, removeTree, systemCode, writeDurably } from './durable.ts';
import type { ProcessIdentity } from './identity.ts';
import { pathsWithin, type RunPaths, runName, type StatePaths } from './layout.ts';

/** A runner of a process: who executes or records a run. */
export interface Holder extends ProcessIdentity {
  readonly id: string;
}

/** A run and who executes it. */
export interface Claim {
  readonly format: 1;
  readonly record: RunRecord;
  readonly owner: Holder;
}

/** What a running attempt is at. */
export interface RunningState {
  /** RFC 3339, UTC: when the first step started. */
  readonly started: string;
  readonly step: string;
  /** The process of the step, which leads its process group. */
  readonly leader: ProcessIdentity | null;
}

/** How the one attempt of a run ended. */
export interface FinishedAttempt {
  readonly started: string | null;
  readonly finished: string;
  readonly ending: AttemptEnding;
  readonly output: AttemptOutput;
}

interface EndingFile extends Omit<FinishedAttempt, 'output'> {
  readonly format: 1;
  readonly output: Omit<AttemptOutput, 'log'>;
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 1)}\n`;

/** What was prepared and never used, or was on its way out, is removed when it is older. */
const LITTER_MS = 3_600_000;

/** The durable state of the process runner. */
export interface RunStore {
  /**
   * Claims a run: its folder appears at once and whole, or not at all. False when it is claimed already. `fill` puts
   * further things into the folder before.
   */
  claim(claim: Claim, fill: (paths: RunPaths) => Promise<void>): Promise<boolean>;
  /** The names of the runs that are claimed and not released, in order. */
  names(): Promise<readonly string[]>;
  paths(key: RunKey | string): RunPaths;
  readClaim(paths: RunPaths): Promise<Claim | undefined>;
  readState(paths: RunPaths): Promise<RunningState | undefined>;
  readEnding(paths: RunPaths): Promise<FinishedAttempt | undefined>;
  /** Makes an ending durable; false when there is one already, which then counts. */
  writeEnding(paths: RunPaths, attempt: FinishedAttempt): Promise<boolean>;
  /** Puts `heir` in the place of a holder that has died; returns who has it now, which may be somebody faster. */
  inherit(paths: RunPaths, dead: Holder, heir: Holder): Promise<Holder>;
  /** Who has taken the place of a holder, if anybody has. */
  heirOf(paths: RunPaths, holder: Holder): Promise<Holder | undefined>;
  remove(key: RunKey): Promise<void>;
  /** Removes what crashes have left in staging and trash. `now`: milliseconds since 1970. */
  sweep(now: number): Promise<void>;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

const heirPath = (paths: RunPaths, { id }: Holder): string => join(paths.folder, `heir-of-${id}.json`);

export function createRunStore(state: StatePaths, workspaces: string | undefined): RunStore {
  const paths = (key: RunKey | string): RunPaths => {
    const name = typeof key === 'string' ? key : runName(key);
    return pathsWithin(join(state.runs, name), name, workspaces);
  };
  const readLog = (path: string): Promise<Buffer> => readFile(path);

  return {
    paths,
    names: () => namesIn(state.runs),
    readClaim: ({ claim }) => readJson<Claim>(claim),
    readState: ({ state: path }) => readJson<RunningState>(path),
    async claim(claim, fill) {
      const prepared = pathsWithin(join(state.staging, randomUUID()), runName(claim.record), workspaces);
      await mkdir(state.runs, { recursive: true });
      await mkdir(prepared.folder, { recursive: true });
      let placed = false;
      try {
        await fill(prepared);
        await writeDurably(prepared.claim, json(claim));
        placed = await placeFolder(prepared.folder, paths(claim.record).folder);
      } finally {
        if (!placed) await removeTree(prepared.folder);
      }
      return placed;
    },
    async readEnding(at) {
      const file = await readJson<EndingFile>(at.ending);
      if (!file) return undefined;
      const { started, finished, ending, output } = file;
      return { started, finished, ending, output: { ...output, log: await readLog(at.log) } };
    },
    async writeEnding(at, { output: { log, ...output }, ...attempt }) {
      if (await readJson<EndingFile>(at.ending)) return false;
      await writeDurably(at.log, log);
      const file: EndingFile = { format: 1, ...attempt, output };
      return createDurably(at.ending, json(file));
    },
    async inherit(at, dead, heir) {
      await createDurably(heirPath(at, dead), json(heir));
      return (await readJson<Holder>(heirPath(at, dead))) ?? heir;
    },
    heirOf: (at, holder) => readJson<Holder>(heirPath(at, holder)),
    async remove(key) {
      const at = paths(key);
      const away = join(state.trash, `${basename(at.folder)}.${randomUUID()}`);
      await mkdir(state.trash, { recursive: true });
      try {
        await rename(at.folder, away);
      } catch (error) {
        if (systemCode(error) === 'ENOENT') return; // released already
        throw error;
      }
      await removeTree(away);
      if (workspaces !== undefined) await removeTree(at.workspace);
    },
    async sweep(now) {
      for (const folder of [state.staging, state.trash])
        for (const name of await namesIn(folder)) {
          const litter = join(folder, name);
          const modified = await stat(litter).then(
            ({ mtimeMs }) => mtimeMs,
            () => now,
          );
          if (now - modified > LITTER_MS) await removeTree(litter).catch(() => rm(litter, { force: true }));
        }
    },
  };
}
