{{/* Names, labels and variables that the Kubernetes API would refuse: words by their form, each told by the value that it is in. */}}

{{/* A dot between words of lower-case letters, digits and hyphens: the names of objects and of hosts. Takes the value's path and the word. */}}
{{- define "jackdaw.requireName" -}}
{{- $word := "[a-z0-9]([-a-z0-9]*[a-z0-9])?" -}}
{{- if or (gt (len .word) 253) (not (regexMatch (printf "^%s(\\.%s)*$" $word $word) .word)) -}}
{{- fail (printf "%s is %s, but must be at most 253 lower-case letters, digits, hyphens and dots, with a letter or digit at both ends and on both sides of a dot" .path .word) -}}
{{- end -}}
{{- end -}}

{{/* Names of objects and hosts, where they are given. */}}
{{- define "jackdaw.validateWords" -}}
{{- $values := .Values -}}
{{- $names := dict
  "serviceAccount.name" $values.serviceAccount.name
  "priorityClassName" $values.priorityClassName
  "gossip.existingSecret" $values.gossip.existingSecret
  "ingress.className" $values.ingress.className
  "ingress.host" (trimPrefix "*." ($values.ingress.host | default ""))
  "ingress.grpcHost" (trimPrefix "*." ($values.ingress.grpcHost | default ""))
-}}
{{- range $path, $word := $names -}}
{{- with $word -}}{{- include "jackdaw.requireName" (dict "path" $path "word" .) -}}{{- end -}}
{{- end -}}
{{- range $values.ingress.tls -}}
{{- range .hosts -}}{{- include "jackdaw.requireName" (dict "path" "a host of ingress.tls" "word" (trimPrefix "*." .)) -}}{{- end -}}
{{- with .secretName -}}{{- include "jackdaw.requireName" (dict "path" "a secretName of ingress.tls" "word" .) -}}{{- end -}}
{{- end -}}
{{- range $route := list "httpRoute" "grpcRoute" -}}
{{- range (get $values $route).hostnames -}}
{{- include "jackdaw.requireName" (dict "path" (printf "a name of %s.hostnames" $route) "word" (trimPrefix "*." .)) -}}
{{- end -}}
{{- end -}}
{{- include "jackdaw.validateLabels" . -}}
{{- include "jackdaw.validateTolerations" . -}}
{{- include "jackdaw.validateVariables" . -}}
{{- end -}}

{{/* Labels and annotations, wherever they are given: the keys of both have one form, and of labels the words behind them, too. */}}
{{- define "jackdaw.validateLabels" -}}
{{- $values := .Values -}}
{{- $metrics := $values.metrics -}}
{{- $labels := dict
  "podLabels" $values.podLabels
  "nodeSelector" $values.nodeSelector
  "metrics.serviceMonitor.labels" $metrics.serviceMonitor.labels
  "metrics.podMonitor.labels" $metrics.podMonitor.labels
  "metrics.prometheusRule.labels" $metrics.prometheusRule.labels
  "metrics.dashboard.labels" $metrics.dashboard.labels
-}}
{{- $annotations := dict
  "podAnnotations" $values.podAnnotations
  "service.annotations" $values.service.annotations
  "grpcService.annotations" $values.grpcService.annotations
  "ingress.annotations" $values.ingress.annotations
  "httpRoute.annotations" $values.httpRoute.annotations
  "grpcRoute.annotations" $values.grpcRoute.annotations
  "serviceAccount.annotations" $values.serviceAccount.annotations
  "metrics.dashboard.annotations" $metrics.dashboard.annotations
-}}
{{- $part := "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?" -}}
{{- $word := "[a-z0-9]([-a-z0-9]*[a-z0-9])?" -}}
{{- $key := printf "^(%s(\\.%s)*/)?%s$" $word $word $part -}}
{{- range $path, $pairs := merge (dict) $labels $annotations -}}
{{- range $name, $_ := $pairs | default dict -}}
{{- if not (regexMatch $key $name) -}}
{{- fail (printf "%s has the key %s, but a key is at most 63 letters, digits, hyphens, underscores and dots, with a letter or digit at both ends, and in front of it perhaps a domain and a slash" $path $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $path, $pairs := $labels -}}
{{- range $name, $value := $pairs | default dict -}}
{{- if and $value (not (regexMatch (printf "^%s$" $part) $value)) -}}
{{- fail (printf "%s has %s for %s, but a label is at most 63 letters, digits, hyphens, underscores and dots, with a letter or digit at both ends" $path $value $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What a taint is tolerated by; values.schema.json knows the fields. */}}
{{- define "jackdaw.validateTolerations" -}}
{{- range .Values.tolerations -}}
{{- $exists := eq (.operator | default "Equal") "Exists" -}}
{{- if and $exists .value -}}
{{- fail (printf "tolerations has the value %s with operator Exists, which looks at no value: leave one of them out" .value) -}}
{{- end -}}
{{- if not (or .key $exists) -}}
{{- fail "tolerations has one without a key, which tolerates every taint only with operator Exists" -}}
{{- end -}}
{{- if and (hasKey . "tolerationSeconds") (ne (.effect | default "") "NoExecute") -}}
{{- fail "tolerations has tolerationSeconds without effect NoExecute, which alone takes pods away" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Further environment variables, by the names that every version of Kubernetes takes. */}}
{{- define "jackdaw.validateVariables" -}}
{{- range .Values.extraEnv -}}
{{- if not (regexMatch "^[-._a-zA-Z][-._a-zA-Z0-9]*$" .name) -}}
{{- fail (printf "extraEnv has the name %s, but a variable is called by letters, digits, underscores, hyphens and dots, no digit first" .name) -}}
{{- end -}}
{{- if not (or (kindIs "string" .value) (kindIs "invalid" .value)) -}}
{{- fail (printf "extraEnv has %s with a value that is no text: write it in quotes, %q" .name (include "jackdaw.plain" .value)) -}}
{{- end -}}
{{- if and .value .valueFrom -}}
{{- fail (printf "extraEnv has %s with value and valueFrom: give it one of them" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
