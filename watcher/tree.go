package watcher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// A tree is what Run knows of the file system; only Run's goroutine touches it.
//
// A path is named as its user knows it, but a watch stands on the real directory,
// links resolved: one that is reached by several links has one watch and is
// reported under each name. Watching the links themselves would lose all names but
// the first, as inotify has one watch for an inode.
//
// The order is always: place the watch, then look. What happens before the look is
// seen by it, and what happens after it comes as an event.
//
// It costs a watch for each directory, about 450 bytes for each file (measured, ten
// to a directory) and one walk at the start. The worst case is an overflow of the
// event queue: another walk, with the content read of those files only whose
// metadata changed.
type tree struct {
	*Watcher
	ctx  context.Context
	feed *feed

	at     time.Time // of the event that is handled
	unsure bool      // it came while onBatch ran

	handed, returned time.Time       // when onBatch did its last work
	told             map[string]bool // paths in its last Batch, and before if lost
	toldBelow        map[string]bool // and the directories above them

	dirs    map[string]*dir   // by path
	watches map[string]*watch // by real path
	trails  map[string][]step // by path
	extras  map[string]*extra // by path, those given to Watch
	real    []string          // real paths of the roots

	dirty  map[string]change
	settle settle

	parts  map[uint64]*part // by device
	polled map[string]bool  // watches whose events are not relied on or that do not stand, by real path
	often  round            // of these
	seldom round            // of all others
	doubts map[string]doubt // by path
	untold bool             // what is handled was found, and no event told of it

	distrusted error // why a part is polled; nil if none is
	mounts     *mounts
	rootAt     time.Time // when to look at the roots and the mounts

	starting bool // what is found now is what was there before
	keep     bool // watches that nothing depends on now may be needed again
	ahead    ahead

	since time.Time // when the reading began of what Watch is called with, by the clock of time stamps

	lost       error     // why events are missing; nil if none are
	lostUnsure bool      // some were lost while onBatch ran
	rescanAt   time.Time // when to compare everything, if lost
	blind      error     // why no source could be opened; nil if it is
	refused    error     // why some directory has no watch; nil if all have
	retryAt    time.Time // when to ask again, if blind or refused
	warned     map[string]bool

	fell  time.Time     // when something panicked last
	pause time.Duration // made after it
}

// A dir is a directory of a root's tree.
type dir struct {
	path, real, root string
	parent           *dir // nil at a root
	files            map[string]file
	subs             map[string]*dir
	links            map[string]bool // entries that are symbolic links
	closed           bool            // could not be read
}

const (
	// maxNames is under how many names one real directory is reported. It bounds
	// what links to links to links can make of a small tree.
	maxNames = 8

	// rescanShare is one in how much of the time goes into comparing everything,
	// however often events are lost.
	rescanShare = 20

	// retryEvery is how often events are asked for again where they were refused: one
	// system call, if they still are.
	retryEvery = 2 * time.Second

	// minPause is made after a panic. Each one within maxPause doubles it: the next attempt may panic at once.
	minPause, maxPause = 100 * time.Millisecond, time.Minute
)

func newTree(ctx context.Context, w *Watcher) *tree {
	t := &tree{
		Watcher:   w,
		ctx:       ctx,
		dirs:      map[string]*dir{},
		watches:   map[string]*watch{},
		trails:    map[string][]step{},
		extras:    map[string]*extra{},
		told:      map[string]bool{},
		toldBelow: map[string]bool{},
		dirty:     map[string]change{},
		settle:    settle{alone: w.alone, quiet: w.opts.Settle, max: w.opts.MaxWait},
		ahead:     ahead{budget: maxFill},
		warned:    map[string]bool{},
		parts:     map[uint64]*part{},
		polled:    map[string]bool{},
		doubts:    map[string]doubt{},
		often:     round{every: pollOften, share: oftenShare},
		seldom:    round{every: pollSeldom, share: seldomShare, at: time.Now().Add(pollSeldom)},
		mounts:    openMounts(),
		rootAt:    time.Now().Add(rootEvery),
	}
	t.feed = newFeed(t.source())
	for _, root := range w.roots {
		if real, err := filepath.EvalSymlinks(root); err == nil {
			t.real = append(t.real, real)
		}
	}
	return t
}

func (t *tree) close() {
	t.feed.close()
	t.mounts.close()
}

