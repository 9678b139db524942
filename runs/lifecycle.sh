#!/bin/sh
# The life of a model, from a folder of pictures to nothing left, on the local AWS of this machine.
#
#   runs/lifecycle.sh ~/pictures my-model      a folder of pictures per class; where models and pages go
#
# Every line is a command that one can type by itself; --help says more of each. In AWS it is the same with --aws
# behind the sagemaker commands and --stack NAME behind the others. Before: make setup setup-training
set -eu
pictures=$1 out=$2 bucket=vehiclevision-sagemaker-000000000000-us-east-1
PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH"
step() { printf '\n── %s\n' "$*"; }

step "Data: every picture goes through the image gate"
vehiclevision data transform "$pictures" --out "$out/data"

step "Train: a head of your own on the network as published; without --quick the network learns too"
vehiclevision train --data "$out/data" --out "$out/model" --quick

step "Evaluate: on the pictures that the model never saw"
vehiclevision evaluate --data "$out/data" --split validation --model "$out/model/model.tar.gz" --out "$out/evaluation.html"

step "Up: the local AWS, with the application in it"
vehiclevision up --detach

step "Deploy: a version, a person's yes, an endpoint that serves it"
vehiclevision sagemaker register --model "$out/model/model.tar.gz" --yes
vehiclevision sagemaker approve --latest --yes
vehiclevision sagemaker deploy --latest --yes

step "Drop: the photos find their way through the application"
vehiclevision drop "$pictures"

step "Report: how the model does, from what its endpoint captured"
vehiclevision report --out "$out/report.html"

step "Monitor: what the pictures are like while all is well, and a check of every day against it"
vehiclevision baseline --from "s3://$bucket/capture/" --out "$out/baseline.json"
vehiclevision data load "$out/data" --bucket "$bucket"
vehiclevision monitor deploy --baseline "$out/baseline.json" --yes

step "Retrain: with what people have labelled, or what is still missing for that"
vehiclevision review list
vehiclevision retrain start

step "Down: endpoint, models, checks and data are gone; photos and results stay for the next time"
vehiclevision sagemaker teardown --yes
vehiclevision down
