#!/usr/bin/env bash
# A Cloud TPU of one host or of many, from the request for it to its end.
usage='usage: launch/tpu_vm.sh ACTION --name=NAME --zone=ZONE [OPTIONS] [-- COMMAND...]

  create   ask for the TPU as a queued resource and wait until it is there
  ship     copy the committed code to every host, install it there
  run      start COMMAND on every host, detached; returns at once
  logs     what the command prints on one host (--worker=0), until it ends; then its exit status
  status   "none", "running" or "ended STATUS" of every host
  stop     SIGTERM to the command on every host: it saves and ends with status 75; SIGKILL after
           300 s
  resume   all of it until COMMAND has ended well: create, ship, run; again after a preemption or a
           lost host, with the same COMMAND, which goes on from its last checkpoint
  delete   give the TPU back

  --type=TYPE         v5litepod-16, v6e-8, v5p-8, v4-32, ...           (create, resume)
  --version=VERSION   TPU software version; the default is that of TYPE
  --spot              capacity that may be taken away; --reserved: from a reservation
  --project=PROJECT   default: that of gcloud
  --setup=COMMAND     run on every host before the install, e.g. to mount the folder of --workdir
  --worker=N          host whose output logs shows
  --restarts=K        how often resume starts a COMMAND again that crashed (default 3); preemptions,
                      and exit statuses 75 and 76, are not counted
  --poll=SECONDS      between two looks at the TPU (default 30)
  --dry-run           print the gcloud commands, run none'
set -euo pipefail

die() { printf 'error: %s\n' "$*" >&2; exit 2; }
say() { printf '[%s] %s\n' "$(date +%T)" "$*" >&2; }
here=$(cd "$(dirname "$0")" && pwd)

case ${1-} in
  -h | --help) printf '%s\n' "$usage"; exit 0 ;;
  create | ship | run | logs | status | stop | resume | delete) action=$1; shift ;;
  '') die "no action; see --help" ;;
  *) die "unknown action '$1'; see --help" ;;
esac
name='' zone='' type='' version='' project='' setup='' worker=0 restarts=3 poll=30 dry_run=''
tier=()
while (($#)); do
  case $1 in
    --name=*) name=${1#*=} ;;
    --zone=*) zone=${1#*=} ;;
    --type=*) type=${1#*=} ;;
    --version=*) version=${1#*=} ;;
    --project=*) project=${1#*=} ;;
    --setup=*) setup=${1#*=} ;;
    --worker=*) worker=${1#*=} ;;
    --restarts=*) restarts=${1#*=} ;;
    --poll=*) poll=${1#*=} ;;
    --spot | --reserved) tier=("$1") ;;
    --dry-run) dry_run=1 ;;
    --) shift; break ;;
    *) die "unexpected argument '$1'; see --help" ;;
  esac
  shift
done
command=("$@")
[[ -n $name ]] || die "--name=NAME is needed"
[[ -n $zone ]] || die "--zone=ZONE is needed, e.g. us-west4-a"
for number in worker restarts poll; do
  [[ ${!number} =~ ^[0-9]+$ ]] || die "--$number needs a whole number, found '${!number}'"
done
case $action in
  create | resume)
    [[ -n $type ]] || die "--type=TYPE is needed, e.g. v5litepod-16"
    if [[ -z $version ]]; then # https://cloud.google.com/tpu/docs/runtimes
      case $type in
        v5litepod-*) version=v2-alpha-tpuv5-lite ;;
        v5p-*) version=v2-alpha-tpuv5 ;;
        v6e-*) version=v2-alpha-tpuv6e ;;
        v2-* | v3-* | v4-*) version=tpu-ubuntu2204-base ;;
        *) die "no TPU software version known for --type=$type; give --version=VERSION" ;;
      esac
    fi
    ;;
