# docker build -t viveiro . && docker run -p 7860:7860 -v viveiro:/data viveiro
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install -y --no-install-recommends git git-lfs \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 viveiro \
    && install -d -o viveiro -g viveiro /data

WORKDIR /opt/viveiro
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY viveiro ./viveiro
RUN pip install --no-cache-dir -c constraints.txt '.[starter,postgres,s3]'

USER viveiro
ENV VIVEIRO_DATA_DIR=/data VIVEIRO_HOST=0.0.0.0
VOLUME /data
EXPOSE 7860
HEALTHCHECK CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/readyz', timeout=5)"]
CMD ["viveiro", "serve"]
