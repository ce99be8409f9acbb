package watcher

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// A fake is a source whose events are those that the test sends.
type fake struct {
	ev  chan fsnotify.Event
	err chan error

	mu     sync.Mutex
	added  map[string]bool
	refuse func(dir string) error // may be nil
}

func newFake() *fake {
	return &fake{ev: make(chan fsnotify.Event), err: make(chan error), added: map[string]bool{}}
}

func (f *fake) add(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		if err := f.refuse(dir); err != nil {
			return err
		}
	}
	f.added[dir] = true
	return nil
}

func (f *fake) remove(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.added, dir)
	return nil
}

func (f *fake) events() <-chan fsnotify.Event { return f.ev }
func (f *fake) errors() <-chan error          { return f.err }
func (f *fake) close() error                  { close(f.ev); close(f.err); return nil }

func (f *fake) list() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for dir := range f.added {
		out = append(out, dir)
	}
	slices.Sort(out)
	return out
}

// A bubble is a watcher in a synctest bubble, over a fake source and real files.
type bubble struct {
	*testing.T
	dir   string
	fakes []*fake // each time one was opened
	start time.Time
	got   []string        // "5ms write a.js": when since start, and what
	first []time.Duration // Batch.First, since start
	errs  []error

	during func() // onBatch, once
	exact  bool   // time stamps are, here too
}

func inBubble(t *testing.T, files []string, o Options, open func(b *bubble) (source, error), f func(b *bubble, w *Watcher)) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{T: t, dir: dir}
		for _, f := range files {
			name, content, _ := strings.Cut(f, ": ")
			b.write(name, content)
		}
		o.OnError = func(err error) { b.errs = append(b.errs, err) }
		w, err := New([]string{dir}, o)
		if err != nil {
			t.Fatal(err)
		}
		w.spent = func() time.Duration { return 0 }
		w.exact = func(dir string) bool { return b.exact || exact(dir) }
		w.open = func() (source, error) {
			f := newFake()
			b.fakes = append(b.fakes, f)
			if open != nil {
				return open(b)
			}
			return f, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- w.Run(ctx, func(batch Batch) {
				b.first = append(b.first, batch.First.Sub(b.start))
				for _, c := range batch.Changes {
					rel, _ := filepath.Rel(dir, c.Path)
					b.got = append(b.got, fmt.Sprintf("%v %v %s", time.Since(b.start), c.Op, rel))
				}
				if f := b.during; f != nil {
					b.during = nil
					f()
				}
			})
		}()
		synctest.Wait()
		b.start = time.Now()
		f(b, w)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func (b *bubble) write(name, content string) {
	b.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		b.Fatal(err)
	}
}

// event sends one, from the source that is current.
func (b *bubble) event(name string, op fsnotify.Op) {
	b.fakes[len(b.fakes)-1].ev <- fsnotify.Event{Name: filepath.Join(b.dir, name), Op: op}
	synctest.Wait()
}

func (b *bubble) save(name, content string) {
	b.Helper()
	b.write(name, content)
	b.event(name, fsnotify.Write)
}

func (b *bubble) rename(from, to string) {
	b.Helper()
	if err := os.Rename(filepath.Join(b.dir, from), filepath.Join(b.dir, to)); err != nil {
		b.Fatal(err)
	}
	b.event(from, fsnotify.Rename)
	b.event(to, fsnotify.Create)
}

// pass lets time go by.
func (b *bubble) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// restart forgets what came.
func (b *bubble) restart() { b.got, b.start = nil, time.Now() }