// safely does what may panic. As nobody knows what a panic left behind, everything is compared after it, and what was about
// to be reported is taken to differ.
func (t *tree) safely(do func()) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		t.opts.OnPanic("the watcher", v)
		t.starting, t.keep, t.untold = false, false, false
		for path, c := range t.dirty {
			c.old = differing
			t.dirty[path] = c
		}
		t.pause = min(2*t.pause, maxPause)
		if t.fell.IsZero() || time.Since(t.fell) > maxPause {
			t.pause = minPause
		}
		select {
		case <-t.ctx.Done():
		case <-time.After(t.pause):
		}
		t.fell = time.Now()
		t.lost, t.lostUnsure, t.rescanAt = errors.New("panic"), true, t.fell
	}()
	do()
}

// source opens a source of events, or one without any for as long as the system has none to give.
func (t *tree) source() source {
	src, err := t.open()
	if err == nil {
		t.blind = nil
		return src
	}
	t.blind = cure(err)
	t.retryAt = time.Now().Add(retryEvery)
	t.warn(fmt.Errorf("watcher: start: %w", t.blind))
	return newPolled()
}

// retry asks again for the events that were refused.
func (t *tree) retry() {
	t.retryAt = time.Now().Add(retryEvery)
	if t.blind != nil {
		if src, err := t.open(); err == nil {
			t.blind = nil
			t.rescan(src)
		}
		return
	}
	t.refused = nil
	for real, wt := range t.watches {
		if !wt.refused {
			continue
		}
		if t.place(real, wt); wt.refused {
			return // so will the others be
		}
		t.lookInto(real, false, nil)
		for _, paths := range wt.names {
			for path := range maps.Clone(paths) {
				t.lookAt(path, false)
			}
		}
	}
}

// start enters the roots.
func (t *tree) start() {
	t.starting = true
	t.at = time.Now()
	for _, root := range t.roots {
		t.enter(root, nil)
	}
	t.starting = false
}

// takeIn handles the events that have come.
func (t *tree) takeIn() {
	events, lost := t.feed.take()
	for _, e := range events {
		t.handle(e)
	}
	if lost.err != nil {
		t.lost = lost.err
		t.lostUnsure = t.lostUnsure || t.whileRead(lost.at)
	}
}

// handle takes in one event.
func (t *tree) handle(e event) {
	if e.path == "" {
		return
	}
	t.at = e.at
	t.unsure = e.op != fsnotify.Chmod && t.whileRead(e.at)
	if wt := t.watches[e.path]; wt != nil && e.op.Has(fsnotify.Remove|fsnotify.Rename) {
		t.unwatched(e.path, wt)
	}
	t.dispatch(e.path, e.op)
}

// dispatch hands what happened at a real path to what depends on it.
func (t *tree) dispatch(real string, op fsnotify.Op) {
	delete(t.doubts, real)
	wt := t.watches[filepath.Dir(real)]
	if wt == nil {
		return
	}
	name := filepath.Base(real)
	for _, d := range slices.Clone(wt.dirs) {
		t.touch(d, name, op)
	}
	for _, path := range slices.Collect(maps.Keys(wt.names[name])) {
		t.revisit(path, op)
	}
}

// unwatched deals with the end of a watch: its directory was deleted or moved.
func (t *tree) unwatched(real string, wt *watch) {
	delete(t.watches, real)
	delete(t.polled, real)
	t.feed.src.remove(real) // after a move it still stands, elsewhere
	for _, d := range wt.dirs {
		switch {
		case t.dirs[d.path] != d:
		case d.parent == nil:
			t.reenter(d.path)
		default:
			t.rewalk(d.parent, filepath.Base(d.path))
		}
	}
	for _, paths := range wt.names {
		for path := range paths {
			t.dropTrail(path) // it has no watch any more
			t.revisit(path, fsnotify.Rename)
		}
	}
}

// moved are the events after which an entry may be of another kind.
const moved = fsnotify.Create | fsnotify.Remove | fsnotify.Rename

// touch takes in an event of the entry name of d.
func (t *tree) touch(d *dir, name string, op fsnotify.Op) {
	path := filepath.Join(d.path, name)
	sub := d.subs[name]
	switch {
	case t.dirs[d.path] != d: // it went with an earlier event
	case op.Has(moved), sub != nil && sub.closed && op.Has(fsnotify.Chmod):
		t.rewalk(d, name)
		if _, there := d.files[name]; !there && t.dirty[path].old.kind == absent {
			t.settle.forget(path) // it came and went
		}
	case sub != nil, t.ignore.match(d.root, path, false):
	default:
		t.mark(path, d.files[name])
	}
}

// revisit takes in an event of a step of path's trail.
func (t *tree) revisit(path string, op fsnotify.Op) {
	delete(t.doubts, path)
	if x := t.extras[path]; x != nil {
		t.mark(path, x.file)
	}
	if slices.Contains(t.roots, path) {
		if op.Has(moved) {
			t.reenter(path)
		}
	} else if d := t.dirs[filepath.Dir(path)]; d != nil && d.links[filepath.Base(path)] {
		t.touch(d, filepath.Base(path), op)
	}
}

