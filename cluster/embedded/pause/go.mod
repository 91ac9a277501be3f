module django-rollout/cluster/pause

go 1.24.0
