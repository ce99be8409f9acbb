//go:build !linux

package watcher

import "time"

var started = time.Now()

// spent counts all time as ours, as long as a thread's own is not asked for.
func spent() time.Duration { return time.Since(started) }
