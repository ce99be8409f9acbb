package watcher

import (
	"path/filepath"
	"time"
)

// leisure is how long after the last find reading ahead begins: who watches is likely to build what was found, and to show it.
const leisure = 3 * time.Second

// An ahead is what is still to be read, so that the first write of a file can be
// compared too. It is read file by file while there is nothing else to do, some time after
// the watches stand, and only up to a budget: it saves needless builds, no more.
type ahead struct {
	from   time.Time // not before
	dirs   []*dir
	dir    *dir // whose names are being read
	names  []string
	paths  []string // extras
	budget int64    // bytes
}

func (a *ahead) left() bool { return len(a.dirs)+len(a.names)+len(a.paths) > 0 }

// fill reads one file ahead.
func (t *tree) fill() {
	a := &t.ahead
	switch {
	case a.budget <= 0:
		*a = ahead{}
	case len(a.paths) > 0:
		path := pop(&a.paths)
		if x := t.extras[path]; x != nil {
			x.file = t.readAhead(path, x.file)
		}
	case len(a.names) > 0:
		name := pop(&a.names)
		if f, ok := a.dir.files[name]; ok {
			a.dir.files[name] = t.readAhead(filepath.Join(a.dir.path, name), f)
		}
	case len(a.dirs) > 0:
		a.dir = pop(&a.dirs)
		if t.dirs[a.dir.path] != a.dir {
			break // detached
		}
		for name, f := range a.dir.files {
			if f.kind == stated && f.size <= maxHash {
				a.names = append(a.names, name)
			}
		}
	}
}

func pop[T any](s *[]T) T {
	n := len(*s) - 1
	v := (*s)[n]
	*s = (*s)[:n]
	return v
}

// readAhead adds the content to f, unless the file has changed since it was found:
// the event that tells of this must not find it equal.
func (t *tree) readAhead(path string, f file) file {
	if f.kind != stated || f.size > maxHash {
		return f
	}
	t.ahead.budget -= f.size
	if now := read(path); isFile(now) && sameStat(f, now) && f.ctime == now.ctime {
		return now
	}
	return f
}
