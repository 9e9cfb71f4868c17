# dbmigrate with a pg_dump that is as new as any server: docker build -t dbmigrate .
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE .env.example ./
COPY .github ./.github
COPY dbmigrate ./dbmigrate
COPY db ./db
COPY docs ./docs
RUN python -m venv /opt/dbmigrate && /opt/dbmigrate/bin/pip install --no-cache-dir ".[embedded,lint]"

FROM python:3.13-slim
COPY --from=build /opt/dbmigrate /opt/dbmigrate
ENV PATH=/opt/dbmigrate/bin:$PATH PYTHONUNBUFFERED=1
RUN useradd --system --create-home --uid 10001 dbmigrate
USER 10001
WORKDIR /app
ENTRYPOINT ["dbmigrate"]
CMD ["--help"]
