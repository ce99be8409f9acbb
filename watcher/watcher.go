// Package watcher turns file system events into batches of changed paths.
//
//	events ──▶ tree ──▶ settle ──▶ content ──▶ Batch
//	 hints    which     when it    whether it
//	          path      is quiet   is another
//
// An event is only a hint that something happened at a path. What is reported
// comes from comparing the path with what is known of it, so that an event too
// many, in the wrong order, or lost in an overflow cannot make a Batch wrong:
//
//   - A path is reported when its content differs from what the last Batch left,
//     however it was written: in place, by rename, or by delete and create.
//   - A write of equal content is no change, nor is a file that came and went.
//   - What was created in a new directory before its watch stood is reported.
//   - After an overflow or a lost watch everything is compared again.
//   - Only regular files have content; fifos, sockets and devices are never opened.
package watcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"
)

// Options tunes a [Watcher]. The zero value is ready to use.
type Options struct {
	// Settle is how long the tree must be quiet before a [Batch] is sent. Zero means 3ms,
	// and 1ms as long as all events are of one path: a save of a single file is what a person waits for,
	// and one that is written in pieces further apart is just reported again. Every event restarts it, up to MaxWait.
	Settle time.Duration

	// MaxWait is the ceiling of settling: a tree that is never quiet still
	// sends a Batch this long after its first event. Zero means 100ms.
	MaxWait time.Duration

	// Ignore are doublestar globs, matched against the slash-separated path
	// relative to the root, that are left out beside the built-in ones
	// (node_modules, dot directories, output folders, editors' temporary files).
	// One without a slash matches a name at any depth, one that ends in a slash
	// only directories, and one that starts with ! takes back what an earlier or
	// a built-in one ignored. What is below an ignored directory is ignored.
	Ignore []string

	// Poll looks for changes in place of being told of them, for file systems that tell nothing (network drives,
	// shared folders of containers and virtual machines). It does so ten times a second, or as often as takes a
	// twentieth of a core.
	// Where the file system is known to tell too little, or is seen to, it is done without Poll.
	Poll bool

	// OnSettling is told of events as long as all since the last Batch are of one path: what will have to be done may be begun
	// while it settles. It may be told of one change several times, and of what turns out to be none. It is called from Run's
	// goroutine and must return at once. Nil is told nothing.
	OnSettling func(path string)

	// OnError is told, from Run's goroutine, what leaves a part of the tree without
	// events, such as a limit of the system, once for each cause and with the cure.
	// That part is polled instead, and for a limit only as long as it is reached. Nil logs it.
	OnError func(error)

	// OnPanic is told of a panic in what Run does, onBatch included, by the goroutine that it came from: debug.Stack has the
	// stack. Run goes on, and compares everything. Nil logs it.
	OnPanic func(what string, value any)

	Log *slog.Logger // debug records; nil discards them
}

// Op says what happened to a path since the last [Batch].
type Op uint8

const (
	Create Op = iota + 1 // the path was not there before
	Write                // the content is another
	Remove               // the path is gone
)

func (o Op) String() string {
	switch o {
	case Create:
		return "create"
	case Write:
		return "write"
	case Remove:
		return "remove"
	}
	return fmt.Sprintf("Op(%d)", uint8(o))
}

// A Change is one path that differs from what the last Batch left.
type Change struct {
	Path string // absolute, cleaned
	Op   Op
}

// A Batch is what changed between two quiet moments: each path once, sorted.
type Batch struct {
	Changes []Change
	Written time.Time // last change of a file that is there, by its file system's clock; zero if none is
	First   time.Time // when the first event of the batch was seen
	Settled time.Time // when it had been quiet for long enough; then the contents were compared
}

// Watcher watches root directories recursively, and single files outside them.
type Watcher struct {
	opts     Options
	alone    time.Duration // in place of opts.Settle while there is but one path
	leisure  time.Duration // as the constant
	roots    []string
	ignore   *ignore
	open     func() (source, error)
	doubtful func(dir string) string // its file system, if that is not to be relied on
	exact    func(dir string) bool   // whether equal time stamps there prove that nobody wrote
	spent    func() time.Duration    // CPU time of this thread
	ready    chan struct{}
	wake     chan struct{} // holds one token while extra is news to Run

	mu     sync.Mutex      // guards what follows
	extra  map[string]bool // as in setExtra
	status Status
	ran    bool
}

