/** Preloaded into a measured process: writes its largest resident set, in bytes, to the file that MAX_RSS_FILE names. */
import { writeFileSync } from 'node:fs';

process.on('exit', () => {
  const file = process.env['MAX_RSS_FILE'];
  if (file) writeFileSync(file, String(process.resourceUsage().maxRSS * 1024));
});
