{{/* The name of everything: the release's, or what the user says. At most 52 characters: a StatefulSet's pods carry a hash of 10 and a hyphen behind it. */}}
{{- define "jackdaw.fullname" -}}
{{- $name := default .Release.Name .Values.fullnameOverride -}}
{{- if and (not .Values.fullnameOverride) (not (contains .Chart.Name .Release.Name)) -}}
{{- $name = printf "%s-%s" .Release.Name .Chart.Name -}}
{{- end -}}
{{- $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "jackdaw.selectorLabels" -}}
app.kubernetes.io/name: jackdaw
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "jackdaw.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "jackdaw.labels" -}}
{{ include "jackdaw.selectorLabels" . }}
{{ include "jackdaw.commonLabels" . }}
{{- end -}}

{{/* Of the pods of `helm test`: another name, so that no Service, budget or member takes them for members. */}}
{{- define "jackdaw.testLabels" -}}
app.kubernetes.io/name: jackdaw-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "jackdaw.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "jackdaw.fullname" .) -}}
{{- end -}}

{{- define "jackdaw.image" -}}
{{- $registry := .Values.image.registry -}}
{{- with .Values.global -}}
{{- with .imageRegistry -}}{{- $registry = . -}}{{- end -}}
{{- end -}}
{{- with $registry -}}{{ . }}/{{- end -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag }}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "jackdaw.imagePullSecrets" -}}
{{- $secrets := .Values.imagePullSecrets -}}
{{- with .Values.global -}}
{{- with .imagePullSecrets -}}{{- $secrets = concat . ($secrets | default list) -}}{{- end -}}
{{- end -}}
{{- with $secrets -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* Numbers of a values file are floating, and large ones would get an exponent. */}}
{{- define "jackdaw.plain" -}}
{{- if kindIs "float64" . -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* The sleep action is there since Kubernetes 1.30 (beta), and needs no program in the image. */}}
{{- define "jackdaw.preStopSeconds" -}}
{{- if semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version -}}{{ .Values.stop.preStopSeconds }}{{- else -}}0{{- end -}}
{{- end -}}

{{/* The pause, the whole stop, and 5 s to spare; the pause counts on every version, so that the number does not depend on it. */}}
{{- define "jackdaw.gracePeriodSeconds" -}}
{{- $stop := .Values.stop -}}
{{- max (add (int $stop.preStopSeconds) (ceil (divf $stop.timeoutMs 1000)) 5) (int $stop.terminationGracePeriodSeconds) -}}
{{- end -}}

{{/*
The number of pods that the StatefulSet is given; empty leaves it out, and Kubernetes makes that 1 at first.

An autoscaler decides it, so it had better not be there; but a number that was there and is left out becomes 1, whatever the autoscaler said: all pods but one end
at once. So it is left out where it has never been there, of which an annotation tells, and else it is the one that there is now. Where no cluster can be asked
(`helm template`), it is left out.
*/}}
{{- define "jackdaw.replicas" -}}
{{- if .Values.autoscaling.enabled -}}
{{- with lookup "apps/v1" "StatefulSet" .Release.Namespace (include "jackdaw.fullname" .) -}}
{{- if ne (dig "metadata" "annotations" "jackdaw/replicas" "" .) "left-out" -}}{{ int .spec.replicas }}{{- end -}}
{{- end -}}
{{- else -}}
{{ int .Values.replicaCount }}
{{- end -}}
{{- end -}}

{{/* How many pods there are at least. */}}
{{- define "jackdaw.wantedPods" -}}
{{- if .Values.autoscaling.enabled -}}{{ int .Values.autoscaling.minReplicas }}{{- else -}}{{ int .Values.replicaCount }}{{- end -}}
{{- end -}}

{{/* A quantity (`512Mi`, `1.5G`, `64MiB`, `250m`, a number) in thousandths, as shares of a CPU are counted. */}}
{{- define "jackdaw.thousandths" -}}
{{- $text := toString . | trimSuffix "B" -}}
{{- if kindIs "float64" . -}}{{- $text = printf "%f" . -}}{{- end -}}
{{- $units := dict "m" 1 "k" 1000000 "M" 1000000000 "G" 1000000000000 "T" 1000000000000000 "Ki" 1024000 "Mi" 1048576000 "Gi" 1073741824000 "Ti" 1099511627776000 -}}
{{- $number := regexFind "^[0-9.]+" $text -}}
{{- mulf $number (get $units (trimPrefix $number $text) | default 1000) | int64 -}}
{{- end -}}

{{/* A quantity of memory as bytes. */}}
{{- define "jackdaw.bytes" -}}
{{- div (include "jackdaw.thousandths" . | int64) 1000 -}}
{{- end -}}

{{/* The memory limit as bytes; empty without one. */}}
{{- define "jackdaw.memoryLimitBytes" -}}
{{- with .Values.resources -}}{{- with .limits -}}{{- with .memory -}}{{ include "jackdaw.bytes" . }}{{- end -}}{{- end -}}{{- end -}}
{{- end -}}

{{/* What the store takes, as the server reckons it: what is said, else 60 % of the limit, else 1 GiB. */}}
{{- define "jackdaw.storeBytes" -}}
{{- $limit := include "jackdaw.memoryLimitBytes" . -}}
{{- if .Values.maxMemoryBytes -}}
{{ include "jackdaw.bytes" .Values.maxMemoryBytes }}
{{- else if $limit -}}
{{ mulf $limit 0.6 | int64 }}
{{- else -}}
1073741824
{{- end -}}
{{- end -}}

{{/* Requests and limits, without those that are null; the memory asked for is the limit where nothing else is said. */}}
{{- define "jackdaw.resources" -}}
{{- $resources := dict -}}
{{- range $kind, $quantities := .Values.resources | default dict -}}
{{- $given := dict -}}
{{- range $name, $quantity := $quantities | default dict -}}
{{- if not (kindIs "invalid" $quantity) -}}{{- $_ := set $given $name $quantity -}}{{- end -}}
{{- end -}}
{{- $_ := set $resources $kind $given -}}
{{- end -}}
{{- $limits := $resources.limits | default dict -}}
{{- $requests := $resources.requests | default dict -}}
{{- if and (hasKey $limits "memory") (not (hasKey $requests "memory")) -}}
{{- $_ := set $resources "requests" (set $requests "memory" $limits.memory) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}
