package watcher

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// BenchmarkSave is the time from a write to the Batch with it, with the defaults:
// 3ms of it are the quiet.
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
