package watcher

import (
	"errors"

	"github.com/fsnotify/fsnotify"
)

// errPolled is why a directory has no events when Options.Poll wants none.
var errPolled = errors.New("watcher: polled")

// polled is a source without events, for file systems that have none: network drives, shared folders of virtual
// machines and containers. All of the tree is a blind spot then, see pollEvery.
type polled struct {
	ev  chan fsnotify.Event
	err chan error
}

func openPolled() (source, error) {
	return polled{make(chan fsnotify.Event), make(chan error)}, nil
}

func (p polled) add(string) error              { return errPolled }
func (p polled) remove(string) error           { return nil }
func (p polled) events() <-chan fsnotify.Event { return p.ev }
func (p polled) errors() <-chan error          { return p.err }

func (p polled) close() error {
	close(p.ev)
	close(p.err)
	return nil
}
