/** The text that runs in the migration's pod: the loader, and the files of the inspector in it. */
import { deflateSync } from 'node:zlib'
import { inspectorFiles, inspectorLoader } from './inspector.generated.js'

/** Returns the text. It is one argument of a program, which Linux limits to 128 KiB: so the files are packed. */
export function inspectorSource(): string {
  const packed = deflateSync(JSON.stringify(bareFiles()), { level: 9 }).toString('base64')
  return inspectorLoader.replace('FILES', packed)
}

/** Returns the files without what is only for their readers: one argument of a program has 128 KiB. */
export function bareFiles(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(inspectorFiles).map(([name, text]) => [
      name,
      name.endsWith('.py') ? bare(text) : text,
    ]),
  )
}

/** Lines keep their numbers; a body stays one without its docstring. */
function bare(text: string): string {
  return text
    .replaceAll(
      /^( *)"""(?:[^"\\]|"(?!""))*"""$/gm,
      (doc, indent: string) => `${indent}0${doc.replaceAll(/[^\n]/g, '')}`,
    )
    .replaceAll(/^ *#.*$/gm, '')
}
