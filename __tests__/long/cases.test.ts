/** The forms of the cases that `make test` does not play. */
import { test } from '@jest/globals'
import { otherForms } from '../cases/plays.js'

for (const { title, judged } of otherForms) test.concurrent(title, judged)
