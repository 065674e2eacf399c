{{/* What the server would refuse when it starts, so that pods would end again and again, and what it would do otherwise than the chart believes. */}}

{{/* Sizes: what each may be, and what the server takes without it. src/config/option-table.ts has the same numbers, which a test compares. */}}
{{- define "jackdaw.sizes" -}}
maxMemoryBytes: { least: 1MiB, most: 1024GiB }
maxValueBytes: { least: 1, most: 32MiB, fallback: 1MiB }
maxBodyBytes: { least: 1KiB, most: 256MiB, fallback: 16MiB }
maxInputBytes: { least: 1MiB, most: 64GiB }
outputBufferLimitBytes: { least: 256KiB, most: 1GiB, fallback: 32MiB }
{{- end -}}

{{/* Options by the value that sets them; an empty one is the chart's own business. A test compares them with the server's. */}}
{{- define "jackdaw.settings" -}}
name: ""
cluster-id: ""
host: ""
advertise-host: ""
http-port: ""
resp-port: ""
cluster-port: ""
text-port: ""
grpc-port: ""
gossip-port: ""
peer-port: ""
admin-port: ""
gossip-keys-file: gossip.existingSecret
gossip-verify: gossip.verify
seeds: ""
discovery: discovery
dns-name: ""
kubernetes-namespace: ""
kubernetes-selector: ""
kubernetes-stateful-set: ""
pod-uid: ""
zone: zoneLabel
replicas: replicas
partition: options.partition
max-memory-bytes: maxMemoryBytes
eviction-policy: options.evictionPolicy
max-key-bytes: options.maxKeyBytes
max-value-bytes: options.maxValueBytes
max-body-bytes: options.maxBodyBytes
max-input-bytes: options.maxInputBytes
max-clients: options.maxClients
output-buffer-limit-bytes: options.outputBufferLimitBytes
idle-timeout-ms: options.idleTimeoutMs
forward-timeout-ms: options.forwardTimeoutMs
max-stale-ms: options.maxStaleMs
drain-ms: stop.drainMs
stop-timeout-ms: stop.timeoutMs
log-level: logLevel
{{- end -}}

{{/* Options that only extraArgs and extraEnv have, and what each may be; the server knows no others. A test compares them with the server's. */}}
{{- define "jackdaw.freeSettings" -}}
gossip-keys: keys
debug-commands: off|on
{{- end -}}

{{/* Each size by itself, then what they need of each other. */}}
{{- define "jackdaw.validateMemory" -}}
{{- $values := .Values -}}
{{- $options := $values.options | default dict -}}
{{- $bytes := dict -}}
{{- $shown := dict -}}
{{- range $name, $size := include "jackdaw.sizes" . | fromYaml -}}
{{- $path := ternary $name (printf "options.%s" $name) (eq $name "maxMemoryBytes") -}}
{{- $given := ternary $values.maxMemoryBytes (get $options $name) (eq $name "maxMemoryBytes") -}}
{{- if not (has (toString $given) (list "" "<nil>")) -}}
{{- $plain := include "jackdaw.plain" $given -}}
{{- $whole := regexMatch "^[0-9]{1,15}([KMG]iB?)?$" $plain -}}
{{- $number := ternary $plain "0" $whole | include "jackdaw.bytes" | int64 -}}
{{- if or (not $whole) (lt $number (include "jackdaw.bytes" $size.least | int64)) (gt $number (include "jackdaw.bytes" $size.most | int64)) -}}
{{- fail (printf "%s is %s, but must be a size from %v to %s, such as 8MiB or a number of bytes" $path $plain $size.least $size.most) -}}
{{- end -}}
{{- $_ := set $bytes $name $number -}}
{{- $_ := set $shown $name (printf "%s is %s" $path $plain) -}}
{{- else if $size.fallback -}}
{{- $_ := include "jackdaw.bytes" $size.fallback | int64 | set $bytes $name -}}
{{- $_ := set $shown $name (printf "%s is not given, and so %s" $path $size.fallback) -}}
{{- end -}}
{{- end -}}
{{- if gt (add (mul 4 (div (add $bytes.maxValueBytes 2) 3)) 64) $bytes.maxBodyBytes -}}
{{- fail (printf "%s, but %s: a value must fit into a body as base64, which takes 4 bytes for 3" $shown.maxValueBytes $shown.maxBodyBytes) -}}
{{- end -}}
{{- with $bytes.maxInputBytes -}}
{{- if lt . (mul 2 $bytes.maxBodyBytes) -}}
{{- fail (printf "%s, but %s: all input must hold two bodies" $shown.maxInputBytes $shown.maxBodyBytes) -}}
{{- end -}}
{{- end -}}
{{- if gt (add (mul 2 $bytes.maxValueBytes) 262144) $bytes.outputBufferLimitBytes -}}
{{- fail (printf "%s, but %s: what one connection may leave unread must hold two values and 256KiB" $shown.maxValueBytes $shown.outputBufferLimitBytes) -}}
{{- end -}}
{{- $limit := include "jackdaw.memoryLimitBytes" . -}}
{{- $runtime := mul 140 1048576 -}}
{{- if and $limit (le (int64 $limit) $runtime) -}}
{{- fail (printf "resources.limits.memory is %v, but the server takes 140MiB before the first entry: give it 512Mi, or 256Mi with a small maxMemoryBytes" $values.resources.limits.memory) -}}
{{- end -}}
{{- $store := include "jackdaw.storeBytes" . | int64 -}}
{{- if gt (mul 4 $bytes.maxValueBytes) $store -}}
{{- fail (printf "%s, but must not be above a quarter of the store, which has %d bytes: lower it, or raise maxMemoryBytes" $shown.maxValueBytes $store) -}}
{{- end -}}
{{- if and $limit $values.maxMemoryBytes (gt (add $store $runtime) (int64 $limit)) -}}
{{- fail (printf "%s, but resources.limits.memory is %v, of which the server takes 140MiB before the first entry: a full store would be killed" $shown.maxMemoryBytes $values.resources.limits.memory) -}}
{{- end -}}
{{- end -}}

