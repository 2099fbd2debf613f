# nullcard/app: nullcard/base and PJSIP's pjsua, built from Debian's source package.
# Target pjsua2 is nullcard/pjsua2: base, Python 3 and PJSIP's bindings for it, from the same
# build. Only syntax that the builder of Docker Engine 20.10 knows.
ARG DEBIAN_IMAGE=debian:trixie-slim
ARG BASE_IMAGE=nullcard/base:dev

FROM ${DEBIAN_IMAGE} AS debian
FROM ${BASE_IMAGE} AS base

# pjproject comes as a component of Debian's asterisk; apt checks its signature. The address
# of the archive is the one that the image itself uses. A directory with another source:
# docker buildx bake --set '*.contexts.pjproject=DIR'.
FROM debian AS fetch
ARG PJPROJECT_SUITE=forky
ARG PJPROJECT_VERSION=2.17
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends xz-utils
WORKDIR /tmp
RUN set -eu; \
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME"); \
    archive=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $codename" 'Created-By: Packages' | head -n 1); \
    echo "deb-src [check-valid-until=no signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive $PJPROJECT_SUITE main" >/etc/apt/sources.list.d/pjproject.list; \
    apt-get update -q; \
    apt-get source -q --print-uris asterisk | tr -d "'" | grep '\.orig-Xpjproject\.tar' >pjproject.uri \
        || { echo "Debian $PJPROJECT_SUITE has no pjproject among the sources of asterisk: choose another PJPROJECT_SUITE" >&2; exit 1; }; \
    read -r uri name size hash <pjproject.uri; \
    /usr/lib/apt/apt-helper download-file "$uri" "/tmp/$name" "$hash"; \
    mkdir /out; \
    tar -xf "/tmp/$name" -C /out --strip-components=1; \
    major=$(sed -n 's/^export PJ_VERSION_MAJOR *:= *//p' /out/version.mak); \
    minor=$(sed -n 's/^export PJ_VERSION_MINOR *:= *//p' /out/version.mak); \
    [ "$major.$minor" = "$PJPROJECT_VERSION" ] \
        || { echo "Debian $PJPROJECT_SUITE has pjproject $major.$minor, not $PJPROJECT_VERSION: set PJPROJECT_VERSION, or hand in the source as context pjproject" >&2; exit 1; }

FROM scratch AS pjproject
COPY --from=fetch /out/ /

# From Debian, not from base: a change of nullcard must not compile pjsua again.
FROM debian AS build
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends \
        g++ gcc libasound2-dev libbcg729-dev libc6-dev libgsm1-dev libopus-dev libsamplerate0-dev \
        libspeex-dev libspeexdsp-dev libsrtp2-dev libssl-dev make uuid-dev
COPY --from=pjproject / /src/
WORKDIR /src
# NDEBUG: a failed assertion returns an error and does not end the process. The limits are
# pjsua's 4 calls and 64 sockets, raised. Debian strips bdimad_dev.c, which is for Windows.
# PIC, so that the bindings can be linked from the same libraries.
# A call's delay is halved (docs/bench.md, call) by frames of 10 ms at the sound device, of
# which the ALSA plugin buffers three (packets stay at 20 ms), and by following the device's
# clock: pjsua's own needs one more delay buffer each way, and a virtual device's is as even.
RUN set -eu; \
    touch pjmedia/src/pjmedia-audiodev/bdimad_dev.c; \
    printf '%s\n' \
        '#define PJ_HAS_IPV6 1' \
        '#define PJ_IOQUEUE_MAX_HANDLES 256' \
        '#define PJSUA_DEFAULT_AUDIO_FRAME_PTIME 10' \
        '#define PJSUA_DEFAULT_SND_USE_SW_CLOCK PJ_FALSE' \
        '#define PJSUA_MAX_CALLS 32' >pjlib/include/pj/config_site.h; \
    CFLAGS='-O2 -DNDEBUG -fPIC -fstack-protector-strong -D_FORTIFY_SOURCE=2' \
    LDFLAGS='-Wl,-z,relro,-z,now' \
    ./aconfigure --disable-video --disable-resample --enable-libsamplerate \
        --with-external-gsm --with-external-speex --with-external-srtp \
        --disable-g7221-codec --disable-ilbc-codec --disable-libwebrtc --disable-libyuv \
        >/tmp/configure.log 2>&1 || { tail -n 40 /tmp/configure.log; exit 1; }; \
    make dep >/tmp/make.log 2>&1 || { tail -n 40 /tmp/make.log; exit 1; }; \
    for part in pjlib pjlib-util pjnath third_party pjmedia pjsip; do \
        make -j"$(nproc)" -C "$part/build" >/tmp/make.log 2>&1 || { tail -n 40 /tmp/make.log; exit 1; }; \
    done; \
    make -C pjsip-apps/build pjsua >/tmp/make.log 2>&1 || { tail -n 40 /tmp/make.log; exit 1; }; \
    strip -o /usr/local/bin/pjsua pjsip-apps/bin/pjsua-*
