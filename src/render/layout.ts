/** Where things lie in the containers of a pod. */
export const PATHS = {
  /** The payload: scripts, and the gate where there is one. */
  payload: '/runledger/payload',
  /** The job's `files` with relative paths: RUNLEDGER_FILES. */
  files: '/runledger/files',
  workspace: '/runledger/workspace',
  home: '/runledger/home',
  output: '/runledger/output',
  shared: '/runledger/shared',
  /** The gate's busybox: read-only for steps. */
  gate: '/runledger/gate',
  /** What the gates of a pod tell each other. */
  state: '/runledger/state',
  /** The token of the attempt, for runledger's own containers. */
  token: '/runledger/token',
  /** Where a runner of a set waits for its attempt. */
  handover: '/runledger/handover',
  /** Where the folders of services in memory are made. */
  tmpfs: '/runledger/tmpfs',
} as const;

/** What the names of runledger's own containers and volumes begin with. */
export const OWN_PREFIX = 'runledger-';

/** The volumes of a pod that are runledger's. An overlay may replace the writable ones, such as the workspace. */
export const VOLUMES = {
  payload: 'runledger-payload',
  files: 'runledger-files',
  /** The job's `files` with absolute paths. */
  absoluteFiles: 'runledger-absolute-files',
  workspace: 'runledger-workspace',
  home: 'runledger-home',
  output: 'runledger-output',
  shared: 'runledger-shared',
  gate: 'runledger-gate',
  state: 'runledger-state',
  /** The token of the attempt. No step mounts it. */
  token: 'runledger-token',
  handover: 'runledger-handover',
  /** A folder for each service, which is its HOME. */
  serviceHomes: 'runledger-service-homes',
} as const;

/** The init container that brings the gate's busybox; no step of the job. */
export const GATE_CONTAINER = 'runledger-gate';

/** The init container that puts the files of the revision into the workspace. */
export const CHECKOUT_CONTAINER = 'runledger-checkout';

/** The container behind the last gate, which sends the artifacts. */
export const ARTIFACTS_CONTAINER = 'runledger-artifacts';

/** How long sending artifacts may take, with all tries. */
export const UPLOAD_S = 120;

/** The command line in runledger's own image (Dockerfile). */
export const OWN_PROGRAM: readonly string[] = ['node', '--max-semi-space-size=8', '/app/dist/src/cli/main.js'];

/** The key of the token in its Secret, and the name of its file. */
export const TOKEN_KEY = 'token';

export const GATE_SCRIPT = `${PATHS.payload}/gate`;
export const GATE_BUSYBOX = `${PATHS.gate}/busybox`;

/** Keys of the payload. */
export const KEYS = {
  /** The run as it was planned. */
  record: 'record',
  /** Which run it is, in words: what every pod mounts, so that none starts without the payload. */
  run: 'run',
  gate: 'gate',
  script: (step: string): string => `script.${step}`,
  /** By the position in `spec.files`: paths hold characters that keys can't. Contents that differ per task have a variant. */
  file: (index: number, variant?: string): string => `file.${index}${variant === undefined ? '' : `.${variant}`}`,
} as const;

/** Where a step's script lies in its container. */
export const scriptPath = (step: string): string => `${PATHS.payload}/steps/${step}`;
