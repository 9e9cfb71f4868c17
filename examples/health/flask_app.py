"""Flask: /health/db answers 200 when the migrations of this release are applied, otherwise 503 and what is missing.

The application only asks. A job migrates (`dbmigrate up`), or the start of the container (`dbmigrate run -- gunicorn`).
Each request opens one connection; ask every ten seconds, say, not every hundred milliseconds.
"""

import os

from flask import Flask

from dbmigrate import Error, Migrator, Options

# with ?connect_timeout=3 in the URL, a silent server is reported within seconds
migrator = Migrator(os.environ["DATABASE_URL"], Options(directories=("db/migrations",)))
app = Flask(__name__)


@app.get("/health/db")
def health() -> tuple[dict[str, object], int]:
    try:
        pending = [row.name for row in migrator.pending()]
    except Error as error:
        return {"ok": False, "error": error.code}, 503
    return {"ok": not pending, "pending": pending}, 503 if pending else 200
