import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { AttemptArtifacts, AttemptEnding, AttemptOutput, RunKey, RunRecord } from '../port.ts';
import type { Reason } from '../../schemas/index.ts';
import {
  createDurably,
  createFolderDurably,
  exists,
  makeFolderDurably,
  placeFolder,
  readJson,
  removeTree,
  syncFolders,
  systemCode,
  writeDurably,
} from './durable.ts';
import type { ProcessIdentity } from './identity.ts';
import {
  type AttemptName,
  type AttemptPaths,
  attemptOfFolder,
  attemptPaths,
  pathsWithin,
  type RunPaths,
  runName,
  type StatePaths,
} from './layout.ts';

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

/** How an attempt ended. */
export interface FinishedAttempt {
  readonly started: string | null;
  readonly finished: string;
  readonly ending: AttemptEnding;
  readonly output: AttemptOutput;
  readonly artifacts?: AttemptArtifacts;
}

interface EndingFile extends Omit<FinishedAttempt, 'output'> {
  readonly format: 1;
  readonly output: Omit<AttemptOutput, 'log'>;
}

/** A wish that a run be cancelled. */
export interface CancelWish {
  readonly reason: Reason;
  /** Who wishes it, where it is a person. */
  readonly by?: string;
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 1)}\n`;

/** What was prepared and never used, or was on its way out, is removed when it is older. */
const LITTER_MS = 3_600_000;

/** The durable state of the process runner. */
export interface RunStore {
  /** Claims a run: its folder appears at once and whole, or not at all. False when it is claimed already. */
  claim(claim: Claim): Promise<boolean>;
  /** Puts down what the run executes; what is there already stays. `fill` writes its files. */
  hold(record: RunRecord, fill: (paths: RunPaths) => Promise<void>): Promise<void>;
  /** Makes an attempt: false when it was made before. */
  makeAttempt(key: RunKey, attempt: AttemptName): Promise<boolean>;
  /** Every attempt that was made. */
  attempts(key: RunKey): Promise<readonly AttemptName[]>;
  attemptPaths(key: RunKey, attempt: AttemptName): AttemptPaths;
  /** The names of the runs that are claimed and not released, in order. */
  names(): Promise<readonly string[]>;
  paths(key: RunKey | string): RunPaths;
  readClaim(paths: RunPaths): Promise<Claim | undefined>;
  /** The run as it is executed; undefined until that is put down. */
  readRecord(paths: RunPaths): Promise<RunRecord | undefined>;
  readState(paths: AttemptPaths): Promise<RunningState | undefined>;
  readEnding(paths: AttemptPaths): Promise<FinishedAttempt | undefined>;
  /** Puts down that the run is to end; the first wish counts. Nothing for a run that is not claimed. */
  wishCancelled(key: RunKey, wish: CancelWish): Promise<void>;
  /** Why the run is to end, once somebody has said so. */
  cancelWish(paths: RunPaths): Promise<CancelWish | undefined>;
  /** Makes an ending durable; false when there is one already, which then counts. */
  writeEnding(paths: AttemptPaths, attempt: FinishedAttempt): Promise<boolean>;
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
    return pathsWithin(join(state.runs, name));
  };
  const readLog = (path: string): Promise<Buffer> => readFile(path);
  /** By run: two at once would take away each other's files. Only the process whose claim it is puts anything down. */
  const holding = new Map<string, Promise<void>>();
  const putDown = async (record: RunRecord, fill: (to: RunPaths) => Promise<void>): Promise<void> => {
    const at = paths(record);
    if (await exists(at.record)) return;
    // Files that a crash has left behind are written anew: only the record says that they are whole.
    await removeTree(at.files);
    await fill(at);
    await syncFolders(at.files);
    await createDurably(at.record, json(record));
  };

  return {
    paths,
    names: () => namesIn(state.runs),
    readClaim: ({ claim }) => readJson<Claim>(claim),
    readState: ({ state: path }) => readJson<RunningState>(path),
    async claim(claim) {
      const prepared = pathsWithin(join(state.staging, randomUUID()));
      await makeFolderDurably(state.runs);
      await mkdir(prepared.folder, { recursive: true });
      let placed = false;
      try {
        await writeDurably(prepared.claim, json(claim));
        placed = await placeFolder(prepared.folder, paths(claim.record).folder);
      } finally {
        if (!placed) await removeTree(prepared.folder);
      }
      return placed;
    },
    readRecord: ({ record }) => readJson<RunRecord>(record),
    hold(record, fill) {
      const name = runName(record);
      const underWay = holding.get(name) ?? putDown(record, fill).finally(() => holding.delete(name));
      holding.set(name, underWay);
      return underWay;
    },
    async makeAttempt(key, attempt) {
      await makeFolderDurably(paths(key).attempts);
      return createFolderDurably(attemptPaths(paths(key), key, attempt, workspaces).folder);
    },
    async attempts(key) {
      const names = await namesIn(paths(key).attempts);
      return names.flatMap((name) => attemptOfFolder(name) ?? []);
    },
    attemptPaths: (key, attempt) => attemptPaths(paths(key), key, attempt, workspaces),
    async readEnding(at) {
      const file = await readJson<EndingFile>(at.ending);
      if (!file) return undefined;
      const { format: _format, output, ...attempt } = file;
      return { ...attempt, output: { ...output, log: await readLog(at.log) } };
    },
    async writeEnding(at, { output: { log, ...output }, ...attempt }) {
      if (await readJson<EndingFile>(at.ending)) return false;
      await writeDurably(at.log, log);
      const file: EndingFile = { format: 1, ...attempt, output };
      return createDurably(at.ending, json(file));
    },
    async wishCancelled(key, wish) {
      const at = paths(key);
      try {
        await createDurably(at.cancel, json(wish));
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') throw error; // else it is not claimed, or was just released
      }
    },
    cancelWish: ({ cancel }) => readJson<CancelWish>(cancel),
    async inherit(at, dead, heir) {
      await createDurably(heirPath(at, dead), json(heir));
      return (await readJson<Holder>(heirPath(at, dead))) ?? heir;
    },
    heirOf: (at, holder) => readJson<Holder>(heirPath(at, holder)),
    async remove(key) {
      const at = paths(key);
      const made = workspaces === undefined ? [] : await this.attempts(key);
      const away = join(state.trash, `${basename(at.folder)}.${randomUUID()}`);
      await mkdir(state.trash, { recursive: true });
      try {
        await rename(at.folder, away);
      } catch (error) {
        if (systemCode(error) === 'ENOENT') return; // released already
        throw error;
      }
      await removeTree(away);
      for (const attempt of made) await removeTree(attemptPaths(at, key, attempt, workspaces).workspace);
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
