package watcher

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// BenchmarkSave is the time from a write to the Batch with it, with the defaults:
// 1ms of it is the quiet.
func BenchmarkSave(b *testing.B) {
	s := newSite(b, "site/a.js: 0")
	s.start(Options{})
	i := 0
	for b.Loop() {
		i++
		s.check(os.WriteFile(s.path("site/a.js"), fmt.Append(nil, i), 0o644))
		<-s.batches
	}
}

// BenchmarkStart is the time until a tree of n files is ready, 10 to a directory.
func BenchmarkStart(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newSite(b)
			for i := range n / 10 {
				dir := fmt.Sprintf("site/%d/%d/%d", i%10, i/10%100, i/1000)
				s.mkdir(dir)
				for j := range 10 {
					s.check(os.WriteFile(s.path(fmt.Sprintf("%s/file%d.js", dir, j)), []byte("export {}"), 0o644))
				}
			}
			var heap runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&heap)
			before := heap.HeapAlloc
			b.ResetTimer()
			for b.Loop() {
				s.start(Options{})
				b.StopTimer()
				runtime.GC()
				runtime.ReadMemStats(&heap)
				b.ReportMetric(float64(heap.HeapAlloc-before)/float64(n), "B/file")
				s.stop()
				b.StartTimer()
			}
		})
	}
}

// TestBig is a tree of 2,000 directories, 200 deep, in which every 20th is changed.
func TestBig(t *testing.T) {
	s := newSite(t)
	dir := "site"
	var want []string
	for i := range 2000 {
		if i%200 == 0 {
			dir = fmt.Sprint("site/", i/200)
		}
		dir += "/d"
		s.write(dir+"/a.js", "1")
		if i%20 == 0 {
			want = append(want, "write "+dir+"/a.js")
		}
	}
	o := s.options()
	o.Settle, o.MaxWait = 200*time.Millisecond, 10*time.Second
	s.start(o)
	s.do(func() {
		for _, w := range want {
			s.write(w[len("write "):], "2")
		}
	})
	s.wantOne(want...) // 100 writes, one batch
}

// TestManyFiles watches WATCHER_FILES files, 5,000 if that is not set (100,000 in make soak), by events and by polling: what they
// cost in memory, and that edits are noticed, the second one in a file soon however large the tree is.
func TestManyFiles(t *testing.T) {
	n := 5000
	if v := os.Getenv("WATCHER_FILES"); v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil {
			t.Fatal(err)
		}
	}
	for _, backend := range backends[:2] {
		t.Run(backend.name, func(t *testing.T) {
			s := newSite(t)
			for i := range n {
				dir := s.path(fmt.Sprintf("site/%d/%d", i/1000, i/10%100))
				if i%10 == 0 {
					s.check(os.MkdirAll(dir, 0o755))
				}
				s.check(os.WriteFile(fmt.Sprintf("%s/file%d.js", dir, i%10), []byte("1"), 0o644))
			}
			w, err := New([]string{s.path("site")}, s.options())
			s.check(err)
			backend.set(w)
			before := heap()
			start := time.Now()
			s.run(w)
			ready := time.Since(start)
			each := (heap() - before) / int64(n)
			if each > 2000 { // four times what it is: the collector's timing adds to a small tree
				t.Errorf("%d bytes a file", each)
			}
			edit := func(content string) time.Duration {
				start := time.Now()
				s.write("site/0/50/file5.js", content)
				select {
				case b := <-s.batches:
					if got := s.show(b); !slices.Equal(got, []string{"write site/0/50/file5.js"}) {
						t.Errorf("got %q", got)
					}
				case <-time.After(time.Minute):
					t.Fatal("not noticed")
				}
				return time.Since(start)
			}
			first, second := edit("2"), edit("3")
			t.Logf("%d files: ready after %v, %d bytes a file, edits noticed after %v and %v", n, ready, each, first, second)
			if second > 2*time.Second {
				t.Errorf("the second edit was noticed after %v", second)
			}
		})
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestFeedOverflow keeps more events than a feed does.
func TestFeedOverflow(t *testing.T) {
	src := newFake()
	f := newFeed(src)
	defer f.close()
	for i := range maxQueue + 1 {
		f.put(event{path: fmt.Sprint(i)})
	}
	if events, lost := f.take(); lost.err == nil || len(events) != maxQueue {
		t.Errorf("%d events, lost: %v", len(events), lost.err)
	}
	f.put(event{path: "a"})
	f.put(event{path: "a"})
	src.err <- syscall.EINVAL // as inotify_rm_watch says of a watch that is gone
	if events, lost := f.take(); lost.err != nil || len(events) != 1 {
		t.Errorf("%d events, lost: %v", len(events), lost.err)
	}
}
