{{/* What the Kubernetes API would refuse when part of the release is made already, or once it makes pods. */}}

{{/* Names of the objects and of the image. */}}
{{- define "jackdaw.validateNames" -}}
{{- $name := include "jackdaw.fullname" . -}}
{{- if not (regexMatch "^[a-z]([a-z0-9-]*[a-z0-9])?$" $name) -}}
{{- fail (printf "the release is called %s, which makes the name %s, but a Service is called by lower-case letters, digits and hyphens, a letter first: choose another name, or set fullnameOverride" .Release.Name $name) -}}
{{- end -}}
{{- $word := "[a-z0-9]+((\\.|_{1,2}|-+)[a-z0-9]+)*" -}}
{{- if not (regexMatch (printf "^([A-Za-z0-9.-]+(:[0-9]+)?/)?%s(/%s)*$" $word $word) .Values.image.repository) -}}
{{- fail (printf "image.repository is %s, but must be lower-case letters and digits, with slashes, dots, hyphens and underscores between them; the tag is for image.tag" .Values.image.repository) -}}
{{- end -}}
{{- range $label := list "app.kubernetes.io/name" "app.kubernetes.io/instance" -}}
{{- if hasKey ($.Values.podLabels | default dict) $label -}}
{{- fail (printf "podLabels has %s, by which pods are found: choose another label" $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Nothing may be asked for of which less is allowed. */}}
{{- define "jackdaw.validateResources" -}}
{{- $resources := include "jackdaw.resources" . | fromYaml -}}
{{- $limits := $resources.limits | default dict -}}
{{- range $name, $request := $resources.requests -}}
{{- if hasKey $limits $name -}}
{{- $limit := get $limits $name -}}
{{- if gt (include "jackdaw.thousandths" $request | int64) (include "jackdaw.thousandths" $limit | int64) -}}
{{- fail (printf "resources.requests.%s is %v, but must not be above resources.limits.%s, which is %v" $name $request $name $limit) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Variables, volumes and containers beside the chart's own. */}}
{{- define "jackdaw.validateExtras" -}}
{{- $values := .Values -}}
{{- $variables := dict -}}
{{- range include "jackdaw.env" . | fromYamlArray -}}
{{- $_ := set $variables .name true -}}
{{- end -}}
{{- range $values.extraEnv -}}
{{- if hasKey $variables .name -}}
{{- fail (printf "extraEnv has %s, which is there already: set it once, and by a value where the chart has one" .name) -}}
{{- end -}}
{{- $_ := set $variables .name true -}}
{{- end -}}
{{- $volumes := dict "tmp" true -}}
{{- $paths := dict "/tmp" true -}}
{{- if $values.gossip.existingSecret -}}
{{- $_ := set $volumes "gossip-keys" true -}}
{{- $_ := set $paths "/etc/jackdaw/gossip" true -}}
{{- end -}}
{{- range $values.extraVolumes -}}
{{- if hasKey $volumes .name -}}
{{- fail (printf "extraVolumes has %s, which is there already: each volume needs a name of its own" .name) -}}
{{- end -}}
{{- $_ := set $volumes .name true -}}
{{- end -}}
{{- range $values.extraVolumeMounts -}}
{{- if not (hasKey $volumes .name) -}}
{{- fail (printf "extraVolumeMounts has %s, but no volume is called so: there are %s" .name (keys $volumes | sortAlpha | join ", ")) -}}
{{- end -}}
{{- $path := trimSuffix "/" .mountPath -}}
{{- if hasKey $paths $path -}}
{{- fail (printf "extraVolumeMounts has %s, where a volume is mounted already" .mountPath) -}}
{{- end -}}
{{- $_ := set $paths $path true -}}
{{- end -}}
{{- $containers := dict "jackdaw" true -}}
{{- range $value := list "extraContainers" "extraInitContainers" -}}
{{- range get $values $value | default list -}}
{{- if hasKey $containers .name -}}
{{- fail (printf "%s has %s, which is there already: each container of a pod needs a name of its own" $value .name) -}}
{{- end -}}
{{- $_ := set $containers .name true -}}
{{- end -}}
{{- end -}}
{{- end -}}
