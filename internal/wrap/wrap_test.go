package wrap

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// server is a writer that can do all that a server's can.
type server struct {
	http.ResponseWriter
	closed  chan bool
	flushed int
}

func (s *server) FlushError() error        { s.flushed++; return errors.New("gone") }
func (s *server) CloseNotify() <-chan bool { return s.closed }
func (s *server) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, errors.New("no connection")
}

// foreign is a wrapper of others, with Unwrap alone.
type foreign struct{ http.ResponseWriter }

func (f foreign) Unwrap() http.ResponseWriter { return f.ResponseWriter }

func TestWriter(t *testing.T) {
	s := &server{ResponseWriter: httptest.NewRecorder(), closed: make(chan bool)}
	var w http.ResponseWriter = Writer{foreign{Writer{s}}}
	w.(http.Flusher).Flush()
	if err := http.NewResponseController(w).Flush(); s.flushed != 2 || err == nil || err.Error() != "gone" {
		t.Errorf("%d flushes: %v", s.flushed, err)
	}
	if _, _, err := w.(http.Hijacker).Hijack(); err == nil || err.Error() != "no connection" {
		t.Errorf("hijack: %v", err)
	}
	if got := w.(interface{ CloseNotify() <-chan bool }).CloseNotify(); got != s.closed {
		t.Error("another channel")
	}
	if got := (Writer{httptest.NewRecorder()}).CloseNotify(); got != nil {
		t.Error("a channel of nobody")
	}
	if err := (Writer{struct{ http.ResponseWriter }{s}}).FlushError(); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("flush: %v", err)
	}
}
