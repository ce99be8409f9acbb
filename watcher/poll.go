package watcher

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
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
// instead: a look at 100,000 files takes 0.25 to 0.37 s of a core (measured), so that the first change among them may wait
// for 7.5 s. Where time goes by that is not ours, as others have the cores or a network drive answers late, the share is
// still one of what we use; only that a look takes no more than a fifth of the time. Directories with recent changes, at
// first those whose files were written last, are looked at first each time, so that the next one there waits for a tenth
// of a second. See docs/decisions/0010-watching.md.
const (
	pollOften, oftenShare   = 100 * time.Millisecond, 20
	pollSeldom, seldomShare = 10 * time.Second, 500

	// rootEvery is how often roots and mounts are looked at. That takes a tenth of a millisecond.
	rootEvery = time.Second

	// slice is how long events wait for a round: two slices are still less than a person sees.
	slice = 5 * time.Millisecond

	// grace is how late an event may be before the file system that owes it is doubted: longer than it takes on a
	// machine that has no time for us.
	grace = 2 * time.Second

	// wallShare is by how much less the time on the clock counts than that of the core.
	wallShare = 5

	maxRecent = 16   // directories that are looked at first,
	maxWhole  = 64   // up to so many files all of them,
	maxHot    = 16   // beyond it so many that changed last
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

	// Reason is why it is not all events: the limit that is reached, with its cure, or else what is known of a file
	// system. It names no path, and is "" if nothing is polled, or only because [Options.Poll] is set.
	Reason string `json:"reason,omitempty"`
}

// Status may be called at any time; before Run all is zero. Safe for concurrent use.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

func (t *tree) report() {
	s := Status{Mode: "events", Directories: len(t.watches), Polled: len(t.polled)}
	switch {
	case s.Polled == 0:
	case s.Polled == s.Directories:
		s.Mode = "poll"
	default:
		s.Mode = "mixed"
	}
	if why := cmp.Or(t.blind, t.refused, t.distrusted); s.Polled > 0 && why != nil {
		s.Reason = why.Error()
	}
	t.mu.Lock()
	t.status = s
	t.mu.Unlock()
}

// partOf returns the part that a real directory belongs to.
func (t *tree) partOf(real string, id identity) *part {
	dev := id.device()
	p := t.parts[dev]
	if p == nil {
		p = &part{polled: t.opts.Poll}
		if fs := t.doubtful(real); fs != "" && !p.polled {
			t.distrust(p, real, "is on a file system ("+fs+") where changes by others are not told: it is polled; the site is faster on a local one")
		}
		t.parts[dev] = p
	}
	return p
}

// untoldAt polls the part that path is on: it has changed, and no event told of it.
func (t *tree) untoldAt(path string) {
	dir := filepath.Dir(path)
	for dir != filepath.Dir(dir) && stat(dir).kind != directory {
		dir = filepath.Dir(dir)
	}
	id, _ := identify(dir)
	p := t.partOf(dir, id)
	if p.polled {
		return
	}
	t.distrust(p, path, "changed and the system did not tell: its file system is polled from now on; --poll does so from the start")
	for real, wt := range t.watches {
		if wt.part == p {
			t.polled[real] = true
		}
	}
	t.often.at = time.Now()
}

// distrust polls p from now on, for what is said of path.
func (t *tree) distrust(p *part, path, why string) {
	p.polled = true
	t.distrusted = errors.New(why)
	t.warn(fmt.Errorf("watcher: %q %s", path, why))
}

// missing reports whether there are events that could be had another time.
func (t *tree) missing() bool { return t.blind != nil || t.refused != nil }

// nextLook is when look has something to do.
func (t *tree) nextLook() time.Time {
	at := earlier(t.rootAt, t.seldom.at)
	if len(t.polled) > 0 {
		at = earlier(at, t.often.at)
	}
	if t.missing() {
		at = earlier(at, t.retryAt)
	}
	return at
}

