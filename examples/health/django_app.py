"""Django: /health/db answers 200 when the migrations of this release are applied, otherwise 503 and what is missing.

A project in one file, to be tried with `python django_app.py runserver`: a real project takes over its view and its
URL pattern. The application only asks. A job migrates (`dbmigrate up`), or the start of the container
(`dbmigrate run -- gunicorn`). Each request opens one connection; ask every ten seconds, say.
"""

import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpRequest, JsonResponse
from django.urls import path

from dbmigrate import Error, Migrator, Options

# with ?connect_timeout=3 in the URL, a silent server is reported within seconds
migrator = Migrator(os.environ["DATABASE_URL"], Options(directories=("db/migrations",)))


def health(request: HttpRequest) -> JsonResponse:
    try:
        pending = [row.name for row in migrator.pending()]
    except Error as error:
        return JsonResponse({"ok": False, "error": error.code}, status=503)
    return JsonResponse({"ok": not pending, "pending": pending}, status=503 if pending else 200)


urlpatterns = [path("health/db", health)]

if __name__ == "__main__":
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY=os.environ["SECRET_KEY"])
    execute_from_command_line(sys.argv)
