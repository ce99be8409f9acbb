package main

import (
	"strings"
	"testing"

	"github.com/devserve/devserve/server"
)

func TestCodeFrame(t *testing.T) {
	for _, tt := range []struct {
		name           string
		line           string
		column, length int
		room           int
		want           []string // code and mark
	}{
		{"middle", "let x = y;", 9, 1, 80, []string{"let x = y;", "        ^"}},
		{"no length", "let x = y;", 5, 0, 80, []string{"let x = y;", "    ^"}},
		{"end of line", "let x", 6, 0, 80, []string{"let x", "     ^"}},
		{"column beyond the line", "ab", 9, 4, 80, []string{"ab", "  ^"}},
		{"no column", "let x", 0, 0, 80, []string{"let x", ""}},
		{"tab", "\tx = y", 2, 1, 80, []string{"    x = y", "    ^"}},
		{"wide characters", "日本 = 語語", 6, 2, 80, []string{"日本 = 語語", "       ^^^^"}},
		{"emoji is two units and two cells", "😀x", 3, 1, 80, []string{"😀x", "  ^"}},
		{"combining mark", "e\u0301x", 3, 1, 80, []string{"e\u0301x", " ^"}},
		{"commands", "a\x1b[2J\u202eb", 7, 1, 80, []string{"a[2Jb", "    ^"}},
		{"long after", "x" + strings.Repeat("y", 100), 1, 1, 10, []string{"xyyyyyyyy…", "^"}},
		{"long before", strings.Repeat("y", 100) + "x", 101, 1, 10, []string{"…yyyyyyyyx", "         ^"}},
		{"long both", strings.Repeat("y", 100) + "x" + strings.Repeat("z", 100), 101, 1, 11, []string{"…yyyyxzzzz…", "     ^"}},
		{"long mark", strings.Repeat("y", 100), 1, 100, 12, []string{"yyyyyyy…", "^^^^^^^^"}},
	} {
		f, ok := codeFrame(server.Note{Line: 1, LineText: tt.line, Column: tt.column, Length: tt.length}, tt.room)
		got := []string{f.before + f.marked + f.after, f.blank + f.caret}
		if !ok || strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
			t.Errorf("%s:\n%s\nwant:\n%s", tt.name, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
	for _, d := range []server.Note{{}, {Line: 3}, {LineText: "x"}} {
		if f, ok := codeFrame(d, 80); ok {
			t.Errorf("frame %q without line or text", f)
		}
	}
}

func FuzzCodeFrame(f *testing.F) {
	f.Add("let x = y;", 9, 1, 80)
	f.Add("\t日本\x1b[2J\xff😀", 3, 2, 7)
	f.Add(strings.Repeat("x", 300), 150, 100, 50)
	f.Fuzz(func(t *testing.T, line string, column, length, room int) {
		room = max(20, min(room, 500))
		got, ok := codeFrame(server.Note{Line: 1, LineText: line, Column: column, Length: length}, room)
		if !ok {
			return
		}
		code := got.before + got.marked + got.after
		if n := cells(code); n > room+2 { // one for each "…" that a wide character had no room for
			t.Errorf("%d cells in %d: %q", n, room, code)
		}
		if cells(got.blank) != cells(got.before) {
			t.Errorf("mark at %d, want %d", cells(got.blank), cells(got.before))
		}
		if strings.ContainsFunc(code, commands) {
			t.Errorf("commands in %q", code)
		}
	})
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"src/app.ts":         "src/app.ts",
		"a\x00b\x07\x1b[31m": "ab[31m",
		"a\u0085\u009bb":     "ab",
		"a\u202eb\u2066c":    "abc",
		"a\u2028b\nc":        "abc",
		"caf\xe9 é":          "caf\ufffd é",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}
