package watcher

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

// What happens is found out without a single event.
func TestPoll(t *testing.T) {
	s := newSite(t, "site/a.js: a", "site/dir/b.js: b", "site/gone.js: gone", "site/node_modules/x/index.js: x", "outside.js: o")
	s.start(Options{Poll: true, OnError: func(err error) { t.Error(err) }})
	s.w.Watch([]string{s.path("outside.js")})
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
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newSite(b)
			for i := range n {
				s.write(fmt.Sprintf("site/%d/%d/file%d.js", i/100, i/10%10, i%10), "export {}")
			}
			w, err := New([]string{s.path("site")}, Options{Poll: true})
			s.check(err)
			src, err := openPolled()
			s.check(err)
			tree := newTree(b.Context(), w, src)
			defer tree.close()
			s.check(tree.start())
			for b.Loop() {
				tree.rescan()
			}
		})
	}
}
