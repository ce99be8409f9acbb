package watcher

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// What happens is found out without a single event.
func TestPoll(t *testing.T) {
	s := newSite(t, "site/a.js: a", "site/dir/b.js: b", "site/gone.js: gone", "site/node_modules/x/index.js: x", "outside.js: o")
	s.age("outside.js")
	s.start(Options{Poll: true, OnError: func(err error) { t.Error(err) }})
	s.w.Watch([]string{s.path("outside.js")}, nil)
	for _, step := range []struct {
		what string
		do   func()
		want []string
	}{
		{"write", func() { s.write("site/a.js", "aa") }, []string{"write site/a.js"}},
		{"write below", func() { s.write("site/dir/b.js", "c") }, []string{"write site/dir/b.js"}}, // of the same size
		{"save by rename", func() {
			s.write("site/.a.js.part", "aaa")
			s.check(os.Rename(s.path("site/.a.js.part"), s.path("site/a.js")))
		}, []string{"write site/a.js"}},
		{"create", func() { s.write("site/new.js", "n") }, []string{"create site/new.js"}},
		{"create a folder", func() {
			s.mkdir("site/deep/er")
			s.write("site/deep/er/d.js", "d")
		}, []string{"create site/deep/er/d.js"}},
		{"remove", func() { s.check(os.Remove(s.path("site/gone.js"))) }, []string{"remove site/gone.js"}},
		{"rename a folder", func() { s.check(os.Rename(s.path("site/deep"), s.path("site/flat"))) },
			[]string{"create site/flat/er/d.js", "remove site/deep/er/d.js"}},
		{"outside of the root", func() { s.write("outside.js", "oo") }, []string{"write outside.js"}},
		{"ignored, then not", func() {
			s.write("site/node_modules/x/index.js", "y")
			s.write("site/last.js", "l")
		}, []string{"create site/last.js"}},
	} {
		step.do()
		var got []string
		for len(got) < len(step.want) {
			select {
			case b := <-s.batches:
				for _, c := range b.Changes {
					if line := c.Op.String() + " " + c.Path[len(s.dir)+1:]; line != "create site/.a.js.part" && line != "remove site/.a.js.part" {
						got = append(got, line)
					}
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("%s: got only %q, want %q", step.what, got, step.want)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, step.want) {
			t.Errorf("%s: %q, want %q", step.what, got, step.want)
		}
	}
}

// BenchmarkPoll is one look at n files, 10 to a directory: a twentieth of the time goes into it at most.
func BenchmarkPoll(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newSite(b)
			for i := range n {
				s.write(fmt.Sprintf("site/%d/%d/file%d.js", i/100, i/10%10, i%10), "export {}")
			}
			w, err := New([]string{s.path("site")}, Options{Poll: true})
			s.check(err)
			tree := newTree(b.Context(), w)
			defer tree.close()
			tree.start()
			for b.Loop() {
				tree.often.dirs, tree.often.paths = nil, nil
				for tree.turn(&tree.often, false); len(tree.often.dirs)+len(tree.often.paths) > 0; {
					tree.turn(&tree.often, false)
				}
			}
		})
	}
}

// TestShare is how long polling pauses for what a look took, of the core and on the clock.
func TestShare(t *testing.T) {
	for _, tt := range []struct{ core, clock, want time.Duration }{
		{50 * ms, 50 * ms, time.Second},
		{50 * ms, 200 * ms, time.Second}, // others had the core
		{0, 500 * ms, 2 * time.Second},   // a network drive
	} {
		synctest.Test(t, func(t *testing.T) {
			w, err := New([]string{t.TempDir()}, Options{Poll: true})
			if err != nil {
				t.Fatal(err)
			}
			var used, takes time.Duration
			w.spent = func() time.Duration {
				defer func() { used, takes = tt.core, tt.clock }()
				time.Sleep(takes)
				return used
			}
			tree := newTree(t.Context(), w)
			defer tree.close()
			tree.start()
			tree.turn(&tree.often, false)
			if got := time.Until(tree.often.at); got != tt.want {
				t.Errorf("after %v of the core in %v: a pause of %v, want %v", tt.core, tt.clock, got, tt.want)
			}
		})
	}
}

// TestLastWritten has the directories looked at first in which files were written last, before anything is seen to change.
func TestLastWritten(t *testing.T) {
	s := newSite(t)
	for i := range 2 * maxRecent {
		name := fmt.Sprintf("site/%d/a.js", i)
		s.write(name, "1")
		s.check(os.Chtimes(s.path(name), time.Time{}, time.Unix(int64(i*7%(2*maxRecent)), 0)))
	}
	w, err := New([]string{s.path("site")}, Options{Poll: true})
	s.check(err)
	tree := newTree(t.Context(), w)
	defer tree.close()
	tree.start()
	tree.gather(&tree.often, false)
	var want []string
	for i := range 2 * maxRecent {
		if i*7%(2*maxRecent) >= maxRecent {
			want = append(want, s.path(fmt.Sprintf("site/%d", i)))
		}
	}
	slices.Sort(want)
	if got := slices.Sorted(slices.Values(tree.often.recent)); !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}