// mark notes that path is to be compared with old when it is quiet.
func (t *tree) mark(path string, old file) {
	c, ok := t.dirty[path]
	if !ok {
		c.old = old
		if x := t.extras[path]; x != nil {
			c.old, c.real = x.file, x.real
		}
	}
	c.seen = t.at
	c.unsure = c.unsure || t.unsure
	c.untold = t.untold && (!ok || c.untold)
	t.dirty[path] = c
	t.settle.event(t.at, path)
	if t.opts.OnSettling != nil && !t.settle.several() {
		t.opts.OnSettling(path)
	}
}

// reenter looks at a root again that was moved, deleted or created.
func (t *tree) reenter(root string) {
	old := map[string]file{}
	if d := t.dirs[root]; d != nil {
		t.detach(d, old)
	}
	t.enter(root, old)
	t.markAll(old)
}

// enter walks a root, if it is there. As in all functions with this parameter,
// old has the files that were known before, and those found again leave it.
func (t *tree) enter(root string, old map[string]file) {
	real, ok := t.setTrail(root)
	if ok && stat(real).kind == directory {
		t.walk(nil, root, real, root, old)
	}
}

// rewalk looks at the entry name of d again, whatever it was and is now.
func (t *tree) rewalk(d *dir, name string) {
	path := filepath.Join(d.path, name)
	old := map[string]file{}
	was, known := d.files[name]
	if known {
		old[path] = was
		delete(d.files, name)
	}
	if sub := d.subs[name]; sub != nil {
		t.detach(sub, old)
	}
	t.unlink(d, name)
	if info, err := os.Lstat(path); err == nil {
		t.visit(d, fs.FileInfoToDirEntry(info), old)
	}
	if _, ok := d.files[name]; ok {
		t.mark(path, was) // equal metadata proves nothing where there was an event
	}
	t.markAll(old)
	t.markRead(path)
}

// markRead marks what onBatch was told of below path, where it may have read what came and went while it ran: a file in a
// directory that was made anew and is gone again leaves no other trace.
func (t *tree) markRead(path string) {
	if !t.unsure || !t.toldBelow[path] {
		return
	}
	for p := range t.told {
		if p != path && within(path, p) {
			t.mark(p, t.known(p))
		}
	}
}

// markAll marks what has not been found again.
func (t *tree) markAll(old map[string]file) {
	for path, f := range old {
		t.mark(path, f)
	}
}

// walk adds the directory at path and all below it.
func (t *tree) walk(parent *dir, path, real, root string, old map[string]file) {
	if t.ctx.Err() != nil || t.dirs[path] != nil {
		return
	}
	wt := t.watch(real)
	if len(wt.dirs) == maxNames {
		t.opts.Log.Debug("too many links to one directory", "path", path, "directory", real)
		return
	}
	d := &dir{path: path, real: real, root: root, parent: parent, files: map[string]file{}}
	t.dirs[path] = d
	wt.dirs = append(wt.dirs, d)
	if parent != nil {
		if parent.subs == nil {
			parent.subs = map[string]*dir{}
		}
		parent.subs[filepath.Base(path)] = d
	}
	entries, err := readDir(real)
	if err != nil {
		d.closed = true
		t.opts.Log.Debug("skip directory", "path", path, "err", err)
	}
	for _, e := range entries {
		t.visit(d, e, old)
	}
	t.ahead.dirs = append(t.ahead.dirs, d)
	t.ahead.from = time.Now().Add(t.leisure)
}

// readDir is os.ReadDir without sorting.
func readDir(path string) ([]fs.DirEntry, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.ReadDir(-1)
}

// visit adds the entry e of d, and what is below it.
func (t *tree) visit(d *dir, e fs.DirEntry, old map[string]file) {
	name := e.Name()
	path := d.path + string(filepath.Separator) + name
	if d.parent == nil { // the root may be /
		path = filepath.Join(d.path, name)
	}
	switch typ := e.Type(); {
	case typ.IsDir():
		if !t.ignore.match(d.root, path, true) {
			t.walk(d, path, filepath.Join(d.real, name), d.root, old)
		}
	case typ.IsRegular():
		if !t.ignore.match(d.root, path, false) {
			if info, err := e.Info(); err == nil {
				t.found(d, name, path, fileOf(info), old)
			}
		}
	case typ&fs.ModeSymlink != 0:
		t.visitLink(d, name, path, old)
	}
}

