//go:build unix

package watcher

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/devserve/devserve/internal/leaktest"
)

// TestNotRegular has what must never be opened, before and after the start, in a
// root and as single paths.
func TestNotRegular(t *testing.T) {
	s := newSite(t, "site/a.js: 1", "x/b: 1", "site/becomes: 1")
	fifo := func(name string) { s.check(syscall.Mkfifo(s.path(name), 0o644)) }
	fifo("site/fifo")
	fifo("x/fifo")
	w, err := New([]string{s.path("site")}, s.options())
	s.check(err)
	w.Watch(s.paths([]string{"x/fifo", "x/b"}), nil)
	s.run(w)
	s.do(func() {
		fifo("site/fifo2")
		fifo("site/d")
		s.remove("x/b")
		fifo("x/b")
		s.remove("site/becomes")
		fifo("site/becomes")
	})
	// The path of a socket is limited to about 100 bytes.
	t.Chdir(s.path("site"))
	l, err := net.Listen("unix", "sock")
	s.check(err)
	defer l.Close()
	s.want("remove x/b", "remove site/becomes")
	s.do(func() {
		s.remove("site/becomes")
		s.write("site/becomes", "2")
	})
	s.want("create site/becomes")
	s.wantNothing()
}

// TestUnreadable takes away the right to read a file, and gives it back.
func TestUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		// Root may read everything. Whether a file can be opened is told apart from
		// its content all the same.
		f := file{kind: unreadable, size: 1, mtime: 1}
		g := file{kind: hashed, size: 1, mtime: 1}
		if same(f, g) || same(g, f) || !same(f, f) {
			t.Error("an unreadable file is the same as one with content")
		}
		return
	}
	s := newSite(t, "site/a.js: 1")
	s.start(s.options())
	s.check(os.Chmod(s.path("site/a.js"), 0))
	s.want("write site/a.js")
	s.check(os.Chmod(s.path("site/a.js"), 0o644))
	s.want("write site/a.js")
}

// TestDeep has a path that is longer than the system allows in one call.
func TestDeep(t *testing.T) {
	s := newSite(t, "site/a.js: 1")
	t.Chdir(s.path("site"))
	name := strings.Repeat("d", 100)
	for range 60 {
		s.check(os.Mkdir(name, 0o755))
		s.check(os.Chdir(name))
	}
	s.check(os.Chdir(s.dir))
	s.start(s.options())
	s.write("site/a.js", "2")
	s.want("write site/a.js")
	// os.RemoveAll manages, as it works with open directories.
}

// TestReadAhead starts with files that are older than the clock's ticks, so that
// they are read after the start; their first write can be compared then.
func TestReadAhead(t *testing.T) {
	s := newSite(t, "site/a.js: 1", "site/d/b.js: 1", "x.ts: 1")
	s.age("site/a.js", "site/d/b.js", "x.ts")
	w, err := New([]string{s.path("site")}, s.options())
	s.check(err)
	tr := newTree(t.Context(), w)
	defer tr.close()
	tr.start()
	tr.setExtra(map[string]bool{s.path("x.ts"): true}, time.Time{})

	s.write("site/d/b.js", "2") // between finding and reading ahead
	for tr.ahead.left() {
		tr.fill()
	}
	for _, tt := range []struct {
		name string
		got  file
		want kind
	}{
		{"site/a.js", tr.dirs[s.path("site")].files["a.js"], hashed},
		{"site/d/b.js", tr.dirs[s.path("site/d")].files["b.js"], stated},
		{"x.ts", tr.extras[s.path("x.ts")].file, hashed},
	} {
		if tt.got.kind != tt.want {
			t.Errorf("%s is of kind %v, want %v", tt.name, tt.got.kind, tt.want)
		}
	}

	tr.ahead = ahead{dirs: []*dir{tr.dirs[filepath.Join(s.dir, "site")]}}
	if tr.fill(); tr.ahead.left() {
		t.Error("reads on beyond the budget")
	}
}

// TestLeisure reads ahead by steps of Run, and nothing too early.
func TestLeisure(t *testing.T) {
	s := newSite(t, "site/a.js: 1")
	s.age("site/a.js")
	w, err := New([]string{s.path("site")}, s.options())
	s.check(err)
	w.leisure = 50 * time.Millisecond
	tr := newTree(t.Context(), w)
	defer tr.close()
	tr.start()
	begun := time.Now()
	timer := time.NewTimer(0)
	for tr.ahead.left() {
		if time.Since(begun) > 20*time.Second {
			t.Fatal("nothing is read")
		}
		if tr.step(timer, nil); time.Since(begun) < w.leisure/2 && tr.known(s.path("site/a.js")).kind == hashed {
			t.Fatalf("read after %v", time.Since(begun))
		}
	}
	if f := tr.known(s.path("site/a.js")); f.kind != hashed {
		t.Errorf("of kind %v, want it read", f.kind)
	}
}

// A file that onBatch read again while its directory was made anew, and that went with the directory before anyone looked,
// is told of once more.
func TestReadWhileComingAndGoing(t *testing.T) {
	leaktest.Check(t)
	root := t.TempDir()
	dir := filepath.Join(root, "b")
	path := filepath.Join(dir, "c")
	w, err := New([]string{root}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	tr := newTree(t.Context(), w)
	defer tr.close()
	tr.start()
	tr.handOn(Batch{Changes: []Change{{path, Remove}}}, func(Batch) {}) // which finds it there
	tr.handle(event{path: dir, op: fsnotify.Create, at: tr.handed})     // and by now it is gone
	b, ok := tr.flush(time.Now().Add(time.Hour))
	if want := []Change{{path, Remove}}; !ok || !slices.Equal(b.Changes, want) {
		t.Errorf("told %v, want %v", b.Changes, want)
	}
}

// A file that is too large to be read, of the same size as before and set back to its old time, is another.
func TestSetBack(t *testing.T) {
	old := file{kind: stated, size: 1, mtime: 1, ctime: 1}
	now := old
	now.ctime = 2
	if same(old, now) || !same(old, old) {
		t.Error("a changed file passes for the same")
	}
}
