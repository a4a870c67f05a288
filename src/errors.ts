/**
 * What the loop does with an error follows from its class alone:
 * - `usage`: what a person typed or configured is wrong; say so and end with exit code 2.
 * - `terminal`: trying again cannot help; record it.
 * - `waiting`: nothing is wrong, but something else has to happen first; try again after `retryAfterMs`.
 * - `transient`: a network, server or disk fault; back off and try again.
 */
export type ErrorClass = 'usage' | 'terminal' | 'waiting' | 'transient';

export interface ErrorDetails {
  /** What to do about it: one sentence, the next command to type if there is one. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Milliseconds until another try makes sense, where the other side said so. */
  readonly retryAfterMs?: number;
}

/**
 * The one error type of runledger. `code` is CamelCase and stable (tests and machines go by it); `message` is a
 * sentence for a person that says where and what, and never holds a credential.
 */
export class CodedError extends Error {
  override readonly name = 'CodedError';
  readonly errorClass: ErrorClass;
  readonly code: string;
  readonly hint: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(errorClass: ErrorClass, code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.errorClass = errorClass;
    this.code = code;
    this.hint = details.hint;
    this.retryAfterMs = details.retryAfterMs;
  }
}

type Factory = (code: string, message: string, details?: ErrorDetails) => CodedError;

export const usageError: Factory = (code, message, details) => new CodedError('usage', code, message, details);
export const terminalError: Factory = (code, message, details) => new CodedError('terminal', code, message, details);
export const waitingError: Factory = (code, message, details) => new CodedError('waiting', code, message, details);
export const transientError: Factory = (code, message, details) => new CodedError('transient', code, message, details);

/** True for a CodedError, of the given code where one is given. */
export function isCoded(error: unknown, code?: string): error is CodedError {
  return error instanceof CodedError && (code === undefined || error.code === code);
}

/** One line for any thrown value: a message without a stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A thrown value as a coded error: itself if it is one, else what `make` makes of its message. */
export function asCoded(error: unknown, make: (message: string) => CodedError): CodedError {
  return isCoded(error) ? error : make(messageOf(error));
}