// New checks options and roots; it starts nothing.
func New(roots []string, o Options) (*Watcher, error) {
	if o.Settle < 0 || o.MaxWait < 0 {
		return nil, fmt.Errorf("watcher: negative Settle %v or MaxWait %v", o.Settle, o.MaxWait)
	}
	alone := o.Settle
	if o.Settle == 0 {
		alone = time.Millisecond
		o.Settle = 3 * time.Millisecond // longer than a rename pair takes, a tenth of what a person can see
	}
	if o.MaxWait == 0 {
		o.MaxWait = max(100*time.Millisecond, o.Settle)
	}
	if o.MaxWait < o.Settle {
		return nil, fmt.Errorf("watcher: MaxWait %v is less than Settle %v", o.MaxWait, o.Settle)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("pkg", "watcher")
	if o.OnError == nil {
		o.OnError = func(err error) { o.Log.Debug("part of the tree has no events", "err", err) }
	}
	if o.OnPanic == nil {
		o.OnPanic = func(what string, value any) {
			o.Log.Error("panic", "in", what, "value", value, "stack", string(debug.Stack()))
		}
	}

	w := &Watcher{
		opts:     o,
		alone:    alone,
		leisure:  leisure,
		open:     openNotify,
		doubtful: doubtful,
		exact:    exact,
		spent:    spent,
		ready:    make(chan struct{}),
		wake:     make(chan struct{}, 1),
	}
	if o.Poll {
		w.open = func() (source, error) { return newPolled(), nil }
	}
	for _, root := range roots {
		abs, err := filepath.Abs(root)
		if err != nil {
			return nil, fmt.Errorf("watcher: root %q: %w", root, err)
		}
		info, err := os.Stat(abs)
		if err != nil {
			return nil, fmt.Errorf("watcher: root %q: %w", root, errors.Unwrap(err))
		}
		if !info.IsDir() {
			return nil, fmt.Errorf("watcher: root %q is not a directory", root)
		}
		w.roots = append(w.roots, abs)
	}
	var err error
	w.ignore, err = newIgnore(w.roots, o.Ignore)
	return w, err
}

// Ready is closed once every root is watched: a change after that is reported.
func (w *Watcher) Ready() <-chan struct{} { return w.ready }

// Watch sets the paths beyond the roots (or below them, but ignored) to be
// watched too: what the module graph has read, and where it has looked for more.
// Relative paths are taken from the working directory. Only these paths are
// reported, by these names; a directory counts as there or not there, and a path
// that leads through other links than before counts as written.
//
// Watch returns at once. What was changed between the last Batch and Watch is
// reported too, as the build that asks for the path may have read it earlier, and
// what was read and is there no more.
// Safe for concurrent use, also from within onBatch and before Run.
func (w *Watcher) Watch(read, looked []string) {
	extra := make(map[string]bool, len(read)+len(looked))
	for i, paths := range [][]string{looked, read} {
		for _, p := range paths {
			if p, err := filepath.Abs(p); err == nil {
				extra[p] = i == 1
			}
		}
	}
	w.mu.Lock()
	w.extra = extra
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run watches until ctx is done, then returns nil. It calls onBatch for one
// batch at a time; events go on being gathered while onBatch runs. A file that is
// written meanwhile is in the next Batch even if its content is equal in the end,
// as onBatch may have read it halfway. Run may be called once.
//
// Where no events can be had, be it for the whole tree, it is polled, and [Watcher.Status] says why. The only error is
// that Run was called before.
func (w *Watcher) Run(ctx context.Context, onBatch func(Batch)) error {
	w.mu.Lock()
	ran := w.ran
	w.ran = true
	w.mu.Unlock()
	if ran {
		return errors.New("watcher: Run was called before")
	}

	start, began := time.Now(), stamped()
	t := newTree(ctx, w)
	defer t.close()
	t.safely(t.start)
	t.safely(func() { t.setExtra(w.takeExtra(), time.Time{}) })
	if ctx.Err() != nil {
		return nil
	}
	t.report()
	close(w.ready)
	w.opts.Log.Debug("ready", "directories", len(t.dirs), "watches", len(t.watches), "took_ms", time.Since(start).Milliseconds())

	t.since = began
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		t.safely(func() { t.step(timer, onBatch) })
	}
	return nil
}

var always = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// step waits for something to do and does it.
func (t *tree) step(timer *time.Timer, onBatch func(Batch)) {
	t.report()
	var idle chan struct{}
	due := t.due()
	switch {
	case !t.ahead.left() || len(t.dirty) > 0: // nothing is read ahead while a change settles
	case time.Now().Before(t.ahead.from):
		due = earlier(due, t.ahead.from)
	default:
		idle = always
	}
	timer.Reset(time.Until(due))
	select {
	case <-t.ctx.Done():
	case <-t.wake:
		t.setExtra(t.takeExtra(), t.since)
	case <-t.feed.ready:
		t.takeIn()
	case <-timer.C:
		if b, ok := t.flush(time.Now()); ok {
			t.since = stamped()
			t.handOn(b, onBatch)
		}
	case <-idle:
		t.fill()
	}
}

func (w *Watcher) takeExtra() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.extra
}
