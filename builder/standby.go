package builder

import (
	"errors"
	"runtime/debug"
	"slices"
	"time"

	"github.com/evanw/esbuild/pkg/api"
)

// Who has saved a file is likely to save it again. After an idle moment, two fifths of a hot compile are over before esbuild asks for the
// file (measured: 1.2 of 3 ms for 40 lines): it checks its options, and reads all directories above the file. So when a
// build of one module has ended, the call of esbuild for its next one begins, and waits before the file is read.
//
// What it has read by then is what tsconfig.json and package.json say. Where they change, or files come or go, it is dropped.

const (
	// maxStandbys is how many files are stood by for: a component, its style sheet, and what they are edited with.
	maxStandbys = 4

	// standbyRest is how long after a build the next call begins: when the pages, which need the same cores, have most likely shown the
	// last one.
	standbyRest = 50 * time.Millisecond
)

// A standby is a call of esbuild that waits before its first file.
type standby struct {
	w *waveBuild

	ended  chan struct{} // closed when there is what follows
	built  api.BuildResult
	failed *panicked
}

var errDropped = errors.New("this call of esbuild is not needed any more")

// standBy begins the call that compiles m the next time.
func (b *Builder) standBy(m *module) {
	if len(b.o.Plugins) > 0 || m.namespace != "" || m.kind != kindScript && !m.kind.isStyle() || b.closing.Load() || b.standbyOf(m) >= 0 {
		return
	}
	if len(b.standbys) == maxStandbys {
		b.standbys[0].drop()
		b.standbys = slices.Delete(b.standbys, 0, 1)
	}
	s := newStandby(b.newWave([]*module{m}, api.SourceMapNone))
	options := s.w.options(api.FormatCommonJS)
	b.standing.Go(func() {
		s.run(b.standbyRest, func() api.BuildResult { return b.esbuild(options) })
	})
	b.standbys = append(b.standbys, s)
}

func newStandby(w *waveBuild) *standby {
	w.gate = make(chan struct{})
	return &standby{w: w, ended: make(chan struct{})}
}

// run calls esbuild after a rest, or as soon as what it gives is asked for.
func (s *standby) run(rest time.Duration, esbuild func() api.BuildResult) {
	defer close(s.ended)
	defer func() {
		if v := recover(); v != nil {
			s.failed = &panicked{v, debug.Stack()}
		}
	}()
	select {
	case <-s.w.gate:
	case <-time.After(rest):
	}
	if !s.w.dropped.Load() {
		s.built = esbuild()
	}
}

// result lets the call go on, and returns what it gives. It panics if the call did.
func (s *standby) result() api.BuildResult {
	close(s.w.gate)
	<-s.ended
	if s.failed != nil {
		panic(s.failed)
	}
	return s.built
}

// drop ends the call in place of that.
func (s *standby) drop() {
	s.w.dropped.Store(true)
	close(s.w.gate)
}

// pass waits until the call of esbuild may read its files.
func (w *waveBuild) pass() error {
	if w.gate == nil {
		return nil
	}
	w.waiting.Store(true)
	<-w.gate
	if w.dropped.Load() {
		return errDropped
	}
	return nil
}

func (b *Builder) standbyOf(m *module) int {
	return slices.IndexFunc(b.standbys, func(s *standby) bool { return s.w.ms[0] == m })
}

// takeStandby takes the call for m from those that wait. It returns nil without one.
func (b *Builder) takeStandby(m *module) *standby {
	i := b.standbyOf(m)
	if i < 0 {
		return nil
	}
	s := b.standbys[i]
	b.standbys = slices.Delete(b.standbys, i, i+1)
	return s
}

// dropStandbys drops all of them.
func (b *Builder) dropStandbys() {
	for _, s := range b.standbys {
		s.drop()
	}
	b.standbys = nil
}
