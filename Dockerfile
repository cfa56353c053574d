# Stages on one base: what is written in C and the virtual environment are built, then copied.
# What a build takes from outside floats, unless arguments pin it; docs/releases.md has them all.
ARG BASE=debian:trixie-slim
ARG BASE_DIGEST

FROM ${BASE}${BASE_DIGEST:+@${BASE_DIGEST}} AS base
# Debian's packages as they were at a moment such as 20261127T000000Z. apt knows where; that place
# has a certificate that the base cannot check yet, and what comes from there is signed all the same.
ARG SNAPSHOT
RUN [ -z "${SNAPSHOT}" ] || printf '%s\n' "APT::Snapshot \"${SNAPSHOT}\";" \
        'Acquire::Check-Valid-Until "false";' 'Acquire::https::Verify-Peer "false";' \
        >/etc/apt/apt.conf.d/snapshot

FROM base AS programs
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        dovecot-dev gcc libc6-dev libmd-dev libpam0g-dev
WORKDIR /build
ENV CFLAGS="-std=gnu17 -O2 -Wall -Wextra -Wconversion -Wshadow -Werror -D_FORTIFY_SOURCE=3 \
    -fstack-protector-strong -fstack-clash-protection -Wl,-z,relro,-z,now"
# Who may log in. Debian's PAM looks for modules in a folder that is named by the architecture.
COPY filters/pam/pam_signpost.c ./
RUN modules="/out/usr/lib/$(gcc -print-multiarch)/security" && mkdir -p "$modules" \
    && gcc $CFLAGS -fPIC -shared -Wl,-z,defs -o "$modules/pam_signpost.so" pam_signpost.c -lpam
# smtpd's delivery, a program without libraries: it starts for every message.
COPY entrypoint/delivery/*.c entrypoint/delivery/*.h ./delivery/
RUN mkdir -p /out/usr/local/libexec \
    && gcc $CFLAGS -D_GNU_SOURCE -static-pie -o /out/usr/local/libexec/deliver delivery/*.c -lmd
# Loaded into smtpd; each says what for at its top.
COPY entrypoint/smtpd/ ./smtpd/
RUN for source in smtpd/*.c; do \
        gcc $CFLAGS -D_GNU_SOURCE -fPIC -shared -Wl,-z,defs \
            -o "/out/usr/local/libexec/$(basename "$source" .c).so" "$source" || exit 1; \
    done

# Loaded into Dovecot's LMTP. Its headers are not as strict.
COPY entrypoint/dovecot/ ./dovecot/
RUN mkdir -p /out/usr/lib/dovecot/modules \
    && gcc $CFLAGS -fPIC -shared -DHAVE_CONFIG_H -isystem /usr/include/dovecot \
        -o /out/usr/lib/dovecot/modules/lib90_mailbox_guid_plugin.so dovecot/mailbox_guid.c \
    # After Sieve's, which is 90.
    && gcc $CFLAGS -fPIC -shared -DHAVE_CONFIG_H -isystem /usr/include/dovecot \
        -o /out/usr/lib/dovecot/modules/lib95_queue_id_plugin.so dovecot/queue_id.c

FROM base AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        ca-certificates python3 python3-pip python3-setuptools python3-venv python3-wheel
WORKDIR /build
COPY requirements/runtime.txt requirements/
# dkimpy and pyspf come as source only; Debian's setuptools builds them, so that nothing that is
# not pinned is fetched for it.
RUN python3 -m venv --system-site-packages /opt/signpost \
    && /opt/signpost/bin/pip install --no-cache-dir --no-deps --require-hashes \
        --no-build-isolation -r requirements/runtime.txt
COPY pyproject.toml LICENSE README.md ./
COPY filters filters
COPY entrypoint entrypoint
COPY templates templates
RUN /opt/signpost/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && rm -rf /opt/signpost/lib/python3*/site-packages/pip* /opt/signpost/bin/pip* \
        /opt/signpost/bin/[Aa]ctivate* \
    && sed -i 's/^include-system-site-packages = true/include-system-site-packages = false/' \
        /opt/signpost/pyvenv.cfg \
    && /opt/signpost/bin/python -m compileall -q /opt/signpost/lib

