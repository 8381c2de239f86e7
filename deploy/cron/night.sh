#!/bin/sh
# One night, for cron: night.sh always|if-stale PYTHON [--env NAME]
set -eu
when=$1 python=$2
shift 2
cd "$(dirname "$0")/../.."
mkdir -p logs data/.locks
# Alerts, a tracking server: whatever belongs to this machine. One NAME=value a line, which is no
# shell: systemd reads the same file, where values hold blanks and & without quotes.
if [ -f conf/local/nightly.env ]; then
    while IFS= read -r line || [ -n "$line" ]; do
        name=${line%%=*} value=${line#*=}
        case $name in
            '' | [!A-Z_]* | *[!A-Z0-9_]* | "$line") continue ;;
        esac
        # Quotes around the whole value are no part of it, as for systemd.
        case $value in
            \"*\") value=${value#\"} value=${value%\"} ;;
            \'*\') value=${value#\'} value=${value%\'} ;;
        esac
        export "$name=$value"
    done <conf/local/nightly.env
fi
if [ "$when" = if-stale ] && "$python" -m wenliu status "$@" >>logs/nightly.log 2>&1; then
    exit 0
fi
# A night that still runs is left alone before Python starts.
exec flock --nonblock --conflict-exit-code 75 "data/.locks/cron${2:+-$2}" \
    "$python" -m kedro run --pipelines nightly "$@" >>logs/nightly.jsonl 2>>logs/nightly.log
