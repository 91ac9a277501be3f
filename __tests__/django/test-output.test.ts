import { describe, expect, test } from '@jest/globals'
import {
  inRepository,
  placeOfHang,
  readTests,
  testAnnotations,
} from '../../src/django/test-output.js'

// Outputs of real runs (Django 6.1, pytest 9.2 with pytest-django 4.14, Python 3.12), shortened.

const django = `hello from settings
Found 9 test(s).
Creating test database for alias 'default'...
System check identified no issues (0 silenced).
E.FFxsFE.
======================================================================
ERROR: orders.test_broken (unittest.loader._FailedTest.orders.test_broken)
----------------------------------------------------------------------
ImportError: Failed to import test module: orders.test_broken
Traceback (most recent call last):
  File "/usr/local/lib/python3.12/unittest/loader.py", line 394, in _find_test_path
    module = self._get_module_from_name(name)
             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/usr/local/lib/python3.12/unittest/loader.py", line 337, in _get_module_from_name
    __import__(name)
  File "/app/orders/test_broken.py", line 1, in <module>
    import nothere
ModuleNotFoundError: No module named 'nothere'


======================================================================
ERROR: test_missing_price (orders.tests.TotalTests.test_missing_price)
----------------------------------------------------------------------
Traceback (most recent call last):
  File "/app/orders/tests.py", line 15, in test_missing_price
    total([{}])
  File "/app/orders/helpers.py", line 2, in total
    return sum(item["price"] for item in items)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/app/orders/helpers.py", line 2, in <genexpr>
    return sum(item["price"] for item in items)
               ~~~~^^^^^^^^^
KeyError: 'price'

======================================================================
FAIL: test_page (orders.tests.OrderTests.test_page)
----------------------------------------------------------------------
Traceback (most recent call last):
  File "/app/orders/tests.py", line 39, in test_page
    self.assertContains(self.client.get("/admin/login/"), "Nope\\nNope")
AssertionError: False is not true : Couldn't find 'Nope
Nope' in the following response
b'<!DOCTYPE html>\\n\\n<html lang="en-us" dir="ltr">\\n<head>\\n<title>Log in | Django site admin</title>\\n<meta name="co...

======================================================================
FAIL: test_adds (orders.tests.TotalTests.test_adds)
Prices are added.
----------------------------------------------------------------------
Traceback (most recent call last):
  File "/app/orders/tests.py", line 12, in test_adds
    self.assertEqual(total([{"price": 2}, {"price": 3}]), 6)
AssertionError: 5 != 6

======================================================================
FAIL: test_many (orders.tests.TotalTests.test_many) (n=2)
----------------------------------------------------------------------
Traceback (most recent call last):
  File "/app/orders/tests.py", line 20, in test_many
    self.assertEqual(n, 1)
AssertionError: 2 != 1

----------------------------------------------------------------------
Ran 8 tests in 0.025s

FAILED (failures=3, errors=2, skipped=1, expected failures=1)
Destroying test database for alias 'default'...`

const python310 = `F.
======================================================================
FAIL: test_a (orders.tests.T)
----------------------------------------------------------------------
Traceback (most recent call last):
  File "/app/orders/tests.py", line 4, in test_a
    self.assertEqual(1,2)
AssertionError: 1 != 2

----------------------------------------------------------------------
Ran 2 tests in 0.000s

FAILED (failures=1, unexpected successes=1)`

const setUpClass = `E
======================================================================
ERROR: setUpClass (orders.tests.T)
----------------------------------------------------------------------
Traceback (most recent call last):
  File "/app/orders/tests.py", line 7, in setUpClass
    cls.x
AttributeError: type object 'T' has no attribute 'x'

----------------------------------------------------------------------
Ran 0 tests in 0.000s

FAILED (errors=1)`

const green = `System check identified no issues (0 silenced).
.
----------------------------------------------------------------------
Ran 1 test in 0.000s

OK
Destroying test database for alias 'default'...`

