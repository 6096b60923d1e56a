#!/usr/bin/env bash
# Runs a command as several processes of one job, on this machine.
usage='usage: launch/local.sh -n N [--devices=D] [--restarts=K] [--grace=SECONDS] -- COMMAND...

  -n N             processes; each gets LLVE_COORDINATOR, LLVE_NUM_PROCESSES and LLVE_PROCESS_ID
  --devices=D      D CPU devices in each process, whatever else the machine has
  --restarts=K     start again, up to K times, when a process was lost (exit status 76) or crashed
  --grace=SECONDS  how long the others may take to end once one has ended badly (default 30)

Every line of output begins with the number of its process. SIGTERM and SIGINT go on to all. The
exit status is that of the process that failed first: 2 bad input, 75 stopped and saved, 76 lost.'
set -euo pipefail

die() { printf 'error: %s\n' "$*" >&2; exit 2; }
whole() {
  [[ $1 =~ ^(0|[1-9][0-9]{0,5})$ && $1 -ge $2 ]] || die "$3 needs a whole number from $2 on, found '$1'"
}

count='' devices='' restarts=0 grace=30
while (($#)); do
  case $1 in
    -h | --help) printf '%s\n' "$usage"; exit 0 ;;
    -n) count=${2-}; shift ;;
    -n?*) count=${1#-n} ;;
    --devices=*) devices=${1#*=} ;;
    --restarts=*) restarts=${1#*=} ;;
    --grace=*) grace=${1#*=} ;;
    --) shift; break ;;
    -*) die "unknown option $1; see --help" ;;
    *) break ;;
  esac
  shift || break
done
whole "$count" 1 '-n'
whole "$restarts" 0 --restarts
whole "$grace" 0 --grace
(($#)) || die "no command; write it after --, as in: launch/local.sh -n 2 -- python -m experiments.train ..."
if [[ -n $devices ]]; then
  whole "$devices" 1 --devices
  export JAX_PLATFORMS=cpu
  export XLA_FLAGS="${XLA_FLAGS:-} --xla_force_host_platform_device_count=$devices"
fi
export PYTHONUNBUFFERED=1

folder=$(mktemp -d)
pids=() printers=()
signalled=0 # how often somebody asked for a stop
pending=()  # signals that have not been sent on yet
since=''    # when the time of those that are left began to run

# Every process leads a group of its own, so a signal reaches what it started, and Ctrl-C in a
# terminal reaches this script alone: a second signal would end a process without saving.
send() { for pid in ${pids[@]+"${pids[@]}"}; do kill "-$1" -- "-$pid" 2>/dev/null || true; done; }
trap 'pending+=(TERM)' TERM
trap 'pending+=(INT)' INT
trap 'send KILL; rm -rf "$folder"' EXIT

free_port() { # one below the range from which the system lends ports
  local port
  while port=$((20000 + RANDOM % 12000)) && (: 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
  printf '%s' "$port"
}

start() { # fills pids and printers
  local i pipe port
  port=$(free_port)
  pids=() printers=() since=''
  for ((i = 0; i < count; i++)); do
    pipe=$folder/$i
    rm -f "$pipe"
    mkfifo "$pipe"
    (trap '' TERM INT; exec sed -u "s/^/[$i] /" <"$pipe") &
    printers+=($!)
    set -m # a group of its own
    LLVE_COORDINATOR=127.0.0.1:$port LLVE_NUM_PROCESSES=$count LLVE_PROCESS_ID=$i \
      "$@" >"$pipe" 2>&1 </dev/null &
    set +m
    pids+=($!)
  done
}

watch() { # waits until all have ended; sets status
  local open=1 i code killed=0 ended=()
  status=0
  while ((open)); do
    # Here and not in the trap, which may run while only some have been started.
    for signal in ${pending[@]+"${pending[@]}"}; do
      signalled=$((signalled + 1))
      ((signalled < 2)) || since=${since:-$SECONDS}
      send "$signal"
    done
    pending=() open=0
    for ((i = 0; i < count; i++)); do
      [[ -z ${ended[i]-} ]] || continue
      if kill -0 "${pids[i]}" 2>/dev/null; then open=1; continue; fi
      code=0
      wait "${pids[i]}" 2>/dev/null || code=$?
      ended[i]=1
      ((code)) || continue
      printf 'launch/local.sh: process %d ended with status %d\n' "$i" "$code" >&2
      ((status)) || status=$code
      [[ -z $since ]] || continue
      since=$SECONDS
      # 75 is agreed upon: the others are on their way and a signal would cut short their saving.
      ((code == 75 || signalled)) || send TERM
    done
    if [[ -n $since ]] && ((!killed && SECONDS - since > grace)); then
      printf 'launch/local.sh: ending what is left after %d s\n' "$grace" >&2
      send KILL
      killed=1
    fi
    sleep 0.1 || true
  done
  send KILL # helpers of a process that died
  for ((i = 0; i < 20; i++)); do # output still to be printed; something may hold a pipe for ever
    kill -0 "${printers[@]}" 2>/dev/null || break
    sleep 0.1 || true
  done
  kill -KILL "${printers[@]}" 2>/dev/null || true
  wait "${printers[@]}" 2>/dev/null || true
}

for ((attempt = 0; ; attempt++)); do
  start "$@"
  watch
  ((status && status != 2 && status != 75 && !signalled && attempt < restarts)) || break
  printf 'launch/local.sh: status %d, start %d of %d\n' "$status" $((attempt + 2)) $((restarts + 1)) >&2
done
exit "$status"
