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
{{- with .imagePullSecrets -}}{{- $secrets = concat . $secrets -}}{{- end -}}
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
{{- if le (int $stop.timeoutMs) (int $stop.drainMs) -}}
{{- fail (printf "stop.timeoutMs is %d, but must be above stop.drainMs, which is %d" (int $stop.timeoutMs) (int $stop.drainMs)) -}}
{{- end -}}
{{- $needed := add (int $stop.preStopSeconds) (ceil (divf $stop.timeoutMs 1000)) 5 -}}
{{- $asked := int (default $needed $stop.terminationGracePeriodSeconds) -}}
{{- if lt $asked (int $needed) -}}
{{- fail (printf "stop.terminationGracePeriodSeconds is %d, but a stop needs %d: preStopSeconds, timeoutMs, and 5 s to spare" $asked (int $needed)) -}}
{{- end -}}
{{- $asked -}}
{{- end -}}

{{/* How many pods there are at least. */}}
{{- define "jackdaw.wantedPods" -}}
{{- if .Values.autoscaling.enabled -}}{{ int .Values.autoscaling.minReplicas }}{{- else -}}{{ int .Values.replicaCount }}{{- end -}}
{{- end -}}

{{/* A quantity of memory (`512Mi`, `1.5G`, `64MiB`, a number) as bytes. */}}
{{- define "jackdaw.bytes" -}}
{{- $text := include "jackdaw.plain" . | trimSuffix "B" -}}
{{- $units := dict "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 -}}
{{- $number := regexFind "^[0-9.]+" $text -}}
{{- mulf $number (get $units (trimPrefix $number $text) | default 1) | int64 -}}
{{- end -}}

{{/* The memory limit as bytes; empty without one. */}}
{{- define "jackdaw.memoryLimitBytes" -}}
{{- with .Values.resources -}}{{- with .limits -}}{{- with .memory -}}{{ include "jackdaw.bytes" . }}{{- end -}}{{- end -}}{{- end -}}
{{- end -}}
