package command

import (
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "a.go"), "")
	put(t, filepath.Join(dir, "b.go"), "")
	env := []string{"PORT=8080", "TWO=1 2", "HOME=/home/u"}
	for _, tt := range []struct {
		line string
		args []string // nil for a shell
		env  []string
	}{
		{"go run ./cmd/api -port 1", []string{"go", "run", "./cmd/api", "-port", "1"}, nil},
		{`say "two words" 'and $PORT' a\ b ""`, []string{"say", "two words", "and $PORT", "a b", ""}, nil},
		{`A=1 B="x $PORT" go run .`, []string{"go", "run", "."}, []string{"A=1", "B=x 8080"}},
		{`run $PORT ${PORT} "$TWO" $TWO $NONE ${NONE:-8}`, []string{"run", "8080", "8080", "1 2", "1", "2", "8"}, nil},
		{"go run DIR/*.go -x *.none", []string{"go", "run", "DIR/a.go", "DIR/b.go", "-x", "*.none"}, nil},
		{"run ~/x # a comment", []string{"run", "/home/u/x"}, nil},
		{"a && b", nil, nil},
		{"a | b", nil, nil},
		{"a > b", nil, nil},
		{"a; b", nil, nil},
		{"a &", nil, nil},
		{"! a", nil, nil},
		{"a $(b)", nil, nil},
		{"a `b`", nil, nil},
		{"a $((1+1))", nil, nil},
		{"a $?", nil, nil},
		{"cd x", nil, nil},
		{"exec a", nil, nil},
		{"A=1", nil, nil},
		{"if a; then b; fi", nil, nil},
	} {
		l, err := newLine(strings.ReplaceAll(tt.line, "DIR", filepath.ToSlash(dir)), nil)
		if err != nil {
			t.Errorf("%s: %v", tt.line, err)
			continue
		}
		inv, err := l.invocation(dir, env)
		if err != nil {
			t.Errorf("%s: %v", tt.line, err)
			continue
		}
		if tt.args == nil {
			if inv.line != tt.line || !slices.Equal(inv.args, shell(tt.line)) {
				t.Errorf("%s is not left to the shell: %q", tt.line, inv.args)
			}
			continue
		}
		for i := range tt.args {
			tt.args[i] = strings.ReplaceAll(tt.args[i], "DIR", filepath.ToSlash(dir))
		}
		if !slices.Equal(inv.args, tt.args) || !slices.Equal(inv.env[len(env):], tt.env) {
			t.Errorf("%s: %q with %q", tt.line, inv.args, inv.env)
		}
	}
}

func TestGoRunWords(t *testing.T) {
	for _, tt := range []struct {
		line, build, args string // build is "" for what is run as it is
		dir               string
	}{
		{"go run .", "go build -o OUT -buildvcs=false LDFLAGS .", "", ""},
		{"go run ./cmd/api -port 80 x.go", "go build -o OUT -buildvcs=false LDFLAGS ./cmd/api", "-port 80 x.go", ""},
		{"go run a.go b.go c", "go build -o OUT -buildvcs=false LDFLAGS a.go b.go", "c", ""},
		{"go run -race -tags x,y -mod=vendor ./a -v", "go build -o OUT -buildvcs=false LDFLAGS -race -tags x,y -mod=vendor ./a", "-v", ""},
		{"go run -ldflags=-X=a=b -buildvcs .", "go build -o OUT -buildvcs=false -ldflags=-X=a=b -buildvcs .", "", ""},
		{"go run -C sub .", "go build -o OUT -buildvcs=false LDFLAGS .", "", "sub"},
		{"go run -exec time .", "", "", ""},
		{"go run -n .", "", "", ""},
		{"go run", "", "", ""},
		{"go run -tags", "", "", ""},
		{"go build .", "", "", ""},
		{"air run .", "", "", ""},
	} {
		run, ok := parseGoRun(strings.Fields(tt.line))
		if ok != (tt.build != "") {
			t.Errorf("%s: %v", tt.line, ok)
		}
		if !ok {
			continue
		}
		want := strings.Fields(tt.build)
		if i := slices.Index(want, "LDFLAGS"); i >= 0 {
			want[i] = "-ldflags=-s -w"
		}
		if got := run.build("OUT"); !slices.Equal(got, want) || strings.Join(run.args, " ") != tt.args || run.dir != tt.dir {
			t.Errorf("%s: %q, %q in %q", tt.line, got, run.args, run.dir)
		}
	}
	if runtime.GOOS == "windows" {
		return
	}
	for pkg, want := range map[string]string{".": "shop", "./cmd/api": "api", "main.go": "main", "example.com/x/y": "y", "..": "home"} {
		if got := (goRun{packages: []string{pkg}}).name("/home/shop"); got != want {
			t.Errorf("%s is called %s, want %s", pkg, got, want)
		}
	}
}

func TestKnown(t *testing.T) {
	for line, want := range map[string]struct {
		glob string // one of them
		is   kind
	}{
		"go run ./cmd/api":               {"**/*.go", program},
		"go build -o bin/x .":            {"**/*.go", generator},
		"go generate ./...":              {"**/*.go", generator},
		"templ generate":                 {"**/*.templ", generator},
		"templ generate --watch":         {"", watcher},
		"go tool templ generate -path .": {"**/*.templ", generator},
		"go run github.com/a-h/templ/cmd/templ@latest generate": {"**/*.templ", generator},
		"go run example.com/x/server@latest":                    {"", program},
		"sqlc generate":                                         {"**/*.sql", generator},
		"sqlc version":                                          {"", program},
		"npx tailwindcss -i a.css -o b.css":                     {"tailwind.config.*", generator},
		"npx --yes @tailwindcss/cli -i a -o b":                  {"tailwind.config.*", generator},
		"npx @tailwindcss/cli@4 -i a -o b":                      {"tailwind.config.*", generator},
		"./tailwindcss -i a -o b --watch=always":                {"", watcher},
		"tailwindcss -w -i a -o b":                              {"", watcher},
		"npx sass --watch a.scss b.css":                         {"", watcher},
		"npx tsc -w --noEmit & npx tailwindcss -i a -o b":       {"tailwind.config.*", watcher},
		"node --watch server.js":                                {"", program},
		"node server.js":                                        {"", program},
		"templ generate && sqlc generate":                       {"**/*.sql", generator},
		"templ generate && ADDR=x go run . | tee log":           {"**/*.go", program},
		"templ fmt . && echo":                                   {"", program},
	} {
		l, err := newLine(line, nil)
		if err != nil {
			t.Fatal(err)
		}
		globs, is := l.known()
		if is != want.is || want.glob == "" != (globs == nil) || want.glob != "" && !slices.Contains(globs, want.glob) {
			t.Errorf("%s: %q, %v", line, globs, is)
		}
	}
	g, err := New([]Spec{{Line: "tailwindcss -i in.css -o static/out.css", Dir: t.TempDir()}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := g.units[0].watch
	if !w.match(w.dir+"/in.css") || w.match(w.dir+"/static/out.css") {
		t.Error("Tailwind's own output counts")
	}
}