const pytest = `============================= test session starts ==============================
platform linux -- Python 3.12.1, pytest-9.2.0, pluggy-1.7.0
django: version: 6.1.3, settings: shop.settings (from ini)
rootdir: /app
configfile: pytest.ini
plugins: django-4.14.0
collected 11 items

orders/tests.py .F                                                       [ 18%]
orders/test_fix.py E.F                                                   [ 45%]
orders/tests.py Fxs.F.                                                  [100%]

==================================== ERRORS ====================================
_________________________ ERROR at setup of test_uses __________________________

    @pytest.fixture
    def broken():
>       raise RuntimeError("no broker")
E       RuntimeError: no broker

orders/test_fix.py:6: RuntimeError
=================================== FAILURES ===================================
_____________________________ OrderTests.test_page _____________________________

self = <orders.tests.OrderTests testMethod=test_page>

    def test_page(self):
>       self.assertContains(self.client.get("/admin/login/"), "Nope\\nNope")
E       AssertionError: False is not true : Couldn't find 'Nope
E       Nope' in the following response
E       b'<!DOCTYPE html>\\n\\n<html lang="en-us" dir="ltr">\\n<head>\\n<title>Log in | Django site admin</title>\\n<meta ...

orders/tests.py:39: AssertionError
________________________________ test_param[2] _________________________________

n = 2

    @pytest.mark.parametrize("n", [1, 2])
    def test_param(n):
>       assert n == 1, "n is\\nnot one"
E       AssertionError: n is
E         not one
E       assert 2 == 1

orders/test_fix.py:15: AssertionError
_____________________________ TotalTests.test_adds _____________________________

self = <orders.tests.TotalTests testMethod=test_adds>

    def test_adds(self):
        """Prices are added."""
>       self.assertEqual(total([{"price": 2}, {"price": 3}]), 6)
E       AssertionError: 5 != 6

orders/tests.py:12: AssertionError
__________________________ TotalTests.test_many (n=2) __________________________

self = <orders.tests.TotalTests testMethod=test_many>

    def test_many(self):
        for n in (1, 2):
            with self.subTest(n=n):
>               self.assertEqual(n, 1)
E               AssertionError: 2 != 1

orders/tests.py:20: AssertionError
________________________ TotalTests.test_missing_price _________________________

self = <orders.tests.TotalTests testMethod=test_missing_price>

    def test_missing_price(self):
>       total([{}])

orders/tests.py:15:
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _
orders/helpers.py:2: in total
    return sum(item["price"] for item in items)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _

.0 = <list_iterator object at 0x7f37cb925ea0>

>   return sum(item["price"] for item in items)
               ^^^^^^^^^^^^^
E   KeyError: 'price'

orders/helpers.py:2: KeyError
=========================== short test summary info ============================
FAILED orders/tests.py::OrderTests::test_page - AssertionError: False is not ...
FAILED orders/test_fix.py::test_param[2] - AssertionError: n is
FAILED orders/tests.py::TotalTests::test_adds - AssertionError: 5 != 6
SUBFAILED(n=2) orders/tests.py::TotalTests::test_many - AssertionError: 2 != 1
FAILED orders/tests.py::TotalTests::test_missing_price - KeyError: 'price'
ERROR orders/test_fix.py::test_uses - RuntimeError: no broker
========== 5 failed, 4 passed, 1 skipped, 1 xfailed, 1 error in 0.26s ==========`

const pytestShort = `.FE.FFxs.F.                                                            [100%]
==================================== ERRORS ====================================
_________________________ ERROR at setup of test_uses __________________________
orders/test_fix.py:6: in broken
    raise RuntimeError("no broker")
E   RuntimeError: no broker
=================================== FAILURES ===================================
________________________ TotalTests.test_missing_price _________________________
orders/tests.py:15: in test_missing_price
    total([{}])
orders/helpers.py:2: in total
    return sum(item["price"] for item in items)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
orders/helpers.py:2: in <genexpr>
    return sum(item["price"] for item in items)
               ^^^^^^^^^^^^^
E   KeyError: 'price'
=========================== short test summary info ============================
FAILED orders/tests.py::OrderTests::test_page - AssertionError: False is not ...
FAILED orders/test_fix.py::test_param[2] - AssertionError: n is
FAILED orders/tests.py::TotalTests::test_adds - AssertionError: 5 != 6
SUBFAILED(n=2) orders/tests.py::TotalTests::test_many - AssertionError: 2 != 1
FAILED orders/tests.py::TotalTests::test_missing_price - KeyError: 'price'
ERROR orders/test_fix.py::test_uses - RuntimeError: no broker
5 failed, 4 passed, 1 skipped, 1 xfailed, 1 error, 1 subtests passed in 0.26s`

