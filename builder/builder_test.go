package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/devserve/devserve/internal/leaktest"
	"github.com/evanw/esbuild/pkg/api"
	"golang.org/x/tools/txtar"
)

// A script is a site in a txtar archive, whose comment says what happens to it, a line a step:
//
//	get src/main.ts            ask for an entry's bundle
//	style a.css                ask for a linked style sheet
//	worker src/work.ts         ask for a worker's bundle
//	lazy src/page.ts           ask for a lazily imported module (from the last entry)
//	absent x.ts, refused x.ts  ask for an entry, or a lazily imported module, that is not there
//	write src/a.ts TEXT        save a file (\n in TEXT is a line end), and rebuild
//	write src/a.ts < b.txt     the same with the content of another file of the archive
//	unseen src/a.ts TEXT       save a file that nobody watches
//	remove src/a.ts
//	rename a.ts b.ts
//	prepare FILE               before a page asks for it
//	has / lacks REGEXP         the last bundle
//	updates js /src/a.ts, css /a.css      what the last build tells the pages
//	update REGEXP              the code of the last updates
//	info REGEXP                what else the last build says of modules, as JSON
//	reload REGEXP              why the last build wants a full reload
//	error REGEXP               a diagnostic, as file:line:col: text [line text] (note)
//	errors N, warnings N, modules N       how many the last build had
//	builds N                   how many there were
//	inputs REGEXP
func TestScripts(t *testing.T) { runScripts(t, site{}) }

// What is compiled ahead changes nothing.
func TestScriptsAhead(t *testing.T) { runScripts(t, site{ahead: true}) }

// Nor does what stands by.
func TestScriptsStandby(t *testing.T) {
	runScripts(t, site{standby: true})
	runScripts(t, site{standby: true, ahead: true})
}

func runScripts(t *testing.T, how site) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts: ", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			site := newSite(t, a, Options{})
			site.ahead, site.standby = how.ahead, how.standby
			if site.standby {
				site.b.standbyRest = 0
			}
			for i, line := range strings.Split(string(a.Comment), "\n") {
				line = strings.TrimSpace(line)
				if line == "" || strings.HasPrefix(line, "#") {
					continue
				}
				if err := site.step(line); err != nil {
					t.Fatalf("%s:%d: %s: %v\nlast result: %+v\nlast bundle: %s", f, i+1, line, err, site.last(), site.body)
				}
			}
		})
	}
}

type site struct {
	dir     string
	archive *txtar.Archive
	b       *Builder
	results []Result
	body    string
	entry   string
	ahead   bool // every change is compiled ahead
	standby bool // esbuild stands by for modules before they change
}

