package command

import (
	"context"
	"errors"
)

// Group supervises commands. Its methods are safe for concurrent use.
type Group struct {
	specs []Spec
	opts  Options
}

// New checks specs and options; it starts nothing. Generators are run, and programs started, in the order of specs.
func New(specs []Spec, o Options) (*Group, error) {
	return &Group{specs: specs, opts: o}, nil
}

// Run runs the commands until ctx is done, then ends every process and returns nil. It may be called once.
// An error means that nothing can be run at all: a command that fails, or is not there, is a [State].
func (g *Group) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Changed says which files may have changed, by absolute path. It returns at once.
func (g *Group) Changed(paths []string) {}

// Wait blocks while one of the named commands, or of all if none is named, is on its way to be ready and no older
// program of it serves. It returns nil when each is ready, has failed, or has stopped, see [Group.State]; [ErrClosed]
// when Run has ended; or ctx's error. Before Run it blocks.
func (g *Group) Wait(ctx context.Context, names ...string) error { return ctx.Err() }

// State is the present state of the named command.
func (g *Group) State(name string) (State, bool) { return State{}, false }

// States are the present states of all commands in the order of their Specs.
func (g *Group) States() []State { return nil }

// Restart builds and starts the named command anew, as if what it watches had changed.
func (g *Group) Restart(name, reason string) {}

// Roots are the directories below which files are that commands watch: absolute, none below another.
func (g *Group) Roots() []string { return nil }

// ErrClosed is returned by [Group.Wait] once [Group.Run] has ended.
var ErrClosed = errors.New("command: closed")
