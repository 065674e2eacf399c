{{/* Values that contradict each other, each with a sentence. What one value alone may be says values.schema.json. */}}
{{- define "jackdaw.validate" -}}
{{- $values := .Values -}}
{{- if and (not $values.gossip.verify) (not $values.gossip.existingSecret) -}}
{{- fail "gossip.verify is false, but gossip.existingSecret names no secret: without keys there is nothing to verify" -}}
{{- end -}}
{{- with $values.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail (printf "autoscaling.minReplicas is %d, but must not be above autoscaling.maxReplicas, which is %d" (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- if and .enabled (not (dig "requests" "cpu" "" $values.resources)) -}}
{{- fail "autoscaling.enabled is true, but resources.requests.cpu is not given: the target is a share of it" -}}
{{- end -}}
{{- end -}}
{{- if and $values.metrics.serviceMonitor.enabled $values.metrics.podMonitor.enabled -}}
{{- fail "metrics.serviceMonitor and metrics.podMonitor are both enabled, and everything would count twice: enable one of them" -}}
{{- end -}}
{{- range $name := list "httpRoute" "grpcRoute" -}}
{{- $route := get $values $name -}}
{{- if and $route.enabled (not $route.parentRefs) -}}
{{- fail (printf "%s.enabled is true, but %s.parentRefs is empty: name the Gateway it is for" $name $name) -}}
{{- end -}}
{{- end -}}
{{- with $values.ingress -}}
{{- if and .enabled .grpcHost (eq .grpcHost .host) -}}
{{- fail (printf "ingress.host and ingress.grpcHost are both %s, but HTTP and gRPC need a name each" .host) -}}
{{- end -}}
{{- end -}}
{{- $ports := dict -}}
{{- range $name := list "port" "respPort" "clusterPort" "textPort" -}}
{{- $port := get $values.service $name | int | toString -}}
{{- with get $ports $port -}}
{{- fail (printf "service.%s and service.%s are both %s, but each needs a port of its own" . $name $port) -}}
{{- end -}}
{{- $_ := set $ports $port $name -}}
{{- end -}}
{{- with $values.grpcService -}}
{{- if and .headless (ne .type "ClusterIP") -}}
{{- fail (printf "grpcService.headless is true, but grpcService.type is %s: only a ClusterIP can be headless" .type) -}}
{{- end -}}
{{- end -}}
{{- range $label := list "app.kubernetes.io/name" "app.kubernetes.io/instance" -}}
{{- if hasKey $values.podLabels $label -}}
{{- fail (printf "podLabels has %s, by which pods are found: choose another label" $label) -}}
{{- end -}}
{{- end -}}
{{- $limit := include "jackdaw.memoryLimitBytes" . -}}
{{- if and $values.maxMemoryBytes $limit -}}
{{- $store := include "jackdaw.bytes" $values.maxMemoryBytes -}}
{{- if gt (int64 $store) (int64 $limit) -}}
{{- fail (printf "maxMemoryBytes is %s, but the container may use %s bytes in all: raise resources.limits.memory" $store $limit) -}}
{{- end -}}
{{- end -}}
{{- $names := dict -}}
{{- range include "jackdaw.env" . | fromYamlArray -}}
{{- $_ := set $names .name true -}}
{{- end -}}
{{- range $values.extraEnv -}}
{{- if hasKey $names .name -}}
{{- fail (printf "extraEnv has %s, which is there already: set it once, and by a value where the chart has one" .name) -}}
{{- end -}}
{{- $_ := set $names .name true -}}
{{- end -}}
{{- end -}}
