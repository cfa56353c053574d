#!/usr/bin/env bash
# A Docker engine for `make up` and `make test`, on a machine that may have none.
#
#   tests/engine.sh ensure COMMAND  an engine, the compose and buildx plugins, the base image; then
#                                   COMMAND, if any. The engine goes on until `stop`
#   tests/engine.sh run COMMAND     the same; an engine that was started for it ends with it
#   tests/engine.sh base SUITE      the base image of another Debian release; the engine has to run
#   tests/engine.sh stop            ends the engine that was started here, and no other
#
# An engine that answers is used as it is. Only where none does, and only on Debian as root,
# one is installed and started here. It never ends under another COMMAND or under containers that
# run. Nothing is printed unless something had to be done.
set -euo pipefail

readonly SUITE=trixie
readonly BASE=debian:$SUITE-slim
readonly COMPOSE_AT_LEAST=2.24.4 # the first with both !reset and !override
readonly BUILDX_AT_LEAST=0.10.0
readonly STATE=${SIGNPOST_ENGINE_STATE:-/run/signpost-engine}
readonly PLUGINS=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins

say() { printf 'engine: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}

answers() { docker info >/dev/null 2>&1; }

# wait_for SECONDS COMMAND...: until the command succeeds; false when the time is over.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.2
    done
}

# A process is named by its id and its start time, since ids are used again.
started_at() { cut -d ' ' -f 22 "/proc/$1/stat" 2>/dev/null; }

ours() { # prints the id of the engine that we started, if it still runs
    local pid start
    read -r pid start 2>/dev/null <"$STATE/engine" || return 1
    [[ -n $start && $(started_at "$pid") == "$start" ]] && echo "$pid"
}

# A dead process whose parent does not ask for its status stays in the table as a Z.
gone() {
    local state
    state=$(cut -d ' ' -f 3 "/proc/$1/stat" 2>/dev/null) || true
    [[ -z $state || $state == Z ]]
}

