import type { Window, Platform } from './platform.js'

/**
 * Whether what is written to a stream has colors. NO_COLOR (https://no-color.org) is for users without colors
 * anywhere, so it wins over FORCE_COLOR, which has them where no terminal is: in the log of a CI that shows them.
 */
export function colorOf({ isTTY }: { readonly isTTY?: boolean }, env: Platform['env']): boolean {
  if (env['NO_COLOR']) return false
  const forced = env['FORCE_COLOR']
  if (forced) return forced !== '0' && forced !== 'false'
  return isTTY === true && env['TERM'] !== 'dumb'
}

/** Returns the window behind a stream; none where it is not interactive, or where nothing can be redrawn. */
export function windowOf(stream: NodeJS.WriteStream, env: Platform['env']): Window | undefined {
  const isOn = (name: string) => !['', '0', 'false', undefined].includes(env[name])
  if (!stream.isTTY || env['TERM'] === 'dumb' || isOn('CI')) return undefined
  return {
    write: (text) => void stream.write(text),
    // A terminal that does not know its size reports 0.
    size: () => ({ columns: stream.columns || 80, rows: stream.rows || 24 }),
  }
}
