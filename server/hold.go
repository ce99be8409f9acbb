package server

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/devserve/devserve/command"
)

const (
	// holdTimeout is how long a request is held while the program that is to answer it starts.
	holdTimeout = 30 * time.Second

	// maxHeld is how many requests are held at once: many times what all tabs of a person ask for, and a few MB.
	maxHeld = 1000

	// drainTimeout is what answers under way have to end before their program is. Event streams and WebSockets
	// do not count, as they never would.
	drainTimeout = time.Second

	// redialEvery is the pause before a program that is said to be ready, but does not listen yet, is asked again.
	redialEvery = 20 * time.Millisecond
)

// A hold keeps requests back while the programs that are to answer them are on their way to be ready, and lets those
// under way end before a program does. So a restart is a pause for a page, and not an error.
type hold struct {
	programs []string
	group    *command.Group
	timeout  time.Duration // holdTimeout, but in tests
	slots    chan struct{} // one for each request that is held

	mu    sync.Mutex
	under int           // requests under way
	idle  chan struct{} // closed once there are none; nil if nobody waits for that
}

func newHold(programs []string) *hold {
	return &hold{programs: programs, timeout: holdTimeout, slots: make(chan struct{}, maxHeld)}
}

// A heldError says why a request was not handed on.
type heldError string

func (e heldError) Error() string { return string(e) }

// enter returns when a request may be sent, and what to call once when its answer has ended, or goes on for ever.
func (h *hold) enter(ctx context.Context) (leave func(), err error) {
	h.begin()
	if h.pending() == nil {
		return sync.OnceFunc(h.end), nil
	}
	h.end()
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		return nil, heldError(fmt.Sprintf("%d requests are waiting for %s already", maxHeld, h))
	}
	wait, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	for {
		if err := h.group.Wait(wait, h.programs...); err != nil {
			if ctx.Err() == nil && wait.Err() != nil {
				err = heldError(fmt.Sprintf("%s has not been ready for %v", h, h.timeout))
			}
			return nil, err
		}
		// A drain that began before does not count this request. So look again once it is counted.
		h.begin()
		if h.pending() == nil {
			return sync.OnceFunc(h.end), nil
		}
		h.end()
	}
}

// pending returns nil if nothing is to be waited for.
func (h *hold) pending() error { return h.group.Wait(over, h.programs...) }

// over is a context that is done.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

func (h *hold) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.under++
}

func (h *hold) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.under--; h.under == 0 && h.idle != nil {
		close(h.idle)
		h.idle = nil
	}
}

// drain waits until no request is under way, but not for long. The group has begun to hold requests back.
func (h *hold) drain(ctx context.Context) {
	h.mu.Lock()
	if h.under == 0 {
		h.mu.Unlock()
		return
	}
	if h.idle == nil {
		h.idle = make(chan struct{})
	}
	idle := h.idle
	h.mu.Unlock()
	timer := time.NewTimer(drainTimeout)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// again reports, after a pause, whether to dial anew: a program that runs may not listen yet.
func (h *hold) again(ctx context.Context, since time.Time) bool {
	if time.Since(since) > h.timeout || !h.runs() {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(redialEvery):
		return true
	}
}

// runs reports whether a program is running, ready or not.
func (h *hold) runs() bool {
	for _, name := range h.programs {
		if s, ok := h.group.State(name); ok && (s.Serving || s.Phase == command.Starting) {
			return true
		}
	}
	return false
}

// String names the programs for a person.
func (h *hold) String() string { return strings.Join(h.programs, ", ") }

// describe says what the program is about that is waited for.
func (h *hold) describe() string {
	for _, name := range h.programs {
		s, _ := h.group.State(name)
		switch s.Phase {
		case command.Waiting:
			return "It is built and started once a generator has run well"
		case command.Building:
			return "It is being built"
		case command.Starting:
			return "It is being started"
		case command.Failed:
			return "It has failed (" + s.Reason + ") and is tried again when its sources change"
		case command.Stopped:
			return "It has ended by itself and is started again when its sources change"
		}
	}
	return "It runs"
}