// changes are what came since start, sorted and without the times.
func (b *bubble) changes() (out []string) {
	for _, s := range b.got {
		_, s, _ = strings.Cut(s, " ")
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

// want waits for an hour and compares what came since start.
func (b *bubble) want(want ...string) {
	b.Helper()
	b.pass(time.Hour)
	if !slices.Equal(b.got, want) {
		b.Errorf("\n got %q\nwant %q", b.got, want)
	}
}

const ms = time.Millisecond

func TestSettle(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    Options
		do   func(b *bubble)
		want []string
	}{
		{"a lone save", Options{}, func(b *bubble) {
			b.save("a", "2")
		}, []string{"1ms write a"}},
		{"every event restarts", Options{}, func(b *bubble) {
			for i := range 5 {
				b.save("a", fmt.Sprint("v", i))
				b.pass(ms / 2)
			}
		}, []string{"3ms write a"}},
		{"several files", Options{}, func(b *bubble) {
			for i := range 3 {
				b.save("a", fmt.Sprint("v", i))
				b.pass(ms / 2)
			}
			b.save("b", "2")
			b.pass(2 * ms)
			b.save("b", "3")
		}, []string{"6.5ms write a", "6.5ms write b"}},
		{"by rename", Options{}, func(b *bubble) {
			b.write("a.new", "2")
			b.event("a.new", fsnotify.Create)
			b.event("a.new", fsnotify.Write)
			b.pass(ms / 2)
			b.rename("a.new", "a")
		}, []string{"1.5ms write a"}},
		{"two files by rename", Options{}, func(b *bubble) {
			for _, name := range []string{"a", "b"} {
				b.write("new", "2")
				b.event("new", fsnotify.Create)
				b.rename("new", name)
			}
		}, []string{"3ms write a", "3ms write b"}},
		{"a move", Options{}, func(b *bubble) {
			b.rename("a", "c")
		}, []string{"50ms remove a", "50ms create c"}},
		{"two saves", Options{}, func(b *bubble) {
			b.save("a", "2")
			b.pass(4 * ms)
			b.save("b", "2")
		}, []string{"1ms write a", "5ms write b"}},
		{"a noisy tree flushes", Options{Settle: 3 * ms}, func(b *bubble) {
			for i := range 120 {
				b.save("b", fmt.Sprint("v", i))
				b.pass(2 * ms)
			}
		}, []string{"100ms write b", "200ms write b", "241ms write b"}},
		{"no change, no batch", Options{}, func(b *bubble) {
			b.save("a", "1")
		}, nil},
		{"options", Options{Settle: 10 * ms, MaxWait: 25 * ms}, func(b *bubble) {
			b.save("a", "2")
			b.pass(30 * ms)
			for i := range 5 {
				b.save("b", fmt.Sprint("v", i))
				b.pass(6 * ms)
			}
		}, []string{"10ms write a", "55ms write b"}},
		{"truncated, then written", Options{}, func(b *bubble) {
			b.save("a", "")
			b.pass(20 * ms)
			b.save("a", "2")
		}, []string{"21ms write a"}},
		{"truncated for good", Options{}, func(b *bubble) {
			b.save("a", "")
		}, []string{"50ms write a"}},
		{"deleted, then created", Options{}, func(b *bubble) {
			os.Remove(filepath.Join(b.dir, "a"))
			b.event("a", fsnotify.Remove)
			b.pass(20 * ms)
			b.write("a", "2")
			b.event("a", fsnotify.Create)
		}, []string{"21ms write a"}},
		{"deleted for good", Options{}, func(b *bubble) {
			os.Remove(filepath.Join(b.dir, "a"))
			b.event("a", fsnotify.Remove)
		}, []string{"50ms remove a"}},
		{"noise does not wait for an emptied file", Options{MaxWait: 30 * ms}, func(b *bubble) {
			b.save("a", "")
			b.save("b", "2")
		}, []string{"30ms write b", "50ms write a"}},
		{"equal, but read halfway, perhaps", Options{}, func(b *bubble) {
			b.during = func() {
				for _, content := range []string{"", "2"} {
					b.write("a", content)
					b.fakes[0].ev <- fsnotify.Event{Name: filepath.Join(b.dir, "a"), Op: fsnotify.Write}
				}
			}
			b.save("a", "2")
		}, []string{"1ms write a", "2ms write a"}},
		{"a late event", Options{}, func(b *bubble) {
			b.exact = true
			b.during = func() {
				b.fakes[0].ev <- fsnotify.Event{Name: filepath.Join(b.dir, "a"), Op: fsnotify.Write}
			}
			b.save("a", "2")
		}, []string{"1ms write a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, []string{"a: 1", "b: 1"}, tt.o, nil, func(b *bubble, w *Watcher) {
				tt.do(b)
				b.want(tt.want...)
			})
		})
	}
}

// TestOverflow loses events: everything is compared, by a new source.
func TestOverflow(t *testing.T) {
	inBubble(t, []string{"a: 1", "d/b: 1", "gone: 1", "same: 1"}, Options{}, nil, func(b *bubble, w *Watcher) {
		b.write("a", "2")
		b.write("new/dir/c", "1")
		os.Remove(filepath.Join(b.dir, "gone"))
		b.fakes[0].err <- fsnotify.ErrEventOverflow
		synctest.Wait()
		b.pass(time.Second)
		if got, want := b.changes(), []string{"create new/dir/c", "remove gone", "write a"}; !slices.Equal(got, want) {
			t.Errorf("\n got %q\nwant %q", got, want)
		}
		if len(b.fakes) != 2 {
			t.Fatalf("%d sources, want 2", len(b.fakes))
		}
		want := []string{filepath.Dir(b.dir), b.dir, b.dir + "/d", b.dir + "/new", b.dir + "/new/dir"}
		if got := b.fakes[1].list(); !slices.Equal(got, want) {
			t.Errorf("watches %q, want %q", got, want)
		}
		b.restart()
		b.save("new/dir/c", "2")
		b.want("1ms write new/dir/c")
	})
}

