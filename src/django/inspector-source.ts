/** The text that runs in the migration's pod: the loader, and the files of the inspector in it. */
import { deflateSync } from 'node:zlib'
import { inspectorFiles, inspectorLoader } from './inspector.generated.js'

/** Returns the text. It is one argument of a program, which Linux limits to 128 KiB: so the files are packed. */
export function inspectorSource(): string {
  const packed = deflateSync(JSON.stringify(inspectorFiles), { level: 9 }).toString('base64')
  return inspectorLoader.replace('FILES', packed)
}