// TestLookAgain is what is looked at first, of a small folder and of a large one: where something changed lately.
func TestLookAgain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files int
		want  []string
	}{
		{"small: all of it", maxWhole, []string{"write site/1.js", "write site/2.js", "create site/new.js"}},
		{"large: what changed, and what is new", maxWhole + 1, []string{"write site/1.js", "create site/new.js"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			for i := range tt.files {
				s.write(fmt.Sprintf("site/%d.js", i), "1")
			}
			s.age(fmt.Sprintf("site/%d.js", tt.files-1)) // the last of them
			w, err := New([]string{s.path("site")}, Options{Poll: true})
			s.check(err)
			tree := newTree(t.Context(), w)
			defer tree.close()
			tree.start()
			s.write("site/1.js", "2")
			tree.lookInto(s.path("site"), false, nil)
			s.write("site/1.js", "3")
			s.write("site/2.js", "3")
			s.write("site/new.js", "1")
			tree.lookAgain(s.path("site"))
			var got []string
			for path, c := range tree.dirty {
				op, _ := tree.compare(path, c)
				got = append(got, s.show(Batch{Changes: []Change{{path, op}}})...)
			}
			slices.Sort(got)
			slices.Sort(tt.want)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestSilent has a source that stands and never tells anything: the change is found, said once, and the next ones are
// found by polling.
func TestSilent(t *testing.T) {
	inBubble(t, []string{"a: 1", "d/b: 1", "gone: 1"}, Options{}, nil, func(b *bubble, w *Watcher) {
		if s := w.Status(); s.Mode != "events" || s.Directories != 3 {
			t.Errorf("status %+v", s)
		}
		b.write("d/b", "2")
		b.write("d/new/c", "1")
		os.Remove(filepath.Join(b.dir, "gone"))
		b.pass(20 * time.Second)
		if got, want := b.changes(), []string{"create d/new/c", "remove gone", "write d/b"}; !slices.Equal(got, want) {
			t.Errorf("\n got %q\nwant %q", got, want)
		}
		if len(b.errs) != 1 {
			t.Errorf("errors %q", b.errs)
		}
		if s := w.Status(); s.Mode != "poll" || s.Polled != 4 || !strings.Contains(s.Reason, "did not tell") || strings.Contains(s.Reason, b.dir) {
			t.Errorf("status %+v", s)
		}
		b.restart()
		b.write("d/new/c", "2")
		b.pass(150 * ms)
		if got, want := b.changes(), []string{"write d/new/c"}; !slices.Equal(got, want) {
			t.Errorf("polled\n got %q\nwant %q", got, want)
		}
		if len(b.errs) != 1 {
			t.Errorf("errors %q", b.errs)
		}
	})
}

// TestLate has an event that comes after the change was found: nothing is doubted.
func TestLate(t *testing.T) {
	inBubble(t, []string{"a: 1"}, Options{}, nil, func(b *bubble, w *Watcher) {
		b.pass(pollSeldom - ms)
		b.write("a", "2")
		b.pass(grace / 2)
		if len(b.got) != 0 {
			t.Errorf("got %q before the event", b.got)
		}
		b.event("a", fsnotify.Write)
		b.pass(time.Minute)
		if got := b.changes(); !slices.Equal(got, []string{"write a"}) || len(b.errs) != 0 || w.Status().Mode != "events" {
			t.Errorf("got %q, errors %q, status %+v", got, b.errs, w.Status())
		}
	})
}

// TestDoubtful is a file system of a kind that is known to tell too little: it is polled from the start, and said once.
func TestDoubtful(t *testing.T) {
	s := newSite(t, "site/a.js: 1", "site/d/b.js: 1")
	w, err := New([]string{s.path("site")}, s.options())
	s.check(err)
	w.doubtful = func(string) string { return "9p" }
	s.run(w)
	s.gate.Lock() // no event passes
	defer s.gate.Unlock()
	s.check(os.WriteFile(s.path("site/d/b.js"), []byte("2"), 0o644))
	s.want("write site/d/b.js")
	if len(s.errs) != 1 || w.Status().Mode != "poll" {
		t.Errorf("%d errors, status %+v", len(s.errs), w.Status())
	}
}

// TestAncestorMoves renames what lies above the root, of which no event is asked for, and brings it back. Each is noticed
// within about a second.
func TestAncestorMoves(t *testing.T) {
	inBubble(t, []string{"a: 1", "d/b: 1"}, Options{}, nil, func(b *bubble, w *Watcher) {
		above := filepath.Dir(b.dir)
		var want []string
		for _, step := range []struct {
			do   func() error
			want []string
		}{
			{func() error { return os.Rename(above, above+".moved") }, []string{"remove a", "remove d/b"}},
			{func() error { return os.Rename(above+".moved", above) }, []string{"create a", "create d/b"}},
			{func() error { b.save("d/b", "2"); return nil }, []string{"write d/b"}},
		} {
			w.Status() // its lock orders the test with Run, as an event would
			if err := step.do(); err != nil {
				t.Fatal(err)
			}
			b.pass(rootEvery + 100*ms)
			want = append(want, step.want...)
			slices.Sort(want)
			if got := b.changes(); !slices.Equal(got, want) {
				t.Fatalf("\n got %q\nwant %q", got, want)
			}
		}
	})
}
