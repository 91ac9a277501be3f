import { expect, test } from '@jest/globals'
import { isPlain } from '../../src/django/migrate-command.js'

test.each([
  ['python manage.py migrate --noinput', true],
  ['python3.13 src/manage.py migrate --database=shop -v 2', true],
  ['DJANGO_SETTINGS_MODULE=shop.prod python manage.py migrate --settings shop.prod', true],
  ['poetry run python manage.py migrate', true],
  ['django-admin migrate', true],
  ['python -m django migrate', true],
  ['python manage.py migrate shop 0042', false],
  ['python manage.py migrate --noinput shop', false],
  ['python manage.py migrate --run-syncdb', false],
  ['python manage.py migrate && python manage.py createcachetable', false],
  ['python manage.py migrate; true', false],
  ['python manage.py migrate || true', false],
  ['python manage.py migrate_schemas --shared', false],
  ['/app/entrypoint python manage.py migrate', false],
  ['./migrate.sh', false],
  ['sh -c "python manage.py migrate"', false],
])('%s is Django’s own migrate and nothing else: %s', (command, is) => {
  expect(isPlain(command)).toBe(is)
})
