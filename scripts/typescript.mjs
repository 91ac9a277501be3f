/**
 * Lets a script import files of src/, whose own imports end in `.js` as the compiler wants them: node
 * strips the types by itself, but looks for the file by the name that is written.
 */
import { registerHooks } from 'node:module'

registerHooks({
  resolve(specifier, context, next) {
    const inSource = specifier.startsWith('.') && context.parentURL?.endsWith('.ts')
    return next(inSource ? specifier.replace(/\.js$/, '.ts') : specifier, context)
  },
})
