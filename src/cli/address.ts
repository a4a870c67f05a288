import { usageError } from '../errors.ts';

/** An address at which pods reach runledger, without a slash at its end; undefined where none is given. Throws `AddressForm` (usage). */
export function addressFrom(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url !== undefined && /^https?:$/.test(url.protocol) && url.pathname === '/' && url.search === '';
  if (!isPlain || url.username !== '')
    throw usageError('AddressForm', `${text} is no address at which pods reach runledger`, {
      hint: 'write http://runledger.example.com:8080, without a path',
    });
  return url.origin;
}
