package main

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/devserve/devserve/command"
	"github.com/devserve/devserve/server"
)

var update = flag.Bool("update", false, "write what is printed to testdata/console")

var at = time.Date(2026, 11, 21, 14, 3, 5, 0, time.UTC)

// A day at the terminal: what each kind of event looks like.
var day = []any{
	ready{dir: "./site", local: []string{"http://localhost:3000/"}, port: 3000, wanted: 3000, took: 14200 * time.Microsecond},
	ready{
		dir: ".", local: []string{"http://localhost:3001/"}, network: []string{"http://192.0.2.7:3001/", "http://198.51.100.7:3001/"},
		port: 3001, wanted: 3000, took: 1234 * time.Millisecond,
	},
	server.Build{Number: 1, Entry: "/src/main.ts", Did: "first build", Modules: 34, Took: 120 * time.Millisecond, Clients: 1},
	server.Build{Number: 2, Files: []string{"style.css"}, Did: "style sheet", Took: 1270 * time.Microsecond, Clients: 1},
	server.Build{Number: 3, Files: []string{"src/app.ts"}, Did: "hot update", Modules: 1, Took: 2200 * time.Microsecond, Clients: 2},
	trace(3, 800*time.Microsecond, page(0)),
	trace(3, 800*time.Microsecond, page(0), page(7)),
	server.Build{Number: 4, Files: []string{"logo.svg"}, Did: "asset", Clients: 2},
	trace(3, 800*time.Microsecond, page(0), page(7), page(90)), // late
	trace(4, 84*time.Millisecond),
	server.Build{Number: 5, Files: []string{"index.html"}, Did: "page reload"},
	server.Build{
		Number: 6, Files: []string{"a.ts", "b.ts", "c.ts", "d.ts", "e.ts"}, Did: "page reload",
		Reason: "tsconfig.json has changed", Modules: 5, Took: 9 * time.Millisecond, Clients: 1,
	},
	server.Build{
		Number: 7, Files: []string{"src/app.ts"}, Did: "error", Took: 3 * time.Millisecond, Clients: 1,
		Errors: []server.Diagnostic{
			{
				Text: `Could not resolve "./nothing"`, File: "src/app.ts", Line: 12, Column: 20, Length: 11,
				LineText: `import nothing from "./nothing";`,
				Notes: []server.Note{
					{Text: `Did you mean "./thing"?`},
					{
						Text: "It was renamed here:\nin 2026", File: "src/old.ts", Line: 100, Column: 2, Length: 4,
						LineText: "\tthing()",
					},
				},
			},
			{Text: "two\nlines", File: "tsconfig.json"},
			{Text: "no place"},
		},
		Warnings: []server.Diagnostic{{Text: "This is odd", File: "src/a.ts", Line: 3, Column: 1, Length: 5, LineText: "odd()"}},
	},
	server.Build{Number: 8, Files: []string{"src/app.ts"}, Did: "page reload", Reason: "no HMR boundary", Took: time.Millisecond, Clients: 1},
	server.Build{
		Number: 9, Files: []string{"src/a.ts"}, Did: "hot update", Took: time.Millisecond, Clients: 1,
		Warnings: []server.Diagnostic{{Text: "This is odd", File: "src/a.ts", Line: 3, Column: 1, Length: 5, LineText: "odd()"}},
	},
	server.Build{Did: "error", Clients: 1, Errors: []server.Diagnostic{{
		Text: `There is no "nope.ts"`, File: "index.html", Line: 4, Column: 30, Length: 7,
		LineText: `<script type="module" src="/nope.ts"></script>`,
	}}},
	printed{"go run ./cmd/a-long-name", "\x1b[31mlistening\x1b[0m at \x1b]8;;x\x07home"},
	commandState{State: command.State{Name: "api", Phase: command.Building, Reason: "start"}},
	commandState{State: command.State{Name: "api", Phase: command.Ready, Reason: "start", Took: 1200 * time.Millisecond}},
	commandState{State: command.State{Name: "templ", Phase: command.Ready, Generator: true, Files: []string{"a.templ"}, Took: 40 * time.Millisecond}},
	commandState{
		State:  command.State{Name: "api", Phase: command.Failed, Files: []string{"main.go", "b.go", "c.go", "d.go"}, Reason: "exit status 1", Took: time.Second},
		errors: []server.Diagnostic{{Text: "undefined: x", File: "main.go", Line: 3, Column: 2, LineText: "\tx()"}},
	},
	commandState{State: command.State{Name: "api", Phase: command.Stopped, Reason: "it has ended"}},
	server.Build{Source: "template", Did: "error", Clients: 1, Errors: []server.Diagnostic{{Text: "unexpected {{end}}", File: "a.tmpl", Line: 2}}},
	server.Build{Source: "template", Did: "mended", Clients: 1},
	server.Build{Number: 10, Files: []string{"src/\x1b[31ma\u202e.ts"}, Did: "no change", Took: time.Millisecond},
	note{"--open: no browser could be started"},
	note{"http: panic serving\ngoroutine 1\x1b[2J"},
	stopped{},
}

