# One image, two uses: `torchquiz bot` or `demo`, and `torchquiz worker`. CPU by default; for CUDA build with
# --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130
FROM python:3.12-slim-bookworm AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
COPY workers workers
COPY content content
RUN python -m venv /opt/torchquiz \
    && /opt/torchquiz/bin/pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" '.[run,discord,slack]'

FROM python:3.12-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 torchquiz
COPY --from=build /opt/torchquiz /opt/torchquiz
ENV PATH=/opt/torchquiz/bin:$PATH TORCHQUIZ_HOME=/var/lib/torchquiz HOST=0.0.0.0
RUN install -d -o torchquiz -g torchquiz /var/lib/torchquiz
VOLUME /var/lib/torchquiz
USER torchquiz
EXPOSE 8000
ENTRYPOINT ["tini", "--", "torchquiz"]
CMD ["demo"]
