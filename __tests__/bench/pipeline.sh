#!/usr/bin/env bash
# The whole pipeline as it is written by hand: build, test beside temporary servers, push, migrate in a Job, and roll
# out, one after the other. Runs in the project's folder, at the commit that is released.
#
#   pipeline.sh NAMESPACE REPOSITORY [FLAG OF DOCKER BUILD...]
set -euo pipefail

namespace=$1 repository=$2
shift 2
tag="$(git rev-parse HEAD)"
image="$repository:$tag"
box="$namespace-test"

k() { kubectl --namespace "$namespace" "$@"; }

# The bench reads when each step begins.
step() { echo "== $1"; }

remove_servers() {
  docker rm --force --volumes "$box-postgres" "$box-redis" >/dev/null 2>&1 || true
  docker network rm "$box" >/dev/null 2>&1 || true
}

step build
docker build --tag "$image" --build-arg "VERSION=$tag" "$@" .

step test
trap remove_servers EXIT
docker network create "$box"
docker run --detach --name "$box-postgres" --network "$box" --network-alias postgres \
  --env POSTGRES_PASSWORD=test postgres:17
docker run --detach --name "$box-redis" --network "$box" --network-alias redis redis:8
until docker exec "$box-postgres" pg_isready --host=127.0.0.1 --username=postgres; do sleep 1; done
until docker exec "$box-redis" redis-cli ping; do sleep 1; done
docker run --rm --network "$box" --env DATABASE_URL=postgres://postgres:test@postgres:5432/postgres \
  --env REDIS_URL=redis://redis:6379/0 "$image" python manage.py test
remove_servers

step push
docker push "$image"

step migrate
job="migrate-${tag:0:12}"
k apply -f - <<YAML
apiVersion: batch/v1
kind: Job
metadata:
  name: $job
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: migrate
          image: $image
          command: [python, manage.py, migrate, --noinput]
          envFrom:
            - configMapRef:
                name: shop-config
            - secretRef:
                name: shop-secrets
YAML
k wait --for=condition=complete --timeout=300s "job/$job"

step rollout
k set image deployment/web "web=$image"
k set image deployment/worker "worker=$image"
k set image cronjob/expire-orders "expire-orders=$image"
k rollout status deployment/web --timeout=300s
k rollout status deployment/worker --timeout=300s
echo "Released $image"