# A library that configure doesn't find is left out without a word.
RUN ldd /usr/local/bin/pjsua >/tmp/libraries; \
    for want in asound bcg729 gsm opus samplerate speex srtp2 ssl; do \
        grep -q "lib$want\.so" /tmp/libraries || { echo "pjsua was built without lib$want" >&2; exit 1; }; \
    done

# libsrtp's cryptography (NSS) loads these by name when the first SRTP call is set up.
FROM build AS files
COPY images/closure.sh /usr/local/bin/
RUN --mount=type=bind,from=base,target=/base \
    set -eu; \
    nss=$(dirname /usr/lib/*/libnss3.so); \
    closure.sh /base /out /usr/local/bin/pjsua \
        "$nss/libfreebl3.so" "$nss/libfreeblpriv3.so" "$nss/libsoftokn3.so"

# PJSIP's own Makefile would want setuptools for one compiler run. Optimised for size: the
# wrapper only translates arguments.
FROM build AS bindings
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends python3-dev swig
WORKDIR /src/pjsip-apps/src/swig/python
RUN set -eu; \
    ask() { make --no-print-directory -f helper.mak "$1"; }; \
    make pjsua2_wrap.cpp GEN_DOC= >/tmp/make.log 2>&1 || { tail -n 40 /tmp/make.log; exit 1; }; \
    dir=/usr/lib/python3/dist-packages; \
    g++ -shared $(ask cflags) -Os -w $(python3-config --includes) pjsua2_wrap.cpp -o "$dir/_pjsua2.so" \
        -s $(ask ldflags) $(ask libs | sed 's/^/-l/'); \
    cp pjsua2.py "$dir"; \
    python3 -c 'import pjsua2; ep = pjsua2.Endpoint(); ep.libCreate(); print("pjsua2", ep.libVersion().full)'

# Python as Debian packages it, so that apt-get adds to it.
FROM debian AS python
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends python3
COPY images/added.sh /usr/local/bin/
RUN --mount=type=bind,from=base,target=/base added.sh /base /out

FROM bindings AS pjsua2-files
COPY images/closure.sh /usr/local/bin/
RUN --mount=type=bind,from=base,target=/base \
    set -eu; \
    nss=$(dirname /usr/lib/*/libnss3.so); \
    closure.sh /base /out /usr/lib/python3/dist-packages/_pjsua2.so /usr/lib/python3/dist-packages/pjsua2.py \
        "$nss/libfreebl3.so" "$nss/libfreeblpriv3.so" "$nss/libsoftokn3.so"

FROM ${BASE_IMAGE} AS pjsua2
ARG VERSION=dev
LABEL org.opencontainers.image.title="nullcard pjsua2" \
      org.opencontainers.image.description="Python 3 and PJSIP's pjsua2 with a virtual sound device under nullcard: SIP bots in containers" \
      org.opencontainers.image.licenses="Apache-2.0 AND GPL-2.0-or-later AND PSF-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=python /out/ /
COPY --from=pjsua2-files /out/ /

# The last stage is what a build without --target makes.
FROM ${BASE_IMAGE}
ARG VERSION=dev
LABEL org.opencontainers.image.title="nullcard app" \
      org.opencontainers.image.description="PJSIP's pjsua with a virtual sound device under nullcard: a SIP softphone for containers" \
      org.opencontainers.image.licenses="Apache-2.0 AND GPL-2.0-or-later" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=files /out/ /
