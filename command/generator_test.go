package command

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func read1(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// calm waits until no command has anything to do, and none begins anything within a moment that is longer than any
// of their pauses.
func (f *fixture) calm() {
	f.t.Helper()
	n, since := -1, time.Now()
	poll(f.t, "quiet", func() bool {
		if now := f.now(); now != n {
			n, since = now, time.Now()
		}
		return time.Since(since) > 2*quiet
	})
}

// What is generated is there before what uses it is started, and a change goes through both, in order.
func TestOrder(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "in.txt"), "one")
	gen := self("upper", "in.txt", "out.txt")
	gen.Generator, gen.Watch = true, []string{"in.txt"}
	second := self("upper", "out.txt", "last.txt")
	second.Name, second.Generator, second.Watch = "second", true, []string{"out.txt"}
	addr := freeAddr(t)
	app := self("listen", addr)
	app.Ready, app.Watch = Dial(addr), []string{"last.txt"}
	f := run(t, dir, Options{}, gen, second, app)
	if err := f.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := read1(t, filepath.Join(dir, "last.txt")); got != "ONE" {
		t.Errorf("%q when all is ready", got)
	}
	f.calm()
	if n := lines(filepath.Join(dir, "upper.log")); n != 2 {
		t.Errorf("%d runs at the start", n)
	}
	pid := ask(addr)

	n := f.now()
	f.edit("in.txt", "error")
	s := f.reached(n, "upper", Failed)
	want := Diagnostic{Source: filepath.Base(gen.Args[0]), Text: "not that word", File: "in.txt", Line: 1, Column: 3, LineText: "error"}
	if len(s.Diagnostics) != 1 || !equal(s.Diagnostics[0], want) {
		t.Errorf("%+v, want %+v", s.Diagnostics, want)
	}
	if err := f.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if ask(addr) != pid {
		t.Error("restarted although nothing was generated")
	}

	n = f.now()
	f.edit("in.txt", "two")
	f.reached(n, "listen", Ready)
	if got := read1(t, filepath.Join(dir, "last.txt")); got != "TWO" || ask(addr) == pid {
		t.Errorf("%q, and %q answers, was %q", got, ask(addr), pid)
	}
	f.calm()
	if n := lines(filepath.Join(dir, "upper.log")); n != 4 {
		t.Errorf("%d runs in the end", n)
	}
}

// What comes after a generator that fails waits for it, and requests do not.
func TestGeneratorFails(t *testing.T) {
	dir := t.TempDir()
	gen := self("upper", "in.txt", "out.txt")
	gen.Generator, gen.Watch = true, []string{"in.txt"}
	app := self("mute")
	f := run(t, dir, Options{Grace: 50 * time.Millisecond}, gen, app)
	f.reached(0, "upper", Failed)
	if s := f.reached(0, "mute", Waiting); s.Reason != "waits for upper" {
		t.Errorf("%+v", s)
	}
	if err := f.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	f.edit("in.txt", "x")
	f.reached(0, "mute", Ready)
}

// A generator that formats what it reads is run once more, one that changes it in each run twice more, and none for ever;
// what the user saves later is seen by both.
func TestGeneratorWritesWhatItReads(t *testing.T) {
	for _, tt := range []struct {
		spec  Spec
		log   string
		start int // runs
		saved []string
		runs  int // for each save
		left  string
	}{
		{self("upper", "in.txt", "in.txt"), "upper.log", 2, []string{"b", "c", "d"}, 2, "D"},
		{self("count", "in.txt"), "count.log", 3, []string{"10", "20", "30"}, 1, "31"},
	} {
		t.Run(tt.spec.Name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, filepath.Join(dir, "in.txt"), "a")
			tt.spec.Generator, tt.spec.Watch = true, []string{"*.txt"}
			f := run(t, dir, Options{}, tt.spec)
			in := filepath.Join(dir, "in.txt")
			f.reached(0, tt.spec.Name, Ready)
			f.Changed([]string{in})
			f.calm()
			runs := lines(filepath.Join(dir, tt.log))
			if runs != tt.start {
				t.Errorf("%d runs at the start, want %d", runs, tt.start)
			}
			for _, text := range tt.saved {
				n := f.now()
				f.edit("in.txt", text)
				f.reached(n, tt.spec.Name, Ready)
				f.Changed([]string{in})
				f.calm()
				more := lines(filepath.Join(dir, tt.log)) - runs
				runs += more
				if more != tt.runs {
					t.Errorf("%d runs for a save, want %d", more, tt.runs)
				}
			}
			if got := read1(t, in); got != tt.left {
				t.Errorf("holds %q, want %q", got, tt.left)
			}
		})
	}
}

