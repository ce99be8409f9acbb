package e2e

import (
	"errors"
	"net"
	"net/http"
	"path/filepath"
)

// A backend is another server that a scenario's site leaves requests to. It serves ../backend.
type backend struct {
	addr string
	srv  *http.Server // nil while it does not run
	done chan struct{}
}

// newBackend returns one that does not run yet, at an address of its own.
func newBackend() (*backend, error) {
	h := &host{}
	l, err := h.listen()
	if err != nil {
		return nil, err
	}
	return &backend{addr: h.addr}, l.Close()
}

func (s *scenario) startBackend() error {
	b := s.srv.backend
	if b == nil || b.srv != nil {
		return errors.New("there is no backend, or it runs")
	}
	l, err := net.Listen("tcp", b.addr)
	if err != nil {
		return err
	}
	b.srv = &http.Server{Handler: http.FileServer(http.Dir(filepath.Join(s.dir, "..", "backend")))}
	b.done = make(chan struct{})
	go func() {
		defer close(b.done)
		b.srv.Serve(l)
	}()
	s.t.Cleanup(b.stop)
	return nil
}

// stop ends it with all its connections.
func (b *backend) stop() {
	if b != nil && b.srv != nil {
		b.srv.Close()
		<-b.done
		b.srv = nil
	}
}