// TestOverflowWithoutInstances has no new source at first when one overflows.
func TestOverflowWithoutInstances(t *testing.T) {
	opened := 0
	open := func(b *bubble) (source, error) {
		if opened++; opened == 2 {
			return nil, os.NewSyscallError("inotify_init1", syscall.EMFILE)
		}
		return b.fakes[len(b.fakes)-1], nil
	}
	inBubble(t, []string{"a: 1"}, Options{}, open, func(b *bubble, w *Watcher) {
		b.write("a", "2")
		b.fakes[0].err <- fsnotify.ErrEventOverflow
		b.pass(time.Minute)
		// It may come twice, as what happened while onBatch ran could have been lost.
		if got := slices.Compact(b.changes()); !slices.Equal(got, []string{"write a"}) || opened != 3 {
			t.Errorf("got %q, opened %d sources", got, opened)
		}
		if len(b.errs) != 1 || !strings.Contains(b.errs[0].Error(), "max_user_instances") {
			t.Errorf("errors %q", b.errs)
		}
		b.restart()
		b.save("a", "3")
		b.want("1ms write a")
	})
}

// TestPanics goes on after a panic at the start, in an event, and in onBatch, and reports what changed; one that comes again
// each time does not keep it busy.
func TestPanics(t *testing.T) {
	panics := 0
	var armed atomic.Bool
	armed.Store(true)
	open := func(b *bubble) (source, error) {
		f := b.fakes[len(b.fakes)-1]
		f.refuse = func(string) error {
			if armed.Load() {
				panic("boom")
			}
			return nil
		}
		return f, nil
	}
	o := Options{OnPanic: func(_ string, v any) {
		if v != "boom" {
			t.Errorf("panic: %v", v)
		}
		panics++
	}}
	inBubble(t, []string{"a: 1", "d/b: 1"}, o, open, func(b *bubble, w *Watcher) {
		armed.Store(false)
		b.pass(maxPause)
		if got := b.changes(); len(got) != 2 || panics == 0 {
			t.Fatalf("after a panic at the start: got %q, %d panics", got, panics)
		}
		b.restart()
		armed.Store(true)
		os.Mkdir(filepath.Join(b.dir, "e"), 0o755)
		b.write("a", "2")
		b.event("e", fsnotify.Create)
		armed.Store(false)
		b.pass(maxPause)
		if got := b.changes(); !slices.Contains(got, "write a") { // with what may have been read halfway
			t.Fatalf("after a panic in an event: got %q", got)
		}
		b.pass(2 * maxPause)
		b.restart()
		b.during = func() { panic("boom") }
		b.save("a", "3")
		b.write("d/b", "2")
		b.pass(time.Second)
		if got := slices.Compact(b.changes()); !slices.Equal(got, []string{"write a", "write d/b"}) {
			t.Fatalf("after a panic in onBatch: got %q", got)
		}
		armed.Store(true)
		panics = 0
		b.fakes[len(b.fakes)-1].err <- fsnotify.ErrEventOverflow
		b.pass(time.Hour)
		if panics < 2 || panics > 80 {
			t.Errorf("%d panics in an hour", panics)
		}
	})
}