const pytestNative = `.FE.FFxs.F.                                                            [100%]
=================================== FAILURES ===================================
_____________________________ TotalTests.test_adds _____________________________
Traceback (most recent call last):
  File "/usr/local/lib/python3.12/unittest/case.py", line 58, in testPartExecutor
    yield
  File "/usr/local/lib/python3.12/unittest/case.py", line 636, in run
    self._callTestMethod(testMethod)
  File "/usr/local/lib/python3.12/unittest/case.py", line 589, in _callTestMethod
    if method() is not None:
       ^^^^^^^^
  File "/app/orders/tests.py", line 12, in test_adds
    self.assertEqual(total([{"price": 2}, {"price": 3}]), 6)
  File "/usr/local/lib/python3.12/unittest/case.py", line 887, in assertEqual
    assertion_func(first, second, msg=msg)
  File "/usr/local/lib/python3.12/unittest/case.py", line 880, in _baseAssertEqual
    raise self.failureException(msg)
AssertionError: 5 != 6
=========================== short test summary info ============================
FAILED orders/tests.py::OrderTests::test_page - AssertionError: False is not ...
FAILED orders/test_fix.py::test_param[2] - AssertionError: n is
FAILED orders/tests.py::TotalTests::test_adds - AssertionError: 5 != 6
SUBFAILED(n=2) orders/tests.py::TotalTests::test_many - AssertionError: 2 != 1
FAILED orders/tests.py::TotalTests::test_missing_price - KeyError: 'price'
ERROR orders/test_fix.py::test_uses - RuntimeError: no broker
5 failed, 4 passed, 1 skipped, 1 xfailed, 1 error, 1 subtests passed in 0.31s`

const pytestLine = `.FE.FFxs.F.                                                            [100%]
==================================== ERRORS ====================================
_________________________ ERROR at setup of test_uses __________________________
E   RuntimeError: no broker
=================================== FAILURES ===================================
E   AssertionError: False is not true : Couldn't find 'Nope
    Nope' in the following response
    b'<!DOCTYPE html>\\n\\n<html lang="en-us" dir="ltr">\\n<head>\\n<title>Log in | Django site admin</title>\\n<meta name...
/usr/local/lib/python3.12/unittest/case.py:717: AssertionError: False is not true : Couldn't find '...
E   AssertionError: n is
      not one
    assert 2 == 1
/app/orders/test_fix.py:15: AssertionError: n is
E   AssertionError: 5 != 6
/usr/local/lib/python3.12/unittest/case.py:880: AssertionError: 5 != 6
E   AssertionError: 2 != 1
/usr/local/lib/python3.12/unittest/case.py:880: AssertionError: 2 != 1
E   KeyError: 'price'
/app/orders/helpers.py:2: KeyError: 'price'
=========================== short test summary info ============================
FAILED orders/tests.py::OrderTests::test_page - AssertionError: False is not ...
FAILED orders/test_fix.py::test_param[2] - AssertionError: n is
FAILED orders/tests.py::TotalTests::test_adds - AssertionError: 5 != 6
SUBFAILED(n=2) orders/tests.py::TotalTests::test_many - AssertionError: 2 != 1
FAILED orders/tests.py::TotalTests::test_missing_price - KeyError: 'price'
ERROR orders/test_fix.py::test_uses - RuntimeError: no broker
5 failed, 4 passed, 1 skipped, 1 xfailed, 1 error, 1 subtests passed in 0.23s`

const pytestCollecting = `============================= test session starts ==============================
platform linux -- Python 3.12.1, pytest-9.2.0, pluggy-1.7.0
django: version: 6.1.3, settings: shop.settings (from ini)
rootdir: /app
configfile: pytest.ini
plugins: django-4.14.0
collected 11 items / 1 error

==================================== ERRORS ====================================
____________________ ERROR collecting orders/test_broken.py ____________________
ImportError while importing test module '/app/orders/test_broken.py'.
Hint: make sure your test modules/packages have valid Python names.
Traceback:
/usr/local/lib/python3.12/importlib/__init__.py:90: in import_module
    return _bootstrap._gcd_import(name[level:], package, level)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
orders/test_broken.py:1: in <module>
    import nothere
E   ModuleNotFoundError: No module named 'nothere'
------------------------------- Captured stdout --------------------------------
hello from settings
=========================== short test summary info ============================
ERROR orders/test_broken.py
!!!!!!!!!!!!!!!!!!!! Interrupted: 1 error during collection !!!!!!!!!!!!!!!!!!!!
=============================== 1 error in 0.13s ===============================`

const read = (text: string) => readTests(text.split('\n'))

const told = (text: string): string[] =>
  (read(text)?.failing ?? []).map(
    ({ name, is, message, file, line }) => `${is} ${name} @ ${file}:${line}: ${message}`,
  )

