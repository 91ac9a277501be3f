/** Why a backup comes before a migration. Pure. */
import type { BackupReason } from '../django/plan.js'

/** Returns a reason each: `shop.0014_no_note drops shop_order.note`. */
export function backupReasons(reasons: readonly BackupReason[]): readonly string[] {
  return reasons.length === 0 ? ['"backup: always"'] : reasons.map(reasonWords)
}

/** `shop.0014_no_note drops shop_order.note` */
function reasonWords({ migration, why, object }: BackupReason): string {
  const of = migration === '' ? 'a migration' : migration
  switch (why) {
    case 'irreversible':
      return `${of} cannot be reversed`
    case 'drops':
      return `${of} drops ${object}`
    case 'narrows':
      return `${of} shortens or converts ${object}`
    case 'unread':
      return `what ${of} drops is not known: ${object}`
  }
}
