package command

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
)

const (
	lineLimit  = 4 << 10  // of a line; what is longer is no message
	queueLimit = 1 << 20  // of lines that wait for their reader: a screenful a thousand times over
	headLimit  = 64 << 10 // what a build says first is what matters
	tailLimit  = 16 << 10 // what a program says last is what matters
	crashLimit = 64 << 10 // of a crash: its goroutine comes first
)

// A queue holds the lines of one command for its reader. What does not fit is left out.
type queue struct {
	mu      sync.Mutex // guards what follows
	lines   []string
	size    int
	dropped int
	closed  bool
	wake    chan struct{} // holds one token while there is something to read
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

func (q *queue) push(line []byte) {
	q.mu.Lock()
	if q.size+len(line) > queueLimit || q.closed {
		q.dropped++
	} else {
		q.lines = append(q.lines, string(line))
		q.size += len(line) + 16
	}
	q.mu.Unlock()
	q.nudge()
}

func (q *queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.nudge()
}

// read calls each for every line until the queue is closed and empty.
func (q *queue) read(each func(string)) {
	for {
		q.mu.Lock()
		lines, dropped, closed := q.lines, q.dropped, q.closed
		q.lines, q.size, q.dropped = nil, 0, 0
		q.mu.Unlock()
		for _, l := range lines {
			each(l)
		}
		if dropped > 0 {
			each(fmt.Sprintf("… %d lines were left out", dropped))
		}
		if len(lines) == 0 && dropped == 0 {
			if closed {
				return
			}
			<-q.wake
		}
	}
}

// An output takes what one process prints: it hands on lines, and keeps as much as a diagnosis needs. It is written by
// one goroutine, and read when the process has ended.
type output struct {
	queue *queue
	line  []byte // not ended yet
	long  bool   // line is cut

	head  []byte
	more  bool // there was more than head
	tail  []byte
	crash []byte // from the last line on that begins a crash
}

func (o *output) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		part := b
		if i >= 0 {
			part = b[:i]
		}
		if room := lineLimit - len(o.line); len(part) > room {
			part, o.long = part[:room], true
		}
		o.line = append(o.line, part...)
		if i < 0 {
			break
		}
		o.endLine()
		b = b[i+1:]
	}
	return n, nil
}

// flush takes what has no line's end for a line.
func (o *output) flush() {
	if len(o.line) > 0 {
		o.endLine()
	}
}

func (o *output) endLine() {
	line := bytes.TrimSuffix(o.line, []byte("\r"))
	if o.long {
		line = append(line, "…"...)
	}
	o.queue.push(line)
	o.keep(line)
	o.line, o.long = o.line[:0], false
}

func (o *output) keep(line []byte) {
	if len(o.head)+len(line) < headLimit {
		o.head = append(append(o.head, line...), '\n')
	} else {
		o.more = true
	}
	o.tail = append(append(o.tail, line...), '\n')
	if len(o.tail) > 2*tailLimit {
		o.tail = append(o.tail[:0], o.tail[len(o.tail)-tailLimit:]...)
	}
	if beginsCrash(line) {
		o.crash = o.crash[:0]
	} else if len(o.crash) == 0 {
		return
	}
	if len(o.crash)+len(line) < crashLimit {
		o.crash = append(append(o.crash, line...), '\n')
	}
}

// beginsCrash reports whether the Go runtime says such a line before it ends the program.
func beginsCrash(line []byte) bool {
	return bytes.HasPrefix(line, []byte("panic: ")) || bytes.HasPrefix(line, []byte("fatal error: ")) ||
		bytes.HasPrefix(line, []byte("SIG")) && bytes.Contains(line, []byte(": ")) ||
		bytes.HasPrefix(line, []byte("runtime: goroutine stack exceeds"))
}

// last are the last n lines that are not empty.
func (o *output) last(n int) string {
	var lines []string
	for l := range strings.Lines(string(o.tail)) {
		if l = strings.TrimRight(l, " \t\n"); l != "" {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
