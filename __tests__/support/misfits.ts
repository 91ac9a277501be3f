/** What a version lacks after a column that it reads is dropped. */
export const columnGone = {
  rule: 'column-gone',
  severity: 'breaks',
  database: 'default',
  object: 'shop_order.note',
  table: 'shop_order',
  model: 'shop.Order',
} as const
