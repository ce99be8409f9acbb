// Package watcher turns file system events into batches of changed paths.
package watcher

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Options tunes a [Watcher]. The zero value is ready to use.
type Options struct {
	// Settle is how long the tree must be quiet before a [Batch] is sent.
	// Zero means 3ms. Every event restarts it, up to MaxWait.
	Settle time.Duration

	// MaxWait is the ceiling of settling: a tree that is never quiet still
	// sends a Batch this long after its first event. Zero means 100ms.
	MaxWait time.Duration

	// Ignore are doublestar globs, matched against the slash-separated path
	// relative to the root, that are left out beside the built-in ones
	// (node_modules, dot directories, output folders, editors' temporary files).
	Ignore []string

	Log *slog.Logger // debug records; nil discards them
}

// Op says what happened to a path since the last [Batch].
type Op uint8

const (
	Create Op = iota + 1 // the path was not there before
	Write                // the content is another
	Remove               // the path is gone
)

// A Change is one path that differs from what the last Batch left.
type Change struct {
	Path string // absolute, cleaned
	Op   Op
}

// A Batch is what changed between two quiet moments: each path once, sorted.
type Batch struct {
	Changes []Change
	First   time.Time // when the first event of the batch was seen
}

// Watcher watches root directories recursively, and single files outside them.
type Watcher struct{}

// New checks options and roots; it starts nothing.
func New(roots []string, o Options) (*Watcher, error) { return nil, errors.ErrUnsupported }

// Run watches until ctx is done, then returns nil. It calls onBatch for one
// batch at a time; events go on being gathered while onBatch runs.
func (w *Watcher) Run(ctx context.Context, onBatch func(Batch)) error { return errors.ErrUnsupported }

// Ready is closed once every root is watched: a change after that is reported.
func (w *Watcher) Ready() <-chan struct{} { return nil }

// Watch sets the paths beyond the roots (or below them, but ignored) to be
// watched too: what the module graph has read, or looked for and not found.
// Safe for concurrent use.
func (w *Watcher) Watch(paths []string) {}
