package watcher

import "time"

// settle says when a batch is due: after quiet, which every event restarts,
// but no later than max after the first event. As long as all events are of one path, it is after alone.
type settle struct {
	alone, quiet, max time.Duration
	path              string
	several           bool
	first, last       time.Time // of the batch being gathered; zero without one
	hold              time.Time // not before this, unless an event comes or max is over
}

func (s *settle) event(at time.Time, path string) {
	s.several = s.several || !s.first.IsZero() && path != s.path
	s.path = path
	if s.first.IsZero() || at.Before(s.first) {
		s.first = at
	}
	if at.After(s.last) {
		s.last = at
	}
	s.hold = time.Time{}
}

// due is when the batch should be sent; ok is false when there is none.
func (s *settle) due() (at time.Time, ok bool) {
	if s.first.IsZero() {
		return time.Time{}, false
	}
	at = s.last.Add(s.alone)
	if s.several {
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
func (s *settle) restart() { *s = settle{alone: s.alone, quiet: s.quiet, max: s.max} }