// Two generators that feed each other are slowed down, and what comes after them is started.
func TestGeneratorsFeedEachOther(t *testing.T) {
	a, b, app := self("count", "a.txt"), self("count", "b.txt"), self("mute")
	a.Name, a.Generator, a.Watch = "a", true, []string{"b.txt"}
	b.Name, b.Generator, b.Watch = "b", true, []string{"a.txt"}
	f := run(t, t.TempDir(), Options{Grace: 50 * time.Millisecond}, a, b, app)
	f.reached(0, "mute", Ready)
	poll(t, "the word on it", func() bool { return f.printed("does it write that itself?") })
}

// A generator that does not end is said to have failed, and holds up no request.
func TestGeneratorNeverEnds(t *testing.T) {
	gen := self("mute")
	gen.Generator, gen.ReadyTimeout = true, 20*time.Millisecond
	app := self("listen", freeAddr(t))
	f := run(t, t.TempDir(), Options{Grace: 50 * time.Millisecond}, gen, app)
	if err := f.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if s, _ := f.State("mute"); s.Phase != Failed || len(s.Diagnostics) != 1 || !strings.Contains(s.Reason, "must end by itself") {
		t.Errorf("%+v", s)
	}
	if s, _ := f.State("listen"); s.Phase != Waiting {
		t.Errorf("%+v", s)
	}
}

