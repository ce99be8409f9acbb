package watcher

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// What events do not tell is found by comparing metadata with what is known. It is done in two rounds, both slice by
// slice between the events: an often one of the directories that are polled, and a seldom one of all others. A change that
// only the seldom one finds has no event, so the file system that it is on is polled from then on. A find is no
// more than a hint, as an event is.
//
// The worst case of the often round is a twentieth of a core, whatever the size of the tree; its latency grows with it
// instead. Directories with recent changes are looked at first each time. See docs/decisions/0010-watching.md.
const (
	pollOften, oftenShare   = 100 * time.Millisecond, 20
	pollSeldom, seldomShare = 10 * time.Second, 500

	// slice is how long events wait for a round: two slices are still less than a person sees.
	slice = 5 * time.Millisecond

	// grace is how late an event may be before the file system that owes it is doubted: longer than it takes on a
	// machine that has no time for us.
	grace = 2 * time.Second

	maxRecent = 8    // directories that are looked at first
	maxDoubts = 1000 // finds of a seldom round
	relist    = 10   // each so many looks a directory is read although its time stamp is as it was: some have none
)

// A part is what lies on one mounted file system.
type part struct{ polled bool }

// A round goes over directories and single paths, and begins again.
type round struct {
	every       time.Duration
	share       time.Duration // one in so many of the time
	dirs, paths []string      // left
	recent      []string
	began, at   time.Time // at: when it goes on
}

// A doubt is a find that an event may still come for.
type doubt struct {
	dir string // "" for a single path
	at  time.Time
}

// Status is how the tree is watched.
type Status struct {
	Mode        string `json:"mode"`        // "events", "poll", or "mixed" if a part is polled
	Directories int    `json:"directories"` // that are watched either way
	Polled      int    `json:"polled"`      // of these
}

// Status may be called at any time; before Run all is zero. Safe for concurrent use.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

func (t *tree) report() {
	s := Status{"events", len(t.watches), len(t.polled)}
	switch {
	case t.opts.Poll:
		s.Mode, s.Polled = "poll", s.Directories
	case s.Polled > 0 && s.Polled == s.Directories:
		s.Mode = "poll"
	case s.Polled > 0 || t.blind != nil:
		s.Mode = "mixed"
	}
	t.mu.Lock()
	t.status = s
	t.mu.Unlock()
}

// partOf returns the part that a real directory belongs to.
func (t *tree) partOf(real string) *part {
	dev := device(real)
	p := t.parts[dev]
	if p == nil {
		p = &part{polled: t.opts.Poll}
		if fs := t.doubtful(real); fs != "" && !p.polled {
			p.polled = true
			t.warn(fmt.Errorf("watcher: %q is on a file system (%s) where changes by others are not told: it is polled; the site is faster on a local one", real, fs))
		}
		t.parts[dev] = p
	}
	return p
}

// distrust polls the part that path is on: it has changed, and no event told of it.
func (t *tree) distrust(path string) {
	dir := filepath.Dir(path)
	for dir != filepath.Dir(dir) && stat(dir).kind != directory {
		dir = filepath.Dir(dir)
	}
	p := t.partOf(dir)
	if p.polled {
		return
	}
	p.polled = true
	for real, wt := range t.watches {
		if wt.part == p {
			t.polled[real] = true
		}
	}
	t.often.at = time.Now()
	t.warn(fmt.Errorf("watcher: %q changed and the system did not tell: its file system is polled from now on; --poll does so from the start", path))
}

// look does what is due of both rounds.
func (t *tree) look(now time.Time) {
	if t.lost != nil {
		return // everything will be compared
	}
	if len(t.polled) > 0 && !now.Before(t.often.at) {
		t.turn(&t.often, false)
	}
	if !now.Before(t.seldom.at) {
		t.turn(&t.seldom, true)
		t.settleDoubts(now)
	}
}

// turn does a slice of a round.
func (t *tree) turn(r *round, seldom bool) {
	begin := time.Now()
	t.at = begin
	if len(r.dirs)+len(r.paths) == 0 {
		r.began = begin
		t.gather(r, seldom)
	}
	for _, dir := range r.recent {
		t.lookInto(dir, seldom, nil)
	}
	for len(r.dirs)+len(r.paths) > 0 && time.Since(begin) < slice {
		if len(r.dirs) > 0 {
			t.lookInto(pop(&r.dirs), seldom, nil)
		} else if path := pop(&r.paths); t.leadsElsewhere(path) {
			t.find("", path, fsnotify.Create, seldom)
		}
	}
	r.at = time.Now().Add(r.share * time.Since(begin))
	if next := r.began.Add(r.every); len(r.dirs)+len(r.paths) == 0 && next.After(r.at) {
		r.at = next
	}
}

// gather begins a round.
func (t *tree) gather(r *round, seldom bool) {
	paths := map[string]bool{}
	for real, wt := range t.watches {
		if t.polled[real] == seldom {
			continue
		}
		if len(wt.dirs) > 0 {
			r.dirs = append(r.dirs, real)
		}
		for _, ps := range wt.names {
			maps.Copy(paths, ps)
		}
	}
	r.paths = slices.Collect(maps.Keys(paths))
}

