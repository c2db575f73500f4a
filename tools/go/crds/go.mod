module llm-d.example/tools/crds

go 1.26.0

require (
	github.com/GoogleCloudPlatform/gke-gateway-api v1.3.0
	github.com/kedacore/keda/v2 v2.21.0
	github.com/openshift/api v0.0.0-20260501191448-a49973eaef53
	github.com/prometheus-operator/prometheus-operator v0.85.0
	istio.io/api v1.29.2
	sigs.k8s.io/gateway-api v1.4.0
	sigs.k8s.io/gateway-api-inference-extension v1.3.0
	sigs.k8s.io/lws v0.7.0
)