// visitLink adds an entry that is a symbolic link: what it leads to is watched as
// if it were there, and where it leads is watched too.
func (t *tree) visitLink(d *dir, name, path string, old map[string]file) {
	f := stat(path)
	if t.ignore.match(d.root, path, f.kind == directory) {
		return
	}
	if d.links == nil {
		d.links = map[string]bool{}
	}
	d.links[name] = true
	real, ok := t.setTrail(path)
	switch f = stat(path); {
	case !ok:
	case f.kind == directory:
		for a := d; a != nil; a = a.parent {
			if within(real, a.real) {
				return // it leads to where it came from
			}
		}
		t.walk(d, path, real, d.root, old)
	case isFile(f):
		t.found(d, name, path, f, old)
	}
}

// found adds the file f to d.
func (t *tree) found(d *dir, name, path string, f file, old map[string]file) {
	if t.starting {
		if f.fresh { // what is read later could already be another content
			f = read(path)
		}
		d.files[name] = f
		return
	}
	was, ok := old[path]
	delete(old, path)
	d.files[name] = was
	if !ok || differs(was, f) {
		t.mark(path, was)
	}
}

// detach removes d and all below it, and moves its files to old.
func (t *tree) detach(d *dir, old map[string]file) {
	for name, f := range d.files {
		old[filepath.Join(d.path, name)] = f
	}
	for _, sub := range d.subs {
		t.detach(sub, old)
	}
	for name := range d.links {
		t.unlink(d, name)
	}
	delete(t.dirs, d.path)
	if d.parent != nil {
		delete(d.parent.subs, filepath.Base(d.path))
	}
	if wt := t.watches[d.real]; wt != nil {
		wt.dirs = slices.DeleteFunc(wt.dirs, func(o *dir) bool { return o == d })
		t.release(d.real, wt)
	}
}

// unlink forgets that the entry name of d is a symbolic link.
func (t *tree) unlink(d *dir, name string) {
	if path := filepath.Join(d.path, name); d.links[name] && t.extras[path] == nil {
		t.dropTrail(path)
	}
	delete(d.links, name)
}

// rescan compares everything. All watches are placed anew, by another source: which
// directory an old one stands on now, nobody knows.
func (t *tree) rescan(src source) {
	t.takeIn()
	t.at = time.Now()
	t.unsure = t.lostUnsure || t.whileRead(t.at)
	t.lostUnsure = false
	t.opts.Log.Debug("compare everything", "lost", t.lost)
	t.feed.close()
	t.feed = newFeed(src)
	t.lost, t.refused = nil, nil
	t.watches = map[string]*watch{}
	t.polled = map[string]bool{}
	t.trails = map[string][]step{}
	clear(t.doubts)
	t.keep = true
	old := map[string]file{}
	for _, root := range t.roots {
		if d := t.dirs[root]; d != nil {
			t.detach(d, old)
		}
	}
	for _, root := range t.roots {
		t.enter(root, old)
	}
	t.markAll(old)
	for path, x := range t.extras {
		real, _ := t.setTrail(path)
		if real != x.real || differs(x.file, stat(path)) {
			t.mark(path, x.file)
		}
	}
	if t.unsure {
		for path := range t.told {
			t.mark(path, t.known(path))
		}
	}
	t.keep = false
	for real, wt := range t.watches {
		t.release(real, wt)
	}
	t.rescanAt = time.Now().Add(rescanShare * time.Since(t.at))
}

// known is what is known of path.
func (t *tree) known(path string) file {
	if x := t.extras[path]; x != nil {
		return x.file
	}
	if d := t.dirs[filepath.Dir(path)]; d != nil {
		return d.files[filepath.Base(path)]
	}
	return file{}
}

// due is when flush has something to do.
func (t *tree) due() time.Time {
	at, ok := t.settle.due()
	next := t.rescanAt
	if t.lost == nil {
		next = t.nextLook()
	}
	if !ok {
		return next
	}
	return earlier(at, next)
}

// warn tells OnError once for each message.
func (t *tree) warn(err error) {
	if msg := err.Error(); !t.warned[msg] {
		t.warned[msg] = true
		t.opts.OnError(err)
	}
}

// refuse notes that dir has no watch, and says so once for all that a limit concerns.
func (t *tree) refuse(dir string, err error) {
	if t.refused == nil {
		t.refused = cure(err)
		t.retryAt = time.Now().Add(retryEvery)
	}
	if limited(err) && t.warned["limit"] {
		return
	}
	t.warned["limit"] = t.warned["limit"] || limited(err)
	t.warn(fmt.Errorf("watcher: add %q: %w", dir, cure(err)))
}

// within reports whether path is dir or lies below it, for cleaned paths.
func within(dir, path string) bool {
	rest, ok := strings.CutPrefix(path, dir)
	return ok && (rest == "" || os.IsPathSeparator(rest[0]) || os.IsPathSeparator(dir[len(dir)-1]))
}
