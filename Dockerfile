FROM python:3.13-slim AS build
# requirements-queue.txt adds Celery, for workers and beat.
ARG REQUIREMENTS=requirements.txt
COPY requirements.txt requirements-queue.txt ./
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --disable-pip-version-check -r "$REQUIREMENTS"

FROM python:3.13-slim
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    BIND=0.0.0.0 \
    PORT=8000
WORKDIR /app
# Emoji on the pictures to share; every other font comes with the site or its packages.
RUN apt-get update \
    && apt-get install -y --no-install-recommends fonts-noto-color-emoji \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /venv /venv
COPY manage.py gunicorn.conf.py ./
COPY spotify_top spotify_top
COPY tracks tracks
COPY templates templates
COPY locale locale
# The site's user must be able to read what a strict umask on the building machine has closed.
RUN chmod -R a+rX . && SECRET_KEY=build-only python manage.py collectstatic --noinput
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["python", "-c", "\
import http.client, os, sys; \
site = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 8000), timeout=4); \
site.request('GET', '/live'); \
sys.exit(site.getresponse().status != 200)"]
CMD ["python", "gunicorn.conf.py"]
