package watcher

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/devserve/devserve/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// A site is a directory of a test's, with the watcher that runs over it.
type site struct {
	testing.TB
	dir     string // the root is dir/site
	w       *Watcher
	batches chan Batch
	errs    chan error
	stop    func()

	gate sync.Mutex // held while no event shall pass
	held bool
}

// newSite writes files, given as "path: content", but starts nothing.
func newSite(t testing.TB, files ...string) *site {
	t.Helper()
	leaktest.Check(t)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &site{TB: t, dir: dir, batches: make(chan Batch, 1000), errs: make(chan error, 1000)}
	s.mkdir("site")
	for _, f := range files {
		name, content, _ := strings.Cut(f, ": ")
		s.write(name, content)
	}
	return s
}

// options settle for longer than the events of one change take on a loaded machine: what comes after its batch may be told
// once more, as it may have been read halfway.
func (s *site) options() Options {
	return Options{Settle: 10 * time.Millisecond, OnError: func(err error) { s.errs <- err }}
}

func (s *site) start(o Options) *site {
	s.Helper()
	w, err := New([]string{s.path("site")}, o)
	if err != nil {
		s.Fatal(err)
	}
	return s.run(w)
}

func (s *site) run(w *Watcher) *site {
	s.Helper()
	s.w = w
	if _, ok := s.TB.(*testing.T); ok {
		open := w.open
		w.open = func() (source, error) {
			src, err := open()
			if err != nil {
				return nil, err
			}
			return newGated(src, &s.gate), nil
		}
	}
	ctx, cancel := context.WithCancel(s.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx, func(b Batch) { s.batches <- b }) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.Errorf("Run: %v", err)
		}
	})
	s.Cleanup(s.stop)
	select {
	case <-w.Ready():
	case <-time.After(time.Minute):
		s.Fatal("not ready")
	}
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

