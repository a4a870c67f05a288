import type { Runner } from '../../runner/port.ts';

/** The attempts that a source may have at once, shared by the source itself and its pull requests. */
export interface Share {
  /** `room` is called when others have fewer than before: whoever waits for room looks again. */
  join(room: () => void): ShareMember;
}

/** One who takes from it. */
export interface ShareMember {
  /** What the others leave, its own attempts included. Two who look in the same moment may both take what is left. */
  capacity(): number;
  /** The same runner, whose attempts count. */
  counted(runner: Runner): Runner;
  leave(): void;
}

const NOBODY = { running: 0, room: (): void => undefined };

export function createShare(total: number): Share {
  const members = new Map<symbol, { running: number; readonly room: () => void }>();
  const ringOthers = (own: symbol): void => {
    for (const [id, { room }] of members) if (id !== own) room();
  };
  return {
    join(room) {
      const id = Symbol('member');
      members.set(id, { running: 0, room });
      const count = (running: number): void => {
        const member = members.get(id) ?? NOBODY;
        const isLess = running < member.running;
        if (member !== NOBODY) member.running = running;
        if (isLess) ringOthers(id);
      };
      return {
        capacity() {
          const others = Array.from(members).filter(([other]) => other !== id);
          return Math.max(0, total - others.reduce((sum, [, { running }]) => sum + running, 0));
        },
        counted: (runner) => ({
          ...runner,
          async list(signal) {
            const runs = await runner.list(signal);
            count(runs.reduce((sum, { attempts }) => sum + attempts.filter(({ ending }) => ending === null).length, 0));
            return runs;
          },
          start(record, files, attempts, signal, isRecorded) {
            count((members.get(id)?.running ?? 0) + attempts.length);
            return runner.start(record, files, attempts, signal, isRecorded);
          },
        }),
        leave() {
          members.delete(id);
          ringOthers(id);
        },
      };
    },
  };
}
