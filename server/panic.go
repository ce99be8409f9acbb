package server

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/devserve/devserve/command"
	"github.com/devserve/devserve/internal/wrap"
)

// panics are those that nobody has seen mended: by what panicked, a request or a function of the user's. A panic ends what it
// happened in and nothing else. Its stack is logged, and pages show it until the same thing works again or the next good build.
type panics struct {
	mu    sync.Mutex
	fresh map[string]Diagnostic
}

const (
	panicSource = "devserve"
	maxPanics   = 20 // are shown; all are logged
)

var errPanic = &refusal{http.StatusInternalServerError, "the program panicked; its log has the stack"}

// fell says that what panicked with v.
func (s *Server) fell(what string, v any) {
	s.log.Error("panic", "in", what, "value", v, "stack", string(debug.Stack()))
	s.panics.mu.Lock()
	defer s.panics.mu.Unlock()
	if s.panics.fresh == nil {
		s.panics.fresh = map[string]Diagnostic{}
	}
	if len(s.panics.fresh) < maxPanics {
		s.panics.fresh[what] = Diagnostic{Source: panicSource, Text: fmt.Sprintf("panic in %s: %v; the log has its stack", what, v)}
	}
	s.showPanics()
}

// stands says that what has worked, or all if it is "".
func (s *Server) stands(what string) {
	s.panics.mu.Lock()
	defer s.panics.mu.Unlock()
	if _, ok := s.panics.fresh[what]; ok {
		delete(s.panics.fresh, what)
	} else if what == "" && len(s.panics.fresh) > 0 {
		clear(s.panics.fresh)
	} else {
		return
	}
	s.showPanics()
}

// showPanics is called with the lock, so that pages are told in order.
func (s *Server) showPanics() {
	var ds []Diagnostic
	for _, what := range slices.Sorted(maps.Keys(s.panics.fresh)) {
		ds = append(ds, s.panics.fresh[what])
	}
	s.state.diagnose(panicSource, ds)
}

// safely calls a function, the user's or one of ours that no request waits for, by its name, and reports whether it returned.
func (s *Server) safely(name string, call func()) (returned bool) {
	defer func() {
		if v := recover(); v != nil {
			s.fell(name, v)
		}
	}()
	call()
	s.stands(name)
	return true
}

// guardCallbacks makes all of o's safe that are called outside of requests.
func (s *Server) guardCallbacks() {
	o := &s.o
	if f := o.OnBuild; f != nil {
		o.OnBuild = func(b Build) { s.safely("OnBuild", func() { f(b) }) }
	}
	if f := o.OnProgress; f != nil {
		o.OnProgress = func(compiled, found int) { s.safely("OnProgress", func() { f(compiled, found) }) }
	}
	if f := o.OnTrace; f != nil {
		o.OnTrace = func(t Trace) {
			s.telling.Lock()
			defer s.telling.Unlock()
			s.safely("OnTrace", func() { f(t) })
		}
	}
	if f := o.OnCommand; f != nil {
		o.OnCommand = func(c command.State, ds []Diagnostic) { s.safely("OnCommand", func() { f(c, ds) }) }
	}
	if f := o.OnOutput; f != nil {
		o.OnOutput = func(name, line string) { s.safely("OnOutput", func() { f(name, line) }) }
	}
}

// rescue answers with 500 where next panics. Where the answer has begun it is cut off, as half of one must not pass for the
// whole.
func (s *Server) rescue(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what := r.Method + " " + r.URL.Path
		answer := &answer{Writer: wrap.Writer{ResponseWriter: w}}
		defer func() {
			v := recover()
			switch {
			case v == nil:
				if answer.status < 500 {
					s.stands(what)
				}
				return
			case v == http.ErrAbortHandler:
				panic(v)
			}
			s.fell(what, v)
			if answer.status != 0 {
				panic(http.ErrAbortHandler)
			}
			for _, name := range []string{"Content-Encoding", "Content-Length", "Content-Security-Policy"} {
				w.Header().Del(name)
			}
			fail(answer, r, errPanic)
		}()
		next.ServeHTTP(answer, r)
	})
}

// An answer knows whether it has begun, and with which status.
type answer struct {
	wrap.Writer
	status int
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) begin() {
	if a.status == 0 {
		a.status = http.StatusOK
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.begin()
	return a.ResponseWriter.Write(b)
}

func (a *answer) WriteString(s string) (int, error) {
	a.begin()
	return io.WriteString(a.ResponseWriter, s)
}

// ReadFrom lets the server use sendfile.
func (a *answer) ReadFrom(src io.Reader) (int64, error) {
	a.begin()
	return io.Copy(a.ResponseWriter, src)
}

func (a *answer) Flush() { a.FlushError() }

func (a *answer) FlushError() error {
	a.begin()
	return a.Writer.FlushError()
}

func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	a.begin()
	return a.Writer.Hijack()
}
