/** The judge of migrations in a project with django-tenants, and what the code of each version really does in each schema. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { catalogMigration as migration, Site, type Changes } from '../e2e/site.js'
import { kubectl } from '../e2e/stack.js'
import { Lab, withTenants } from '../migrations/lab.js'
import { expectedOfTenants, tenantCases } from '../migrations/tenant-cases.js'

let lab: Lab

beforeAll(async () => {
  lab = await Lab.make([withTenants])
})

afterAll(() => lab.remove())

test.each(tenantCases)('with a schema for each tenant: $name', async (one) => {
  expect(await lab.tenants(one)).toEqual(expectedOfTenants(one))
})

/** The shop, each of whose customers has a schema with the tables of its catalog. */
const withCustomers: Changes = {
  'requirements.txt': (old) => `${old}django-tenants==4.0.1\n`,
  'shop/settings.py': (old) =>
    `${old.replace('conn_max_age', 'engine="django_tenants.postgresql_backend",\n        conn_max_age')}
TENANT_APPS = ["django.contrib.contenttypes", "catalog", "orders"]
SHARED_APPS = INSTALLED_APPS = ["django_tenants", "customers"] + INSTALLED_APPS
TENANT_MODEL, TENANT_DOMAIN_MODEL = "customers.Client", "customers.Domain"
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
`,
  'customers/__init__.py': '',
  'customers/migrations/__init__.py': '',
  'customers/models.py': `from django_tenants.models import DomainMixin, TenantMixin
class Client(TenantMixin):
    pass
class Domain(DomainMixin):
    pass
`,
  'customers/migrations/0001_initial.py': `import django.db.models.deletion
import django_tenants.postgresql_backend.base
from django.db import migrations, models
class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel("Client", [
            ("id", models.BigAutoField(primary_key=True)),
            ("schema_name", models.CharField(db_index=True, max_length=63, unique=True, validators=[django_tenants.postgresql_backend.base._check_schema_name])),
        ], options={"abstract": False}),
        migrations.CreateModel("Domain", [
            ("id", models.BigAutoField(primary_key=True)),
            ("domain", models.CharField(db_index=True, max_length=253, unique=True)),
            ("is_primary", models.BooleanField(db_index=True, default=True)),
            ("tenant", models.ForeignKey("customers.client", django.db.models.deletion.CASCADE, related_name="domains")),
        ], options={"abstract": False}),
    ]
`,
}

test('a release migrates the schema of each customer, and stops before it breaks one of them', async () => {
  const shop = await Site.make('tenants')
  try {
    await shop.commit('A schema for each customer', withCustomers)
    expect(await shop.release({ bake: '0' })).toMatchObject({ report: { result: 'deployed' } })
    const customers =
      'from customers.models import Client; [Client.objects.create(schema_name=each) for each in ("acme", "globex")]'
    await kubectl(
      ...['-n', shop.namespace, 'exec', 'deployment/web', '--'],
      ...['python', 'manage.py', 'shell', '-c', customers],
    )
    const having = (column: string) =>
      shop.sql(
        `SELECT string_agg(table_schema, ' ' ORDER BY table_schema) FROM information_schema.columns WHERE table_name = 'catalog_product' AND column_name = '${column}'`,
      )

    await shop.commit('A barcode', {
      'catalog/models.py': (old) =>
        old.replace(/( +)class Meta/, '$1ean = models.CharField(max_length=13, null=True)\n\n$&'),
      ...migration(
        '0003_ean',
        '0002_product_weight_grams',
        'migrations.AddField("product", "ean", models.CharField(max_length=13, null=True))',
      ),
    })
    expect(await shop.release({ bake: '0' })).toMatchObject({ report: { result: 'deployed' } })
    expect(await having('ean')).toBe('acme globex public')

    const before = await shop.state()
    await shop.commit('No weights', {
      'catalog/models.py': (old) => old.replace(/^ +weight_grams = .*\n/m, ''),
      ...migration('0004_light', '0003_ean', 'migrations.RemoveField("product", "weight_grams")'),
    })
    const refused = await shop.release({ bake: '0' })
    expect(refused).toMatchObject({
      report: { result: 'failed', cause: { code: 'unsafe-migration' } },
    })
    expect(refused.stdout).toContain('catalog_product.weight_grams')
    expect(await having('weight_grams')).toBe('acme globex public')
    expect(await shop.state()).toEqual(before)
  } finally {
    await shop.remove()
  }
})