// look does what is due of everything that is not told by events.
func (t *tree) look(now time.Time) {
	if t.lost != nil {
		return // everything will be compared
	}
	if t.missing() && !now.Before(t.retryAt) {
		t.retry()
	}
	if !now.Before(t.rootAt) {
		t.lookAtRoots()
		t.rootAt = time.Now().Add(rootEvery)
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
	runtime.LockOSThread() // spent is of one thread
	defer runtime.UnlockOSThread()
	begin, spent := time.Now(), t.spent()
	t.at = begin
	if len(r.dirs)+len(r.paths) == 0 {
		r.began = begin
		t.gather(r, seldom)
	}
	for _, dir := range r.recent {
		t.lookAgain(dir)
	}
	for first := time.Now(); len(r.dirs)+len(r.paths) > 0 && time.Since(first) < slice; {
		if len(r.dirs) > 0 {
			t.lookInto(pop(&r.dirs), seldom, nil)
		} else {
			t.lookAt(pop(&r.paths), seldom)
		}
	}
	spent = t.spent() - spent
	r.at = time.Now().Add(r.share * max(spent, time.Since(begin)/wallShare))
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
	if !seldom && len(r.recent) == 0 {
		r.recent = t.lastWritten(r.dirs)
	}
}

// lastWritten returns those real directories, but for large ones, whose files were written last: what was worked on before
// is what is worked on first.
func (t *tree) lastWritten(dirs []string) []string {
	at := make(map[string]int64, len(dirs))
	for _, real := range dirs {
		for _, d := range t.watches[real].dirs {
			if len(d.files) > maxWhole {
				continue
			}
			for _, f := range d.files {
				at[real] = max(at[real], f.mtime)
			}
		}
	}
	written := slices.SortedFunc(maps.Keys(at), func(a, b string) int { return cmp.Compare(at[a], at[b]) })
	return written[max(0, len(written)-maxRecent):]
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
			t.lookAt(path, false)
		} else {
			t.lookInto(d.dir, false, []string{filepath.Base(path)})
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
	t.unsure = ctime != t.known(path).ctime && ctime >= t.since.UnixNano() && ctime <= t.returned.UnixNano()
	if dir == "" {
		t.revisit(path, op)
		return
	}
	t.often.recent = latest(t.often.recent, dir, maxRecent)
	if wt := t.watches[dir]; wt != nil {
		wt.hot = latest(wt.hot, filepath.Base(path), maxHot)
	}
	t.dispatch(path, op)
}

// latest puts s at the end of list, which keeps its last n.
func latest(list []string, s string, n int) []string {
	list = append(slices.DeleteFunc(list, func(o string) bool { return o == s }), s)
	return list[max(0, len(list)-n):]
}

// lookInto compares the directory real and its files, or only those that names has.
func (t *tree) lookInto(real string, seldom bool, names []string) {
	wt := t.watches[real]
	if wt == nil || len(wt.dirs) == 0 {
		return
	}
	now, err := openFolder(real)
	if err == nil {
		defer now.close()
	}
	switch {
	case wt.lost(now.id, err):
		t.at, t.unsure = time.Now(), false
		t.unwatched(real, wt)
		return
	case err != nil:
		return
	}
	found := map[string]fsnotify.Op{}
	for _, d := range wt.dirs {
		compare := func(name string, f file) {
			g, ok := now.file(name)
			switch {
			case d.links[name]:
			case !ok:
				found[name] = fsnotify.Create
			case differs(f, g) && !(seldom && t.isDirty(d, name)):
				found[name] = fsnotify.Write
			}
		}
		if names == nil {
			for name, f := range d.files {
				compare(name, f)
			}
		}
		for _, name := range names {
			if f, ok := d.files[name]; ok {
				compare(name, f)
			}
		}
	}
	if wt.looks++; now.mtime != wt.stamp || wt.looks%relist == 0 {
		wt.stamp = now.mtime
		if !t.relist(real, wt, found) || time.Now().UnixNano()-now.mtime < int64(racy) {
			wt.stamp = 0
		}
	}
	for name, op := range found {
		if !t.untold || slices.Contains(names, name) {
			t.find(real, filepath.Join(real, name), op, seldom)
		}
	}
}

// relist adds to found the entries of a real directory that came and the directories that went. If there are any, or the
// directory cannot be read, it is to be listed again: ok is false.
func (t *tree) relist(real string, wt *watch, found map[string]fsnotify.Op) (ok bool) {
	entries, err := readDir(real)
	if err != nil {
		return false
	}
	before := len(found)
	there := make(map[string]bool, len(entries))
	for _, e := range entries {
		there[e.Name()] = true
		for _, d := range wt.dirs {
			if t.unknown(d, e) {
				found[e.Name()] = fsnotify.Create
			}
		}
	}
	for _, d := range wt.dirs {
		for name := range d.subs {
			if !there[name] {
				found[name] = fsnotify.Create
			}
		}
	}
	return len(found) == before
}

// lookAgain compares a directory with a recent change: what changed once is changed again soon.
func (t *tree) lookAgain(real string) {
	wt := t.watches[real]
	if wt == nil {
		return
	}
	files := 0
	for _, d := range wt.dirs {
		files += len(d.files)
	}
	names := wt.hot
	if files <= maxWhole {
		names = nil
	}
	t.lookInto(real, false, names)
}

// lookAtRoots notices at once what no event tells of: what is mounted and unmounted, and what happens above the roots.
func (t *tree) lookAtRoots() {
	t.at, t.unsure = time.Now(), false
	for _, root := range t.roots {
		d := t.dirs[root]
		if d != nil {
			if wt := t.watches[d.real]; wt.lost(identify(d.real)) {
				t.unwatched(d.real, wt)
				continue
			}
		}
		if t.leadsElsewhere(root) {
			t.revisit(root, fsnotify.Create)
		}
	}
	if points := t.mounts.changed(t.inRoot); len(points) > 0 {
		t.mounted(points)
	}
}

// inRoot reports whether a real path lies in a root.
func (t *tree) inRoot(path string) bool {
	return slices.ContainsFunc(t.real, func(root string) bool { return within(root, path) })
}

// mounted looks again at all that lies where something was mounted or unmounted: the watches there may stand on what is
// hidden now, or nowhere.
func (t *tree) mounted(points []string) {
	there := map[string]*watch{}
	kept := map[*part]bool{}
	for real, wt := range t.watches {
		if slices.ContainsFunc(points, func(p string) bool { return within(p, real) }) {
			there[real] = wt
		} else {
			kept[wt.part] = true
		}
	}
	maps.DeleteFunc(t.parts, func(_ uint64, p *part) bool { return !kept[p] }) // device numbers are used again
	for _, real := range slices.Sorted(maps.Keys(there)) {
		if t.watches[real] == there[real] {
			t.unwatched(real, there[real])
		}
	}
	for _, p := range points {
		t.dispatch(p, fsnotify.Create) // it may be a file
	}
}

// lookAt compares a path with a trail.
func (t *tree) lookAt(path string, seldom bool) {
	if t.leadsElsewhere(path) {
		t.find("", path, fsnotify.Create, seldom)
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
	dir := e.IsDir()
	var known bool
	switch typ := e.Type(); {
	case dir:
		known = d.subs[name] != nil
	case typ.IsRegular():
		_, known = d.files[name]
	case typ&os.ModeSymlink != 0:
		known = d.links[name]
		dir = !known && stat(filepath.Join(d.path, name)).kind == directory
	default:
		return false
	}
	return !known && !t.ignore.match(d.root, filepath.Join(d.path, name), dir)
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

// errPolled is why a directory has no events of a source without any.
var errPolled = errors.New("watcher: polled")

// polled is a source without events.
type polled struct {
	ev  chan fsnotify.Event
	err chan error
}

func newPolled() source { return polled{make(chan fsnotify.Event), make(chan error)} }

func (p polled) add(string) error              { return errPolled }
func (p polled) remove(string) error           { return nil }
func (p polled) events() <-chan fsnotify.Event { return p.ev }
func (p polled) errors() <-chan error          { return p.err }

func (p polled) close() error {
	close(p.ev)
	close(p.err)
	return nil
}
