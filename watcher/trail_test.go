package watcher

import (
	"os"
	"testing"
	"time"
)

// TestWatch is about paths that the roots do not cover.
func TestWatch(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files []string
		watch []string
		do    func(s *site)
		want  []string // none means that it is no change
	}{
		{"outside", []string{"shared/x.ts: 1", "shared/y.ts: 1"}, []string{"shared/x.ts"}, func(s *site) {
			s.write("shared/y.ts", "2")
			s.write("shared/x.ts", "2")
		}, []string{"write shared/x.ts"}},
		{"equal content", []string{"shared/x.ts: 1"}, []string{"shared/x.ts"}, func(s *site) {
			s.write("shared/x.ts", "1")
		}, nil},
		{"save by rename", []string{"shared/x.ts: 1"}, []string{"shared/x.ts"}, func(s *site) {
			s.write("shared/tmp", "2")
			s.rename("shared/tmp", "shared/x.ts")
		}, []string{"write shared/x.ts"}},
		{"remove", []string{"shared/x.ts: 1"}, []string{"shared/x.ts"}, func(s *site) {
			s.remove("shared/x.ts")
		}, []string{"remove shared/x.ts"}},
		{"patched", []string{"site/node_modules/m/i.js: 1", "site/node_modules/m/j.js: 1"}, []string{"site/node_modules/m/i.js"}, func(s *site) {
			s.write("site/node_modules/m/j.js", "2")
			s.write("site/node_modules/m/i.js", "2")
		}, []string{"write site/node_modules/m/i.js"}},
		{"served from an output folder", []string{"site/dist/o.js: 1"}, []string{"site/dist/o.js"}, func(s *site) {
			s.write("site/dist/o.js", "2")
		}, []string{"write site/dist/o.js"}},
		{"installed, the folder missing", nil, []string{"site/node_modules/m/package.json", "site/node_modules/m"}, func(s *site) {
			s.write("site/node_modules/.tmp/m/package.json", "{}")
			s.rename("site/node_modules/.tmp/m", "site/node_modules/m")
		}, []string{"create site/node_modules/m", "create site/node_modules/m/package.json"}},
		{"replaced by npm", []string{"site/node_modules/m/i.js: 1", "site/node_modules/m/same.js: 1"}, []string{"site/node_modules/m/i.js", "site/node_modules/m/same.js"}, func(s *site) {
			s.rename("site/node_modules/m", "site/node_modules/.m-x1")
			s.write("site/node_modules/m/same.js", "1")
			s.write("site/node_modules/m/i.js", "2")
			s.remove("site/node_modules/.m-x1")
		}, []string{"write site/node_modules/m/i.js"}},
		{"node_modules replaced", []string{"site/node_modules/@s/m/i.js: 1"}, []string{"site/node_modules/@s/m/i.js"}, func(s *site) {
			s.rename("site/node_modules", "old")
			s.write("site/node_modules/@s/m/i.js", "2")
		}, []string{"write site/node_modules/@s/m/i.js"}},
		{"linked instead", []string{"site/node_modules/m/i.js: 1", "pkg/i.js: 1"}, []string{"site/node_modules/m/i.js"}, func(s *site) {
			s.remove("site/node_modules/m")
			s.link("../../pkg", "site/node_modules/m")
		}, []string{"write site/node_modules/m/i.js"}}, // equal, but another package
		{"missing far from anything", nil, []string{"a/b/c/d.ts"}, func(s *site) {
			s.write("a/b/c/d.ts", "1")
		}, []string{"create a/b/c/d.ts"}},
		{"a root's own file", []string{"site/a.js: 1"}, []string{"site/a.js", "site/missing.js"}, func(s *site) {
			s.write("site/a.js", "2")
			s.write("site/missing.js", "1")
		}, []string{"write site/a.js", "create site/missing.js"}},
		{"below a file", []string{"shared/x: 1"}, []string{"shared/x/y.ts"}, func(s *site) {
			s.remove("shared/x")
			s.write("shared/x/y.ts", "1")
		}, []string{"create shared/x/y.ts"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, tt.files...)
			w, err := New([]string{s.path("site")}, s.options())
			s.check(err)
			w.Watch(s.paths(tt.watch), nil)
			s.run(w)
			s.do(func() { tt.do(s) })
			s.want(tt.want...)
			s.wantNothing()
		})
	}
}

func (s *site) paths(names []string) (out []string) {
	for _, n := range names {
		out = append(out, s.path(n))
	}
	return out
}

