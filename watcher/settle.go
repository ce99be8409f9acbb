package watcher

import "time"

// settle says when a batch is due: after quiet, which every event restarts,
// but no later than max after the first event.
type settle struct {
	quiet, max  time.Duration
	first, last time.Time // of the batch being gathered; zero without one
	hold        time.Time // not before this, unless an event comes or max is over
}

func (s *settle) event(at time.Time) {
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
	at = s.last.Add(s.quiet)
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
func (s *settle) restart() { s.first, s.last, s.hold = time.Time{}, time.Time{}, time.Time{} }