describe('the counts of a test run', () => {
  test.each([
    ["Django's runner", django, 'unittest: 8 run, 3 failures, 2 errors, 1 skipped'],
    ['an unexpected success', python310, 'unittest: 2 run, 2 failures, 0 errors, 0 skipped'],
    ['setUpClass', setUpClass, 'unittest: 0 run, 0 failures, 1 errors, 0 skipped'],
    ['a good run', green, 'unittest: 1 run, 0 failures, 0 errors, 0 skipped'],
    ['a killed run', python310.slice(0, 300), 'unittest: 0 run, 1 failures, 0 errors, 0 skipped'],
    ['two runs', `${green}\n${python310}`, 'unittest: 3 run, 2 failures, 0 errors, 0 skipped'],
    ['pytest', pytest, 'pytest: 12 run, 5 failures, 1 errors, 1 skipped'],
    ['pytest -q', pytestShort, 'pytest: 12 run, 5 failures, 1 errors, 1 skipped'],
    [
      'pytest that cannot import',
      pytestCollecting,
      'pytest: 1 run, 0 failures, 1 errors, 0 skipped',
    ],
    [
      'a good pytest',
      '=== 3 passed, 2 warnings in 61.20s (0:01:01) ===',
      'pytest: 3 run, 0 failures, 0 errors, 0 skipped',
    ],
    [
      'an empty pytest',
      '===== no tests ran in 0.01s =====',
      'pytest: 0 run, 0 failures, 0 errors, 0 skipped',
    ],
  ])('are right for "%s"', (_name, text, expected) => {
    const report = read(text)
    expect(
      report &&
        `${report.runner}: ${report.run} run, ${report.failures} failures, ${report.errors} errors, ${report.skipped} skipped`,
    ).toBe(expected)
  })

  test('are missing when the output is of no test run', () => {
    expect(read('django.db.utils.OperationalError: connection refused')).toBeUndefined()
    expect(read('')).toBeUndefined()
  })
})

describe('the failing tests', () => {
  test.each([
    [
      "Django's runner",
      django,
      [
        "error orders.test_broken @ /app/orders/test_broken.py:1: ModuleNotFoundError: No module named 'nothere'",
        "error orders.tests.TotalTests.test_missing_price @ /app/orders/helpers.py:2: KeyError: 'price'",
        "failure orders.tests.OrderTests.test_page @ /app/orders/tests.py:39: AssertionError: False is not true : Couldn't find 'Nope",
        'failure orders.tests.TotalTests.test_adds @ /app/orders/tests.py:12: AssertionError: 5 != 6',
        'failure orders.tests.TotalTests.test_many (n=2) @ /app/orders/tests.py:20: AssertionError: 2 != 1',
      ],
    ],
    [
      'Python 3.10',
      python310,
      ['failure orders.tests.T.test_a @ /app/orders/tests.py:4: AssertionError: 1 != 2'],
    ],
    [
      'setUpClass',
      setUpClass,
      [
        "error orders.tests.T.setUpClass @ /app/orders/tests.py:7: AttributeError: type object 'T' has no attribute 'x'",
      ],
    ],
    [
      'pytest',
      pytest,
      [
        'error orders/test_fix.py::test_uses @ orders/test_fix.py:6: RuntimeError: no broker',
        "failure orders/tests.py::OrderTests::test_page @ orders/tests.py:39: AssertionError: False is not true : Couldn't find 'Nope",
        'failure orders/test_fix.py::test_param[2] @ orders/test_fix.py:15: AssertionError: n is',
        'failure orders/tests.py::TotalTests::test_adds @ orders/tests.py:12: AssertionError: 5 != 6',
        'failure orders/tests.py::TotalTests::test_many (n=2) @ orders/tests.py:20: AssertionError: 2 != 1',
        "failure orders/tests.py::TotalTests::test_missing_price @ orders/helpers.py:2: KeyError: 'price'",
      ],
    ],
    [
      'pytest that cannot import',
      pytestCollecting,
      [
        "error orders/test_broken.py @ orders/test_broken.py:1: ModuleNotFoundError: No module named 'nothere'",
      ],
    ],
  ])('are listed for %s', (_name, text, expected) => {
    expect(told(text)).toEqual(expected)
  })

  test.each([
    ['--tb=short', pytestShort, 'TotalTests::test_missing_price @ orders/helpers.py:2: KeyError'],
    [
      '--tb=native',
      pytestNative,
      'TotalTests::test_adds @ /app/orders/tests.py:12: AssertionError: 5 != 6',
    ],
    [
      '--tb=line',
      pytestLine,
      'TotalTests::test_adds @ orders/tests.py:undefined: AssertionError: 5 != 6',
    ],
  ])('are listed for pytest %s', (_name, text, expected) => {
    expect(told(text).join('\n')).toContain(expected)
  })

  test('do not have printed text as their traceback', () => {
    const printed =
      'Traceback (most recent call last):\n  File "/app/x.py", line 1, in f\nOSError: x'
    const text = python310.replace('!= 2\n', `!= 2\n\nStdout:\n${printed}\n`)
    expect(text).toContain('OSError')
    expect(told(text)[0]).toContain('AssertionError: 1 != 2')
  })
})

