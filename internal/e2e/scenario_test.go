// Package e2e shows in a real browser that what is saved is what is on the screen.
//
// It has no code of its own: scenarios in testdata are sites and what happens to them, and the tests here
// run them in headless Chromium. A scenario is a txtar archive: the files are the site,
// copied to a folder of its own, and the comment has the steps, one a line.
//
//	go test ./internal/e2e                                      all of them
//	go test ./internal/e2e -run Pages/Scenarios/css/swap        one
//	E2E_FIXTURES=all go test ./internal/e2e                     with every version of the libraries that a scenario names
//	E2E_SHOTS=/tmp/shots go test ./internal/e2e                 with the pictures that scenarios take
//
// Nothing waits for a time to pass. A step that looks at a page looks until the page is as
// it should be, and gives up after [limit]. That nothing happens is shown at the moment at which it
// would have happened: after the step settle, or after a change that is seen.
package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/devserve/devserve/internal/leaktest"
	"golang.org/x/tools/txtar"
)

// limit is how long a step may take. Only steps that fail take it.
const limit = 60 * time.Second

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		flag.Set("test.parallel", "4") // scenarios wait for the browser more than they work
	}
	leaktest.Main(m)
}

// TestPages runs all that needs a browser, in one browser.
func TestPages(t *testing.T) {
	b := startBrowser(t)
	t.Run("Streams", func(t *testing.T) { testStreams(t, b) })
	t.Run("Convergence", func(t *testing.T) { testConvergence(t, b) })
	t.Run("Faults", func(t *testing.T) { testFaults(t, b) })
	t.Run("Foreign", func(t *testing.T) { testForeign(t, b) })
	t.Run("Built", func(t *testing.T) { testBuilt(t, b) })
	t.Run("Scenarios", func(t *testing.T) {
		files, err := filepath.Glob("testdata/*/*.txtar")
		if err != nil || len(files) == 0 {
			t.Fatal("no scenarios: ", err)
		}
		for _, f := range files {
			name, _ := filepath.Rel("testdata", strings.TrimSuffix(f, ".txtar"))
			t.Run(filepath.ToSlash(name), func(t *testing.T) {
				t.Parallel()
				a, err := txtar.ParseFile(f)
				if err != nil {
					t.Fatal(err)
				}
				names := some(fixturesOf(a), name)
				if len(names) == 0 {
					newScenario(t, b, f, a).run()
				}
				for _, fixture := range names {
					t.Run(fixture, func(t *testing.T) {
						t.Parallel()
						s := newScenario(t, b, f, a)
						s.fixture = fixture
						s.run()
					})
				}
			})
		}
	})
}

// A scenario is a site, the server that serves it, and tabs that show it.
type scenario struct {
	t       *testing.T
	browser *browser
	file    string
	fixture string // of those that it runs with, this time's
	archive *txtar.Archive
	dir     string // the site
	uses    uses
	srv     *host
	tabs    []*tab
	tab     *tab // of the steps that follow
	settled int
}

// some are the first of a scenario's fixtures and one of the others, always the same of one scenario and, over all scenarios, each
// about equally often; all of them if E2E_FIXTURES=all.
func some(fixtures []string, scenario string) []string {
	if len(fixtures) <= 2 || os.Getenv("E2E_FIXTURES") == "all" {
		return fixtures
	}
	h := fnv.New32a()
	io.WriteString(h, scenario)
	return []string{fixtures[0], fixtures[1+int(h.Sum32()%uint32(len(fixtures)-1))]}
}

// fixturesOf are the fixtures that a scenario says it runs with, one at a time.
func fixturesOf(a *txtar.Archive) []string {
	for line := range strings.Lines(string(a.Comment)) {
		if names, ok := strings.CutPrefix(line, "use fixture "); ok {
			return strings.Fields(names)
		}
	}
	return nil
}