// trace is that of a save of src/app.ts so long after it was written.
func trace(build int64, late time.Duration, pages ...server.PageTrace) server.Trace {
	t := server.Trace{
		Build: build, Files: []string{"src/app.ts"}, Written: at.Add(-late), Seen: at, Settled: after(3.1), Began: after(3.2), Compiled: after(4.6),
		Pages: pages,
	}
	if len(pages) > 0 {
		t.Sent = after(4.7)
	}
	return t
}

// page is what is told by a page that was so many milliseconds slower than the first, and is hidden if it is much slower.
func page(slower float64) server.PageTrace {
	p := server.PageTrace{Received: after(5.2 + slower), Run: after(6 + slower), Painted: after(9.84 + slower), Reported: after(11 + slower)}
	if slower > 50 {
		p.Painted = time.Time{}
	}
	return p
}

func after(ms float64) time.Time { return at.Add(time.Duration(ms * float64(time.Millisecond))) }

func TestConsole(t *testing.T) {
	for name, p := range map[string]printer{
		"text.txt":       &text{},
		"colour.txt":     &text{style: true, width: 40},
		"quiet.txt":      &text{quiet: true},
		"json.txt":       &jsonLines{},
		"json_quiet.txt": &jsonLines{quiet: true},
	} {
		var b strings.Builder
		for _, e := range day {
			b.WriteString(p.print(at, e))
		}
		got := strings.ReplaceAll(b.String(), "\x1b", "␛") // for readers and editors
		file := filepath.Join("testdata", "console", name)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || got != string(want) {
			t.Errorf("%s: %v, got:\n%s", name, err, got)
		}
	}
}

func TestManyErrors(t *testing.T) {
	b := server.Build{Number: 1, Errors: make([]server.Diagnostic, 2*diagnosticsShown)}
	got := (&text{}).print(at, b)
	if n := strings.Count(got, "  error "); n != diagnosticsShown || !strings.Contains(got, "\n  and 10 more\n") {
		t.Errorf("%d errors shown in:\n%s", n, got)
	}
}

// Whatever a compiler says, and how often, it neither fills the terminal nor a log.
func TestEndlessErrors(t *testing.T) {
	line := strings.Repeat("wörd\a ", 1<<13)
	n := server.Note{Text: line + "\n" + strings.Repeat("l\n", 1<<20) + "end", File: line, Line: 1, Column: 1, LineText: line}
	d := server.Diagnostic{Text: n.Text, File: n.File, Line: 1, Column: 1, LineText: line, Notes: slices.Repeat([]server.Note{n}, 1000)}
	b := server.Build{Number: 1, Reason: line, Errors: slices.Repeat([]server.Diagnostic{d}, 300), Warnings: []server.Diagnostic{d}}
	got := (&text{}).print(at, b)
	if len(got) > 1<<20 || strings.Count(got, "\n") > 2000 {
		t.Errorf("%d bytes, %d lines", len(got), strings.Count(got, "\n"))
	}
	for _, want := range []string{"wörd", "…", "… and 1048558 more lines", "and 995 more notes", "and 290 more"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%.300s", want, got)
		}
	}
	b.Errors[0].File, b.Errors[0].Notes = "a.ts", nil
	b.Errors = slices.Repeat(b.Errors[:1], 300)
	b.Warnings = nil
	if got = (&jsonLines{}).print(at, b); len(got) > 4<<20 || !strings.Contains(got, `"200 more are not shown"`) {
		t.Errorf("%d bytes: %.300s", len(got), got)
	}
}

func TestTook(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                       "<0.1 ms",
		49 * time.Microsecond:   "<0.1 ms",
		50 * time.Microsecond:   "0.1 ms",
		9949 * time.Microsecond: "9.9 ms",
		9950 * time.Microsecond: "10 ms",
		999 * time.Millisecond:  "999 ms",
		1240 * time.Millisecond: "1.2 s",
		75 * time.Second:        "75.0 s",
	} {
		if got := took(d); got != want {
			t.Errorf("took(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestColoured(t *testing.T) {
	for _, tt := range []struct {
		no, force string
		terminal  bool
		want      bool
	}{
		{"", "", true, true}, {"", "", false, false}, {"1", "", true, false}, {"1", "1", true, false},
		{"", "1", false, true}, {"", "0", true, false}, {"", "false", true, false}, {"", "3", false, true},
	} {
		t.Setenv("NO_COLOR", tt.no)
		t.Setenv("FORCE_COLOR", tt.force)
		if got := coloured(tt.terminal); got != tt.want {
			t.Errorf("coloured(%v) with NO_COLOR=%s FORCE_COLOR=%s is %v", tt.terminal, tt.no, tt.force, got)
		}
	}
}
