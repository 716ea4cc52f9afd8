#!/bin/bash
# Holds doc/kubernetes against Kubernetes' own schemas, has helm look at the chart, and holds what it makes
# against them, too: kubernetes.sh PYTHON, one with kubernetes-validate.  helm is built from its
# sources, in the version below, which Debian 12's Go can do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

helm=helm.sh/helm/v3/cmd/helm@v3.11.3
release=1.25
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

validate() {
	"$python" -m kubernetes_validate -k "$release" --strict "$@"
}

python=$1
echo '== doc/kubernetes/evhookd.yaml'
validate doc/kubernetes/evhookd.yaml
echo '== doc/helm/evhookd'
GOBIN=$work go install "$helm"
"$work/helm" lint --strict doc/helm/evhookd
"$work/helm" template --kube-version "$release" try doc/helm/evhookd >"$work/chart.yaml"
validate "$work/chart.yaml"
"$work/helm" template --kube-version "$release" try doc/helm/evhookd --set serviceMonitor=true --set podDisruptionBudget=false |
	grep -q '^kind: ServiceMonitor$'
