#!/usr/bin/env bash
# `make up` and `make down`: docker compose, on a machine where other copies of Signpost may run.
#
#   tests/compose.sh up      starts this copy and waits until it is healthy
#   tests/compose.sh down    stops it; its volumes stay
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

config() { docker compose config; }
project() { config | sed -n 's/^name: //p'; }

# Two folders of one name are one project to Compose: the second would take over the server of the
# first, and its mail.
refuse_anothers_project() { # PROJECT
    local folder
    while read -r folder; do
        [[ -d $folder && ! $folder -ef . ]] || continue
        say "make: the copy of Signpost in $folder has the name \"$1\" already, after its folder." \
            "Give this one another: COMPOSE_PROJECT_NAME=${1}2 in a file .env beside compose.yaml."
        return 1
    done < <(docker ps --all --filter "label=com.docker.compose.project=$1" \
        --format '{{.Label "com.docker.compose.project.working_dir"}}' | sort -u)
}

digest() { { sha256sum || shasum -a 256; } 2>/dev/null; }

# The same at each call, and no other copy's (RFC 4193: fd, and 56 bits that nobody else has).
own_subnet() { # PROJECT
    local bits
    bits=$(printf '%s\n' "$1" "$(pwd -P)" | digest)
    echo "fd${bits:0:2}:${bits:2:4}:${bits:6:4}:1${bits:10:3}::/64"
}

networks() { config | sed -n '/^networks:/,/^[^ n]/p' | grep '^networks:\|^ '; }

# The network with a subnet of this copy's own, since no two networks may have that of compose.yaml.
# It is made here and not by a variable for Compose: whatever `docker compose` is typed next would
# have another value, and Compose 2.31 and newer then stops the server for a new network. One that
# is there is left as it is, and so is one that somebody has settings for.
create_network() { # PROJECT
    local subnet name=$1_mail
    subnet=$(own_subnet "$1")
    docker network inspect "$name" >/dev/null 2>&1 && return
    [[ $(networks) == "$(IPV6_SUBNET='' networks)" ]] || return 0
    [[ $(IPV6_SUBNET=$subnet networks) == "\
networks:
  mail:
    name: $name
    ipam:
      config:
        - subnet: $subnet
    enable_ipv6: true" ]] || return 0
    # By these labels Compose knows it as its own, and removes it.
    docker network create --ipv6 --subnet "$subnet" --label "com.docker.compose.project=$1" \
        --label com.docker.compose.network=mail "$name" >/dev/null || true
}

# Which network has this copy's subnet, if another one does, and what to do.
explain_subnet() { # PROJECT
    local subnet other
    while read -r subnet; do
        other=$(others_with "$subnet" "$1_mail")
        [[ -n $other ]] || continue
        say
        say "make: the network $other has the subnet $subnet already."
        say "Write another one into the file .env beside compose.yaml, such as" \
            "IPV6_SUBNET=$(own_subnet "$1")"
        say
    done < <(networks | sed -n 's/^ *- subnet: //p')
}

others_with() { # SUBNET NETWORK: the networks but this one that have it
    local name subnets
    docker network ls --quiet | xargs docker network inspect \
        --format '{{.Name}} {{range .IPAM.Config}}{{.Subnet}} {{end}}' |
        while read -r name subnets; do
            [[ $name != "$2" && " $subnets " == *" $1 "* ]] && echo "$name"
        done || true # one that has gone meanwhile
}

# A line for each port: in the container, and that of this machine, if it is a certain one.
ports() {
    config | awk '
        function line() { if (target) print target, published; target = published = "" }
        $2 == "mode:" { line() }
        $1 == "target:" && $2 ~ /^[0-9]+$/ { target = $2 }
        $1 == "published:" { gsub(/"/, "", $2); published = $2 }
        END { line() }'
}

# Who has a port of this machine, other than PROJECT; false where nobody has.
holder() { # PORT PROJECT
    local name project
    while read -r name project; do
        [[ $project == "$2" ]] && return 1
        echo "container $name"
        return
    done < <(docker ps --filter "publish=$1" \
        --format '{{.Names}} {{.Label "com.docker.compose.project"}}')
    [[ ${DOCKER_HOST:-unix:} == unix:* ]] && listening "$1" && echo 'another program'
}

listening() { # PORT
    grep -qsE "$(printf '^ *[0-9]+: \\w+:%04X \\w+:0000 0A' "$1")" /proc/net/tcp{,6}
}

# A port that nobody has: of 25, the first of 10025, 20025 …
free_port() { # PORT PROJECT
    local port
    for port in $(seq $((10000 + $1 % 10000)) 10000 65535); do
        holder "$port" "$2" >/dev/null || break
    done
    echo "$port"
}

# Why the ports keep the server from starting, if they do, and what to do.
explain_ports() { # PROJECT
    local port target name last='' taken='' others=''
    while read -r target port; do
        if [[ -n $port ]] && name=$(holder "$port" "$1"); then
            [[ $name == "$last" ]] || taken+=$'\n'"  $name has"
            taken+=" $port"
            last=$name
        fi
        others+="${others:+, }\"${port:+$(free_port "$target" "$1"):}$target\""
    done < <(ports)
    [[ -n $taken ]] || return 0
    say
    say "make: ports of this machine are in use already:$taken"
    say 'Stop that, or write other ports into a file compose.override.yaml beside compose.yaml:'
    say
    say 'services:'
    say '  signpost:'
    say "    ports: !override [$others]"
    say
}

up() {
    local project second
    project=$(project)
    refuse_anothers_project "$project"
    create_network "$project"
    docker compose up --build --detach || {
        explain_subnet "$project"
        explain_ports "$project"
        return 1
    }
    # The image's own health check comes once a minute; this asks at once, until it is healthy or
    # has given up.
    for ((second = 0; second < 60; second++)); do
        docker compose exec -T signpost signpost health >/dev/null 2>&1 && break
        [[ -n $(docker compose ps --status running --quiet signpost) ]] || break
        sleep 1
    done
    docker compose logs --no-log-prefix signpost
    docker compose exec -T signpost signpost health >/dev/null
    echo
    echo 'Signpost is running.  Its log: docker compose logs --follow   To stop it: make down'
}

down() {
    refuse_anothers_project "$(project)"
    docker compose down
}

case ${1:-} in
up | down) "$1" ;;
*)
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 64
    ;;
esac
