package server

import (
	"strings"
	"testing"
)

func TestDiagnose(t *testing.T) {
	var told []string
	s := newServer(t, Options{Dir: writeSite(t, map[string]string{"index.html": "<p>"}), OnBuild: func(b Build) {
		words := []string{b.Source, b.Did}
		for _, d := range b.Errors {
			words = append(words, d.Text)
		}
		told = append(told, strings.Join(words, " "))
	}})
	for _, source := range []string{"", "esbuild"} {
		if err := s.Diagnose(source, []Diagnostic{{Text: "x"}}); err == nil {
			t.Errorf("source %q is the site's own", source)
		}
	}
	for _, texts := range [][]string{nil, {"b"}, {"b"}, {"b", "c"}, nil, nil} {
		var ds []Diagnostic
		for _, text := range texts {
			ds = append(ds, Diagnostic{Text: text})
		}
		if err := s.Diagnose("backend", ds); err != nil {
			t.Error(err)
		}
	}
	if got, want := strings.Join(told, ", "), "backend error b, backend error b c, backend mended"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}
