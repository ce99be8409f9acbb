package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// messages are what pages sent by import.meta.hot.send, the newest of each name.
type messages struct {
	mu   sync.Mutex
	data map[string]string
	news chan struct{} // closed and replaced when one comes
}

func newMessages() *messages { return &messages{data: map[string]string{}, news: make(chan struct{})} }

func (m *messages) add(event string, data json.RawMessage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.data[event] = string(data)
	close(m.news)
	m.news = make(chan struct{})
}

// wait waits until the newest message of a name has this data.
func (m *messages) wait(event, want string) error {
	timeout := time.After(limit)
	for {
		m.mu.Lock()
		got, ok := m.data[event]
		news := m.news
		m.mu.Unlock()
		if ok && got == want {
			return nil
		}
		select {
		case <-news:
		case <-timeout:
			return fmt.Errorf("heard %q", got)
		}
	}
}

func (s *scenario) heard(rest string) error {
	event, want, err := pair(rest)
	if err == nil && want != "" {
		want, err = compactJSON(want)
	}
	if err != nil {
		return err
	}
	return s.srv.messages.wait(event, want)
}

func (s *scenario) publish(rest string) error {
	event, data := first(rest)
	return s.srv.site.Publish(event, json.RawMessage(data))
}

// A loss is an event stream on its way to a page, from which the next event "built" is taken out when the front is
// told to lose one.
type loss struct {
	http.ResponseWriter
	front *front
	part  []byte // of an event that is not whole
}

func (l *loss) Unwrap() http.ResponseWriter { return l.ResponseWriter }

func (l *loss) Write(data []byte) (int, error) {
	l.part = append(l.part, data...)
	for {
		i := bytes.Index(l.part, []byte("\n\n"))
		if i < 0 {
			return len(data), nil
		}
		event := l.part[:i+2]
		if !bytes.Contains(event, []byte("event: built\n")) || !l.front.loses() {
			if _, err := l.ResponseWriter.Write(event); err != nil {
				return 0, err
			}
		}
		l.part = l.part[i+2:]
	}
}
