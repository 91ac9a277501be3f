"""Reports to django-rollout which migrations a new image brings, judges them, and runs the migrate command.

Runs in the user's image as `python manage.py shell -v 0 -c <text>`; nothing is added to the image. The text is
`loader.py`, which carries the files of this folder (scripts/embed-inspector.mjs joins them).

    task      what the inspector has to do, and how it answers
    identity  what names a database
    web       which databases the web uses
    needs     what code needs of a database: its fingerprint
    catalog   what a database has
    effects   what pending migrations make of it, without a write
    reader    the same for SQL as text
    judge     what does not fit, by the rules of rules.json
    ways      the safe way, as code of a migration
    allows    comments that accept a finding
    checks    whether the rows of today are in the way
    backup    what a backup is for
    plan      what is pending
    verdict   all of these together: before the migration and after it
    reverse   goes back by this image
    progress  says how far a long migration is
    trial     tries what a version sends, before the commit
    sessions  which settings of a session the web may have
    run       refuses, or runs the migration
    main      the order

Python 3.6 (the oldest of Django 3.2) must be able to read the files. They must contain no dollar sign, because
Kubernetes reads those in a container's command, and no three single quotes in a row.
"""
