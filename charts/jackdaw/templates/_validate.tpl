{{/*
Values that contradict each other, each with a sentence. What one value alone may be says values.schema.json; what the server would refuse says
_validate-server.tpl, and what the Kubernetes API would, _validate-api.tpl and, of words by their form, _validate-words.tpl.
*/}}
{{- define "jackdaw.validate" -}}
{{- include "jackdaw.validateNames" . -}}
{{- include "jackdaw.validatePods" . -}}
{{- include "jackdaw.validateStop" . -}}
{{- include "jackdaw.validateResources" . -}}
{{- include "jackdaw.validateFaces" . -}}
{{- include "jackdaw.validateMonitoring" . -}}
{{- include "jackdaw.validateMemory" . -}}
{{- include "jackdaw.validateGossip" . -}}
{{- include "jackdaw.validateOptions" . -}}
{{- include "jackdaw.validateWords" . -}}
{{- include "jackdaw.validateExtras" . -}}
{{- end -}}

{{/* How many pods there are, and which of them are updated. */}}
{{- define "jackdaw.validatePods" -}}
{{- $values := .Values -}}
{{- $least := int .Values.replicaCount -}}
{{- with $values.autoscaling -}}
{{- if .enabled -}}
{{- $least = int .minReplicas -}}
{{- if gt $least (int .maxReplicas) -}}
{{- fail (printf "autoscaling.minReplicas is %d, but must not be above autoscaling.maxReplicas, which is %d" $least (int .maxReplicas)) -}}
{{- end -}}
{{- if not (dig "requests" "cpu" "" (include "jackdaw.resources" $ | fromYaml)) -}}
{{- fail "autoscaling.enabled is true, but resources.requests.cpu is not given: the target is a share of it" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if ge (int $values.updatePartition) $least -}}
{{- fail (printf "updatePartition is %d, but there may be as few as %d pods, numbered from 0: none of them would be updated" (int $values.updatePartition) $least) -}}
{{- end -}}
{{- end -}}

{{/*
The parts of a stop: the listeners drain, beside the hand-over at first, which gives up 5 s before the end, for the last requests and the farewell. From the end of
draining to that of the stop the server asks for 6 s (LEAST_STOP_MS of src/config/options.ts, which a test compares); the chart asks for 10 s in all besides.
*/}}
{{- define "jackdaw.validateStop" -}}
{{- $stop := .Values.stop -}}
{{- $timeout := int $stop.timeoutMs -}}
{{- if le $timeout (int $stop.drainMs) -}}
{{- fail (printf "stop.timeoutMs is %d, but must be above stop.drainMs, which is %d" $timeout (int $stop.drainMs)) -}}
{{- end -}}
{{- $least := max 10000 (add 6000 (int $stop.drainMs)) | int -}}
{{- if lt $timeout $least -}}
{{- fail (printf "stop.timeoutMs is %d, but must be at least %d: 6000 above stop.drainMs, which is %d, and 10000 in any case, as the hand-over is given up 5000 ms before the end" $timeout $least (int $stop.drainMs)) -}}
{{- end -}}
{{- $asked := int $stop.terminationGracePeriodSeconds -}}
{{- $needed := include "jackdaw.gracePeriodSeconds" . | int -}}
{{- if and $asked (lt $asked $needed) -}}
{{- fail (printf "stop.terminationGracePeriodSeconds is %d, but a stop needs %d: preStopSeconds, timeoutMs, and 5 s to spare" $asked $needed) -}}
{{- end -}}
{{- end -}}

{{/* What leads clients to the pods. */}}
{{- define "jackdaw.validateFaces" -}}
{{- $values := .Values -}}
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
{{- with $values.service -}}
{{- if and .externalTrafficPolicy (eq .type "ClusterIP") -}}
{{- fail (printf "service.externalTrafficPolicy is %s, but service.type is ClusterIP, which takes no traffic from outside: NodePort or LoadBalancer do" .externalTrafficPolicy) -}}
{{- end -}}
{{- if and .loadBalancerClass (ne .type "LoadBalancer") -}}
{{- fail (printf "service.loadBalancerClass is %s, but service.type is %s: only a LoadBalancer has a class" .loadBalancerClass .type) -}}
{{- end -}}
{{- if and .loadBalancerSourceRanges (ne .type "LoadBalancer") -}}
{{- fail (printf "service.loadBalancerSourceRanges has %s, but service.type is %s: only a LoadBalancer admits by address, else networkPolicy.clients does" (first .loadBalancerSourceRanges) .type) -}}
{{- end -}}
{{- end -}}
{{- with $values.grpcService -}}
{{- if and .headless (ne .type "ClusterIP") -}}
{{- fail (printf "grpcService.headless is true, but grpcService.type is %s: only a ClusterIP can be headless" .type) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Monitors and alerts. */}}
{{- define "jackdaw.validateMonitoring" -}}
{{- with .Values.metrics -}}
{{- if and .serviceMonitor.enabled .podMonitor.enabled -}}
{{- fail "metrics.serviceMonitor and metrics.podMonitor are both enabled, and everything would count twice: enable one of them" -}}
{{- end -}}
{{- range $name := list "serviceMonitor" "podMonitor" -}}
{{- $interval := (get $.Values.metrics $name).interval -}}
{{- if regexMatch "^0+[a-z]+$" $interval -}}
{{- fail (printf "metrics.%s.interval is %s, but there has to be time between two scrapes, such as 30s" $name $interval) -}}
{{- end -}}
{{- end -}}
{{- $alerts := list -}}
{{- range regexFindAll "(?m)^- alert: .+$" ($.Files.Get "alerts.yaml") -1 -}}
{{- $alerts = trimPrefix "- alert: " . | append $alerts -}}
{{- end -}}
{{- range .prometheusRule.disabled -}}
{{- if not (has . $alerts) -}}
{{- fail (printf "metrics.prometheusRule.disabled has %s, but no alert is called so: there are %s" . (join ", " $alerts)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
