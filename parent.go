package main

import (
	"context"
	"os"
	"regexp"
	"time"
)

// underGo is how the Go command names a program that it runs, by go run from a temporary folder or, as go tool
// always, from its cache.
var underGo = regexp.MustCompile(`[/\\](go-build\d+[/\\]b\d+[/\\]exe|[0-9a-f]{2}[/\\][0-9a-f]{64}-d)[/\\][^/\\]+$`)

// lookEvery is how often the parent is looked for: a port that is still taken when make runs again
// is in its way.
const lookEvery = 100 * time.Millisecond

// withParent returns a context that is done when ctx is, or when the Go command that runs this program has ended. That
// passes on an interrupt, but dies of SIGTERM and SIGKILL alone (https://go.dev/issue/40467), and nobody would
// end us then. Any other parent may well end first.
func withParent(ctx context.Context) context.Context {
	name, err := os.Executable()
	if err != nil || !underGo.MatchString(name) {
		return ctx
	}
	ctx, cancel := context.WithCancel(ctx)
	parent := os.Getppid()
	go func() {
		defer cancel()
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for os.Getppid() == parent {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return ctx
}
