package reload

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
)

func wrongAt(source string, build int64, texts ...string) Error {
	e := Error{Build: build, Source: source}
	for _, text := range texts {
		e.Errors = append(e.Errors, Diagnostic{Text: text, Source: "is not for the caller to say"})
	}
	return e
}

// mended is what a source's own end of errors looks like.
func mended(source string) Built { return Built{Build: 1, Hash: "h1", Source: source} }

// said renders the events of a stream or of webpack's protocol, each on a line: the name, "sync", and every
// error as source:text.
func said(t *testing.T, stream string) string {
	t.Helper()
	var out []string
	name := ""
	for line := range strings.SplitSeq(stream, "\n") {
		if after, ok := strings.CutPrefix(line, "event: "); ok {
			name = after
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var m struct {
			Action, Source string
			Sync           bool
			Errors         []any
			Warnings       []any
		}
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		words := []string{name + m.Action}
		if m.Sync {
			words = append(words, "sync")
		}
		if m.Source != "" && !m.Sync {
			words = append(words, m.Source)
		}
		for _, e := range m.Errors {
			if d, ok := e.(map[string]any); ok {
				e = d["source"].(string) + ":" + d["text"].(string)
			}
			words = append(words, e.(string))
		}
		for range m.Warnings {
			words = append(words, "warning")
		}
		out = append(out, strings.Join(words, " "))
	}
	return strings.Join(out, "\n")
}

func TestSources(t *testing.T) {
	warned := built(1)
	warned.Warnings = []Diagnostic{{Text: "odd"}}
	for _, test := range []struct {
		name    string
		events  []Event
		query   string
		want    string // a new stream begins with it
		webpack string // and one of webpack's
	}{
		{
			name: "each keeps its own", events: []Event{warned, wrongAt("backend", 1, "b"), wrongAt("", 2, "a", "a2")},
			want: "error sync backend:b esbuild:a esbuild:a2", webpack: "sync b a a2",
		},
		{
			name: "the last of each", events: []Event{wrongAt("backend", 1, "b"), wrongAt("esbuild", 2, "a"), wrongAt("backend", 2, "c")},
			want: "error sync backend:c esbuild:a", webpack: "sync c a",
		},
		{
			name: "a good build of the site ends its own", events: []Event{wrongAt("backend", 1, "b"), wrongAt("esbuild", 2, "a"), warned},
			want: "error sync backend:b warning", webpack: "sync b",
		},
		{
			name: "and so by its name", events: []Event{wrongAt("backend", 1, "b"), wrongAt("", 2, "a"), mended("esbuild")},
			want: "error sync backend:b", webpack: "sync b",
		},
		{
			name: "another's end leaves the site broken", events: []Event{built(1), wrongAt("esbuild", 2, "a"), wrongAt("backend", 2, "b"), mended("backend")},
			want: "error sync esbuild:a", webpack: "sync a",
		},
		{
			name: "all is mended", events: []Event{warned, wrongAt("backend", 1, "b"), mended("backend")},
			want: "built sync warning", webpack: "sync",
		},
		{
			name: "an end of what never was", events: []Event{warned, mended("backend")},
			want: "built sync warning", webpack: "sync",
		},
		{
			name: "a page that was loaded between two errors", events: []Event{wrongAt("backend", 1, "b"), wrongAt("", 2, "a")}, query: "boot-1",
			want: "error sync backend:b esbuild:a\nerror esbuild esbuild:a", webpack: "sync b a",
		},
		{
			name: "a page that was loaded before both", events: []Event{wrongAt("backend", 1, "b"), wrongAt("", 2, "a")}, query: "boot-0",
			want: "error backend backend:b\nerror esbuild esbuild:a", webpack: "sync b a",
		},
		{
			name: "a page that was loaded before the end", events: []Event{wrongAt("backend", 1, "b"), mended("backend")}, query: "boot-1",
			want: "built backend", webpack: "sync",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(t, Options{})
				for _, e := range test.events {
					publish(t, h, e)
				}
				own := openTab(t, h, request("GET", eventsPath+"?lastEventId="+test.query), nil)
				webpack := openTab(t, h, request("GET", "/__webpack_hmr"), nil)
				synctest.Wait()
				if got := said(t, own.take()); got != test.want {
					t.Errorf("got  %q\nwant %q", got, test.want)
				}
				got, _, _ := strings.Cut(said(t, webpack.take()), " warning")
				if got != test.webpack {
					t.Errorf("webpack's: got  %q\nwant %q", got, test.webpack)
				}
			})
		})
	}
}

// What a stream of webpack's is told must be all there is, for its client knows no sources.
func TestSourcesForWebpack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Options{})
		publish(t, h, built(1))
		tab := openTab(t, h, request("GET", "/__webpack_hmr"), nil)
		synctest.Wait()
		tab.take()
		publish(t, h, wrongAt("backend", 1, "b"))
		publish(t, h, wrongAt("", 2, "a"))
		h.Reload("why")
		publish(t, h, built(3))
		publish(t, h, mended("backend"))
		synctest.Wait()
		if got, want := said(t, tab.take()), "built b\nbuilt b a\nsync b a\nbuilt b\nsync"; got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

// The site's own last good build stays what it is, whoever else tells of an end.
func TestSourceEndKeepsTheHash(t *testing.T) {
	h := newHub(t, Options{})
	publish(t, h, built(7))
	publish(t, h, Built{Source: "backend"})
	if res := bodyOf(t, get(h, request("GET", "/_devserve/status"))); !strings.Contains(res, `"hash": "h7"`) || !strings.Contains(res, `"build": 7`) {
		t.Errorf("status: %s", res)
	}
}