// TestOutOfWatches is refused the watches of one directory: it says so once, with the
// cure, and polls what is there, and that alone.
func TestOutOfWatches(t *testing.T) {
	var full atomic.Bool
	full.Store(true)
	open := func(b *bubble) (source, error) {
		b.fakes[0].refuse = func(dir string) error {
			if full.Load() && strings.HasPrefix(dir, b.dir+"/d") {
				return os.NewSyscallError("inotify_add_watch", syscall.ENOSPC)
			}
			return nil
		}
		return b.fakes[0], nil
	}
	inBubble(t, []string{"a: 1", "d/b: 1", "d/e/c: 1"}, Options{}, open, func(b *bubble, w *Watcher) {
		if len(b.errs) != 1 || !strings.Contains(b.errs[0].Error(), "fs.inotify.max_user_watches") ||
			!strings.Contains(b.errs[0].Error(), "sysctl") {
			t.Fatalf("errors %q", b.errs)
		}
		if s := w.Status(); s.Mode != "mixed" || s.Polled != 2 || !strings.Contains(s.Reason, "max_user_watches") || strings.Contains(s.Reason, b.dir) {
			t.Errorf("status %+v", s)
		}
		b.save("a", "2")
		b.pass(10 * ms)
		b.write("d/e/c", "2") // no event
		b.write("d/new", "2")
		b.pass(2 * time.Second)
		if got, want := b.changes(), []string{"create d/new", "write a", "write d/e/c"}; !slices.Equal(got, want) {
			t.Errorf("\n got %q\nwant %q", got, want)
		}
		full.Store(false)
		b.pass(retryEvery)
		if s := w.Status(); s.Mode != "events" || s.Reason != "" {
			t.Errorf("status %+v", s)
		}
		b.restart()
		b.save("d/b", "2")
		b.want("1ms write d/b")
		if len(b.errs) != 1 {
			t.Errorf("errors %q", b.errs)
		}
	})
}

// TestNoWatchesAtAll has a limit that leaves no event at first: everything is polled, which is said with the cure, until
// events can be had.
func TestNoWatchesAtAll(t *testing.T) {
	for _, tt := range []struct {
		name string
		open func(b *bubble) (source, error)
		cure string
	}{
		{"instances", func(b *bubble) (source, error) {
			return nil, os.NewSyscallError("inotify_init1", syscall.EMFILE)
		}, "fs.inotify.max_user_instances"},
		{"watches", func(b *bubble) (source, error) {
			b.fakes[0].refuse = func(string) error { return os.NewSyscallError("inotify_add_watch", syscall.ENOSPC) }
			return b.fakes[0], nil
		}, "fs.inotify.max_user_watches"},
		{"no inotify", func(b *bubble) (source, error) {
			return nil, os.NewSyscallError("inotify_init1", syscall.ENOSYS)
		}, "inotify_init1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			full := true // guarded by the lock of Status
			open := func(b *bubble) (source, error) {
				if full {
					return tt.open(b)
				}
				return b.fakes[len(b.fakes)-1], nil
			}
			inBubble(t, []string{"a: 1", "d/b: 1"}, Options{}, open, func(b *bubble, w *Watcher) {
				if s := w.Status(); s.Mode != "poll" || s.Polled != 3 || !strings.Contains(s.Reason, tt.cure) {
					t.Fatalf("status %+v", s)
				}
				b.write("d/b", "2") // no event
				b.write("d/new/c", "1")
				b.pass(200 * ms)
				if got, want := b.changes(), []string{"create d/new/c", "write d/b"}; !slices.Equal(got, want) {
					t.Errorf("\n got %q\nwant %q", got, want)
				}
				if len(b.errs) != 1 || !strings.Contains(b.errs[0].Error(), tt.cure) {
					t.Errorf("errors %q", b.errs)
				}

				b.fakes[0].mu.Lock()
				full, b.fakes[0].refuse = false, nil
				b.fakes[0].mu.Unlock()
				w.Status()
				b.write("a", "2")
				b.pass(2 * retryEvery)
				if s := w.Status(); s.Mode != "events" || s.Reason != "" {
					t.Errorf("status %+v", s)
				}
				b.restart()
				b.save("d/new/c", "2")
				b.want("1ms write d/new/c")
			})
		})
	}
}

// TestClosedDirectory may not be watched at first, as it cannot be read.
func TestClosedDirectory(t *testing.T) {
	var closed atomic.Bool
	closed.Store(true)
	open := func(b *bubble) (source, error) {
		b.fakes[0].refuse = func(dir string) error {
			if closed.Load() && dir == b.dir+"/d" {
				return os.NewSyscallError("inotify_add_watch", syscall.EACCES)
			}
			return nil
		}
		return b.fakes[0], nil
	}
	inBubble(t, []string{"a: 1", "d/b: 1"}, Options{}, open, func(b *bubble, w *Watcher) {
		if len(b.errs) != 0 {
			t.Errorf("errors %q", b.errs)
		}
		b.save("a", "2")
		b.pass(10 * ms)
		closed.Store(false)
		b.event("d", fsnotify.Chmod)
		b.pass(10 * ms)
		b.restart()
		b.save("d/b", "2")
		b.want("1ms write d/b")
	})
}

