// Package ctime tells when a file was last changed.
package ctime

import (
	"io/fs"
	"time"
)

// Tick is how far apart two changes are that surely have different times: file systems count in steps of the timer, mostly 4ms.
const Tick = 50 * time.Millisecond

// Of returns when the file was changed, its content or its metadata. Unlike the time of modification nobody can set that: npm
// gives every file one of 1985, and copies, archives and checkouts bring old ones along. Systems that do not
// tell it, such as Windows, give the time of modification.
func Of(info fs.FileInfo) time.Time { return of(info) }

// Fresh reports whether the file may still change without a new time.
func Fresh(info fs.FileInfo) bool { return time.Since(Of(info)).Abs() < Tick }
