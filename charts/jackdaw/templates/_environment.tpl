{{/* The server's options as a list of variables; extraEnv comes behind. */}}
{{- define "jackdaw.env" -}}
- name: JACKDAW_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: JACKDAW_POD_UID
  valueFrom:
    fieldRef:
      fieldPath: metadata.uid
- name: JACKDAW_ADVERTISE_HOST
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
- name: JACKDAW_KUBERNETES_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: JACKDAW_CLUSTER_ID
  value: $(JACKDAW_KUBERNETES_NAMESPACE).{{ include "jackdaw.fullname" . }}
- name: JACKDAW_DISCOVERY
  value: {{ .Values.discovery }}
{{- if eq .Values.discovery "kubernetes" }}
- name: JACKDAW_KUBERNETES_SELECTOR
  value: app.kubernetes.io/name=jackdaw,app.kubernetes.io/instance={{ .Release.Name }}
- name: JACKDAW_KUBERNETES_STATEFUL_SET
  value: {{ include "jackdaw.fullname" . }}
{{- else }}
- name: JACKDAW_DNS_NAME
  value: {{ include "jackdaw.fullname" . }}-headless.$(JACKDAW_KUBERNETES_NAMESPACE).svc
{{- end }}
{{- with .Values.zoneLabel }}
- name: JACKDAW_ZONE
  valueFrom:
    fieldRef:
      fieldPath: metadata.labels['{{ . }}']
{{- end }}
- name: JACKDAW_REPLICAS
  value: {{ include "jackdaw.plain" .Values.replicas | quote }}
{{- with .Values.maxMemoryBytes }}
- name: JACKDAW_MAX_MEMORY_BYTES
  value: {{ include "jackdaw.plain" . | quote }}
{{- end }}
- name: JACKDAW_DRAIN_MS
  value: {{ int .Values.stop.drainMs | quote }}
- name: JACKDAW_STOP_TIMEOUT_MS
  value: {{ int .Values.stop.timeoutMs | quote }}
{{- with .Values.logLevel }}
- name: JACKDAW_LOG_LEVEL
  value: {{ . }}
{{- end }}
{{- if .Values.gossip.existingSecret }}
- name: JACKDAW_GOSSIP_KEYS_FILE
  value: /etc/jackdaw/gossip/keys
- name: JACKDAW_GOSSIP_VERIFY
  value: {{ ternary "on" "off" .Values.gossip.verify | quote }}
{{- end }}
{{- range $name, $value := .Values.options }}
- name: JACKDAW_{{ snakecase $name | upper }}
  value: {{ include "jackdaw.plain" $value | quote }}
{{- end }}
{{- end -}}
