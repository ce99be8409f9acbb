package main

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/devserve/devserve/command"
	"github.com/devserve/devserve/server"
)

const (
	// queueLength is how many events wait for a terminal that is held (Ctrl+S) or a pipe that
	// nobody reads, before more are counted only: builds never wait for output.
	queueLength = 256

	progressAfter = time.Second            // shorter work is better not commented
	progressEvery = 100 * time.Millisecond // readable, and no work to speak of
)

// The events of a run, besides server.Build.
type (
	// ready says that the port answers.
	ready struct {
		dir            string
		local, network []string // URLs, at least one
		port, wanted   int      // what is listened on, and what was asked for
		took           time.Duration
	}
	note      struct{ text string }       // something unusual, in words
	reloading struct{ reason string }     // a page loads itself anew
	printed   struct{ name, line string } // by a command

	commandState struct {
		command.State
		errors []server.Diagnostic
	}

	stopped struct{}
)

// A printer renders one event, or returns "" for what is not to be shown.
type printer interface {
	print(at time.Time, event any) string
	progress(compiled, found int) string // one line without its end, or "" if never shown
}

// A console prints events in order, from a goroutine of its own.
type console struct {
	w      io.Writer
	p      printer
	events chan stamped
	wake   chan struct{} // progress was reported while there was none
	done   chan struct{} // everything is printed

	mu              sync.Mutex
	closed          bool
	lost            int // events that did not fit the queue
	since           time.Time
	compiled, found int // of the running build; found is 0 when none runs
}

type stamped struct {
	at    time.Time
	event any
}

func newConsole(w io.Writer, o options) *console {
	var p printer = newText(w, o.quiet)
	if o.json {
		p = &jsonLines{quiet: o.quiet}
	}
	return startConsole(w, p)
}

func startConsole(w io.Writer, p printer) *console {
	c := &console{
		w: w, p: p,
		events: make(chan stamped, queueLength),
		wake:   make(chan struct{}, 1),
		done:   make(chan struct{}),
	}
	go c.run()
	return c
}

// tell prints event soon. It never waits, and does nothing after close.
func (c *console) tell(event any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if _, ok := event.(server.Build); ok {
		c.found = 0
	}
	select {
	case c.events <- stamped{time.Now(), event}:
	default:
		c.lost++
	}
}

// output prints a line of a command's. It waits while there is much to print: the command's own queue, and not other
// events, suffers from one that prints more than anybody reads. It does not wait once ctx is done.
func (c *console) output(ctx context.Context, name, line string) {
	for len(c.events) > queueLength/2 && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
	c.tell(printed{name, line})
}

// progress shows how far a build is, if it takes long.
func (c *console) progress(compiled, found int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.found == 0 {
		c.since = time.Now()
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
	c.compiled, c.found = compiled, max(found, 1)
}

// Write makes a note of what the log packages write, a line each.
func (c *console) Write(line []byte) (int, error) {
	c.tell(note{strings.TrimSuffix(string(line), "\n")})
	return len(line), nil
}

// close prints what is left, for at most limit: a reader that does not read must not keep
// the process alive.
func (c *console) close(limit time.Duration) {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.events)
	}
	c.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
	}
}

func (c *console) run() {
	defer close(c.done)
	timer := time.NewTimer(progressAfter)
	defer timer.Stop()
	shown := "" // the line of progress that stands where the next will go
	for {
		select {
		case e, ok := <-c.events:
			if !ok {
				io.WriteString(c.w, over(shown, ""))
				return
			}
			text := c.print(e)
			if n := c.takeLost(); n > 0 {
				text += c.p.print(e.at, note{fmt.Sprintf("%d more events are not shown, as the output was blocked", n)})
			}
			if text != "" {
				io.WriteString(c.w, over(shown, "")+text) // nobody to tell if it fails
				shown = ""
			}
		case <-c.wake:
			timer.Reset(progressAfter)
		case <-timer.C:
			line, wait := c.line()
			if line != shown {
				io.WriteString(c.w, over(shown, line))
				shown = line
			}
			if wait > 0 {
				timer.Reset(wait)
			}
		}
	}
}

func (c *console) print(e stamped) string {
	defer c.caught("what is printed")
	return c.p.print(e.at, e.event)
}

// caught is to be deferred: a panic becomes a note, with its stack.
func (c *console) caught(what string) {
	if v := recover(); v != nil {
		c.tell(note{fmt.Sprintf("panic in %s: %v\n%s", what, v, debug.Stack())})
	}
}

// line returns the progress to show now and when to look again, 0 if a build does not run.
func (c *console) line() (string, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.found == 0 {
		return "", 0
	}
	if wait := progressAfter - time.Since(c.since); wait > 0 {
		return "", wait
	}
	return c.p.progress(c.compiled, c.found), progressEvery
}

func (c *console) takeLost() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.lost
	c.lost = 0
	return n
}

// over writes line over the one that is shown. Both are plain ASCII and shorter than any terminal.
func over(shown, line string) string {
	if shown == "" {
		return line
	}
	return "\r" + line + strings.Repeat(" ", max(0, len(shown)-len(line))) + "\r" + line
}