func newSite(t testing.TB, a *txtar.Archive, o Options) *site {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &site{dir: filepath.Join(dir, "site"), archive: a}
	if err := os.MkdirAll(s.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, f := range a.Files {
		if target, ok := strings.CutPrefix(strings.TrimSpace(string(f.Data)), "symlink "); ok {
			if err := os.MkdirAll(filepath.Dir(s.path(f.Name)), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(target, s.path(f.Name)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if string(f.Data) == "fifo\n" {
			if err := mkfifo(s.path(f.Name)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := s.save(f.Name, f.Data); err != nil {
			t.Fatal(err)
		}
	}
	o.Dir = s.dir
	o.OnResult = func(r Result) { s.results = append(s.results, r) }
	if s.b, err = New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.b.Close() })
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

func (s *site) save(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o777); err != nil {
		return err
	}
	return os.WriteFile(s.path(name), data, 0o666)
}

func (s *site) last() Result {
	if len(s.results) == 0 {
		return Result{}
	}
	return s.results[len(s.results)-1]
}

func (s *site) rebuild(names ...string) {
	var paths []string
	for _, n := range names {
		paths = append(paths, s.path(n))
		if s.ahead {
			s.b.Ahead(s.path(n))
		}
	}
	s.b.Rebuild(context.Background(), paths)
}

// standBy returns when esbuild stands by for the named file, and for as many others as it does.
func (s *site) standBy(name string) {
	if !s.standby {
		return
	}
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	for _, id := range sortedKeys(s.b.modules) {
		s.b.standBy(s.b.modules[id])
	}
	for _, m := range s.b.byFile[s.path(name)] {
		s.b.standBy(m)
	}
	for _, y := range s.b.standbys {
		y.await()
	}
}

// await returns when esbuild asks for the file, or has ended without.
func (s *standby) await() {
	for !s.w.waiting.Load() {
		select {
		case <-s.ended:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func (s *site) step(line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	first, more, _ := strings.Cut(rest, " ")
	var out Output
	var err error
	switch verb {
	case "prepare":
		s.b.Prepare(rest)
	case "get":
		s.entry = rest
		out, err = s.b.Script(context.Background(), rest)
		s.body = string(out.Body)
		return err
	case "absent":
		if _, err = s.b.Script(context.Background(), rest); !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("got %v", err)
		}
		return nil
	case "refused":
		if _, err = s.lazy(rest); !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("got %v", err)
		}
		return nil
	case "style":
		out, err = s.b.Style(context.Background(), rest)
		s.body = string(out.Body)
		return err
	case "worker":
		out, err = s.b.Worker(context.Background(), rest)
		s.body = string(out.Body)
		return err
	case "lazy":
		out, err = s.lazy(rest)
		s.body = string(out.Body)
		return err
	case "map":
		out, err = s.b.Resource(context.Background(), "map", url.Values{"id": {"/" + rest}})
		s.body = string(out.Body)
		return err
	case "write", "unseen":
		data := []byte(strings.ReplaceAll(more, `\n`, "\n") + "\n")
		if name, ok := strings.CutPrefix(more, "< "); ok {
			i := slices.IndexFunc(s.archive.Files, func(f txtar.File) bool { return f.Name == name })
			if i < 0 {
				return fmt.Errorf("no file %s in the archive", name)
			}
			data = s.archive.Files[i].Data
		}
		s.standBy(first)
		if err := s.save(first, data); err != nil {
			return err
		}
		if verb == "write" {
			s.rebuild(first)
		}
	case "remove":
		s.standBy(rest)
		if err := os.RemoveAll(s.path(rest)); err != nil {
			return err
		}
		s.rebuild(rest)
	case "rename":
		s.standBy(first)
		s.standBy(more)
		if err := os.Rename(s.path(first), s.path(more)); err != nil {
			return err
		}
		s.rebuild(first, more)
	case "has":
		return s.match(rest, s.body)
	case "lacks":
		if s.match(rest, s.body) == nil {
			return errors.New("it is there")
		}
	case "updates":
		var got []string
		for _, u := range s.last().Updates {
			got = append(got, string(u.Type)+" "+u.Path)
		}
		if have := strings.Join(got, ", "); have != rest {
			return fmt.Errorf("got %q", have)
		}
	case "update":
		var all strings.Builder
		for _, u := range s.last().Updates {
			all.WriteString(u.Code)
		}
		return s.match(rest, all.String())
	case "info":
		info, err := json.Marshal(s.last().Info)
		if err != nil {
			return err
		}
		return s.match(rest, string(info))
	case "reload":
		return s.match(rest, s.last().Reload)
	case "error":
		var all strings.Builder
		for _, d := range s.last().Errors {
			fmt.Fprintf(&all, "%s:%d:%d: %s [%s]", d.File, d.Line, d.Column, d.Text, d.LineText)
			for _, n := range d.Notes {
				fmt.Fprintf(&all, " (%s)", n.Text)
			}
			all.WriteByte('\n')
		}
		return s.match(rest, all.String())
	case "errors":
		return count(rest, len(s.last().Errors))
	case "warnings":
		return count(rest, len(s.last().Warnings))
	case "modules":
		return count(rest, s.last().Modules)
	case "builds":
		return count(rest, len(s.results))
	case "inputs":
		read, looked := s.b.Inputs()
		return s.match(rest, strings.Join(append(slices.Clip(read), looked...), "\n"))
	default:
		return errors.New("no such step")
	}
	return nil
}

// A change of what a module imports no more, but does in the state that pages still have while something is broken, is told
// to them, at the latest when it is imported again.
func TestBrokenMeanwhile(t *testing.T) {
	for _, n := range []int{1, 2} { // changed at once
		s := newSite(t, txtar.Parse([]byte(`
-- main.js --
import "./broken.js"
import "./a.js"
-- broken.js --
-- a.js --
import "./0.css"
import "./1.css"
-- 0.css --
p { color: red }
-- 1.css --
p { color: red }
`)), Options{})
		write := func(text string, names ...string) {
			t.Helper()
			for _, name := range names {
				must(t, s.save(name, []byte(text)))
			}
			s.rebuild(names...)
		}
		told := map[string]string{}
		sheets := []string{"0.css", "1.css"}[:n]
		must(t, s.step("get main.js"))
		write("let 1", "broken.js")
		write("", "a.js")
		write("p { color: blue }", sheets...)
		write(`import "./0.css"; import "./1.css"`, "a.js")
		write("", "broken.js")
		for _, r := range s.results {
			for _, u := range r.Updates {
				if u.Type == CSS {
					told[u.Path] = u.Code
				}
			}
		}
		must(t, s.step("get main.js"))
		for _, name := range sheets {
			if !strings.Contains(told["/"+name], "blue") {
				t.Errorf("of %d sheets %s was told as %q", n, name, told["/"+name])
			}
			if !regexp.MustCompile(`"/` + name + `": "[^"]*blue`).MatchString(s.body) {
				t.Errorf("of %d sheets %s is old in the bundle", n, name)
			}
		}
	}
}

// A file of a package is removed between the moments at which esbuild has found and at which it reads it. That it is gone
// is noticed by whoever watches what was read.
func TestPackageGoneWhileRead(t *testing.T) {
	var s *site
	remove := api.Plugin{Name: "remove", Setup: func(pb api.PluginBuild) {
		pb.OnResolve(api.OnResolveOptions{Filter: "^part$"}, func(api.OnResolveArgs) (api.OnResolveResult, error) {
			path := s.path("node_modules/part/index.js")
			return api.OnResolveResult{Path: path}, os.RemoveAll(path)
		})
	}}
	s = newSite(t, txtar.Parse([]byte(`
-- main.js --
import "whole"
-- node_modules/whole/index.js --
import "part"
-- node_modules/part/index.js --
`)), Options{Plugins: []api.Plugin{remove}})
	must(t, s.step("get main.js"))
	must(t, s.step("errors 1"))
	part := s.path("node_modules/part/index.js")
	if read, _ := s.b.Inputs(); !slices.Contains(read, part) {
		t.Errorf("%v is said to be read, and with it not %s: %v", read, part, s.last().Errors)
	}
	must(t, s.step("write node_modules/part/index.js export {}")) // and removed again
	must(t, s.step("builds 2"))
}

func (s *site) lazy(name string) (Output, error) {
	return s.b.Resource(context.Background(), "lazy", url.Values{"id": {"/" + name}, "from": {"/" + s.entry}, "build": {"1000"}})
}

func (s *site) match(pattern, text string) error {
	re, err := regexp.Compile("(?m)" + pattern)
	if err != nil {
		return err
	}
	if !re.MatchString(text) {
		return fmt.Errorf("no match in:\n%s", text)
	}
	return nil
}

func count(want string, got int) error {
	if want != fmt.Sprint(got) {
		return fmt.Errorf("got %d", got)
	}
	return nil
}

func TestMain(m *testing.M) { leaktest.Main(m) }
