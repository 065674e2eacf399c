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

{{- define "jackdaw.labels" -}}
{{ include "jackdaw.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "jackdaw.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "jackdaw.fullname" .) -}}
{{- end -}}

{{- define "jackdaw.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag }}{{- end -}}
{{- end -}}
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