esac
case $action in
  run | resume) ((${#command[@]})) || die "no command; write it after --" ;;
  *) ((!${#command[@]})) || die "$action takes no command" ;;
esac
where=("--zone=$zone" ${project:+"--project=$project"})

call() { # gcloud, or what it would be
  if [[ -n $dry_run ]]; then
    printf 'gcloud'
    printf ' %q' "$@"
    printf '\n'
  else
    gcloud "$@"
  fi
}
queued() { call compute tpus queued-resources "$1" "$name" "${where[@]}" "${@:2}"; }
on_hosts() { call compute tpus tpu-vm ssh "$name" "${where[@]}" "--worker=$1" "--command=$2"; }

# A bash array as words of a remote shell's command line.
quoted() { printf '%q ' "$@"; }
detached='cd llve_jax && launch/detached.sh'

state() { # of the queued resource; "none" where there is none
  if [[ -n $dry_run ]]; then queued describe '--format=value(state.state)' >&2; printf ACTIVE; return; fi
  local answer
  if answer=$(queued describe '--format=value(state.state)' 2>&1); then printf '%s' "$answer"; return; fi
  case $answer in
    *NOT_FOUND* | *"not found"*) printf none ;;
    # Not "none": a connection that failed must not ask for a second TPU.
    *) say "$answer"; printf unknown ;;
  esac
}

request() {
  queued create "--node-id=$name" "--accelerator-type=$type" "--runtime-version=$version" \
    ${tier[@]+"${tier[@]}"} --async
}

wait_active() {
  local now before=''
  while now=$(state); [[ $now != ACTIVE ]]; do
    [[ $now == "$before" ]] || say "$name: $now"
    case $now in
      FAILED | SUSPENDED) say "$name: the request has come to its end; delete it, then try again"; return 1 ;;
      none) say "$name: the request is gone"; return 1 ;;
    esac
    before=$now
    sleep "$poll"
  done
}

ship() {
  local folder archive
  folder=$(mktemp -d)
  archive=$folder/llve_jax.tar.gz
  [[ -z $(git -C "$here/.." status --porcelain) ]] || say "note: what is not committed is not shipped"
  git -C "$here/.." archive --format=tar.gz --output="$archive" HEAD || return
  [[ -z $dry_run ]] || archive=llve_jax.tar.gz
  call compute tpus tpu-vm scp "$archive" "$name:llve_jax.tar.gz" "${where[@]}" --worker=all || return
  rm -rf "$folder"
  # The images carry Python 3.10, which is too old; uv brings one. --constraint: the pinned versions,
  # of what training needs. What runs would lose the files that it has not read yet.
  on_hosts all "set -e
if test -d llve_jax && ($detached status ~/llve_run) | grep -q running; then
  echo 'error: a command runs here; stop it first' >&2; exit 2
fi
${setup:+$setup
}rm -rf llve_jax; mkdir llve_jax
tar -xzf llve_jax.tar.gz -C llve_jax; cd llve_jax
test -x ~/.local/bin/uv || python3 -m pip install --quiet --user uv
test -x ~/llve_venv/bin/python || ~/.local/bin/uv venv --quiet --python 3.11 ~/llve_venv
~/.local/bin/uv pip install --quiet --python ~/llve_venv/bin/python --constraint requirements.lock --editable '.[tpu]'"
}

run() {
  on_hosts all "export PATH=\$HOME/llve_venv/bin:\$PATH; $detached start ~/llve_run -- $(quoted "${command[@]}")"
}
status() { on_hosts all "$detached status ~/llve_run"; }
stop() { on_hosts all "$detached stop ~/llve_run"; }

crashes=0
ended() { # what to do when processes ended with these statuses, none of them 0, e.g. " 75 76 "
  local first
  read -r first _ <<<"$1"
  case $1 in
    *' 2 '*) say "$name: bad input; see launch/tpu_vm.sh logs"; exit 2 ;;
    ' 75 ' | ' 76 ' | ' 75 76 ') say "$name: ended with$1; starting again" ;;
    *)
      crashes=$((crashes + 1))
      say "$name: crashed with$1, $crashes of $((restarts + 1))"
      ((crashes <= restarts)) || exit "$first"
      ;;
  esac
  stop >/dev/null || return 0 # hosts that have not noticed; or unreachable ones: looked at later
  run || true
}

resume() {
  local now before='' hosts bad shipped='' asked='' waited=''
  if [[ -n $dry_run ]]; then request; state >/dev/null; ship; run; status; return; fi
  while :; do
    now=$(state)
    [[ $now == "$before" ]] || say "$name: $now"
    before=$now
    case $now in
      none)
        # The first one may be wrong for good, a later one is tried again.
        request || { [[ -n $asked ]] || exit 1; }
        asked=1 shipped=''
        ;;
      FAILED | SUSPENDED) queued delete --quiet --force || true; asked=1 shipped='' ;;
      ACTIVE)
        # Where ssh fails, the host is gone and the state will say so, or it answers the next time.
        if [[ -z $shipped ]]; then
          hosts=$(status 2>/dev/null) || hosts=''
          if [[ $hosts == *running* ]] || { ship && run; }; then shipped=1; fi
        elif hosts=$(status 2>/dev/null); then
          bad=$(printf '%s\n' "$hosts" | sed -n 's/^ended \([1-9][0-9]*\)$/\1/p' | sort -un | tr '\n' ' ')
          if [[ $hosts == *none* ]]; then run || true
          elif [[ -n $bad && $hosts == *running* && -z $waited ]]; then waited=1 # they may be saving
          elif [[ -n $bad ]]; then waited=''; ended " $bad"
          elif [[ $hosts != *running* ]]; then say "$name: done"; return
          fi
        fi
        ;;
    esac
    sleep "$poll"
  done
}

case $action in
  create) request; wait_active ;;
  logs) on_hosts "$worker" "$detached follow ~/llve_run" ;;
  delete) queued delete --quiet --force ;;
  *) "$action" ;;
esac
