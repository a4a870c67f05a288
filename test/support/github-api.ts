import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';
import type { ApiAnswer, ApiRequest } from './api-server.ts';

type Mapping = Readonly<Record<string, unknown>>;

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly required?: boolean;
  readonly schema: { readonly type?: string };
}

interface Body {
  readonly required?: boolean;
  readonly content?: Readonly<Record<string, { readonly examples?: Readonly<Record<string, unknown>> }>>;
}

interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Body;
  readonly responses: Readonly<Record<string, Body>>;
}

/** An operation of the description that a request is one of. */
interface Match {
  /** Keys that lead to it. */
  readonly place: readonly string[];
  readonly operation: Operation;
  readonly variables: Readonly<Record<string, string>>;
}

/** What GitHub says of its own API: https://github.com/github/rest-api-description, cut down to what is called. */
export interface GithubApi {
  /** In what a request and its answer differ from the description; none: in nothing. */
  faultsOf(request: ApiRequest, answer: ApiAnswer): readonly string[];
  /**
   * An answer with some fields of its own (undefined: without that field), else as the example of the description is; of a list,
   * its first item. By method, path with the names of its variables, and status.
   */
  answerLike(method: string, path: string, status: number, own: Mapping): unknown;
}

const DESCRIPTION = new URL('../forge/github-api.json', import.meta.url);
const ID = 'https://api.github.com/description';
const JSON_TYPE = 'application/json';
const FORMATS = {
  'date-time': (text: string) => /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text)),
  uri: (text: string) => URL.canParse(text),
  email: (text: string) => text.includes('@'),
  int64: { type: 'number', validate: Number.isSafeInteger },
} as const;

/** What has named fields has no others: the description leaves that open, and a field that it does not name is a mistake. */
function strict(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strict);
  if (typeof value !== 'object' || value === null) return value;
  const inner = Object.fromEntries(Object.entries(value).map(([name, child]) => [name, strict(child)]));
  return inner['type'] === 'object' && 'properties' in inner && !('additionalProperties' in inner)
    ? { ...inner, additionalProperties: false }
    : inner;
}

export function githubApi(): GithubApi {
  const document = strict(JSON.parse(readFileSync(DESCRIPTION, 'utf8'))) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  };
  const ajv = new Ajv({ strict: false, allErrors: true, formats: FORMATS });
  ajv.addSchema(document, ID, false, false);
  const compiled = new Map<string, ValidateFunction>();

  /** What is wrong with a value by the schema at a place of the document. */
  const faultsIn = (value: unknown, place: readonly string[], what: string): readonly string[] => {
    const pointer = place.map((part) => `/${encodeURIComponent(part.replaceAll('/', '~1'))}`).join('');
    const validate = compiled.get(pointer) ?? ajv.compile({ $ref: `${ID}#${pointer}` });
    compiled.set(pointer, validate);
    if (validate(value)) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${what}${instancePath} ${message} ${JSON.stringify(params)}`,
    );
  };

  /** What stands at a place, and where it really does: references are followed. */
  const found = (place: readonly string[]): { readonly value: unknown; readonly place: readonly string[] } => {
    const value = place.reduce<unknown>((at, part) => (at as Mapping)[part], document);
    const reference = (value as { readonly $ref?: string }).$ref;
    return reference === undefined ? { value, place } : found(reference.split('/').slice(1));
  };

  const parametersOf = ({ operation, place }: Match) =>
    (operation.parameters ?? []).map((_, index) => {
      const parameter = found([...place, 'parameters', String(index)]);
      return { parameter: parameter.value as Parameter, schemaAt: [...parameter.place, 'schema'] };
    });

  const parameterFaults = (match: Match, query: URLSearchParams): readonly string[] => {
    const parameters = parametersOf(match);
    const names = new Set(
      parameters.filter(({ parameter }) => parameter.in === 'query').map(({ parameter }) => parameter.name),
    );
    const unknown = [...query.keys()]
      .filter((name) => !names.has(name))
      .map((name) => `no parameter is called ${name}`);
    const wrong = parameters.flatMap(({ parameter: { name, in: where, required, schema }, schemaAt }) => {
      const text = where === 'path' ? match.variables[name] : (query.get(name) ?? undefined);
      if (text === undefined) return required === true ? [`parameter ${name} is missing`] : [];
      return faultsIn(schema.type === 'integer' ? Number(text) : text, schemaAt, name);
    });
    return [...unknown, ...wrong];
  };

  const requestFaults = (match: Match, { json }: ApiRequest): readonly string[] => {
    const { requestBody } = match.operation;
    if (requestBody === undefined) return json === undefined ? [] : ['the request has a body'];
    if (json === undefined) return requestBody.required === true ? ['the request has no body'] : [];
    return faultsIn(json, [...match.place, 'requestBody', 'content', JSON_TYPE, 'schema'], 'request');
  };

  const answerFaults = ({ operation, place }: Match, { status = 200, body }: ApiAnswer): readonly string[] => {
    if (operation.responses[status] === undefined) return [`an answer with status ${status} is not described`];
    const response = found([...place, 'responses', String(status)]);
    if ((response.value as Body).content === undefined) return body === undefined ? [] : ['the answer has a body'];
    return faultsIn(body ?? {}, [...response.place, 'content', JSON_TYPE, 'schema'], 'answer');
  };

  return {
    faultsOf(request, answer) {
      const [path = '', query = ''] = request.path.split('?');
      const match = matchOf(document.paths, request.method.toLowerCase(), path);
      const faults = match
        ? [
            ...parameterFaults(match, new URLSearchParams(query)),
            ...requestFaults(match, request),
            ...answerFaults(match, answer),
          ]
        : ['no operation of the description; scripts/github-description.ts lists those that are taken from it'];
      return faults.map((fault) => `${request.method} ${path}: ${fault}`);
    },
    answerLike(method, path, status, own) {
      const place = ['paths', path, method.toLowerCase(), 'responses', String(status)];
      const { value, place: at } = found(place);
      const [name = ''] = Object.keys((value as Body).content?.[JSON_TYPE]?.examples ?? {});
      const example = found([...at, 'content', JSON_TYPE, 'examples', name]).value as { readonly value: unknown };
      return overlaid(Array.isArray(example.value) ? example.value[0] : example.value, own);
    },
  };
}

const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function overlaid(value: unknown, own: unknown): unknown {
  if (!isMapping(value) || !isMapping(own)) return own;
  const fields = Object.entries(own).map(([name, child]) => [name, overlaid(value[name], child)] as const);
  return Object.fromEntries(
    Object.entries({ ...value, ...Object.fromEntries(fields) }).filter(([, it]) => it !== undefined),
  );
}

/** The operation of a path: `{names}` stand for one part of it each. */
function matchOf(
  paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>,
  method: string,
  path: string,
): Match | undefined {
  const parts = path.split('/');
  for (const [template, operations] of Object.entries(paths)) {
    const names = template.split('/');
    const operation = operations[method];
    const fits = names.length === parts.length && names.every((name, at) => name.startsWith('{') || name === parts[at]);
    if (!operation || !fits) continue;
    const variables = names.flatMap((name, at) =>
      name.startsWith('{') ? [[name.slice(1, -1), decodeURIComponent(parts[at] ?? '')] as const] : [],
    );
    return { place: ['paths', template, method], operation, variables: Object.fromEntries(variables) };
  }
  return undefined;
}
