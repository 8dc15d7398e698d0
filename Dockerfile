# docker build -t ballast . && docker run -p 8000:8000 -e BALLAST_DATABASE_URL=... -e BALLAST_OWNER_DATABASE_URL=... ballast
FROM python:3.13-slim AS build
WORKDIR /build
RUN python -m venv /opt/ballast
ENV PATH=/opt/ballast/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.lock ./
RUN pip install --require-hashes -r requirements.lock
COPY . .
RUN pip install --no-index --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --create-home --uid 10001 ballast && install -d -o ballast -g ballast -m 0700 /data
COPY --from=build /opt/ballast /opt/ballast
ENV PATH=/opt/ballast/bin:$PATH PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=8000 BALLAST_DATA_DIR=/data
USER ballast
WORKDIR /data
# Without BALLAST_DATABASE_URL the embedded PostgreSQL keeps its data here.
VOLUME /data
EXPOSE 8000
CMD ["ballast", "serve"]
