{{- define "evhookd.labels" -}}
app.kubernetes.io/name: evhookd
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
