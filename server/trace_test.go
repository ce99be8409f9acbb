package server

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every save is traced as far as the server knows, and told of once its build was.
func TestTrace(t *testing.T) {
	dir := writeSite(t, map[string]string{"main.ts": "let one = 1", "page.css": "a { color: red }"})
	told := make(chan any, 100)
	s := newServer(t, Options{Dir: dir, OnBuild: func(b Build) { told <- b }, OnTrace: func(t Trace) { told <- t }})
	run(t, s)
	get(t, s, "/main.ts", module...)
	if b, ok := (<-told).(Build); !ok || b.Did != "first build" {
		t.Fatalf("told %+v", b)
	}
	for _, text := range []string{"let one = 2", "let one =", "let one = 3"} {
		began := time.Now()
		write(t, filepath.Join(dir, "main.ts"), text)
		b, ok := (<-told).(Build)
		if !ok || !slices.Equal(b.Files, []string{"main.ts"}) {
			t.Fatalf("%s: told %+v", text, b)
		}
		tr, ok := (<-told).(Trace)
		legs := []time.Time{began, tr.Seen, tr.Settled, tr.Began, tr.Compiled, time.Now()}
		if !ok || !slices.IsSortedFunc(legs, time.Time.Compare) || tr.Compiled.Sub(tr.Began).Round(10*time.Microsecond) != b.Took {
			t.Errorf("%s: %v, a build of %v", text, legs, b.Took)
		}
		if tr.Build != b.Number || !slices.Equal(tr.Files, b.Files) || tr.Written.IsZero() || !tr.Sent.IsZero() || len(tr.Pages) > 0 {
			t.Errorf("%s: %+v of %+v", text, tr, b)
		}
	}
	_, body := get(t, s, "/_devserve/status", fetch...)
	var status struct {
		Trace []struct {
			Build    int64
			Files    []string
			Compiled float64
		}
	}
	if err := json.Unmarshal([]byte(body), &status); err != nil || len(status.Trace) != 3 || status.Trace[2].Build != 4 || status.Trace[2].Compiled < 1 {
		t.Errorf("%v, status has %+v", err, status.Trace)
	}
}

// So is what a program renders its pages from.
func TestTraceOfTemplates(t *testing.T) {
	dir := writeSite(t, map[string]string{"index.html": "<p>"})
	views := writeSite(t, map[string]string{"page.tmpl": "one"})
	told := make(chan any, 100)
	s := newServer(t, Options{
		Dir: dir, Watch: []string{views}, OnChange: func([]string) error { return nil },
		OnBuild: func(b Build) { told <- b }, OnTrace: func(t Trace) { told <- t },
	})
	run(t, s)
	write(t, filepath.Join(views, "page.tmpl"), "two")
	if b, ok := (<-told).(Build); !ok || b.Did != "page refresh" {
		t.Fatalf("told %+v", b)
	}
	tr, ok := (<-told).(Trace)
	legs := []time.Time{tr.Seen, tr.Settled, tr.Began, tr.Compiled}
	if !ok || tr.Seen.IsZero() || !slices.IsSortedFunc(legs, time.Time.Compare) || len(tr.Files) != 1 || !strings.HasSuffix(tr.Files[0], "page.tmpl") {
		t.Errorf("told %+v", tr)
	}
}
