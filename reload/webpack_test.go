package reload

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestWebpack(t *testing.T) {
	broken := Error{
		Build: 2, Source: "esbuild",
		Errors:   []Diagnostic{{Text: "Expected \";\"", File: "src/a.ts", Line: 3, Column: 5, Length: 2, LineText: "let a b"}},
		Warnings: []Diagnostic{{Text: "odd"}},
	}
	warned := built(1)
	warned.MS = 12.6
	warned.Warnings = []Diagnostic{{Text: "odd", File: "b.css"}}
	const (
		building1 = "data: {\"action\":\"building\"}\n\n"
		brokenAs  = `"time":0,"hash":"h1","warnings":["odd"],"errors":["src/a.ts 3:5\nExpected \";\"\n  3 | let a b\n    |     ^^"],"modules":{}}` + "\n\n"
	)
	as := func(action, hash string) string {
		return `data: {"name":"","action":"` + action + `","time":0,"hash":"` + hash + `","warnings":[],"errors":[],"modules":{}}` + "\n\n"
	}
	for _, test := range []struct {
		name   string
		before []Event
		first  string
		after  []Event
		want   string
	}{
		{name: "no state", first: "\n"},
		{name: "a first build", first: "\n", after: []Event{building(1), built(1)}, want: building1 + as("built", "h1")},
		{name: "a state", before: []Event{built(1)}, first: "\n" + as("sync", "h1")},
		{name: "a build runs", before: []Event{built(1), building(2)}, first: "\n", after: []Event{built(2)}, want: as("built", "h2")},
		{name: "an unchanged build", before: []Event{built(1)}, first: "\n" + as("sync", "h1"), after: []Event{building(1), built(1)}, want: building1 + as("sync", "h1")},
		{
			name: "warnings", first: "\n", after: []Event{warned},
			want: `data: {"name":"","action":"built","time":13,"hash":"h1","warnings":["b.css\nodd"],"errors":[],"modules":{}}` + "\n\n",
		},
		{
			name: "an error and its end", before: []Event{built(1)}, first: "\n" + as("sync", "h1"), after: []Event{broken, built(1), built(3)},
			want: `data: {"name":"","action":"built",` + brokenAs + as("sync", "h1") + as("built", "h3"),
		},
		{name: "an error before", before: []Event{built(1), broken}, first: "\n" + `data: {"name":"","action":"sync",` + brokenAs},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(t, Options{})
				for _, e := range test.before {
					publish(t, h, e)
				}
				one := openTab(t, h, request("GET", "/__webpack_hmr?name=x"), nil)
				synctest.Wait()
				if got := one.take(); got != test.first {
					t.Errorf("got  %q\nwant %q", got, test.first)
				}
				late := openTab(t, h, request("GET", "/__webpack_hmr"), nil)
				synctest.Wait()
				late.take()
				if got := one.take(); got != "" {
					t.Errorf("another's sync came too: %q", got)
				}
				for _, e := range test.after {
					publish(t, h, e)
				}
				synctest.Wait()
				if got, other := one.take(), late.take(); got != test.want || other != got {
					t.Errorf("got  %q\nand  %q\nwant %q", got, other, test.want)
				}
				time.Sleep(defaultHeartbeat)
				synctest.Wait()
				if got := one.take(); got != "data: 💓\n\n" {
					t.Errorf("heartbeat: %q", got)
				}
			})
		})
	}
}

func TestWebpackUnderBase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Options{Base: "/sub/"})
		tab := openTab(t, h, request("GET", "/sub/__webpack_hmr"), nil)
		synctest.Wait()
		if got := tab.take(); got != "\n" {
			t.Errorf("got %q", got)
		}
		h.Close()
	})
}

func TestCodeFrame(t *testing.T) {
	long := make([]byte, maxFrameLine+1)
	for _, test := range []struct {
		d    Diagnostic
		want string
	}{
		{Diagnostic{}, ""},
		{Diagnostic{Line: 1}, ""},
		{Diagnostic{Line: 1, Column: 1, LineText: string(long)}, ""},
		{Diagnostic{Line: 1, Column: 1, LineText: "ab"}, "\n  1 | ab\n    | ^"},
		{Diagnostic{Line: 12, Column: 2, Length: 9, LineText: "ab"}, "\n  12 | ab\n     |  ^"},
		{Diagnostic{Line: 1, Column: 9, Length: 2, LineText: "ab"}, "\n  1 | ab\n    |   ^"},
		{Diagnostic{Line: 1, Column: 3, Length: 2, LineText: "\té🎉 x"}, "\n  1 | \té🎉 x\n    | \t ^"},
		{Diagnostic{Line: 1, Column: 5, Length: 2, LineText: "\té🎉xy"}, "\n  1 | \té🎉xy\n    | \t  ^^"},
		{Diagnostic{Line: 1, Column: 2, Length: 1, LineText: "🎉"}, "\n  1 | 🎉\n    |  ^"},
		{Diagnostic{Line: 1, Column: 0, Length: -1, LineText: "a"}, "\n  1 | a\n    | ^"},
	} {
		if got := codeFrame(test.d); got != test.want {
			t.Errorf("%+v:\n got %q\nwant %q", test.d, got, test.want)
		}
	}
}
