// The reader of YAML that Kubernetes has, for tests that hold ours against it; `cargo xtask testbed yaml` builds it.
module gatewright.io/testbed/yaml

go 1.25.0

require sigs.k8s.io/yaml v1.6.0

require go.yaml.in/yaml/v2 v2.4.3 // indirect