apt_install() {
    local lists=(/var/lib/apt/lists/*_Packages*)
    [[ -e ${lists[0]} ]] || apt-get update -qq >&2
    say "apt-get install $*"
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" \
        >"$STATE/apt.log" 2>&1 8>&- 9>&- && return
    # Lists that are too old name files that the mirror no longer has.
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" \
        >"$STATE/apt.log" 2>&1 8>&- 9>&- || {
        tail -n 20 "$STATE/apt.log" >&2
        fail "could not install $*"
    }
}

# An engine that was killed leaves its pid file behind. If another process has that id by now,
# the next engine takes it for a running one and refuses to start.
remove_stale_pid_file() { # FILE NAME
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 0
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "$2" ]] || rm -f "$1"
}

# Only root starts an engine here, and only on Debian, which has flock.
may_start() { [[ $(id -u) == 0 && -e /etc/debian_version ]]; }

# Who uses the engine holds a lock together with others (descriptor 9); who ends it needs it alone.
use_engine() {
    may_start || return 0
    mkdir -p "$STATE"
    exec 9>"$STATE/users"
    flock --shared --wait 120 9 || fail "another make has been ending the engine for two minutes"
}

# One after the other: two that begin at once would start two engines.
in_turn() { # COMMAND...
    may_start || {
        "$@"
        return
    }
    mkdir -p "$STATE"
    exec 8>"$STATE/setup"
    flock --nonblock 8 || {
        say "waiting for another make that sets up the engine"
        flock --wait 900 8 || fail "another make has been setting up the engine for 15 minutes"
    }
    "$@"
    exec 8>&-
}

start_engine() {
    [[ $(id -u) == 0 ]] || fail "no Docker engine answers; start it, or run this as root"
    [[ -e /etc/debian_version ]] || fail "no Docker engine answers; install Docker and start it"
    mkdir -p "$STATE"
    command -v dockerd >/dev/null || apt_install docker.io
    command -v docker >/dev/null || apt_install docker-cli # a package of its own since Debian 13
    if [[ -d /run/systemd/system ]]; then
        say "starting the machine's own Docker service"
        systemctl start docker
        wait_for 60 answers || fail "the Docker service does not answer: journalctl -u docker"
        return
    fi
    remove_stale_pid_file /run/docker.pid dockerd
    remove_stale_pid_file /run/docker/containerd/containerd.pid containerd
    say "starting dockerd"
    setsid dockerd </dev/null >"$STATE/dockerd.log" 2>&1 8>&- 9>&- & # without our locks
    local pid=$!
    echo "$pid $(started_at "$pid")" >"$STATE/engine"
    # Ready, or dead: whichever comes first.
    answers_or_gone() { answers || gone "$pid"; }
    if ! wait_for 60 answers_or_gone || ! answers; then
        tail -n 20 "$STATE/dockerd.log" >&2
        stop_engine
        fail "dockerd did not start"
    fi
}

stop_engine() {
    local pid
    pid=$(ours) || {
        rm -f "$STATE/engine"
        return 0
    }
    kill -TERM "$pid"
    wait_for 60 gone "$pid" || fail "dockerd ($pid) does not stop"
    rm -f "$STATE/engine"
}

# What runs in the engine that was started here, wherever DOCKER_HOST points to.
containers() {
    env -u DOCKER_HOST -u DOCKER_CONTEXT timeout 20 \
        docker --host unix:///var/run/docker.sock ps --format '{{.Names}}' 2>/dev/null
}

# Ends the engine that was started here. Where somebody uses it, it goes on, and this prints who.
end_engine() {
    local names
    may_start && ours >/dev/null || return 0
    if ! flock --exclusive --nonblock 9; then
        touch "$STATE/temporary" # `run` ends it then; `ensure` does not
        echo 'another make uses it'
        return
    fi
    names=$(containers | paste -s -d ' ') || true # an engine that does not answer has none
    if [[ -n $names ]]; then
        echo "containers run in it: $names"
        return
    fi
    stop_engine
    rm -f "$STATE/temporary"
}

ensure_base() { # SUITE
    local base=debian:$1-slim
    docker image inspect "$base" >/dev/null 2>&1 && return
    say "pulling $base"
    timeout 120 docker pull -q "$base" >/dev/null 2>&1 && return
    [[ $(id -u) == 0 && -e /etc/debian_version ]] ||
        fail "$base can neither be pulled nor made here (that needs root on Debian)"
    say "no image registry answers; making $base from Debian's packages"
    mkdir -p "$STATE"
    command -v mmdebstrap >/dev/null || apt_install mmdebstrap
    local options=(--quiet --variant=minbase --include=ca-certificates)
    # What the real slim image leaves out is left out here too.
    local without
    for without in doc/ man/ info/ locale/ lintian/ linda/ groff/; do
        options+=(--dpkgopt="path-exclude=/usr/share/$without*")
    done
    options+=(--dpkgopt='path-include=/usr/share/doc/*/copyright')
    # Certificate authorities that this machine trusts, if any: its package registries may sit
    # behind one, and pip inside a build has to trust it too.
    local authority found=no
    for authority in /usr/local/share/ca-certificates/*.crt; do
        [[ -e $authority ]] || continue
        found=yes
        options+=(--customize-hook="copy-in '$authority' /usr/local/share/ca-certificates/")
    done
    # shellcheck disable=SC2016  # $1 is for mmdebstrap's own shell
    [[ $found == no ]] || options+=(--customize-hook='chroot "$1" update-ca-certificates')
    mmdebstrap "${options[@]}" "$1" - 2>"$STATE/mmdebstrap.log" |
        docker import -c 'CMD ["bash"]' - "$base" >/dev/null || {
        tail -n 20 "$STATE/mmdebstrap.log" >&2
        fail "could not make $base"
    }
}

at_least() { # WANTED FOUND
    [[ -n $2 ]] && printf '%s\n%s\n' "$1" "$2" | sort -V -C
}

ensure_plugin() { # NAME AT_LEAST: `docker NAME`, from Debian's package docker-NAME where needed
    local found
    found=$(docker "$1" version 2>/dev/null | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1) || true
    at_least "$2" "$found" && return
    say "fetching docker-$1 from Debian 13 (found: ${found:-none}, needed: $2)"
    mkdir -p "$PLUGINS"
    docker run --rm "$BASE" sh -euc "
        { apt-get update -qq && cd /tmp && apt-get download -qq docker-$1; } >&2
        dpkg-deb --fsys-tarfile docker-$1_*.deb | tar -xO --wildcards '*/cli-plugins/docker-$1'
    " >"$PLUGINS/docker-$1.new" || fail "could not fetch docker-$1"
    chmod 755 "$PLUGINS/docker-$1.new"
    mv "$PLUGINS/docker-$1.new" "$PLUGINS/docker-$1"
    docker "$1" version >/dev/null || fail "docker-$1 from Debian 13 does not run here"
}

ensure() {
    if ! answers; then
        start_engine
        touch "$STATE/temporary"
    fi
    ensure_base "$SUITE"
    ensure_plugin compose "$COMPOSE_AT_LEAST"
    ensure_plugin buildx "$BUILDX_AT_LEAST"
}

keep_engine() { rm -f "$STATE/temporary" 2>/dev/null || true; }

end_temporary_engine() { [[ ! -e $STATE/temporary ]] || end_engine >/dev/null; }

case ${1:-} in
ensure)
    shift
    use_engine
    trap keep_engine EXIT
    in_turn ensure
    (($# == 0)) || "$@" 9>&-
    ;;
run)
    shift
    use_engine
    # An engine that stays, or that others use, goes on after this call.
    trap end_temporary_engine EXIT
    in_turn ensure
    "$@" 9>&-
    ;;
stop)
    use_engine
    users=$(end_engine)
    [[ -z $users ]] || say "the Docker engine goes on: $users"
    ;;
base)
    answers || fail "no Docker engine answers"
    ensure_base "${2:?a Debian release, such as bookworm}"
    ;;
*)
    sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
    exit 64
    ;;
esac
