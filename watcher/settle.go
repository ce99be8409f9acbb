package watcher

import (
	"slices"
	"time"
)

// settle says when a batch is due: after quiet, which every event restarts,
// but no later than max after the first event. As long as all events are of one path, it is after alone. A file that
// has come and gone does not count: many a program saves by writing another one, which it renames.
type settle struct {
	alone, quiet, max time.Duration
	paths             []string  // that events are of, as long as they are few
	many              bool      // they are not
	first, last       time.Time // of the batch being gathered; zero without one
	hold              time.Time // not before this, unless an event comes or max is over
}

// few is how many paths of a batch are told apart. One save writes three at most: a new file, a backup and the file itself.
const few = 4

func (s *settle) event(at time.Time, path string) {
	if !s.many && !slices.Contains(s.paths, path) {
		s.paths = append(s.paths, path)
		s.many = len(s.paths) > few
	}
	if s.first.IsZero() || at.Before(s.first) {
		s.first = at
	}
	if at.After(s.last) {
		s.last = at
	}
	s.hold = time.Time{}
}

// forget takes back that there was something at path.
func (s *settle) forget(path string) {
	s.paths = slices.DeleteFunc(s.paths, func(p string) bool { return p == path })
}

func (s *settle) several() bool { return s.many || len(s.paths) > 1 }

// due is when the batch should be sent; ok is false when there is none.
func (s *settle) due() (at time.Time, ok bool) {
	if s.first.IsZero() {
		return time.Time{}, false
	}
	at = s.last.Add(s.alone)
	if s.several() {
		at = s.last.Add(s.quiet)
	}
	if s.hold.After(at) {
		at = s.hold
	}
	if end := s.first.Add(s.max); end.Before(at) {
		at = end
	}
	return at, true
}

// over reports whether the ceiling has been reached.
func (s *settle) over(now time.Time) bool { return !now.Before(s.first.Add(s.max)) }

// restart begins the next batch; rest is what is left over from this one.
func (s *settle) restart() {
	*s = settle{alone: s.alone, quiet: s.quiet, max: s.max, paths: s.paths[:0]}
}