func (s *site) check(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// do lets no event pass before f is done: on a loaded machine there may be any time
// between two calls in f, and what the Watcher does then is for other tests.
func (s *site) do(f func()) {
	s.Helper()
	if s.held {
		f()
		return
	}
	s.gate.Lock()
	s.held = true
	f()
	s.held = false
	s.gate.Unlock()
}

// A gated source is one whose events pass while the gate is not held.
type gated struct {
	source
	ev chan fsnotify.Event
}

func newGated(src source, gate *sync.Mutex) gated {
	g := gated{src, make(chan fsnotify.Event)}
	go func() {
		defer close(g.ev)
		for e := range src.events() {
			gate.Lock()
			g.ev <- e
			gate.Unlock()
		}
	}()
	return g
}

func (g gated) events() <-chan fsnotify.Event { return g.ev }

func (s *site) mkdir(name string) {
	s.Helper()
	s.do(func() { s.check(os.MkdirAll(s.path(name), 0o755)) })
}

func (s *site) write(name, content string) {
	s.Helper()
	s.do(func() {
		s.mkdir(filepath.Dir(name))
		s.check(os.WriteFile(s.path(name), []byte(content), 0o644))
	})
}

// age waits until what is written to the files now gets another time stamp.
func (s *site) age(names ...string) {
	s.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for _, name := range names {
		for stat(s.path(name)).fresh {
			if time.Now().After(deadline) {
				s.Fatalf("%s stays fresh", name)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

func (s *site) remove(name string) {
	s.Helper()
	s.do(func() { s.check(os.RemoveAll(s.path(name))) })
}

func (s *site) rename(from, to string) {
	s.Helper()
	s.do(func() { s.check(os.Rename(s.path(from), s.path(to))) })
}

func (s *site) link(target, name string) {
	s.Helper()
	s.do(func() {
		s.mkdir(filepath.Dir(name))
		s.check(os.Symlink(filepath.FromSlash(target), s.path(name)))
	})
}

// show writes changes as "create site/a.js" with paths relative to dir.
func (s *site) show(b Batch) []string {
	var out []string
	for _, c := range b.Changes {
		rel, err := filepath.Rel(s.dir, c.Path)
		s.check(err)
		out = append(out, c.Op.String()+" "+filepath.ToSlash(rel))
	}
	return out
}

// want waits for the changes, in one batch or more, and that no other came before.
func (s *site) want(changes ...string) {
	s.Helper()
	var got []string
	deadline := time.After(10 * time.Second)
	for len(got) < len(changes) {
		select {
		case b := <-s.batches:
			got = append(got, s.show(b)...)
		case <-deadline:
			s.Fatalf("timeout\n got %q\nwant %q", got, changes)
		}
	}
	slices.Sort(got)
	slices.Sort(changes)
	if !slices.Equal(got, changes) {
		s.Fatalf("\n got %q\nwant %q", got, changes)
	}
}

// wantOne is want, in exactly one batch.
func (s *site) wantOne(changes ...string) {
	s.Helper()
	select {
	case b := <-s.batches:
		got := s.show(b)
		slices.Sort(changes)
		slices.Sort(got)
		if !slices.Equal(got, changes) {
			s.Fatalf("\n got %q\nwant %q", got, changes)
		}
	case <-time.After(10 * time.Second):
		s.Fatal("timeout")
	}
}

// wantNothing shows that what was done so far is no change, by a change that is. Those of again may come before.
func (s *site) wantNothing(again ...string) {
	s.Helper()
	s.write("site/marker.txt", time.Now().String())
	for deadline, came := time.After(10*time.Second), false; !came; {
		select {
		case b := <-s.batches:
			for _, change := range s.show(b) {
				switch {
				case strings.HasSuffix(change, " site/marker.txt"):
					came = true
				case !slices.Contains(again, change):
					s.Fatalf("got %q, want nothing but the marker", change)
				}
			}
		case <-deadline:
			s.Fatal("timeout")
		}
	}
}

// backends are the ways in which a change is noticed.
var backends = []struct {
	name   string
	polled bool
	set    func(w *Watcher)
}{
	{"events", false, func(*Watcher) {}},
	{"poll", true, func(w *Watcher) { w.opts.Poll, w.open = true, func() (source, error) { return newPolled(), nil } }},
	{"no instances", true, func(w *Watcher) { w.open = func() (source, error) { return nil, syscall.EMFILE } }},
}

// TestChanges is what is reported for what is done to real files. What polls may rightly report a state in between, as it
// may look at any time; there, time stands still in a bubble until all is done. TestPoll has the real clock.
func TestChanges(t *testing.T) {
	// Each event, and each look, reports a file again that is not hashed and so fresh that another write could have left the same
	// time stamps. In a bubble every file is fresh: the system's clock is ahead of its clock.
	const big = "above the size for hashing"
	for _, tt := range []struct {
		name  string
		files []string
		do    func(s *site)
		want  []string // none means that it is no change
	}{
		{"write", []string{"site/a.js: 1"}, func(s *site) {
			s.write("site/a.js", "2")
		}, []string{"write site/a.js"}},
		{"create", nil, func(s *site) {
			s.write("site/a.js", "1")
		}, []string{"create site/a.js"}},
		{"create empty", nil, func(s *site) {
			s.write("site/a.js", "")
		}, []string{"create site/a.js"}},
		{"remove", []string{"site/a.js: 1"}, func(s *site) {
			s.remove("site/a.js")
		}, []string{"remove site/a.js"}},
		{"equal content", []string{"site/a.js: 1"}, func(s *site) {
			s.write("site/a.js", "1")
		}, nil},
		{"equal content by rename", []string{"site/a.js: 1"}, func(s *site) {
			s.write("site/b", "1")
			s.rename("site/b", "site/a.js")
		}, nil},
		{"changed and changed back", []string{"site/a.js: 1"}, func(s *site) {
			s.write("site/a.js", "2")
			s.write("site/a.js", "1")
		}, nil},
		{"came and went", nil, func(s *site) {
			s.write("site/a.js", "1")
			s.remove("site/a.js")
		}, nil},
		{"touch", []string{"site/a.js: 1"}, func(s *site) {
			s.check(os.Chtimes(s.path("site/a.js"), time.Time{}, time.Now().Add(time.Hour)))
		}, nil},
		{"mode", []string{"site/a.js: 1"}, func(s *site) {
			s.check(os.Chmod(s.path("site/a.js"), 0o600))
		}, nil},
		{"equal size and times", []string{"site/a.js: 1"}, func(s *site) {
			info, err := os.Stat(s.path("site/a.js"))
			s.check(err)
			s.write("site/a.js", "2")
			s.check(os.Chtimes(s.path("site/a.js"), info.ModTime(), info.ModTime()))
		}, []string{"write site/a.js"}},
		{"save by rename", []string{"site/a.js: 1"}, func(s *site) {
			s.write("site/sedA1b2C3", "2")
			s.rename("site/sedA1b2C3", "site/a.js")
		}, []string{"write site/a.js"}},
		{"save with backup, as Vim does", []string{"site/a.js: 1"}, func(s *site) {
			s.write("site/4913", "")
			s.remove("site/4913")
			s.rename("site/a.js", "site/a.js~")
			s.write("site/a.js", "2")
			s.remove("site/a.js~")
		}, []string{"write site/a.js"}},
		{"delete and re-create", []string{"site/a.js: 1"}, func(s *site) {
			s.remove("site/a.js")
			s.write("site/a.js", "2")
		}, []string{"write site/a.js"}},
		{"delete and re-create, equal", []string{"site/a.js: 1"}, func(s *site) {
			s.remove("site/a.js")
			s.write("site/a.js", "1")
		}, nil},
		{"emptied", []string{"site/a.js: 1"}, func(s *site) {
			s.write("site/a.js", "")
		}, []string{"write site/a.js"}},
		{"burst of a file", []string{"site/a.js: 0"}, func(s *site) {
			for i := range 100 {
				s.write("site/a.js", fmt.Sprint("v", i))
			}
		}, []string{"write site/a.js"}},
		{"new nested directories", nil, func(s *site) {
			s.write("site/a/b/c/d.js", "1")
			s.write("site/a/e.js", "1")
		}, []string{"create site/a/b/c/d.js", "create site/a/e.js"}},
		{"rename a file", []string{"site/a.js: 1"}, func(s *site) {
			s.rename("site/a.js", "site/b.js")
		}, []string{"remove site/a.js", "create site/b.js"}},
		{"rename a directory", []string{"site/a/b/c.js: 1", "site/a/d.js: 1"}, func(s *site) {
			s.rename("site/a", "site/z")
		}, []string{"remove site/a/b/c.js", "remove site/a/d.js", "create site/z/b/c.js", "create site/z/d.js"}},
		{"swap directories", []string{"site/a/x.js: 1", "site/b/x.js: 2", "site/b/y.js: 2"}, func(s *site) {
			s.rename("site/a", "site/tmp")
			s.rename("site/b", "site/a")
			s.rename("site/tmp", "site/b")
		}, []string{"write site/a/x.js", "create site/a/y.js", "write site/b/x.js", "remove site/b/y.js"}},
		{"move a directory in", []string{"other/a/b.js: 1"}, func(s *site) {
			s.rename("other/a", "site/a")
		}, []string{"create site/a/b.js"}},
		{"move a directory out", []string{"site/a/b.js: 1"}, func(s *site) {
			s.rename("site/a", "a")
		}, []string{"remove site/a/b.js"}},
		{"remove a directory", []string{"site/a/b/c.js: 1", "site/a/d.js: 1"}, func(s *site) {
			s.remove("site/a")
		}, []string{"remove site/a/b/c.js", "remove site/a/d.js"}},
		{"replace a directory, partly equal", []string{"site/a/b.js: 1", "site/a/c.js: 1"}, func(s *site) {
			s.remove("site/a")
			s.write("site/a/b.js", "1")
			s.write("site/a/c.js", "2")
		}, []string{"write site/a/c.js"}},
		{"a directory becomes a file", []string{"site/a/b.js: 1"}, func(s *site) {
			s.remove("site/a")
			s.write("site/a", "1")
		}, []string{"create site/a", "remove site/a/b.js"}},
		{"a file becomes a directory", []string{"site/a: 1"}, func(s *site) {
			s.remove("site/a")
			s.write("site/a/b.js", "1")
		}, []string{"remove site/a", "create site/a/b.js"}},
		{"ignored", []string{"site/node_modules/m/i.js: 1", "site/.git/HEAD: 1", "site/dist/o.js: 1"}, func(s *site) {
			s.write("site/node_modules/m/i.js", "2")
			s.write("site/.git/HEAD", "2")
			s.write("site/dist/o.js", "2")
			s.write("site/.cache/x", "1")
			s.write("site/a.js.swp", "1")
		}, nil},
		{"environment", nil, func(s *site) {
			s.write("site/.env", "A=1")
		}, []string{"create site/.env"}},
		{"odd names", nil, func(s *site) {
			s.write("site/a b/ü 日本.js", "1")
			s.write("site/%41 #.js", "1")
		}, []string{"create site/%41 #.js", "create site/a b/ü 日本.js"}},
		{"binary", []string{"site/a.bin: x"}, func(s *site) {
			s.write("site/a.bin", "\x00\xff\xfe")
		}, []string{"write site/a.bin"}},
		{big, []string{"site/a.bin: " + strings.Repeat("x", maxHash+1)}, func(s *site) {
			s.write("site/a.bin", strings.Repeat("y", maxHash+1))
		}, []string{"write site/a.bin"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, backend := range backends {
				run := func(t *testing.T) {
					s := newSite(t, tt.files...)
					w, err := New([]string{s.path("site")}, s.options())
					s.check(err)
					backend.set(w)
					for _, f := range tt.files { // fresh, and so read at the start: what is read ahead may be late
						name, _, _ := strings.Cut(f, ": ")
						s.check(os.Chtimes(s.path(name), time.Time{}, time.Now().Add(time.Hour)))
					}
					s.run(w)
					if backend.polled {
						synctest.Wait()
					}
					s.do(func() { tt.do(s) })
					s.want(tt.want...)
					if tt.name == big {
						s.wantNothing(tt.want...)
					} else {
						s.wantNothing()
					}
				}
				t.Run(backend.name, func(t *testing.T) {
					if backend.polled {
						synctest.Test(t, run)
					} else {
						run(t)
					}
				})
			}
		})
	}
}

func TestLinks(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files []string
		links []string // "name → target"
		do    func(s *site)
		want  []string
	}{
		{"to a directory outside", []string{"other/a.js: 1"}, []string{"site/l → ../other"}, func(s *site) {
			s.write("other/a.js", "2")
		}, []string{"write site/l/a.js"}},
		{"to a directory inside: both names", []string{"site/d/a.js: 1"}, []string{"site/l → d"}, func(s *site) {
			s.write("site/d/a.js", "2")
			s.write("site/d/new/b.js", "1")
		}, []string{"write site/d/a.js", "write site/l/a.js", "create site/d/new/b.js", "create site/l/new/b.js"}},
		{"to a file outside", []string{"other/a.js: 1"}, []string{"site/a.js → ../other/a.js"}, func(s *site) {
			s.write("other/b.js", "2")
			s.rename("other/b.js", "other/a.js")
		}, []string{"write site/a.js"}},
		{"loops", []string{"site/d/a.js: 1"}, []string{"site/d/self → .", "site/d/up → ../..", "site/x → y", "site/y → x"}, func(s *site) {
			s.write("site/d/a.js", "2")
		}, []string{"write site/d/a.js"}},
		{"to each other", []string{"site/p/a.js: 1", "site/q/b.js: 1"}, []string{"site/p/q → ../q", "site/q/p → ../p"}, func(s *site) {
			s.write("site/p/a.js", "2")
		}, []string{"write site/p/a.js", "write site/q/p/a.js"}},
		{"replaced", []string{"v1/a.js: 1", "v1/gone.js: 1", "v2/a.js: 2"}, []string{"site/l → ../v1"}, func(s *site) {
			s.link("../v2", "site/l.new")
			s.rename("site/l.new", "site/l")
		}, []string{"write site/l/a.js", "remove site/l/gone.js"}},
		{"target appears", nil, []string{"site/l → ../other/a.js"}, func(s *site) {
			s.write("other/a.js", "1")
		}, []string{"create site/l"}},
		{"target is replaced", []string{"other/a.js: 1"}, []string{"site/l → ../other"}, func(s *site) {
			s.rename("other", "old")
			s.write("other/a.js", "2")
		}, []string{"write site/l/a.js"}},
		{"removed", []string{"other/a.js: 1"}, []string{"site/l → ../other"}, func(s *site) {
			s.remove("site/l")
			s.write("other/a.js", "2")
		}, []string{"remove site/l/a.js"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, tt.files...)
			for _, l := range tt.links {
				name, target, _ := strings.Cut(l, " → ")
				s.link(target, name)
			}
			s.start(s.options())
			s.do(func() { tt.do(s) })
			s.want(tt.want...)
			s.wantNothing()
		})
	}
}

func TestTimesOfABatch(t *testing.T) {
	s := newSite(t, "site/a.ts: 1").start(Options{})
	next := func() Batch {
		select {
		case b := <-s.batches:
			return b
		case <-time.After(10 * time.Second):
			s.Fatal("timeout")
			return Batch{}
		}
	}
	began := stamped()
	s.write("site/a.ts", "2")
	b := next()
	if b.Written.Before(began) || b.Written.After(b.First.Add(racy)) {
		t.Errorf("written %v after the test began, seen %v", b.Written.Sub(began), b.First.Sub(began))
	}
	if b.First.Before(began) || b.Settled.Sub(b.First) < time.Millisecond || b.Settled.After(time.Now()) {
		t.Errorf("seen %v after the test began, settled %v", b.First.Sub(began), b.Settled.Sub(began))
	}
	s.remove("site/a.ts")
	if b := next(); !b.Written.IsZero() || b.First.IsZero() {
		t.Errorf("a file that is gone was written %v", b.Written)
	}
}
