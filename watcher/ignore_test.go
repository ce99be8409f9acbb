package watcher

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestIgnore(t *testing.T) {
	for _, tt := range []struct {
		globs, gitignore string // space-separated
		path             string // relative to the root; a directory ends in /
		want             bool
	}{
		// Built in: directories.
		{path: ".git/", want: true},
		{path: "a/b/.cache/", want: true},
		{path: "node_modules/", want: true},
		{path: "packages/x/node_modules/", want: true},
		{path: "node_modules_old/", want: false},
		{path: "dist/", want: true},
		{path: "coverage/", want: true},
		{path: "src/dist/", want: false},
		{path: "dist", want: false}, // a file
		// Names of output folders that a source folder could have as well.
		{path: "build/", want: false},
		{path: "out/", want: false},
		{path: "build/", gitignore: "/build/", want: true},
		{path: "out/", gitignore: "*.log out", want: true},
		{path: "src/out/", gitignore: "out", want: false},
		{path: "secret/", gitignore: "secret", want: false}, // not known as an output folder

		// Built in: files.
		{path: "index.html", want: false},
		{path: ".env", want: false},
		{path: ".env.local", want: false},
		{path: "4913", want: true},
		{path: "a/index.html~", want: true},
		{path: "a/.index.html.swp", want: true},
		{path: "a/.index.html.swx", want: true},
		{path: "a.swp", want: true},
		{path: "movie.swf", want: false},
		{path: ".#a.js", want: true},
		{path: "#a.js#", want: true},
		{path: "a.js___jb_tmp___", want: true},
		{path: "a.js___jb_old___", want: true},
		{path: "a.js.tmp.1234", want: true},
		{path: "a.tmp.js", want: false},
		{path: ".goutputstream-AB12", want: true},
		{path: "a/.DS_Store", want: true},
		{path: "._a.js", want: true},
		{path: ".nfs0001", want: true},

		// Globs.
		{globs: "*.log", path: "a/b.log", want: true},
		{globs: "*.log", path: "a/b.js", want: false},
		{globs: "/*.log", path: "a/b.log", want: false},
		{globs: "/*.log", path: "b.log", want: true},
		{globs: "./b.log", path: "b.log", want: true},
		{globs: "gen/**", path: "gen/", want: true},
		{globs: "gen/**", path: "gen/a/b.js", want: true},
		{globs: "gen/**", path: "src/gen/a.js", want: false},
		{globs: "**/gen/*.js", path: "src/gen/a.js", want: true},
		{globs: "gen/", path: "gen/", want: true},
		{globs: "gen/", path: "a/gen/", want: true},
		{globs: "gen/", path: "gen", want: false},
		{globs: "*.{png,jpg}", path: "a/b.jpg", want: true},
		{globs: "!dist", path: "dist/", want: false},
		{globs: "!.well-known", path: ".well-known/", want: false},
		{globs: "*.js !keep.js", path: "a/keep.js", want: false},
		{globs: "!keep.js *.js", path: "a/keep.js", want: true},
		{globs: "[!a].js", path: "b.js", want: true},
		{globs: ".*", path: ".env", want: true},
	} {
		root := t.TempDir()
		if tt.gitignore != "" {
			err := os.WriteFile(filepath.Join(root, ".gitignore"), []byte(strings.ReplaceAll(tt.gitignore, " ", "\r\n")), 0o644)
			if err != nil {
				t.Fatal(err)
			}
		}
		ig, err := newIgnore([]string{root}, strings.Fields(tt.globs))
		if err != nil {
			t.Errorf("%+v: %v", tt, err)
			continue
		}
		name, dir := strings.CutSuffix(tt.path, "/")
		if got := ig.match(root, filepath.Join(root, filepath.FromSlash(name)), dir); got != tt.want {
			t.Errorf("%+v: got %v", tt, got)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		root string
		o    Options
		want string
	}{
		{filepath.Join(dir, "missing"), Options{}, "watcher: root %q: no such file or directory"},
		{file, Options{}, "watcher: root %q is not a directory"},
		{dir, Options{Ignore: []string{"a["}}, `watcher: ignore glob "a[": not a valid pattern`},
		{dir, Options{Ignore: []string{"!"}}, `watcher: ignore glob "!": not a valid pattern`},
		{dir, Options{Settle: -1}, "watcher: negative Settle -1ns or MaxWait 0s"},
		{dir, Options{Settle: 20, MaxWait: 10}, "watcher: MaxWait 10ns is less than Settle 20ns"},
	} {
		w, err := New([]string{tt.root}, tt.o)
		want := strings.ReplaceAll(tt.want, "%q", `"`+tt.root+`"`)
		if err == nil || err.Error() != want {
			t.Errorf("got %v, %v, want %s", w, err, want)
		}
	}
}