// What a generator writes in each run is found out by two runs, and the last one waits for a pause.
func TestSettle(t *testing.T) {
	g, err := New([]Spec{{Line: "gen", Generator: true, Watch: []string{"*"}}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	u := g.units[0]
	for i, tt := range []struct {
		during       []string
		again, pause bool
	}{
		{nil, false, false},
		{[]string{"a", "b"}, true, false}, // the user, or the generator
		{[]string{"a", "c"}, true, false}, // a: the generator. c: who knows
		{[]string{"a", "c"}, true, true},  // c: the generator. The user may have saved both, too
		{[]string{"a", "c"}, false, false},
		{[]string{"a"}, false, false},
		{[]string{"a", "c"}, true, false}, // it does not write c in each run after all
		{[]string{"a"}, false, false},
	} {
		u.wanted, u.hold = false, time.Time{}
		u.settle(tt.during)
		if u.wanted != tt.again || u.hold.IsZero() == tt.pause {
			t.Errorf("%d: wanted %v, until %v", i, u.wanted, u.hold)
		}
	}
}

// A save during a run is not lost, and cuts no run short.
func TestSaveDuringRun(t *testing.T) {
	dir := t.TempDir()
	gen := self("slow", "300")
	gen.Generator, gen.Watch = true, []string{"in.txt"}
	f := run(t, dir, Options{}, gen)
	begin, end := filepath.Join(dir, "begin.log"), filepath.Join(dir, "end.log")
	poll(t, "the first run", func() bool { return lines(begin) == 1 })
	f.edit("in.txt", "1")
	f.edit("in.txt", "2")
	f.reached(0, "slow", Ready)
	f.calm()
	if b, e := lines(begin), lines(end); b != 2 || e != 2 {
		t.Errorf("%d runs begun, %d ended", b, e)
	}
}

// A program that writes what it watches whenever it starts is slowed down, and does not hold up requests.
func TestRestartsItself(t *testing.T) {
	dir := t.TempDir()
	s := self("touch", "data.json")
	s.Watch = []string{"data.json"}
	f := run(t, dir, Options{}, s)
	poll(t, "the word on it", func() bool {
		f.Changed([]string{filepath.Join(dir, "data.json")})
		return f.printed("does it write that itself?")
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	starts, before := 0, 0
	for _, s := range f.states {
		switch s.Phase {
		case Starting:
			starts++
		case Ready: // as we were kept from asking for long enough: it is counted anew
			before = starts
		}
	}
	if n := lines(filepath.Join(dir, "touch.log")); n < quickRuns || n > before+quickRuns+2 {
		t.Errorf("%d starts until then, %d of them before it was ready", n, before)
	}
}

// A file that is written again with the same content, a test, or what is no source restarts nothing.
func TestNoChange(t *testing.T) {
	w, err := newWatch("/p", goFiles, []string{"gen/", "*.pb.go"})
	if err != nil {
		t.Fatal(err)
	}
	w.isGo = true
	w.read("/p/a/embed.go", []byte("package a\n\n//go:embed all:static \"my file.txt\" `*.sql` img/*.png\nvar x embed.FS\n"))
	var got []string
	names := []string{
		"main.go", "a/b/c.go", "go.mod", "a/go.mod", "go.sum", "go.work",
		"main_test.go", "gen/x.go", "x.pb.go", "a/x.pb.go", "node_modules/x/x.go", ".git/x.go", "a/.cache/x.go", "README.md",
		"a/static/deep/x.css", "a/static.txt", "a/my file.txt", "a/q.sql", "b/q.sql", "a/img/x.png", "a/img/x.jpg",
	}
	for _, name := range names {
		if w.match("/p/" + name) {
			got = append(got, name)
		}
	}
	want := []string{"main.go", "a/b/c.go", "go.mod", "go.sum", "go.work", "a/static/deep/x.css", "a/my file.txt", "a/q.sql", "a/img/x.png"}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	if w.match("/q/main.go") || w.match("/p2/main.go") {
		t.Error("a file elsewhere counts")
	}
}

func TestGlobs(t *testing.T) {
	for _, tt := range []struct {
		glob, name string
		want       bool
	}{
		{"../lib/**/*.go", "/lib/a/b.go", true},
		{"../lib/**/*.go", "/p/b.go", false},
		{"**/*.go", "/lib/b.go", false},
		{"templates", "/p/templates/a/b.html", true},
		{"templates/", "/p/templates/b.html", true},
		{"./config.toml", "/p/config.toml", true},
		{"*.{css,html}", "/p/a.html", true},
		{"*.{css,html}", "/p/b/a.html", false},
		{"node_modules/x/**", "/p/node_modules/x/y.js", true},
		{"**/.well-known/*", "/p/a/.well-known/y", true},
		{".env", "/p/.env", true},
		{"/etc/app/*.conf", "/etc/app/a.conf", true},
	} {
		w, err := newWatch("/p", []string{tt.glob}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.match(tt.name); got != tt.want {
			t.Errorf("%s matches %s: %v", tt.glob, tt.name, got)
		}
	}
}

func TestRoots(t *testing.T) {
	dir := t.TempDir()
	g, err := New([]Spec{
		{Line: "go run ./cmd/api", Dir: dir},
		{Line: "b", Dir: filepath.Join(dir), Watch: []string{"sub/*.go", "../x/y/*.txt"}},
	}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{dir, filepath.Join(filepath.Dir(dir), "x", "y")}
	slices.Sort(want)
	if got := g.Roots(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for name, want := range map[string]bool{"a/b.go": true, "a/b_test.go": false, "a.html": false, "../x/y/z.txt": true} {
		if got := g.Reads(filepath.Join(dir, name)); got != want {
			t.Errorf("reads %s: %v", name, got)
		}
	}
}

// A snapshot sees what a walk finds, links to files and hidden folders that a glob names included, and what has gone.
func TestSnapshot(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "a.txt"), "1")
	put(t, filepath.Join(dir, ".hidden/b.txt"), "1")
	put(t, filepath.Join(dir, ".named/c.txt"), "1")
	put(t, filepath.Join(dir, "sub/d.txt"), "1")
	put(t, filepath.Join(dir, "elsewhere"), "1")
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(dir, "e.txt")); err != nil {
		t.Fatal(err)
	}
	w, err := newWatch(dir, []string{"**/*.txt", ".named/*"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newSnapshot([]*watch{&w})
	check := func(what string, got []string, want ...string) {
		t.Helper()
		for i := range got {
			got[i] = w.relative(got[i])
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	check("first", s.scan(), ".named/c.txt", "a.txt", "e.txt", "sub/d.txt")
	check("again", s.scan())
	put(t, filepath.Join(dir, "a.txt"), "2")
	put(t, filepath.Join(dir, "elsewhere"), "2")
	check("written at once, as long as before", s.scan(), "a.txt", "e.txt")
	if err := os.Remove(filepath.Join(dir, "a.txt")); err != nil {
		t.Fatal(err)
	}
	check("gone", s.look([]string{filepath.Join(dir, "a.txt"), filepath.Join(dir, "sub/d.txt"), filepath.Join(dir, "other")}), "a.txt")
	check("known", s.scan())
	put(t, filepath.Join(dir, "sub/d.txt"), "2")
	check("told", s.look([]string{filepath.Join(dir, "sub/d.txt")}), "sub/d.txt")
	if err := os.RemoveAll(filepath.Join(dir, "sub")); err != nil {
		t.Fatal(err)
	}
	check("found gone", s.scan(), "sub/d.txt")
}