// TestWatchesAreReleased follows what is watched when it is needed no more.
func TestWatchesAreReleased(t *testing.T) {
	inBubble(t, []string{"d/e/a: 1", "node_modules/m/x/i.js: 1"}, Options{}, nil, func(b *bubble, w *Watcher) {
		root := []string{filepath.Dir(b.dir), b.dir}
		check := func(want ...string) {
			t.Helper()
			synctest.Wait()
			want = append(want, root...)
			slices.Sort(want)
			if got := b.fakes[0].list(); !slices.Equal(got, want) {
				t.Errorf("watches %q, want %q", got, want)
			}
		}
		check(b.dir+"/d", b.dir+"/d/e")
		w.Watch([]string{b.dir + "/node_modules/m/x/i.js"}, nil)
		check(b.dir+"/d", b.dir+"/d/e", b.dir+"/node_modules", b.dir+"/node_modules/m", b.dir+"/node_modules/m/x")
		w.Watch(nil, nil)
		check(b.dir+"/d", b.dir+"/d/e")
		os.RemoveAll(b.dir + "/d")
		b.event("d", fsnotify.Remove)
		check()
	})
}

// TestGathering has a slow onBatch: what happens meanwhile is one batch, sent at
// once when it has settled in the meantime.
func TestGathering(t *testing.T) {
	inBubble(t, []string{"a: 1", "b: 1", "c: 1"}, Options{}, nil, func(b *bubble, w *Watcher) {
		b.during = func() {
			for _, name := range []string{"b", "new", "c"} {
				if name == "new" {
					b.write("new/dir/d", "1")
					b.fakes[0].ev <- fsnotify.Event{Name: filepath.Join(b.dir, name), Op: fsnotify.Create}
				} else {
					b.write(name, "2")
					b.fakes[0].ev <- fsnotify.Event{Name: filepath.Join(b.dir, name), Op: fsnotify.Write}
				}
				time.Sleep(10 * ms)
			}
		}
		b.save("a", "2")
		b.want("1ms write a", "31ms write b", "31ms write c", "31ms create new/dir/d")
		if want := []time.Duration{0, ms}; !slices.Equal(b.first, want) {
			t.Errorf("First %v, want %v", b.first, want)
		}
	})
}

// What settles is told as long as it is of one path.
func TestOnSettling(t *testing.T) {
	var told []string
	o := Options{OnSettling: func(path string) { told = append(told, filepath.Base(path)) }}
	inBubble(t, []string{"a.js: 1", "b.js: 1"}, o, nil, func(b *bubble, _ *Watcher) {
		want := func(names ...string) {
			b.Helper()
			b.pass(500 * time.Millisecond)
			if !slices.Equal(told, names) {
				b.Errorf("told %q, want %q", told, names)
			}
			told = nil
		}
		b.write("a.js", "")
		b.event("a.js", fsnotify.Write)
		b.save("a.js", "2")
		want("a.js", "a.js")
		b.save("a.js", "3")
		b.save("b.js", "3")
		b.save("a.js", "4")
		want("a.js")
		b.save("b.js", "4")
		want("b.js")
		b.write("new", "5")
		b.event("new", fsnotify.Create)
		b.rename("new", "a.js")
		want("new", "new", "new", "a.js", "a.js") // twice where a file is there
	})
}

// TestExact writes right after a look, where that is said to give another time stamp.
func TestExact(t *testing.T) {
	dir := t.TempDir()
	said := exact(dir)
	path := filepath.Join(dir, "a")
	for i := range 2000 {
		if err := os.WriteFile(path, []byte("1"), 0o644); err != nil {
			t.Fatal(err)
		}
		before := stat(path)
		if err := os.WriteFile(path, []byte("2"), 0o644); err != nil {
			t.Fatal(err)
		}
		if after := stat(path); said && after.ctime == before.ctime {
			t.Fatalf("write %d has the time stamp of the one before", i)
		}
	}
}

// TestUntouched has the time stamps of file systems that count nanoseconds, and seconds.
func TestUntouched(t *testing.T) {
	tr := &tree{Watcher: &Watcher{exact: func(string) bool { return true }}}
	path := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(path, []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	fine := file{kind: hashed, ctime: 1e18 + 1}
	coarse := file{kind: hashed, ctime: 1e18}
	if !tr.untouched(path, fine, fine) || tr.untouched(path, coarse, coarse) || tr.untouched(path, fine, coarse) {
		t.Error("untouched is what has the same time stamp, in nanoseconds")
	}
}
