#!/bin/sh
# The steps of the Jenkinsfile beside this file: sh ci/release.sh STEP. Each gets its values from the
# environment of the pipeline, and its secrets from the credentials of its stage.
# The tag is the commit's, or one with a suffix where the registry has that commit of another build (other
# build-args, say): each report names it, and the next command takes it.
set -eu

django_rollout() { npx --yes django-rollout@1 "$@"; }

tag_of() { node -p 'require("./reports/" + process.argv[1]).tag' "$1.json"; }

case "$1" in
  login)
    rm -rf reports
    echo "$REGISTRY_PASSWORD" | docker login --username "$REGISTRY_USER" --password-stdin "$REGISTRY"
    ;;
  build)
    django_rollout build --image "$IMAGE" --report reports/build.json --junit reports/build.xml
    ;;
  test)
    django_rollout test --image "$IMAGE" --tag "$(tag_of build)" --test-services "$TEST_SERVICES" \
      --junit reports/test.xml
    ;;
  push) # Only a tested image gets its tag.
    django_rollout test --image "$IMAGE" --tag "$(tag_of build)" --test-services "$TEST_SERVICES" --push \
      --report reports/test.json --junit reports/test.xml
    ;;
  deploy)
    django_rollout deploy --image "$IMAGE" --tag "$(tag_of test)" --namespace "$NAMESPACE" \
      --manifests "$MANIFESTS" --junit reports/deploy.xml
    ;;
  rollback)
    django_rollout rollback --image "$IMAGE" --namespace "$NAMESPACE" --to "$TO" --junit reports/rollback.xml
    ;;
  logout)
    docker logout "$REGISTRY"
    ;;
  *)
    echo "release.sh: there is no step $1" >&2
    exit 2
    ;;
esac
