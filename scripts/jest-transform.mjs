/**
 * Strips the types from tests and sources with what Node has for that, as it does for scripts. Nothing is
 * checked here: `npm run typecheck` does that.
 */
import { stripTypeScriptTypes } from 'node:module'

export default {
  process: (source, sourceUrl) => ({
    code: stripTypeScriptTypes(source, { mode: 'transform', sourceMap: true, sourceUrl }),
  }),
}
