/** Outcome variables that one attempt may set. */
export const MAX_VARIABLES = 64;
/** Bytes of UTF-8 that the value of one variable may have. */
export const MAX_VALUE = 32 * 1024;

const KEY = /^[A-Za-z_][A-Za-z0-9_.-]{0,127}$/;

export interface Variables {
  /** The last value counts. One that is refused leaves a warning, and the value before it in force. */
  set(key: string, value: string): void;
  /** Says that the value of this variable was too large. */
  refuseSize(key: string): void;
  readonly values: ReadonlyMap<string, string>;
}

/** The outcome variables of an attempt, within their limits; `warn` hears of those that are refused. */
export function createVariables(warn: (warning: string) => void): Variables {
  const values = new Map<string, string>();
  const refuseSize = (key: string): void =>
    warn(`outcome variable ${key} is larger than 32 KiB and was not set; write large results to $RUNLEDGER_OUTPUT`);
  return {
    values,
    refuseSize,
    set(key, value) {
      if (!KEY.test(key)) {
        const shown = JSON.stringify(key.slice(0, 40));
        warn(`${shown} is no name of an outcome variable and was not set; write letters, digits and _ . -`);
      } else if (Buffer.byteLength(value) > MAX_VALUE) refuseSize(key);
      else if (!values.has(key) && values.size >= MAX_VARIABLES)
        warn(`outcome variable ${key} was not set: a run has at most ${MAX_VARIABLES} of them`);
      else values.set(key, value);
    },
  };
}
