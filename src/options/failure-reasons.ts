/** Symptoms of pods that can fail a release: the rows of `RULES` (src/judge/rules.ts). */
export const failureReasons = [
  'ImageNotFound',
  'ImagePull',
  'CannotStart',
  'ConfigMissing',
  'OutOfMemory',
  'CrashAfterReady',
  'Crash',
  'InitCrash',
  'PodRefused',
  'PodNotCreated',
  'Quota',
  'NoScaleUp',
  'ScalingUp',
  'Unschedulable',
  'MultiAttach',
  'Volume',
  'Sandbox',
  'NotReady',
  'ProgressDeadline',
] as const
export type FailureReason = (typeof failureReasons)[number]
