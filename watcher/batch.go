package watcher

import (
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A change is a path with events since the last Batch.
type change struct {
	old    file
	real   string // of an extra: where it led to
	seen   time.Time
	untold bool // no event told of it
	unsure bool // onBatch may have read another content meanwhile
}

const (
	// patience is how long a file that is gone or became empty is expected to be
	// written: editors delete or truncate first. It is less than a person sees, and
	// more than the pause between two system calls on a loaded machine.
	patience = 50 * time.Millisecond

	// delay is how long an event may take to arrive on a loaded machine.
	delay = 20 * time.Millisecond
)

// flush compares what is due, and returns it if it differs.
func (t *tree) flush(now time.Time) (Batch, bool) {
	if t.lost != nil && !now.Before(t.rescanAt) {
		t.rescan(t.source())
	}
	t.look(now)
	if at, ok := t.settle.due(); !ok || now.Before(at) {
		return Batch{}, false
	}

	var wait []string
	var until time.Time
	for path, c := range t.dirty {
		if ripe := c.ripe(path); ripe.After(now) {
			wait = append(wait, path)
			if until.IsZero() || ripe.Before(until) {
				until = ripe
			}
		}
	}
	if len(wait) > 0 && !t.settle.over(now) {
		t.settle.hold = until
		return Batch{}, false
	}

	b := Batch{First: t.settle.first, Settled: now}
	var written int64
	rest := map[string]change{}
	for _, path := range wait {
		rest[path] = t.dirty[path]
	}
	for path, c := range t.dirty {
		if _, ok := rest[path]; ok {
			continue
		}
		if op, at := t.compare(path, c); op != 0 {
			written = max(written, at)
			if c.untold {
				t.untoldAt(path)
			}
			b.Changes = append(b.Changes, Change{path, op})
		}
	}
	t.dirty = rest
	t.settle.restart()
	for path := range rest {
		t.settle.event(now, path)
	}
	if len(rest) > 0 {
		t.settle.hold = until
	}
	slices.SortFunc(b.Changes, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	if written > 0 {
		b.Written = time.Unix(0, written)
	}
	return b, len(b.Changes) > 0
}

// ripe is when path may be compared: it is given time if it seems that a file is
// about to be written there.
func (c change) ripe(path string) time.Time {
	now := stat(path)
	gone := now.kind == absent && c.old.kind != absent
	emptied := now.kind == stated && now.size == 0 && (c.old.size > 0 || c.old.kind == absent)
	if gone || emptied {
		return c.seen.Add(patience)
	}
	return time.Time{}
}

// compare takes over what is at path now, and says what that is to c, and when it was written, or 0.
func (t *tree) compare(path string, c change) (op Op, written int64) {
	name := filepath.Base(path)
	d := t.dirs[filepath.Dir(path)]
	x := t.extras[path]
	var now file
	moved := false
	if x != nil {
		real, _ := t.setTrail(path)
		now = read(path)
		moved = real != c.real
		x.file, x.real = now, real
	} else if d != nil {
		if now = read(path); now.kind == directory {
			now = file{}
		}
	}
	if d != nil {
		if isFile(now) && !t.ignore.match(d.root, path, false) {
			d.files[name] = now
		} else {
			delete(d.files, name)
		}
	}
	switch {
	case c.old.kind == absent && now.kind == absent:
		if c.unsure && t.told[path] {
			return Remove, 0 // it was there when it was read, perhaps
		}
		return 0, 0
	case c.old.kind == absent:
		return Create, now.ctime
	case now.kind == absent:
		return Remove, 0
	case moved || !same(c.old, now):
		return Write, now.ctime
	case c.unsure && isFile(now) && now.ctime >= t.since.UnixNano() && !t.untouched(path, c.old, now):
		return Write, now.ctime // as above
	}
	return 0, 0
}

// untouched reports whether nobody has written to path since it was looked at before: the event was late.
func (t *tree) untouched(path string, before, now file) bool {
	if !sameStat(before, now) || before.ctime != now.ctime || now.ctime%int64(time.Second) == 0 { // ext3 counts seconds
		return false
	}
	real, err := filepath.EvalSymlinks(path)
	return err == nil && t.exact(filepath.Dir(real))
}

// handOn calls onBatch.
func (t *tree) handOn(b Batch, onBatch func(Batch)) {
	if t.lost == nil {
		clear(t.told)
		clear(t.toldBelow)
	}
	for _, c := range b.Changes {
		t.told[c.Path] = true
		for dir := filepath.Dir(c.Path); !t.toldBelow[dir]; dir = filepath.Dir(dir) {
			t.toldBelow[dir] = true
		}
	}
	t.handed = time.Now()
	onBatch(b)
	t.returned = time.Now()
	t.lostUnsure = t.lostUnsure || t.lost != nil
}

// whileRead reports whether onBatch may have been reading when what has arrived at
// that time happened.
func (t *tree) whileRead(at time.Time) bool {
	return !at.Before(t.handed) && !at.After(t.returned.Add(delay))
}