// TestWatchLinkedPackage edits the target of a link that a path leads through, and
// then sets the link to another target.
func TestWatchLinkedPackage(t *testing.T) {
	s := newSite(t, "v1/i.js: 1", "v2/i.js: 2")
	s.link("../../v1", "site/node_modules/m")
	w, err := New([]string{s.path("site")}, s.options())
	s.check(err)
	w.Watch([]string{s.path("site/node_modules/m/i.js")}, nil)
	s.run(w)
	s.write("v1/i.js", "1b")
	s.want("write site/node_modules/m/i.js")
	s.link("../../v2", "site/node_modules/m.new")
	s.rename("site/node_modules/m.new", "site/node_modules/m")
	s.want("write site/node_modules/m/i.js")
	s.write("v2/i.js", "2b")
	s.want("write site/node_modules/m/i.js")
	s.write("v1/i.js", "1c")
	s.wantNothing()
}

// TestWatchWhileRunning sets paths as builds do: after each batch.
func TestWatchWhileRunning(t *testing.T) {
	s := newSite(t, "x.ts: 1", "y.ts: 1")
	w, err := New([]string{s.path("site")}, s.options())
	s.check(err)
	w.Watch([]string{s.path("x.ts")}, nil)
	s.run(w)
	s.write("x.ts", "2")
	s.want("write x.ts")
	s.w.Watch([]string{s.path("y.ts")}, nil)
	s.write("y.ts", "2")
	s.want("write y.ts")
	s.write("x.ts", "3")        // not watched any more
	s.wantNothing("write y.ts") // which a build may have read halfway
}

// TestWatchReportsWhatBuildMissed writes a file after the batch that starts the
// build which reads it, and before that build asks to watch it. Another file that it has read is removed meanwhile.
func TestWatchReportsWhatBuildMissed(t *testing.T) {
	s := newSite(t, "site/a.js: 1", "x.ts: 1", "old.ts: 1")
	s.age("old.ts")
	s.start(s.options())
	s.write("site/a.js", "2")
	s.want("write site/a.js")
	// Until its time of change is later than the batch, by the kernel's coarse clock.
	handed := time.Now()
	deadline := handed.Add(10 * time.Second)
	for stat(s.path("x.ts")).ctime <= handed.UnixNano() {
		if time.Now().After(deadline) {
			t.Fatal("the file's time of change does not advance")
		}
		s.write("x.ts", "2")
	}
	s.w.Watch(s.paths([]string{"x.ts", "old.ts", "gone.ts"}), s.paths([]string{"never.ts"}))
	s.want("remove gone.ts", "write x.ts")
	s.wantNothing()
}

// TestRoot takes the root itself away and brings it back.
func TestRoot(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(s *site)
		want []string
	}{
		{"removed and created", func(s *site) {
			s.remove("site")
			s.want("remove site/a.js", "remove site/d/b.js")
			s.write("site/d/b.js", "1")
		}, []string{"create site/d/b.js"}},
		{"replaced at once", func(s *site) {
			s.do(func() {
				s.rename("site", "old")
				s.write("site/a.js", "2")
				s.write("site/d/b.js", "1")
			})
		}, []string{"write site/a.js"}},
		{"moved away and back", func(s *site) {
			s.rename("site", "old")
			s.want("remove site/a.js", "remove site/d/b.js")
			s.write("old/a.js", "2")
			s.rename("old", "site")
		}, []string{"create site/a.js", "create site/d/b.js"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, "site/a.js: 1", "site/d/b.js: 1")
			s.start(s.options())
			tt.do(s)
			s.want(tt.want...)
			s.write("site/d/b.js", "3")
			s.want("write site/d/b.js")
			s.wantNothing()
		})
	}
}

// TestRootParents removes more than the root.
func TestRootParents(t *testing.T) {
	s := newSite(t, "p/q/root/a.js: 1")
	w, err := New([]string{s.path("p/q/root")}, s.options())
	s.check(err)
	s.run(w)
	s.remove("p")
	s.want("remove p/q/root/a.js")
	s.write("p/q/root/a.js", "2")
	s.want("create p/q/root/a.js")
	s.write("p/q/root/a.js", "3")
	s.want("write p/q/root/a.js")
}

// TestRootLink has a root that is a link, as a deployed "current" is.
func TestRootLink(t *testing.T) {
	s := newSite(t, "v1/a.js: 1", "v2/a.js: 2")
	s.link("v1", "current")
	w, err := New([]string{s.path("current")}, s.options())
	s.check(err)
	s.run(w)
	s.write("v1/a.js", "1b")
	s.want("write current/a.js")
	s.link("v2", "new")
	s.check(os.Rename(s.path("new"), s.path("current")))
	s.want("write current/a.js")
	s.write("v2/a.js", "2b")
	s.want("write current/a.js")
}

func TestNestedRoots(t *testing.T) {
	s := newSite(t, "site/a/b.js: 1", "site/node_modules/pkg/c.js: 1")
	w, err := New(s.paths([]string{"site", "site/a", "site/node_modules/pkg"}), s.options())
	s.check(err)
	s.run(w)
	s.write("site/a/b.js", "2")
	s.write("site/node_modules/pkg/c.js", "2")
	s.want("write site/a/b.js", "write site/node_modules/pkg/c.js")
	s.wantNothing()
}