{{/* Keys of the gossip. */}}
{{- define "jackdaw.validateGossip" -}}
{{- if and (not .Values.gossip.verify) (not .Values.gossip.existingSecret) -}}
{{- fail "gossip.verify is false, but gossip.existingSecret names no secret: without keys there is nothing to verify" -}}
{{- end -}}
{{- end -}}

{{/* Options that come by extraArgs and extraEnv. */}}
{{- define "jackdaw.validateOptions" -}}
{{- $given := list -}}
{{- range .Values.extraArgs -}}
{{- if not (regexMatch "^--[a-z-]+=." .) -}}
{{- fail (printf "extraArgs has %s, but an argument is --option=value" .) -}}
{{- end -}}
{{- $given = dict "in" "extraArgs" "as" (regexFind "^--[a-z-]+" .) "option" (regexFind "^--[a-z-]+" . | trimPrefix "--") "value" (regexReplaceAll "^--[a-z-]+=" . "") | append $given -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if and (hasPrefix "JACKDAW_" .name) (ne .name "JACKDAW_ADDRESSES") -}}
{{- $given = dict "in" "extraEnv" "as" .name "option" (trimPrefix "JACKDAW_" .name | lower | replace "_" "-") "value" .value | append $given -}}
{{- end -}}
{{- end -}}
{{- $settings := include "jackdaw.settings" . | fromYaml -}}
{{- $free := include "jackdaw.freeSettings" . | fromYaml -}}
{{- $key := "[A-Za-z0-9+/]{22,86}={0,2}" -}}
{{- range $given -}}
{{- if hasKey $settings .option -}}
{{- $entry := . -}}
{{- with get $settings .option -}}
{{- fail (printf "%s has %s, which the chart could not check there: use the value %s" $entry.in $entry.as .) -}}
{{- end -}}
{{- fail (printf "%s has %s, which is the chart's own: its probes, Services and discovery count on it" .in .as) -}}
{{- end -}}
{{- if not (hasKey $free .option) -}}
{{- fail (printf "%s has %s, but the server has no such option: those that have no value in the chart are %s" .in .as (keys $free | sortAlpha | join ", ")) -}}
{{- end -}}
{{- $form := get $free .option -}}
{{- if kindIs "invalid" .value -}}
{{- else if eq $form "keys" -}}
{{- if not (regexMatch (printf "^ *%s *(, *%s *){0,7}$" $key $key) (toString .value)) -}}
{{- fail (printf "%s has %s, but what it says is not one to eight keys of 16 to 64 bytes in base64, with commas between them" .in .as) -}}
{{- end -}}
{{- else if not (has (toString .value) (splitList "|" $form)) -}}
{{- fail (printf "%s has %s with %v, but it must be one of %s" .in .as .value (splitList "|" $form | join ", ")) -}}
{{- end -}}
{{- if and (eq .option "gossip-keys") $.Values.gossip.existingSecret -}}
{{- fail (printf "%s has %s, but gossip.existingSecret is %s: give the keys in one place" .in .as $.Values.gossip.existingSecret) -}}
{{- end -}}
{{- end -}}
{{- end -}}
