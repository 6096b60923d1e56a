#!/usr/bin/env bash
# Prints launch/gke_jobset.yaml for a command, or for each line of a sweep; pipe it to kubectl.
usage='usage: launch/gke.sh --name=NAME --image=IMAGE -- COMMAND... | kubectl apply -f -
       launch/gke.sh --name=NAME --image=IMAGE --sweep=LINES | kubectl apply -f -

  --name=NAME    of the JobSet; of a sweep the first part, NAME-1, NAME-2, ...
  --image=IMAGE  of launch/Dockerfile
  --sweep=LINES  one JobSet per line of experiments.sweep --print, without the evaluation, which is
                 for one process: experiments.sweep makes it afterwards'
set -euo pipefail

die() { printf 'error: %s\n' "$*" >&2; exit 2; }
name='' image='' lines=''
while (($#)); do
  case $1 in
    -h | --help) printf '%s\n' "$usage"; exit 0 ;;
    --name=*) name=${1#*=} ;;
    --image=*) image=${1#*=} ;;
    --sweep=*) lines=${1#*=} ;;
    --) shift; break ;;
    *) die "unexpected argument '$1'; see --help" ;;
  esac
  shift
done
[[ $name =~ ^[a-z]([-a-z0-9]{0,30}[a-z0-9])?$ ]] ||
  die "--name=NAME: lower-case letters, digits and -, at most 32, found '$name'"
[[ $image =~ ^[-a-zA-Z0-9./:_@]+$ ]] || die "--image=IMAGE is needed, found '$image'"
if [[ -n $lines ]]; then
  ((!$#)) || die "either --sweep=LINES or a command"
  [[ -f $lines ]] || die "$lines: no such file; make it with experiments.sweep ... --print"
else
  (($#)) || die "no command; write it after --"
fi

template=$(<"$(dirname "$0")/gke_jobset.yaml")
first=1
document() { # NAME COMMAND, one line of a shell
  local line indent text=$template
  # The claim is shared: once is enough, and JobSets are what follows.
  ((first)) || text=${template#*$'\n---\n'}
  ((first)) || text=---$'\n'${text#*$'\n---\n'}
  first=0
  while IFS= read -r line; do
    indent=${line%%[! ]*}
    case $line in
      *'# set: name') printf '%sname: %s\n' "$indent" "$1" ;;
      *'# set: image') printf '%simage: %s\n' "$indent" "$image" ;;
      *'# set: command') printf '%sexec %s\n' "$indent" "$2" ;;
      *) printf '%s\n' "$line" ;;
    esac
  done <<<"$text"
}

if [[ -z $lines ]]; then
  document "$name" "$(printf '%q ' "$@")"
else
  number=0
  while IFS= read -r line || [[ -n $line ]]; do
    [[ -z $line ]] || document "$name-$((++number))" "${line%% && *}"
  done <"$lines"
fi
