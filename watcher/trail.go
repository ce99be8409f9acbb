package watcher

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A trail is the way along which a single path is resolved, such as node_modules,
// react, index.js. Roots, links and the paths given to [Watcher.Watch] have one, so
// that it is noticed when any of its steps is replaced, and when a missing one
// appears. Steps above a root are left out, as they are busy and none of ours,
// except the one where a missing path ends.
type step struct{ dir, name string } // the entry name of a real directory

// maxLinks is how many links a path may lead through, as in Linux.
const maxLinks = 40

// A watch is what depends on the events of one real directory.
type watch struct {
	stands  bool
	refused bool                       // for want of watches
	dirs    []*dir                     // that it is shown as
	names   map[string]map[string]bool // entry → paths with a step here
	part    *part
	id      identity // of the directory on which it stands

	// What a round has seen: the directory's time of writing, how often, and which entries changed last.
	stamp int64
	looks int
	hot   []string
}

// lost reports whether wt's directory is gone, be it moved or unmounted, or another one is at its path: now, or err says
// why that is not known.
func (wt *watch) lost(now identity, err error) bool {
	switch {
	case err != nil:
		return os.IsNotExist(err) || errors.Is(err, syscall.ENOTDIR)
	case wt.id == identity{}:
		wt.id = now
	}
	return !wt.id.same(now)
}

// An extra is a path given to [Watcher.Watch].
type extra struct {
	file
	real string // where it led to
}

// setExtra sets the paths to watch beside the trees, and which of them somebody has read. Those that were written since
// then, or were read and are gone, are reported, unless it is zero.
func (t *tree) setExtra(want map[string]bool, since time.Time) {
	t.at, t.unsure = time.Now(), false
	for path := range t.extras {
		if _, ok := want[path]; !ok {
			delete(t.extras, path)
			t.dropTrail(path)
			if t.dirs[filepath.Dir(path)] == nil {
				delete(t.dirty, path)
			}
		}
	}
	for path, wasRead := range want {
		if t.extras[path] != nil || t.covers(path) {
			continue
		}
		x := &extra{}
		x.real, _ = t.setTrail(path)
		if x.file = stat(path); x.fresh {
			x.file = read(path)
		}
		t.extras[path] = x
		t.ahead.paths = append(t.ahead.paths, path)
		t.ahead.from = time.Now().Add(t.leisure)
		written := isFile(x.file) && x.ctime >= since.UnixNano()
		if !since.IsZero() && (written || wasRead && x.kind == absent) {
			t.mark(path, x.file)
			c := t.dirty[path]
			c.old = differing
			t.dirty[path] = c
		}
	}
}

// covers reports whether path belongs to a root's tree, whatever it may become.
func (t *tree) covers(path string) bool {
	for _, root := range t.roots {
		if path == root || within(root, path) && !t.ignore.matchBelow(root, path) && !t.ignore.match(root, path, true) {
			return true
		}
	}
	return false
}

// setTrail places the watches along path and returns where it leads to; ok is
// false if it leads nowhere.
func (t *tree) setTrail(path string) (real string, ok bool) {
	for range 5 { // until nothing changes between looking and watching
		var steps []step
		steps, real, ok = t.follow(path)
		old, known := t.trails[path]
		if known && slices.Equal(steps, old) {
			break
		}
		for _, s := range steps {
			wt := t.watch(s.dir)
			if wt.names == nil {
				wt.names = map[string]map[string]bool{}
			}
			if wt.names[s.name] == nil {
				wt.names[s.name] = map[string]bool{}
			}
			wt.names[s.name][path] = true
		}
		t.trails[path] = steps
		t.leave(path, old, steps)
	}
	return real, ok
}

func (t *tree) dropTrail(path string) {
	old := t.trails[path]
	delete(t.trails, path)
	t.leave(path, old, nil)
}

// leave removes path from those steps of old that are not kept.
func (t *tree) leave(path string, old, kept []step) {
	for _, s := range old {
		wt := t.watches[s.dir]
		if wt == nil || slices.Contains(kept, s) {
			continue
		}
		delete(wt.names[s.name], path)
		if len(wt.names[s.name]) == 0 {
			delete(wt.names, s.name)
		}
		t.release(s.dir, wt)
	}
}

// watch returns the watch of a real directory, placed if that is possible.
func (t *tree) watch(real string) *watch {
	wt := t.watches[real]
	if wt == nil {
		wt = &watch{}
		wt.id, _ = identify(real)
		t.watches[real] = wt
		wt.part = t.partOf(real, wt.id)
	}
	if !wt.stands {
		t.place(real, wt)
	}
	return wt
}

// place asks for the events of a real directory. Without them, it is polled.
func (t *tree) place(real string, wt *watch) {
	err := t.feed.src.add(real)
	wt.stands = err == nil
	wt.refused = false
	poll := wt.part.polled
	switch {
	case err == nil:
	case errors.Is(err, errPolled):
		poll = true
	case os.IsNotExist(err), os.IsPermission(err), errors.Is(err, syscall.ENAMETOOLONG):
		t.opts.Log.Debug("no watch", "path", real, "err", err)
	default:
		wt.refused, poll = true, true
		t.refuse(real, err)
	}
	if poll {
		t.polled[real] = true
	} else {
		delete(t.polled, real)
	}
}

// release removes the watch of a real directory if nothing depends on it.
func (t *tree) release(real string, wt *watch) {
	if t.keep || len(wt.dirs) > 0 || len(wt.names) > 0 || t.watches[real] != wt {
		return
	}
	delete(t.watches, real)
	delete(t.polled, real)
	if wt.stands {
		t.feed.src.remove(real) // fails when the directory is gone, and its watch with it
	}
}

// follow resolves path, link by link.
func (t *tree) follow(path string) (steps []step, real string, ok bool) {
	vol := filepath.VolumeName(path)
	real = vol + string(filepath.Separator)
	rest := split(path[len(vol):])
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			real = filepath.Dir(real)
			continue
		}
		next := filepath.Join(real, name)
		info, err := os.Lstat(next)
		if err != nil || !t.above(next) {
			steps = append(steps, step{real, name})
		}
		switch {
		case err != nil:
			return steps, "", false
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(next)
			if links++; err != nil || links > maxLinks {
				return steps, "", false
			}
			if filepath.IsAbs(target) {
				vol := filepath.VolumeName(target)
				real = vol + string(filepath.Separator)
				target = target[len(vol):]
			}
			rest = append(split(target), rest...)
		case len(rest) > 0 && !info.IsDir():
			return steps, "", false
		default:
			real = next
		}
	}
	return steps, real, true
}

func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r < 0x80 && os.IsPathSeparator(byte(r)) })
}

// above reports whether a root lies below the real path.
func (t *tree) above(real string) bool {
	for _, root := range t.real {
		if root != real && within(real, root) {
			return true
		}
	}
	return false
}
