# The image, with what fills its store.
ARG SIGNPOST
FROM ${SIGNPOST}
COPY . /srv/bench
ENV PYTHONPATH=/srv