// settleDoubts takes in the finds of the seldom round that no event has come for in time.
func (t *tree) settleDoubts(now time.Time) {
	for path, d := range t.doubts {
		if now.Sub(d.at) < grace {
			t.seldom.at = earlier(t.seldom.at, d.at.Add(grace))
			continue
		}
		delete(t.doubts, path)
		t.untold = true
		if d.dir == "" {
			if t.leadsElsewhere(path) {
				t.find("", path, fsnotify.Create, false)
			}
		} else {
			t.lookInto(d.dir, false, func(name string) bool { return filepath.Join(d.dir, name) == path })
		}
		t.untold = false
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// find takes in that the entry at path is not as it is known, or in a seldom round begins to doubt.
func (t *tree) find(dir, path string, op fsnotify.Op, seldom bool) {
	if seldom {
		if _, ok := t.doubts[path]; !ok && len(t.doubts) < maxDoubts {
			t.doubts[path] = doubt{dir, time.Now()}
		}
		return
	}
	t.at = time.Now()
	ctime := stat(path).ctime
	t.unsure = ctime != t.known(path).ctime && ctime >= t.handed.Add(-tick).UnixNano() && ctime <= t.returned.Add(tick).UnixNano()
	if dir == "" {
		t.revisit(path, op)
		return
	}
	if r := &t.often; !slices.Contains(r.recent, dir) {
		r.recent = append(r.recent, dir)
		r.recent = r.recent[max(0, len(r.recent)-maxRecent):]
	}
	t.dispatch(path, op)
}

// lookInto compares the directory real, or those of its entries that only wants.
func (t *tree) lookInto(real string, seldom bool, only func(name string) bool) {
	wt := t.watches[real]
	if wt == nil || len(wt.dirs) == 0 {
		return
	}
	info, err := os.Stat(real)
	switch {
	case os.IsNotExist(err), err == nil && !info.IsDir(), err == nil && wt.info != nil && !os.SameFile(wt.info, info):
		t.at, t.unsure = time.Now(), false
		t.unwatched(real, wt) // moved, unmounted, or another one in its place
		return
	case err != nil:
		return
	}
	wt.info = info
	found := map[string]fsnotify.Op{}
	for _, d := range wt.dirs {
		for name, f := range d.files {
			if d.links[name] || only != nil && !only(name) {
				continue
			}
			info, err := os.Lstat(filepath.Join(real, name))
			switch {
			case err != nil || !info.Mode().IsRegular():
				found[name] = fsnotify.Create
			case differs(f, fileOf(info)) && !(seldom && t.isDirty(d, name)):
				found[name] = fsnotify.Write
			}
		}
	}
	stamp := info.ModTime().UnixNano()
	if wt.looks++; stamp != wt.stamp || wt.looks%relist == 0 {
		if entries, err := readDir(real); err == nil {
			there := make(map[string]bool, len(entries))
			wt.stamp = stamp
			if time.Since(info.ModTime()) < racy {
				wt.stamp = 0
			}
			for _, e := range entries {
				there[e.Name()] = true
				if only != nil && !only(e.Name()) {
					continue
				}
				for _, d := range wt.dirs {
					if t.unknown(d, e) {
						found[e.Name()] = fsnotify.Create
						wt.stamp = 0
					}
				}
			}
			for _, d := range wt.dirs {
				for name := range d.subs {
					if !there[name] && (only == nil || only(name)) {
						found[name] = fsnotify.Create
						wt.stamp = 0
					}
				}
			}
		}
	}
	for name, op := range found {
		t.find(real, filepath.Join(real, name), op, seldom)
	}
}

// isDirty reports whether an event has told of the entry name of d.
func (t *tree) isDirty(d *dir, name string) bool {
	_, ok := t.dirty[filepath.Join(d.path, name)]
	return ok
}

// unknown reports whether the entry e belongs to d and is not known to.
func (t *tree) unknown(d *dir, e os.DirEntry) bool {
	name := e.Name()
	path := filepath.Join(d.path, name)
	_, file := d.files[name]
	switch {
	case e.Type().IsDir():
		return d.subs[name] == nil && !t.ignore.match(d.root, path, true)
	case e.Type().IsRegular():
		return !file && !t.ignore.match(d.root, path, false)
	case e.Type()&os.ModeSymlink != 0:
		return !d.links[name] && !t.ignore.match(d.root, path, stat(path).kind == directory)
	}
	return false
}

// leadsElsewhere reports whether a path with a trail leads to something else than is known.
func (t *tree) leadsElsewhere(path string) bool {
	steps, real, _ := t.follow(path)
	if !slices.Equal(steps, t.trails[path]) {
		return true
	}
	now := stat(path)
	if x := t.extras[path]; x != nil {
		return real != x.real || differs(x.file, now)
	}
	if slices.Contains(t.roots, path) {
		d := t.dirs[path]
		return (d == nil) != (now.kind != directory) || d != nil && d.real != real
	}
	d := t.dirs[filepath.Dir(path)]
	return d != nil && differs(d.files[filepath.Base(path)], now) && (now.kind != directory || t.dirs[path] == nil)
}

// errPolled is why a directory has no events when Options.Poll wants none.
var errPolled = errors.New("watcher: polled")

// polled is a source without events.
type polled struct {
	ev  chan fsnotify.Event
	err chan error
}

func openPolled() (source, error) {
	return polled{make(chan fsnotify.Event), make(chan error)}, nil
}

func (p polled) add(string) error              { return errPolled }
func (p polled) remove(string) error           { return nil }
func (p polled) events() <-chan fsnotify.Event { return p.ev }
func (p polled) errors() <-chan error          { return p.err }

func (p polled) close() error {
	close(p.ev)
	close(p.err)
	return nil
}
