/** The tools that are compared. */
export const toolNames = ['django-rollout', 'script', 'helm'] as const
export type ToolName = (typeof toolNames)[number]
