package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// ErrClosed is returned by [Group.Wait] once [Group.Run] has ended.
var ErrClosed = errors.New("command: closed")

// Group supervises commands. Its methods are safe for concurrent use.
type Group struct {
	opts  Options
	units []*unit
	snap  *snapshot // used by sort alone once Run has begun

	hinted chan struct{}      // holds one token while hints is news to sort
	scans  chan chan struct{} // asks sort to look at everything; closed when it has

	mu     sync.Mutex // guards what follows, and what unit says is
	hints  []string
	news   chan struct{} // closed, and another made, when a state or what is due changes
	ran    bool
	closed bool
}

// New checks specs and options; it starts nothing. Generators are run, and programs started, in the order of specs.
func New(specs []Spec, o Options) (*Group, error) {
	if o.Grace < 0 {
		return nil, fmt.Errorf("command: negative Grace %v", o.Grace)
	}
	if o.Grace == 0 {
		o.Grace = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("pkg", "command")
	if o.OnState == nil {
		o.OnState = func(State) {}
	}
	if o.Output == nil {
		o.Output = func(string, string) {}
	}
	if o.OnPanic == nil {
		o.OnPanic = func(what string, value any) {
			o.Log.Error("panic", "in", what, "value", value, "stack", string(debug.Stack()))
		}
	}

	g := &Group{
		opts:   o,
		hinted: make(chan struct{}, 1),
		scans:  make(chan chan struct{}),
		news:   make(chan struct{}),
	}
	names := map[string]bool{}
	var watches []*watch
	for i, s := range specs {
		u, err := newUnit(g, i, s)
		if err != nil {
			return nil, err
		}
		if names[u.spec.Name] {
			return nil, fmt.Errorf("command: two commands are called %q", u.spec.Name)
		}
		names[u.spec.Name] = true
		g.units = append(g.units, u)
		watches = append(watches, &u.watch)
	}
	g.snap = newSnapshot(watches)
	return g, nil
}

// Roots are the directories below which files are that commands watch: absolute, none below another.
func (g *Group) Roots() []string {
	var roots []string
	for _, u := range g.units {
		for _, glob := range u.watch.globs {
			roots = append(roots, glob.base)
		}
	}
	roots = outermost(roots)
	for i, r := range roots {
		roots[i] = filepath.FromSlash(r)
	}
	return roots
}

// Reads reports whether the file at path, which is absolute, is one whose change has a command run anew by its Watch.
func (g *Group) Reads(path string) bool {
	name := filepath.ToSlash(path)
	return slices.ContainsFunc(g.units, func(u *unit) bool { return matchAny(u.watch.globs, name) && !u.watch.excluded(name) })
}

// Run runs the commands until ctx is done, then ends every process and returns nil. It may be called once.
// An error means that nothing can be run at all: a command that fails, or is not there, is a [State].
func (g *Group) Run(ctx context.Context) error {
	g.mu.Lock()
	ran := g.ran
	g.ran = true
	g.mu.Unlock()
	if ran {
		return errors.New("command: Run was called before")
	}
	defer g.close()
	temp, err := os.MkdirTemp(os.Getenv("GOTMPDIR"), "devserve-")
	if err != nil {
		return fmt.Errorf("command: folder for programs: %w", err)
	}
	defer os.RemoveAll(temp)

	g.safely(searching, func() { g.snap.scan() }) // what changes from now on is a change
	g.mu.Lock()
	for _, u := range g.units {
		u.due("start", nil)
	}
	g.mu.Unlock()

	var wg sync.WaitGroup
	defer wg.Wait()
	for _, u := range g.units {
		wg.Go(func() {
			u.queue.read(func(line string) { g.safely("Output", func() { g.opts.Output(u.spec.Name, line) }) })
		})
		wg.Go(func() {
			defer u.queue.close()
			u.run(ctx, filepath.Join(temp, fmt.Sprint(u.index)))
		})
	}
	g.sort(ctx)
	return nil
}

func (g *Group) close() {
	g.mu.Lock()
	g.closed = true
	g.tell()
	g.mu.Unlock()
}

// Changed says which files may have changed, by absolute path. It returns at once.
func (g *Group) Changed(paths []string) {
	g.mu.Lock()
	g.hints = append(g.hints, paths...)
	g.mu.Unlock()
	select {
	case g.hinted <- struct{}{}:
	default:
	}
}

// safely does what may panic, and reports whether it returned.
func (g *Group) safely(what string, do func()) (returned bool) {
	defer func() {
		if v := recover(); v != nil {
			g.opts.OnPanic(what, v)
		}
	}()
	do()
	return true
}

const searching = "the search for changed files"

// afterPanic is when everything is looked at again: often enough for a person, and no load if that panics too.
const afterPanic = 5 * time.Second

// sort finds out which files have another content and whom that concerns, until ctx is done.
func (g *Group) sort(ctx context.Context) {
	again := time.NewTimer(0)
	again.Stop()
	defer again.Stop()
	look := func() {
		select {
		case <-ctx.Done():
		case <-g.hinted:
			g.mu.Lock()
			hints := g.hints
			g.hints = nil
			g.mu.Unlock()
			g.mark(g.snap.look(hints))
		case done := <-g.scans:
			defer close(done)
			g.mark(g.snap.scan())
		case <-again.C:
			g.mark(g.snap.scan())
		}
	}
	for ctx.Err() == nil {
		if !g.safely(searching, look) {
			clear(g.snap.files) // all is changed: what was found is lost
			again.Reset(afterPanic)
		}
	}
}

// scan has all that was written until now marked before it returns.
func (g *Group) scan(ctx context.Context) {
	done := make(chan struct{})
	select {
	case <-ctx.Done():
		return
	case g.scans <- done:
	}
	select {
	case <-ctx.Done():
	case <-done:
	}
}

// mark makes those units due that read one of the files, and those after a generator that became due.
func (g *Group) mark(files []string) {
	if len(files) == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, u := range g.units {
		var mine []string
		for _, f := range files {
			if u.watch.match(f) {
				mine = append(mine, u.watch.relative(f))
			}
		}
		if len(mine) == 0 {
			continue
		}
		slices.Sort(mine)
		g.opts.Log.Debug("changed", "command", u.spec.Name, "files", mine)
		if u.uncut {
			for _, f := range mine {
				u.during[f] = true
			}
			continue
		}
		u.due(changed(mine), mine)
	}
}

// changed is what a person wants to know of changed files.
func changed(files []string) string {
	if len(files) == 1 {
		return files[0] + " changed"
	}
	return fmt.Sprintf("%s and %d more changed", files[0], len(files)-1)
}

// tell wakes those who wait for news; g.mu is held.
func (g *Group) tell() {
	close(g.news)
	g.news = make(chan struct{})
}

// Restart builds and starts the named command anew, or all if name is "", as if what it watches had changed.
func (g *Group) Restart(name, reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, u := range g.units {
		if name == "" || u.spec.Name == name {
			u.due(reason, nil)
		}
	}
}

// State is the present state of the named command.
func (g *Group) State(name string) (State, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, u := range g.units {
		if u.spec.Name == name {
			return u.state, true
		}
	}
	return State{}, false
}

// States are the present states of all commands in the order of their Specs.
func (g *Group) States() []State {
	g.mu.Lock()
	defer g.mu.Unlock()
	states := make([]State, len(g.units))
	for i, u := range g.units {
		states[i] = u.state
	}
	return states
}

// Wait blocks while one of the named commands, or of all if none is named, is on its way to be ready and no older
// program of it serves. It returns nil when each is ready, has failed, or has stopped, see [Group.State]; [ErrClosed]
// when Run has ended; or ctx's error. Before Run it blocks.
func (g *Group) Wait(ctx context.Context, names ...string) error {
	for {
		g.mu.Lock()
		pending := slices.ContainsFunc(g.units, func(u *unit) bool {
			return (len(names) == 0 || slices.Contains(names, u.spec.Name)) && u.pending()
		})
		closed, news := g.closed, g.news
		g.mu.Unlock()
		switch {
		case closed:
			return ErrClosed
		case !pending:
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		}
	}
}

// blocker is the first generator before the unit at index that has not ended well; g.mu is held.
func (g *Group) blocker(index int) *unit {
	for _, u := range g.units[:index] {
		if u.spec.Generator && !u.good() {
			return u
		}
	}
	return nil
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
