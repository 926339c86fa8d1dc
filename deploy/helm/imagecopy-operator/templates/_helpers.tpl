{{/* Names, cut to the length of a label. */}}
{{- define "imagecopy-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of all objects. 47 characters leave room for the longest suffix, "-uninstall-guard". */}}
{{- define "imagecopy-operator.fullname" -}}
{{- $name := include "imagecopy-operator.name" . }}
{{- $default := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $default .Values.fullnameOverride | trunc 47 | trimSuffix "-" }}
{{- end }}

{{/* Name of cluster-scoped objects. Several operators may exist if each watches some namespaces only. */}}
{{- define "imagecopy-operator.clusterName" -}}
{{- $name := include "imagecopy-operator.fullname" . }}
{{- if .Values.watchNamespaces }}{{ printf "%s-%s" $name .Release.Namespace }}{{ else }}{{ $name }}{{ end }}
{{- end }}

{{- define "imagecopy-operator.serviceAccountName" -}}
{{- $default := ternary (include "imagecopy-operator.fullname" .) "default" .Values.serviceAccount.create }}
{{- default $default .Values.serviceAccount.name }}
{{- end }}

{{/* These never change, because a selector can't be changed by an upgrade. */}}
{{- define "imagecopy-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "imagecopy-operator.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "imagecopy-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "imagecopy-operator.selectorLabels" . }}
app.kubernetes.io/part-of: imagecopy
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels and annotations of an object. Takes root, component, and optional labels and annotations. */}}
{{- define "imagecopy-operator.meta" -}}
labels:
  {{- include "imagecopy-operator.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (default (dict) .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "imagecopy-operator.image" -}}
{{- $image := .Values.image }}
{{- $repository := $image.repository }}
{{- with .Values.global.imageRegistry }}
{{- $repository = printf "%s/%s" . (regexReplaceAll "^[^/]*[.:][^/]*/" $image.repository "") }}
{{- end }}
{{- if $image.digest }}{{ $repository }}@{{ $image.digest }}{{ else }}{{ $repository }}:{{ default .Chart.AppVersion $image.tag }}{{ end }}
{{- end }}

{{/* Fields that all Pods share. */}}
{{- define "imagecopy-operator.pod" -}}
{{- with concat .Values.imagePullSecrets .Values.global.imagePullSecrets | uniq }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
enableServiceLinks: false
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $key := list "priorityClassName" "runtimeClassName" "schedulerName" "dnsPolicy" }}
{{- with index $.Values $key }}
{{ $key }}: {{ . }}
{{- end }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "hostAliases" "dnsConfig" }}
{{- with index $.Values $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "imagecopy-operator.container" -}}
image: {{ include "imagecopy-operator.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The namespaces to watch. The Pod's own namespace comes from the downward API, because kustomize may move the Pod. */}}
{{- define "imagecopy-operator.namespacesEnv" -}}
{{- if .Values.watchNamespaces }}
- name: IMAGECOPY_NAMESPACES
  {{- if eq (join "," .Values.watchNamespaces) .Release.Namespace }}
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
  {{- else }}
  value: {{ join "," .Values.watchNamespaces | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Hosts that the operator may call. With the simulator, only its host and the given ones: a demo calls no real cloud. */}}
{{- define "imagecopy-operator.allowlist" -}}
{{- $hosts := .Values.settings.endpointAllowlist }}
{{- if .Values.simulator.enabled }}
{{- $hosts = append $hosts (include "imagecopy-operator.simulatorHost" .) }}
{{- end }}
{{- join "," $hosts }}
{{- end }}

{{- define "imagecopy-operator.simulatorHost" -}}
{{ include "imagecopy-operator.fullname" . }}-simulator.{{ .Release.Namespace }}.svc:{{ .Values.simulator.port }}
{{- end }}

{{- define "imagecopy-operator.settingsEnv" -}}
{{- $settings := .Values.settings }}
{{- $texts := list
  (list "IMAGECOPY_INSTALLATION_ID" $settings.installationID)
  (list "IMAGECOPY_LOG_FORMAT" $settings.logFormat)
  (list "IMAGECOPY_LOG_LEVEL" $settings.logLevel)
  (list "IMAGECOPY_ENDPOINT_ALLOWLIST" (include "imagecopy-operator.allowlist" .))
  (list "IMAGECOPY_CLUSTER_NETWORKS" (join "," $settings.clusterNetworks))
  (list "IMAGECOPY_AMBIENT_CREDENTIALS" $settings.ambientCredentials)
}}
{{- range $texts }}
{{- if last . }}
- name: {{ first . }}
  value: {{ last . | quote }}
{{- end }}
{{- end }}
{{- $numbers := list
  (list "IMAGECOPY_CALLS_PER_SECOND" $settings.callsPerSecond)
  (list "IMAGECOPY_MIN_POLL_SECONDS" $settings.minPollSeconds)
  (list "IMAGECOPY_MAX_POLL_SECONDS" $settings.maxPollSeconds)
  (list "IMAGECOPY_SETTLE_SECONDS" $settings.settleSeconds)
  (list "IMAGECOPY_SWEEP_SECONDS" $settings.sweepSeconds)
  (list "IMAGECOPY_PROVIDER_CHECK_SECONDS" $settings.providerCheckSeconds)
}}
{{- range $numbers }}
{{- if not (kindIs "invalid" (last .)) }}
- name: {{ first . }}
  value: {{ last . | toString | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "imagecopy-operator.proxyEnv" -}}
{{- $proxy := .Values.proxy }}
{{- with $proxy.http }}
- name: HTTP_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with $proxy.https }}
- name: HTTPS_PROXY
  value: {{ . | quote }}
{{- end }}
{{- if or $proxy.http $proxy.https }}
- name: NO_PROXY
  value: {{ concat (list ".svc" ".cluster.local" "169.254.169.254") $proxy.noProxy | join "," | quote }}
{{- end }}
{{- end }}

{{/* One httpGet probe. Takes path, port and the other fields of a probe. */}}
{{- define "imagecopy-operator.probe" -}}
httpGet: {path: {{ .path }}, port: {{ .port }}}
{{- toYaml .settings | nindent 0 }}
{{- end }}

{{/* The namespaces in which Roles allow reading Secrets. Empty if a ClusterRole allows it in all namespaces. */}}
{{- define "imagecopy-operator.secretNamespaces" -}}
{{- if .Values.rbac.secretNamespaces }}
{{- join "," (.Values.rbac.secretNamespaces | uniq) }}
{{- else if .Values.watchNamespaces }}
{{- join "," (append .Values.watchNamespaces .Release.Namespace | uniq) }}
{{- end }}
{{- end }}
