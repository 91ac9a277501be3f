/**
 * Records the reports of two releases of the shop on the local stack, one that goes well and one whose
 * worker does not start: __tests__/browser/ shows their summaries, and so do the pictures in docs/images.
 *
 *   export $(cluster/stack env); node --experimental-transform-types --import ./scripts/typescript.mjs scripts/record-summary.ts
 *
 * Works in a separate namespace, which is removed afterwards.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Site, type Changes } from '../__tests__/e2e/site.ts'
import type { Result } from '../src/failure/result.ts'

const folder = fileURLToPath(new URL('../__tests__/fixtures/summary', import.meta.url))

const note: Changes = {
  'orders/models.py': (text) =>
    text.replace(
      '    created_at =',
      '    note = models.TextField(default="", db_default="")\n    created_at =',
    ),
  'orders/migrations/0002_note.py': `from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0001_initial")]

    operations = [migrations.AddField("order", "note", models.TextField(default="", db_default=""))]
`,
}

/** The manifest is ahead of the code: no test of the image sees it. */
const unknownOption: Changes = {
  'k8s/configmap.yaml': (text) => `${text}  ORDERS_BATCH: "50"\n`,
  'k8s/worker.yaml': (text) => text.replace('process_orders]', 'process_orders, --batch=50]'),
}

const shop = await Site.make('summary')
try {
  const release = async (message: string, changes: Changes, result: Result): Promise<string> => {
    await shop.commit(message, changes)
    const { report, output } = await shop.release({
      'test-command': 'python manage.py test',
      'test-services': 'postgres',
      bake: '5s',
    })
    console.log(output)
    if (report.result !== result) throw new Error(`${message}: ${report.result}`)
    // The names of the README, for those of this stack.
    return JSON.stringify(report, undefined, 2)
      .replaceAll(shop.image, 'ghcr.io/acme/shop')
      .replaceAll(shop.namespace, 'shop')
  }
  await release('The shop', {}, 'deployed')
  await mkdir(folder, { recursive: true })
  await writeFile(`${folder}/deployed.json`, await release('Notes', note, 'deployed'))
  await writeFile(`${folder}/undone.json`, await release('Batches', unknownOption, 'undone'))
} finally {
  await shop.remove()
}