FROM base
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        bogofilter-sqlite ca-certificates certbot opensmtpd python3 tzdata \
        dovecot-imapd dovecot-lmtpd dovecot-managesieved dovecot-pop3d dovecot-auth-lua lua-socket \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /etc/apt/apt.conf.d/snapshot /etc/smtpd.conf \
    && ln -sf /run/signpost/mailname /etc/mailname \
    && ln -sf /run/signpost/dovecot/dovecot.conf /etc/dovecot/dovecot.conf \
    # Nothing gives whoever runs it the rights of another: smtpctl and sendmail are set-gid for the
    # group that may control smtpd. root takes it for those who need it (templates/smtpctl).
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && ln -s smtpctl /usr/local/sbin/sendmail \
    # smtpd looks for a .forward in the home of whom it delivers as, and root needs to read it.
    && useradd --system --user-group --no-create-home --home-dir /data \
        --shell /usr/sbin/nologin vmail \
    && for user in signer verifier logins extra web target metrics; do \
        useradd --system --user-group --no-create-home --home-dir /nonexistent \
            --shell /usr/sbin/nologin "$user" || exit 1; \
    done \
    # Who may ask whether a password is right.
    && groupadd --system login-checks
# Who delivers, who sends for Sieve, who may log in; and the scripts that go with every person's,
# compiled, because no user could keep them so.
COPY --chmod=755 templates/start-smtpd templates/dovecot/sieve-send /usr/local/libexec/
COPY --chmod=755 templates/smtpctl /usr/local/sbin/
COPY --from=programs /out/ /
COPY --chmod=644 filters/pam/smtpd /etc/pam.d/
COPY templates/dovecot/pam/ /etc/pam.d/
COPY templates/dovecot/*.sieve templates/dovecot/*.lua /usr/local/share/signpost/
RUN printf '%s\n' 'dovecot_config_version = 2.4.0' 'dovecot_storage_version = 2.4.0' \
        'sieve_extensions {' '  special-use = yes' '}' \
        # Dovecot would store no mail with a plugin that it cannot load: then this fails.
        'mail_plugins {' '  mailbox_guid = yes' '}' >/tmp/sieve.conf \
    && for script in /usr/local/share/signpost/*.sieve; do \
        sievec -c /tmp/sieve.conf "$script" || exit 1; \
    done \
    && rm /tmp/sieve.conf \
    # The other plugin needs what only LMTP has.
    && python3 -c "from ctypes import CDLL, RTLD_GLOBAL as all; folder = '/usr/lib/dovecot'; \
        CDLL(f'{folder}/libdovecot-lda.so.0', all); \
        CDLL(f'{folder}/modules/lib95_queue_id_plugin.so')"
COPY --from=build /opt/signpost /opt/signpost
ENV PATH=/opt/signpost/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8
EXPOSE 25 80 110 143 443 465 587 993 995 1025 4190 8025
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=20s --start-period=20s CMD ["signpost", "health"]
ENTRYPOINT ["signpost"]
CMD ["start"]
# Last, since they change with each build. What a release was made from; empty in anyone's own.
ARG BASE
ARG BASE_DIGEST
ARG SNAPSHOT
ARG VERSION
ARG REVISION
ARG CREATED
ARG SOURCE
LABEL org.opencontainers.image.title="Signpost" \
    org.opencontainers.image.description="A mail server that signs, verifies and keeps mail" \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.source="${SOURCE}" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}" \
    org.opencontainers.image.base.name="${BASE}" \
    org.opencontainers.image.base.digest="${BASE_DIGEST}" \
    signpost.debian.snapshot="${SNAPSHOT}"
