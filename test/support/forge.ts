/** A Gitea that the environment names: FORGE_URL, FORGE_USER, FORGE_PASSWORD, FORGE_TOKEN. */
export interface Forge {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly token: string;
  /** A request to its API below `/api/v1`; throws on a status of 400 or more. */
  api(method: string, path: string, body?: unknown): Promise<unknown>;
  /** Makes a private repository with a first commit on `main`; returns its name and URL. */
  createRepository(prefix: string): Promise<{ readonly name: string; readonly url: string }>;
  deleteRepository(name: string): Promise<void>;
  /** Makes a token that may read and write repositories. */
  createToken(name: string): Promise<string>;
  deleteToken(name: string): Promise<void>;
}

/** The forge, or undefined when there is none; then says so in the line that the test guard shows. */
export function findForge(env: NodeJS.ProcessEnv = process.env): Forge | undefined {
  const { FORGE_URL: url, FORGE_USER: user, FORGE_PASSWORD: password, FORGE_TOKEN: token } = env;
  if (!url || !user || !password || !token) {
    if ((env['RUNLEDGER_TEST_REQUIRE'] ?? '').split(',').includes('forge'))
      throw new Error('RUNLEDGER_TEST_REQUIRE names forge, and there is none');
    console.log('# skipped: no forge (set FORGE_URL, FORGE_USER, FORGE_PASSWORD and FORGE_TOKEN to a Gitea)');
    return undefined;
  }
  const basic = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const api: Forge['api'] = async (method, path, body) => {
    // Tokens can be made and removed with the password only.
    const authorization = path.includes('/tokens') ? basic : `token ${token}`;
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: { authorization, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    if (response.status >= 400) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? undefined : (JSON.parse(text) as unknown);
  };
  return {
    url,
    user,
    password,
    token,
    api,
    async createRepository(prefix) {
      const name = `${prefix}-${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;
      await api('POST', '/user/repos', { name, private: true, auto_init: true, default_branch: 'main' });
      return { name, url: `${url}/${user}/${name}.git` };
    },
    async deleteRepository(name) {
      await api('DELETE', `/repos/${user}/${name}`);
    },
    async createToken(name) {
      const made = (await api('POST', `/users/${user}/tokens`, { name, scopes: ['write:repository'] })) as {
        sha1: string;
      };
      return made.sha1;
    },
    async deleteToken(name) {
      await api('DELETE', `/users/${user}/tokens/${name}`);
    },
  };
}
