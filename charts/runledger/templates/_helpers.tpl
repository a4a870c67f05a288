{{- /* The name of what is made: that of the release, with "runledger" in it. */ -}}
{{- define "runledger.name" -}}
{{- if contains "runledger" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-runledger" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- /* What selects the controller's pods. */ -}}
{{- define "runledger.selector" -}}
app.kubernetes.io/name: runledger
app.kubernetes.io/component: controller
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* Labels of an object; takes the component. */ -}}
{{- define "runledger.labels" -}}
app.kubernetes.io/name: runledger
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "runledger.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- /* What becomes a file of the controller: apiVersion and kind may be left out. */ -}}
{{- define "runledger.config" -}}
{{- merge (deepCopy .Values.config) (dict "apiVersion" "runledger.dev/v1" "kind" "Config") | toYaml }}
{{- end }}
