import * as core from '@actions/core'
import { realFiles } from './world/files.js'

/** Runs after the job whatever became of it: no kubeconfig stays behind. */
const folder = core.getState('folder')
if (folder !== '') await realFiles(process.env).remove(folder)
