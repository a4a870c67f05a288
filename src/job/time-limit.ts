import { type Context, createContext, Script } from 'node:vm';

/**
 * Calls a function and ends it after a time, in milliseconds, wherever it is: the one way to stop a regular expression, or
 * anything else that does not let go of the thread. `slow` when it was ended; what the function throws goes on up. The call takes a
 * tenth of a millisecond.
 */
export function withTimeLimit<Result>(milliseconds: number, call: () => Result): Result | 'slow' {
  sandbox ??= createContext({});
  Object.assign(sandbox, { call });
  try {
    return CALL.runInContext(sandbox, { timeout: milliseconds }) as Result;
  } catch (error) {
    if (isTimeout(error)) return 'slow';
    throw error;
  } finally {
    Object.assign(sandbox, { call: undefined });
  }
}

/** The error is one of the script's own context, and no instance of the Error here. */
function isTimeout(error: unknown): boolean {
  return (
    typeof error === 'object' && error !== null && 'code' in error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
  );
}

/** V8 ends what a script calls with the script. */
const CALL = new Script('call()');
/** Made when first needed, and shared: it holds nothing from one call to the next. */
let sandbox: Context | undefined;