func newScenario(t *testing.T, b *browser, file string, a *txtar.Archive) *scenario {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &scenario{t: t, browser: b, file: file, archive: a, dir: filepath.Join(dir, "site")}
	if err := os.Mkdir(s.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, f := range a.Files {
		if target, ok := strings.CutPrefix(strings.TrimSpace(string(f.Data)), "symlink "); ok {
			err = s.link(target, f.Name)
		} else {
			err = s.save(f.Name, f.Data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// run does all steps and fails at the first that does not come true.
func (s *scenario) run() {
	s.t.Helper()
	for i, line := range strings.Split(string(s.archive.Comment), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := s.step(line); err != nil {
			s.t.Fatalf("%s:%d: %s: %v\n%s", s.file, i+1, line, err, s.report())
		}
	}
}

// step does one line. A name of two words goes before one of one word.
func (s *scenario) step(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	second, after, _ := strings.Cut(rest, " ")
	do, ok := steps[word+" "+second]
	if ok {
		rest = after
	} else if do, ok = steps[word]; !ok {
		return fmt.Errorf("no such step")
	}
	rest = strings.TrimSpace(rest)
	if word != "use" && s.srv == nil {
		if err := s.startServer(); err != nil {
			return err
		}
	}
	if lookers[word] && s.tab == nil {
		return fmt.Errorf("no page is open")
	}
	return do(s, rest)
}

// report is all there is to see after a failure.
func (s *scenario) report() string {
	var out strings.Builder
	section := func(name, text string) { fmt.Fprintf(&out, "--- %s\n%s\n", name, strings.TrimRight(text, "\n")) }
	for i, b := range s.tabs {
		if b.closed {
			continue
		}
		section(fmt.Sprintf("tab %d: %s", i+1, b.now("location.href")), tail(b.now("document.documentElement.outerHTML"), 3000))
		if text := b.now(overlayText); text != "" {
			section("overlay", text)
		}
		section("console", tail(b.console.String(), 4000))
	}
	if s.srv != nil {
		section("events", tail(s.srv.events.String(), 4000))
		section("server", tail(s.srv.log.String(), 3000))
	}
	return out.String()
}

// tail is the end of text.
func tail(text string, max int) string {
	if len(text) > max {
		return "…" + text[len(text)-max:]
	}
	return text
}

// literal is what a value in a step stands for: \n is a line end.
func literal(s string) string { return strings.ReplaceAll(s, `\n`, "\n") }

// content is what a step says to write: text, or the content of another file of the archive.
func (s *scenario) content(text string) ([]byte, error) {
	name, ok := strings.CutPrefix(text, "< ")
	if !ok {
		return []byte(literal(text) + "\n"), nil
	}
	for _, f := range s.archive.Files {
		if f.Name == name {
			return f.Data, nil
		}
	}
	return nil, fmt.Errorf("no file %s in the archive", name)
}

func (s *scenario) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

// save writes in place, and leaves no empty file in between if that can be: on a loaded machine there may be any time between
// two system calls. The step truncate is for that.
func (s *scenario) save(name string, data []byte) error {
	if strings.Contains(name, "node_modules/") {
		os.Remove(s.path(name)) // it may share its content with a fixture's
	}
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o777); err != nil {
		return err
	}
	f, err := os.OpenFile(s.path(name), os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > int64(len(data)) {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.Write(data)
	}
	return errors.Join(err, f.Close())
}

func (s *scenario) link(target, name string) error {
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o777); err != nil {
		return err
	}
	return os.Symlink(filepath.FromSlash(target), s.path(name))
}

// settle waits until every open page has dealt with all that was saved so far: a file that nobody
// uses is saved last, and the pages must come to the event that tells of it.
func (s *scenario) settle() error {
	id, err := s.saveLast()
	if err != nil {
		return err
	}
	for _, b := range s.tabs {
		if b.foreign || b.closed {
			continue
		}
		if err := b.want(cameTo(id), "true"); err != nil {
			return fmt.Errorf("tab does not come to event %s: %w", id, err)
		}
	}
	return nil
}

// saveLast saves a file that nobody uses and returns the ID of the event that tells of it.
func (s *scenario) saveLast() (id string, err error) {
	s.settled++
	name := fmt.Sprintf("settle-%d.txt", s.settled)
	if err := s.save(name, []byte(name)); err != nil {
		return "", err
	}
	return s.srv.events.told(name)
}

// cameTo says in JavaScript whether a page is loaded and has dealt with an event.
func cameTo(id string) string {
	nonce, number, _ := strings.Cut(id, "-")
	return fmt.Sprintf(`(() => {
		const [nonce, number] = (globalThis.__devserve_client?.event ?? "").split("-");
		return document.readyState === "complete" && nonce === %q && Number(number) >= %s;
	})()`, nonce, number)
}

// pair splits "A = B" at the last " = ".
func pair(text string) (string, string, error) {
	i := strings.LastIndex(" "+text+" ", " = ")
	if i < 0 {
		return "", "", fmt.Errorf(`want "… = …"`)
	}
	return strings.TrimSpace(text[:max(i-1, 0)]), strings.TrimSpace((text + " ")[i+2:]), nil
}

// compactJSON is a JSON text as JSON.stringify writes it.
func compactJSON(text string) (string, error) {
	if text == "undefined" {
		return text, nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		return "", fmt.Errorf("%s is no JSON: %w", text, err)
	}
	return b.String(), nil
}

// quote is s as JSON.stringify writes it.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}