test('annotations are on files of the repository', () => {
  const report = read(django)!
  const toRepo = (file: string): string | undefined =>
    file.endsWith('helpers.py') ? undefined : file.replace('/app/', 'examples/shop/')
  expect(testAnnotations(report, toRepo, 2)).toEqual([
    {
      file: 'examples/shop/orders/test_broken.py',
      line: 1,
      title: 'Test could not run: orders.test_broken',
      message: "ModuleNotFoundError: No module named 'nothere'",
    },
    {
      file: 'examples/shop/orders/tests.py',
      line: 39,
      title: 'Test failed: orders.tests.OrderTests.test_page',
      message: "AssertionError: False is not true : Couldn't find 'Nope",
    },
  ])
})

test('failing tests are named with files of the repository', () => {
  const report = read(django)!
  const toRepo = (file: string): string | undefined =>
    file.endsWith('helpers.py') ? undefined : file.replace('/app/', 'examples/shop/')
  const { failing, ...counts } = inRepository(report, toRepo)
  expect(counts).toMatchObject({ run: report.run, failures: report.failures })
  expect(failing.slice(0, 3).map(({ name, file, line }) => [name, file, line])).toEqual([
    ['orders.test_broken', 'examples/shop/orders/test_broken.py', 1],
    ['orders.tests.TotalTests.test_missing_price', undefined, undefined],
    ['orders.tests.OrderTests.test_page', 'examples/shop/orders/tests.py', 39],
  ])
})

describe('the place of tests that hang', () => {
  const thread = (head: 'Current thread' | 'Thread', ...frames: readonly string[]) => [
    `${head} 0x00007f02 (most recent call first):`,
    ...frames.map((frame) => `  File "${frame}`),
    '',
  ]
  const process = (...threads: readonly string[][]) => [
    'Fatal Python error: Aborted',
    '',
    ...threads.flat(),
  ]
  const main = '/app/manage.py", line 9 in main'
  const inTest = '/app/orders/tests.py", line 41 in test_login'
  const library = '/usr/local/lib/python3.13/threading.py", line 359 in wait'
  const installed =
    '/usr/local/lib/python3.13/site-packages/django/db/backends/utils.py", line 9 in execute'
  const waits = process(thread('Current thread', library, main))
  const tests = { file: 'orders/tests.py', line: 41, name: 'test_login' }
  const files: Readonly<Record<string, string>> = {
    '/app/manage.py': 'manage.py',
    '/app/orders/tests.py': 'orders/tests.py',
    '/app/orders/jobs.py': 'orders/jobs.py',
    // Another file with the name of an installed one.
    '/usr/local/lib/python3.13/site-packages/django/db/backends/utils.py': 'utils.py',
  }

  test.each([
    [
      'the innermost one of the repository',
      process(thread('Current thread', library, inTest, main)),
      tests,
    ],
    [
      'none of what is installed',
      process(thread('Current thread', installed, inTest, main)),
      tests,
    ],
    [
      'the main thread’s',
      process(
        thread('Thread', '/app/orders/jobs.py", line 3 in work'),
        thread('Current thread', inTest, main),
      ),
      tests,
    ],
    [
      'another thread’s where the main one waits in manage.py',
      process(thread('Thread', inTest), thread('Current thread', library, main)),
      tests,
    ],
    [
      'that of a worker, which is ended first',
      [...process(thread('Current thread', inTest, main)), ...waits],
      tests,
    ],
    [
      'that of a worker, which is ended last',
      [...waits, ...process(thread('Current thread', inTest, main))],
      tests,
    ],
    ['manage.py where nothing else is known', waits, { file: 'manage.py', line: 9, name: 'main' }],
    ['unknown without a stack', ['test_login ...'], undefined],
  ])('is %s', (_, lines, place) => {
    expect(placeOfHang(lines, (file) => files[file])).toEqual(place)
  })
})
