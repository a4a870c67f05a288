/** Notices that nothing has happened for a while. */
export interface IdleWatch {
  /** Something has happened. */
  touch(): void;
  stop(): void;
}

/** How long output may pause before what there is of a line is shown. */
export const IDLE_MS = 1_000;

/** Calls `idle` once each time that nothing has happened for so long after something had. Keeps no process alive. */
export function createIdleWatch(idle: () => void, ms: number = IDLE_MS): IdleWatch {
  let timer: NodeJS.Timeout | undefined;
  return {
    touch() {
      if (timer) timer.refresh();
      else timer = setTimeout(idle, ms).unref();
    },
    stop: () => clearTimeout(timer),
  };
}
