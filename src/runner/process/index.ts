/** Runs jobs as processes of this machine. */
export { createProcessRunner, type ProcessRunner, type ProcessRunnerOptions } from './runner.ts';
export type { KeepArtifacts } from './attempt.ts';
export { readSecretsFile, type Secrets } from './secrets.ts';
export { acquireLock, type Lock, type LockHolder, type LockOptions } from './lock.ts';
export { followRun, type FollowOptions } from './follow.ts';
export { createProcesses, type Processes, type ProcessIdentity } from './identity.ts';
export { attemptOutput } from './layout.ts';
export { INHERITED } from './environment.ts';
export { refusedFields } from './support.ts';
