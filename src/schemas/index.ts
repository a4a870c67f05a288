/** The formats that runledger reads and writes: their types, and validators made from the same JSON Schemas. */
import type * as AjvLibrary from 'ajv/dist/2020.js';
import type { Ajv2020, AnySchemaObject, Options, ValidateFunction } from 'ajv/dist/2020.js';
import { createRequire } from 'node:module';
import common from '../../schemas/common.json' with { type: 'json' };
import config from '../../schemas/config.json' with { type: 'json' };
import invalid from '../../schemas/invalid.json' with { type: 'json' };
import job from '../../schemas/job.json' with { type: 'json' };
import jobstatus from '../../schemas/jobstatus.json' with { type: 'json' };
import outcome from '../../schemas/outcome.json' with { type: 'json' };
import plan from '../../schemas/plan.json' with { type: 'json' };
import request from '../../schemas/request.json' with { type: 'json' };
import runnerset from '../../schemas/runnerset.json' with { type: 'json' };
import watchevent from '../../schemas/watchevent.json' with { type: 'json' };
import runnersetstatus from '../../schemas/runnersetstatus.json' with { type: 'json' };
import type {
  Config,
  InvalidManifests,
  Job,
  JobStatus,
  Outcome,
  Plan,
  Request,
  RunnerSet,
  WatchEvent,
  RunnerSetStatus,
} from './types.ts';

export type * from './types.ts';

/** The type that each schema describes, by the name of the schema. */
export interface Documents {
  readonly job: Job;
  readonly runnerset: RunnerSet;
  readonly config: Config;
  readonly jobstatus: JobStatus;
  readonly runnersetstatus: RunnerSetStatus;
  readonly outcome: Outcome;
  readonly request: Request;
  readonly plan: Plan;
  readonly invalid: InvalidManifests;
  readonly watchevent: WatchEvent;
}

export type SchemaName = keyof Documents;

/** A validator for each schema. It tells whether a value conforms, and leaves what is wrong in its `errors`. */
export type Validators = { readonly [Name in SchemaName]: ValidateFunction<Documents[Name]> };

/** The schemas as they lie in `schemas/`, by file name. `common` holds what the others refer to. */
export const schemas: Readonly<Record<SchemaName | 'common', AnySchemaObject>> = {
  common,
  job,
  runnerset,
  config,
  jobstatus,
  runnersetstatus,
  outcome,
  request,
  plan,
  invalid,
  watchevent,
};

/** What every Ajv of ours has in common. */
const AJV_OPTIONS: Options = {
  strict: true,
  // Rules such as "needs run or steps" name fields that are described one level further up.
  strictRequired: false,
  // `integer | null` and the scalars of a matrix.
  allowUnionTypes: true,
  // The tests check the schemas against the meta-schema; doing it at every start costs more than the validation.
  validateSchema: false,
};

/**
 * An Ajv that knows all schemas and has compiled none. Unless the options say otherwise, it reports every error, each with the
 * schema it comes from, where `x-error` may complete the sentence "<value> …".
 */
export function createAjv(options: Options = { allErrors: true, verbose: true }): Ajv2020 {
  // Loaded here: validators that were compiled ahead need none of its 90 modules.
  const { Ajv2020 } = createRequire(import.meta.url)('ajv/dist/2020.js') as typeof AjvLibrary;
  const ajv = new Ajv2020({ ...AJV_OPTIONS, ...options });
  ajv.addVocabulary(['x-error']);
  for (const schema of Object.values(schemas)) ajv.addSchema(schema);
  return ajv;
}

/** Validators that are compiled when they are first asked for: most commands need one or two of them. */
export function createValidators(): Validators {
  let ajv: Ajv2020 | undefined;
  const compiled = <Name extends SchemaName>(name: Name): ValidateFunction<Documents[Name]> => {
    ajv ??= createAjv();
    const validate = ajv.getSchema<Documents[Name]>(String(schemas[name]['$id']));
    if (validate === undefined) throw new Error(`the schema ${name} is not known`);
    return validate as ValidateFunction<Documents[Name]>;
  };
  return {
    get job() {
      return compiled('job');
    },
    get runnerset() {
      return compiled('runnerset');
    },
    get config() {
      return compiled('config');
    },
    get jobstatus() {
      return compiled('jobstatus');
    },
    get runnersetstatus() {
      return compiled('runnersetstatus');
    },
    get outcome() {
      return compiled('outcome');
    },
    get request() {
      return compiled('request');
    },
    get plan() {
      return compiled('plan');
    },
    get invalid() {
      return compiled('invalid');
    },
    get watchevent() {
      return compiled('watchevent');
    },
  };
}

/** The validators that the program shares. */
export const validators: Validators = createValidators();
