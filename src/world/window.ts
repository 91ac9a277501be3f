import type { Window, World } from './world.js'

/** The window behind a stream; none where nobody looks, or where nothing can be drawn over. */
export function windowOf(stream: NodeJS.WriteStream, env: World['env']): Window | undefined {
  const isOn = (name: string) => !['', '0', 'false', undefined].includes(env[name])
  if (!stream.isTTY || env['TERM'] === 'dumb' || isOn('CI')) return undefined
  return {
    write: (text) => void stream.write(text),
    // A terminal that does not tell its size says 0.
    size: () => ({ columns: stream.columns || 80, rows: stream.rows || 24 }),
  }
}
