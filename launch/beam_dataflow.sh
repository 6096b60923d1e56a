#!/usr/bin/env bash
# tfds build on Google Cloud Dataflow, or on this machine's cores.
usage='usage: launch/beam_dataflow.sh BUILDER --data_dir=DIR [OPTIONS] [-- OPTIONS OF tfds build]

  BUILDER             a folder of tfds_builders; sid, smid and smoid read their clips on the workers
  --config=NAME       of the builder; default: all of them
  --data_dir=DIR      where the data set goes; gs://BUCKET/DIR for Dataflow
  --manual_dir=DIR    the downloaded files; for Dataflow the image has them at this path, and so has
                      this machine, which lists them
  --runner=direct     here, one process per core (default); or --runner=dataflow, and with it
  --project=PROJECT --region=REGION
  --bucket=gs://B     for temporary files
  --image=IMAGE       of launch/Dockerfile, target beam, with the files of --manual_dir
  --workers=N         at most (default 32)
  --dry-run           print the command, run nothing'
set -euo pipefail

die() { printf 'error: %s\n' "$*" >&2; exit 2; }
cd "$(dirname "$0")/.."

builder='' config='' data_dir='' manual_dir='' runner=direct project='' region='' bucket='' image=''
workers=32 dry_run=''
while (($#)); do
  case $1 in
    -h | --help) printf '%s\n' "$usage"; exit 0 ;;
    --config=*) config=${1#*=} ;;
    --data_dir=*) data_dir=${1#*=} ;;
    --manual_dir=*) manual_dir=${1#*=} ;;
    --runner=*) runner=${1#*=} ;;
    --project=*) project=${1#*=} ;;
    --region=*) region=${1#*=} ;;
    --bucket=*) bucket=${1#*=} ;;
    --image=*) image=${1#*=} ;;
    --workers=*) workers=${1#*=} ;;
    --dry-run) dry_run=1 ;;
    --) shift; break ;;
    -*) die "unknown option $1; see --help" ;;
    *) [[ -z $builder ]] || die "unexpected argument '$1'; see --help"; builder=$1 ;;
  esac
  shift
done
builders=$(cd tfds_builders && echo */*_dataset_builder.py | tr ' ' '\n' | cut -d/ -f1 | paste -sd' ')
[[ " $builders " == *" ${builder:-?} "* ]] || die "expected a builder out of: $builders; found '$builder'"
[[ -n $data_dir ]] || die "--data_dir=DIR is needed"

case $runner in
  direct)
    options=runner=DirectRunner,direct_num_workers=0,direct_running_mode=multi_processing # 0: all cores
    ;;
  dataflow)
    for needed in project region bucket image; do
      [[ -n ${!needed} ]] || die "--$needed=... is needed with --runner=dataflow"
    done
    [[ $bucket == gs://?* ]] || die "--bucket=gs://NAME expected, found '$bucket'"
    [[ $data_dir == gs://?* ]] || die "--data_dir=gs://BUCKET/DIR expected for Dataflow, found '$data_dir'"
    [[ $workers =~ ^[1-9][0-9]*$ ]] || die "--workers needs a whole number from 1 on, found '$workers'"
    job=$(printf '%s' "llve-$builder-$config" | tr '[:upper:]' '[:lower:]' | tr -cs '[:alnum:]' - | cut -c1-60)
    options=runner=DataflowRunner,project=$project,region=$region,job_name=${job%-}
    options+=,staging_location=${bucket%/}/staging,temp_location=${bucket%/}/temp
    # The image has the code and its packages: nothing is installed when a worker starts.
    options+=,sdk_container_image=$image,sdk_location=container,max_num_workers=$workers
    for value in "$project" "$region" "$bucket" "$image"; do
      [[ $value != *,* ]] || die "a comma in '$value': TFDS divides the options there"
    done
    ;;
  *) die "--runner is direct or dataflow, found '$runner'" ;;
esac

command=(tfds build "tfds_builders/$builder")
[[ -z $config ]] || command+=("--config=$config")
command+=("--data_dir=$data_dir")
[[ -z $manual_dir ]] || command+=("--manual_dir=$manual_dir")
command+=("--beam_pipeline_options=$options" "$@")
if [[ -n $dry_run ]]; then
  printf '%q ' "${command[@]}"
  echo
else
  exec "${command[@]}"
fi
