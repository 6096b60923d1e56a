#!/usr/bin/env bash
# Runs a command that outlives the connection which started it; launch/tpu_vm.sh does so on a host.
usage='usage: launch/detached.sh start FOLDER -- COMMAND...   refused while one runs in FOLDER
       launch/detached.sh status FOLDER                "none", "running" or "ended STATUS"
       launch/detached.sh follow FOLDER                its output until it ends; then its exit status
       launch/detached.sh stop FOLDER [SECONDS]        SIGTERM, waits until it has ended; SIGKILL
                                                       after SECONDS (default 300)

FOLDER gets the files log, pid and status.'
set -euo pipefail

die() { printf 'error: %s\n' "$*" >&2; exit 2; }
case ${1-} in -h | --help) printf '%s\n' "$usage"; exit 0 ;; esac
(($# >= 2)) || die "expected an action and a folder; see --help"
action=$1 folder=$2
shift 2

state() {
  local pid try
  if ! pid=$(cat "$folder/pid" 2>/dev/null); then printf none; return; fi
  for try in 1 2 3 4 5 6; do # the status is written just after the command has ended
    if [[ -s $folder/status ]]; then printf 'ended %s' "$(<"$folder/status")"; return; fi
    if kill -0 "$pid" 2>/dev/null; then printf running; return; fi
    sleep "0.$try"
  done
  printf 'ended 137' # killed together with the shell that notes how it ended
}

case $action in
  start)
    [[ ${1-} == -- ]] && shift
    (($#)) || die "no command; write it after --"
    [[ $(state) != running ]] || die "$folder: a command runs there already; stop it first"
    mkdir -p "$folder"
    rm -f "$folder/status" "$folder/pid"
    # A session of its own: it does not end with the connection. The shell around it notes how it
    # ended. The command's own process number is kept, so that "stop" signals nothing else.
    # shellcheck disable=SC2016 # expanded by the inner shell
    setsid bash -c '
      folder=$1; shift
      set -m  # else SIGINT would be ignored in it
      "$@" &
      set +m
      echo $! >"$folder/pid.part" && mv "$folder/pid.part" "$folder/pid"
      code=0; wait $! || code=$?
      echo $code >"$folder/status.part" && mv "$folder/status.part" "$folder/status"
    ' detached "$folder" "$@" >"$folder/log" 2>&1 </dev/null &
    for ((i = 0; i < 100; i++)); do
      [[ ! -e $folder/pid ]] || break
      sleep 0.1
    done
    [[ -e $folder/pid ]] || die "$folder: nothing started within 10 s; see $folder/log"
    echo started
    ;;
  status) state; echo ;;
  follow)
    [[ $(state) != none ]] || die "$folder: nothing was started there"
    tail -n +1 -f --pid="$(<"$folder/pid")" "$folder/log"
    ended=$(state)
    exit "${ended#ended }"
    ;;
  stop)
    patience=${1-300}
    [[ $patience =~ ^(0|[1-9][0-9]{0,5})$ ]] || die "SECONDS is a whole number, found '$patience'"
    if [[ $(state) == running ]]; then
      kill -TERM "$(<"$folder/pid")" 2>/dev/null || true # once: a second one ends without saving
      until=$((SECONDS + patience))
      while [[ $(state) == running ]] && ((SECONDS <= until)); do sleep 0.1; done
      # The whole group: what it started would hold the accelerator.
      [[ $(state) != running ]] || kill -KILL -- "-$(<"$folder/pid")" 2>/dev/null || true
      until=$((SECONDS + 30)) # a process inside the kernel outlives even that
      while [[ $(state) == running ]] && ((SECONDS <= until)); do sleep 0.1; done
      [[ $(state) != running ]] || die "$folder: still runs 30 s after SIGKILL"
    fi
    state; echo
    ;;
  *) die "unknown action '$action'; see --help" ;;
esac
